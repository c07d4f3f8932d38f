"""Boxes in answers: read, called back, held to as a form, and drawn, in pixels of the picture as its user sees it.

python -m pytest tests/test_grounding.py
"""

import io
import json
import random
import re
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import infer
import smvl
from smvl.grounding import MOST, Box, Grounding, Point, bbox_2d, boxes_of, point_2d, read_grounding
from smvl.infer.answer import Answer
from smvl.infer.command import parse_arguments
from smvl.infer.drawing import fonts
from smvl.infer.drawing.fonts import font_for
from smvl.infer.drawing.marks import COLOURS, draw_marks
from smvl.infer.form.form import Form
from smvl.infer.form.options import form_of
from smvl.layouts.image_processors import EncoderSides, make_image_processor
from smvl.layouts.pictures import Pictures, Plan
from smvl.layouts.qwen3_vl.patches import PatchPictures
from smvl.layouts.smolvlm.tiles import TilePictures
from smvl.processing.images import image_header, read_image
from tests.test_engine import one_thread, save_small_checkpoint  # noqa: F401
from tests.test_form import NO_OPTIONS, accepts

ROOT = Path(__file__).parent.parent
HORSE = '{"bbox_2d": [100, 250, 500, 1000], "label": "马"}'
IN_PIXELS = Box(64.0, 120.0, 320.0, 480.0, "马")
"""The same in a picture of 640 x 480."""


def answer_of(text: str) -> Answer:
    return Answer(text, "", "stop", 0, 0, 0, 0, 0.0, 0.0)


# ---- reading --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n[\n\t{HORSE}\n]\n```",
        f"[{HORSE}]",
        HORSE,
        '[{"bbox_2d":[100,250,500,1000],"label":"马"}]',
        '{"label": "\\u9a6c", "bbox_2d": [1e2, 250.0, 500, 1000]}',
        f"图中{{}}有一匹马:\n```json\n{HORSE}\n```\n在{{左}}边,$\\frac{{1}}{{2}}$。",
        f'{{"objects": [{HORSE}], "count": 1}}',
        f'{{"objects": [{HORSE}, {{"name":',
        '{"at": {"row": 1}, "bbox_2d": [100, 250, 500, 1000], "label": "马", "colours": ["{", {"a": "}"}]}',
    ],
)
def test_a_box_is_read_with_a_fence_or_without_alone_or_in_a_list_and_with_text_around(text: str) -> None:
    assert read_grounding(text, 640, 480) == Grounding((IN_PIXELS,), (), {})
    assert boxes_of(text, 640, 480) == [IN_PIXELS]


def test_boxes_and_points_come_in_the_order_of_the_answer() -> None:
    text = '{"bbox_2d": [0, 0, 1, 1]} {"point_2d": [500, 500], "label": "b"} [{"bbox_2d": [0, 0, 1000, 1000], "label": "{c"}]'
    boxes = (Box(0.0, 0.0, 0.64, 0.48), Box(0.0, 0.0, 640.0, 480.0, "{c"))
    assert read_grounding(text, 640, 480) == Grounding(boxes, (Point(320.0, 240.0, "b"),), {})


def test_a_box_may_have_no_width() -> None:
    assert boxes_of('{"bbox_2d": [500, 0, 500, 1000]}', 10, 10) == [Box(5.0, 0.0, 5.0, 10.0)]


def test_a_text_without_boxes_has_none() -> None:
    for text in ("", "没有", "[]", "[[1, 2, 3, 4]]", '{"bbox": [1, 2, 3, 4]}', "<box>(1,2),(3,4)</box>", "bbox_2d"):
        assert read_grounding(text, 640, 480) == Grounding((), (), {})


NOT_FOUR = "bbox_2d is not four numbers"
NOT_WITHIN = "a number of bbox_2d is not from 0 to 1000"


@pytest.mark.parametrize(
    "malformed, reason",
    [
        ('{"bbox_2d": [1, 2, 3]}', NOT_FOUR),
        ('{"bbox_2d": [1, 2, 3, 4, 5]}', NOT_FOUR),
        ('{"bbox_2d": [[1, 2, 3, 4], [5, 6, 7, 8]]}', NOT_FOUR),
        ('{"bbox_2d": ["1", 2, 3, 4]}', NOT_FOUR),
        ('{"bbox_2d": [true, 2, 3, 4]}', NOT_FOUR),
        ('{"bbox_2d": "1, 2, 3, 4"}', NOT_FOUR),
        ('{"bbox_2d": null}', NOT_FOUR),
        ('{"bbox_2d": [-1, 2, 3, 4]}', NOT_WITHIN),
        ('{"bbox_2d": [1, 2, 3, 1001]}', NOT_WITHIN),
        ('{"bbox_2d": [1, 2, 3, 1000.5]}', NOT_WITHIN),
        ('{"bbox_2d": [1, 2, 3, NaN]}', NOT_WITHIN),
        ('{"bbox_2d": [1, 2, 3, Infinity]}', NOT_WITHIN),
        ('{"bbox_2d": [1, 2, 3, 1e999]}', NOT_WITHIN),
        ('{"bbox_2d": [1, 2, 3, %s]}' % ("9" * 5000), NOT_WITHIN),
        ('{"bbox_2d": [5, 2, 3, 4]}', "bbox_2d ends left of where it begins, or above"),
        ('{"bbox_2d": [1, 5, 3, 4]}', "bbox_2d ends left of where it begins, or above"),
        ('{"bbox_2d": [1, 2, 3, 4], "label": 5}', "label is no text"),
        ('{"bbox_2d": [1, 2, 3, 4], "label": null}', "label is no text"),
        ('{"bbox_2d": [1, 2, 3, 4], "bbox_2d": [5, 6, 7, 8]}', "bbox_2d stands twice in one object"),
        ('{"point_2d": [1, 2, 3]}', "point_2d is not two numbers"),
        ('{"point_2d": [1, 2000]}', "a number of point_2d is not from 0 to 1000"),
        ("{'bbox_2d': [1, 2, 3, 4]}", "it stands in no whole JSON object"),
        ('{"bbox_2d": [1, 2, 3 4]}', "it stands in no whole JSON object"),
        ('"bbox_2d": [1, 2, 3, 4]', "it stands in no whole JSON object"),
        ('{"bbox_2d": [1, 2, 3, 4], "label": "%s"}' % ("长" * 10_000), "it stands in no whole JSON object"),
    ],
)
def test_what_is_malformed_is_dropped_and_counted_and_its_neighbours_are_read(malformed: str, reason: str) -> None:
    assert read_grounding(malformed, 640, 480) == Grounding((), (), {reason: 1})
    assert read_grounding(f"[{HORSE}, {malformed}, {malformed}, {HORSE}]", 640, 480) == Grounding((IN_PIXELS,) * 2, (), {reason: 2})


def test_an_answer_that_was_cut_keeps_its_whole_boxes_and_counts_the_other() -> None:
    text = f'```json\n[\n\t{HORSE},\n\t{{"bbox_2d": [1, 2'
    assert read_grounding(text, 640, 480) == Grounding((IN_PIXELS,), (), {"it stands in no whole JSON object": 1})


def test_of_thousands_of_boxes_the_first_thousand_are_read_and_the_others_counted() -> None:
    found = read_grounding(f"[{', '.join([HORSE] * 5000)}]", 640, 480)
    assert (len(found.boxes), found.points, found.dropped) == (MOST, (), {"there are more than 1,000": 4000})


@pytest.mark.parametrize(
    "text", ["{" * 300_000, '{"a":' * 60_000, '{"bbox_2d":[' * 4000, ("{" * 20 + '"bbox_2d":') * 4000, '{"a":[' + '{"b":1},' * 30_000]
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    assert read_grounding(text, 640, 480).boxes == ()
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: boxes_of(answer_of(HORSE), 640, 480), "the answer is of the type Answer; expected its text."),
        (lambda: boxes_of(HORSE, 0, 480), "the picture's width is 0; expected a whole number of pixels of at least 1."),
        (lambda: boxes_of(HORSE, 640, 480.0), "the picture's height is 480.0; expected a whole number"),
        (
            lambda: bbox_2d(Box(0, 0, 641, 1), 640, 480),
            "the box from 0, 0 to 641, 1 does not lie in a picture of 640 x 480 pixels;",
        ),
        (lambda: bbox_2d(Box(2, 0, 1, 1), 640, 480), "expected 0 <= left <= right <= width and 0 <= top <= bottom <= height."),
        (lambda: bbox_2d(Box(0, float("nan"), 1, 1), 640, 480), "the box from 0, nan to 1, 1 does not lie in"),
        (lambda: point_2d(Point(-1, 0), 640, 480), "the point -1, 0 does not lie in a picture of 640 x 480 pixels."),
    ],
)
def test_what_can_be_no_box_and_no_picture_is_refused(call: Callable, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        call()


# ---- there and back, through both layouts ---------------------------------------------------------------------------------------


def test_a_box_of_pixels_is_called_by_thousandths() -> None:
    assert bbox_2d(IN_PIXELS, 640, 480) == [100, 250, 500, 1000]
    assert bbox_2d(Box(0, 0, 640, 480), 640, 480) == [0, 0, 1000, 1000]
    assert bbox_2d(Box(1, 1, 2, 2), 3, 3) == [333, 333, 667, 667]
    assert bbox_2d(Box(7000, 0, 7003, 1), 8000, 1) == [875, 0, 875, 1000]  # thinner than a thousandth
    assert point_2d(Point(320, 120), 640, 480) == [500, 250]
    assert all(type(number) is int for number in bbox_2d(Box(np.float32(1), 0, 2, 2), 3, 3))


ROTATIONS = {  # EXIF orientation: how the upright picture is turned to be stored so
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(picture: Image.Image, orientation: int) -> bytes:
    """A PNG whose EXIF says how to turn it upright."""
    exif, turn, file = Image.Exif(), ROTATIONS[orientation], io.BytesIO()
    exif[0x0112] = orientation
    (picture if turn is None else picture.transpose(turn)).save(file, format="PNG", exif=exif, compress_level=1)
    return file.getvalue()


def drawn(seed: int) -> tuple[bytes, tuple[int, int], Box]:
    """A picture file, wide, tall, tiny or large, its upright size, and its one rectangle of full red, of which the rest has none."""
    generator = random.Random(seed)
    long, short, tiny, middle, large = (800, 2400), (30, 120), (8, 24), (200, 1000), (1001, 1600)
    ranges = ((long, short), (short, long), (tiny, tiny), (middle, middle), (large, large))[seed % 5]
    width, height = (generator.randint(*each) for each in ranges)
    (left, right), (top, bottom) = (span(generator, side) for side in (width, height))
    picture = Image.new("RGB", (width, height), (0, generator.randrange(200), generator.randrange(200)))
    ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), fill=(255, generator.randrange(200), 0))
    return stored(picture, 1 + seed % 8), (width, height), Box(left, top, right, bottom, "红色")


def span(generator: random.Random, side: int) -> tuple[int, int]:
    """Two edges at least a quarter of a side apart, so that a narrow view of it still has some pixels between them."""
    length = generator.randint(-(-side // 4), side)
    first = generator.randint(0, side - length)
    return first, first + length


def tile_pictures() -> Pictures:
    """Tiles of 96 pixels, at most 2 x 2 of them and the view of the whole."""
    return TilePictures(make_image_processor("smolvlm", EncoderSides(96, 16), {}, {}), 36)


def patch_pictures() -> Pictures:
    """Native resolution with a least and a most, so that small pictures are enlarged and large ones are not shown whole."""
    sides = {"min_pixels": 64 * 64, "max_pixels": 300 * 300}
    return PatchPictures(make_image_processor("qwen3_vl", EncoderSides(96, 16), {}, sides))


def shown_by_tiles(pixels: np.ndarray, plan: Plan) -> list[np.ndarray]:
    """What the model sees of a picture, (3, height, width) each: the tiles side by side, and the view of the whole behind them."""
    if not plan.rows:
        return [pixels[0]]
    _, colours, height, width = pixels.shape
    grid = pixels[:-1].reshape(plan.rows, plan.columns, colours, height, width).transpose(2, 0, 3, 1, 4)
    return [grid.reshape(colours, plan.rows * height, plan.columns * width), pixels[-1]]


def shown_by_patches(pixels: np.ndarray, plan: Plan) -> list[np.ndarray]:
    """The same: patches come in squares of 2 x 2."""
    _, colours, side, _ = pixels.shape
    squares = pixels.reshape(plan.rows // 2, plan.columns // 2, 2, 2, colours, side, side).transpose(4, 0, 2, 5, 1, 3, 6)
    return [squares.reshape(colours, plan.rows * side, plan.columns * side)]


def red_in(view: np.ndarray) -> Box:
    """Where the red rectangle is in what the model sees."""
    red = view[0] > 127
    rows, columns = (np.flatnonzero(red.any(axis=axis)) for axis in (1, 0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1, "红色")


def distances(one: Box, other: Box) -> tuple[float, float]:
    """The furthest that two boxes are apart at an edge, in each direction."""
    apart = np.abs(np.subtract(one.edges, other.edges))
    return float(apart[::2].max()), float(apart[1::2].max())


def text_of(box: Box, width: int, height: int) -> str:
    return json.dumps([{"bbox_2d": bbox_2d(box, width, height), "label": box.label}], ensure_ascii=False)


@pytest.mark.parametrize("pictures, shown", [(tile_pictures(), shown_by_tiles), (patch_pictures(), shown_by_patches)])
def test_200_boxes_are_where_they_were_and_where_the_model_is_shown_them(pictures: Pictures, shown: Callable) -> None:
    """To a pixel of what it is shown (to a tenth of its own, where it is enlarged) and to the rounding.

    Tiles are cut of a picture that was scaled before, in its proportions, so that one's pixels count too.
    """
    sizes = set()
    for seed in range(200):
        file, (width, height), truth = drawn(seed)
        picture = read_image(file)
        assert picture.size == (width, height)
        [back] = answer_of(text_of(truth, width, height)).grounding(file).boxes
        across, down = distances(back, truth)
        assert across <= width / 2000 + 1e-9 and down <= height / 2000 + 1e-9 and back.label == "红色"
        assert (width > 1000 or across <= 0.5) and (height > 1000 or down <= 0.5)
        plan = pictures.plan(height, width)
        coarsest = max(0.1, max(width, height) / plan.level if pictures.unit == "tiles" else 0.0)
        for view in shown(pictures.cut_bytes(picture, plan), plan):
            _, view_height, view_width = view.shape
            [seen] = boxes_of(text_of(red_in(view), view_width, view_height), width, height)  # as a model that sees well would answer
            across, down = distances(seen, truth)
            assert across <= max(width / view_width, coarsest) + width / 2000
            assert down <= max(height / view_height, coarsest) + height / 2000
            sizes.add((view_width, view_height))
    assert len(sizes) >= 4


@pytest.mark.parametrize("orientation", ROTATIONS)
def test_pixels_are_those_of_the_upright_picture(orientation: int) -> None:
    file = stored(Image.new("RGB", (64, 48)), orientation)
    assert answer_of(HORSE).grounding(file).boxes == (Box(6.4, 12.0, 32.0, 48.0, "马"),)
    assert answer_of(HORSE).grounding(Image.open(io.BytesIO(file))).boxes == (Box(6.4, 12.0, 32.0, 48.0, "马"),)


def test_pixels_are_those_of_the_file_where_a_large_picture_is_read_at_half_its_size(tmp_path: Path) -> None:
    Image.new("1", (10_001, 5001)).save(tmp_path / "large.png")
    header = image_header(tmp_path / "large.png")
    assert (header.width, header.height, header.seen_size) == (5001, 2501, (10_001, 5001))
    assert answer_of('{"bbox_2d": [0, 0, 1000, 1000]}').grounding(tmp_path / "large.png").boxes == (Box(0.0, 0.0, 10_001.0, 5001.0),)


# ---- the form -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, is_one",
    [
        ('[{"bbox_2d":[100,250,500,1000],"label":"马"}]', True),
        ('[{"bbox_2d":[0,0,1,1],"label":""},{"bbox_2d":[7,80,999,1000],"label":"b"}]', True),
        ("[]", True),
        ('{"bbox_2d":[100,250,500,1000],"label":"马"}', False),
        ('[{"bbox_2d":[100,250,500,1001],"label":"马"}]', False),
        ('[{"bbox_2d":[-1,250,500,1000],"label":"马"}]', False),
        ('[{"bbox_2d":[1.5,250,500,1000],"label":"马"}]', False),
        ('[{"bbox_2d":[100,250,500],"label":"马"}]', False),
        ('[{"bbox_2d":[100,250,500,1000,1],"label":"马"}]', False),
        ('[{"bbox_2d":[100,250,500,1000]}]', False),
        ('[{"label":"马","bbox_2d":[100,250,500,1000]}]', False),
        ('[{"bbox_2d":[100,250,500,1000],"label":3}]', False),
    ],
)
def test_the_form_is_a_list_of_boxes_in_whole_thousandths(text: str, is_one: bool) -> None:
    assert accepts(Form.boxes(), text) == is_one


def test_labels_may_be_given() -> None:
    form = Form.boxes(["圆形", "方形", "圆形"])
    assert accepts(form, '[{"bbox_2d":[1,2,3,4],"label":"方形"}]') and not accepts(form, '[{"bbox_2d":[1,2,3,4],"label":"星形"}]')
    for labels in ([], "圆形", ["圆形", ""], [3]):
        with pytest.raises(ValueError, match="^labels is .*; expected a list of texts, none of them empty.$"):
            Form.boxes(labels)


def test_the_question_says_the_form_in_its_language() -> None:
    shown = '[{"bbox_2d":[x1,y1,x2,y2],"label":"..."}]'
    assert Form.boxes().instruction("框出马。") == f"请用JSON回答方框,坐标从0到1000:{shown}"
    assert Form.boxes().instruction("Where?") == f"Answer with boxes in JSON, coordinates from 0 to 1000: {shown}"
    assert Form.boxes(["圆形", "方形"]).instruction("框出来。").endswith(f'{shown};label取其中之一:"圆形", "方形"')
    assert Form.boxes(["a", "b"]).instruction("Where?").endswith(f'{shown}; label is one of: "a", "b"')


def test_options_of_the_command_line_name_it() -> None:
    assert form_of({**NO_OPTIONS, "boxes": True}) == Form.boxes()
    assert form_of({**NO_OPTIONS, "boxes_of": "圆形,方形"}) == Form.boxes(["圆形", "方形"])
    with pytest.raises(ValueError, match="--boxes and --table were given together"):
        form_of({**NO_OPTIONS, "boxes": True, "table": True})
    with pytest.raises(ValueError, match="^--boxes-of: labels is "):
        form_of({**NO_OPTIONS, "boxes_of": "圆形,"})


# ---- drawing --------------------------------------------------------------------------------------------------------------------


def test_a_line_is_within_its_box_and_a_label_beside_it() -> None:
    picture = Image.new("RGB", (640, 480), "white")
    assert draw_marks(picture, Grounding((IN_PIXELS, Box(400, 200, 500, 300)), (), {})) == {}
    coloured = np.all(np.asarray(picture) == COLOURS[0], axis=2)
    assert np.flatnonzero(coloured[300])[[0, -1]].tolist() == [64, 319] and np.flatnonzero(coloured[:, 200])[[0, -1]].tolist() == [120, 479]
    assert coloured[300].sum() == 4 and not coloured[:100].any() and coloured[101:120, 64].all()
    second = np.argwhere(np.all(np.asarray(picture) == COLOURS[1], axis=2))
    assert second.min(axis=0).tolist() == [200, 400] and second.max(axis=0).tolist() == [299, 499]  # it has no label


def test_labels_do_not_hide_each_other() -> None:
    picture = Image.new("RGB", (640, 480), "white")
    draw_marks(picture, Grounding((IN_PIXELS,) * 3, (Point(320, 240, "马"),), {}))
    pixels = np.asarray(picture)
    grounds = [np.all(pixels == colour, axis=2).sum() for colour in COLOURS[:4]]
    assert min(grounds) > 250 and len(set(COLOURS)) == len(COLOURS)


@pytest.mark.parametrize("size", [(2, 2), (3, 90), (200, 5), (30, 30)])
def test_a_mark_at_any_edge_of_a_tiny_picture_is_drawn(size: tuple[int, int]) -> None:
    text = "".join(f'{{"bbox_2d": [{a}, {a}, {b}, {b}], "label": "马"}}' for a, b in [(0, 0), (1000, 1000), (0, 1000)])
    picture = Image.new("RGB", size, "white")
    assert draw_marks(picture, read_grounding(text + '{"point_2d": [1000, 0], "label": "point"}', *size)) == {}
    assert picture.size == size and picture.getextrema() != ((255, 255),) * 3


def test_chinese_is_written_in_a_font_that_has_it() -> None:
    for text in ("马", "红色的圆形", "apple 苹果", "ß"):
        font = font_for(text, 16)
        assert all(bytes(font.getmask(each)) != bytes(font.getmask("\uffff")) for each in text.replace(" ", ""))
    assert "SC" in font_for("马", 16).getname()[0]
    assert font_for("😀", 16) is None and font_for("马\x1b", 16) is None


def test_without_a_chinese_font_a_label_is_a_number_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_files", lambda: iter([fonts.SUBSET_FILE]))
    picture = Image.new("RGB", (640, 480), "white")
    boxes = tuple(Box(100 * n, 100, 100 * n + 50, 200, label) for n, label in enumerate(["马", "圆形", "horse", " "]))
    assert draw_marks(picture, Grounding(boxes, (Point(5, 5, "方形"),), {})) == {2: "圆形", 5: "方形"}


# ---- infer.py -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint and two pictures, the first of which is stored on its side."""
    folder = tmp_path_factory.mktemp("drawing")
    save_small_checkpoint(folder)
    (folder / "a.png").write_bytes(stored(Image.new("RGB", (200, 100), "white"), 6))
    Image.new("RGB", (60, 90), "white").save(folder / "b.png")
    return folder


@pytest.fixture
def ask(folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run infer.py in the folder on pictures a.png or others: (exit status, stdout, stderr)."""
    monkeypatch.chdir(folder)
    (folder / "out.png").unlink(missing_ok=True)

    def run(*arguments: str, images: tuple[str, ...] = ("a.png",), question: tuple[str, ...] = ("框出马。",)) -> tuple[int, str, str]:
        given = [option for image in images for option in ("--image", image)]
        status = infer.main(["--model", "checkpoint", "--max-new-tokens", "200", *given, *arguments, *question])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def regex_of(text: str) -> tuple[str, str]:
    """Options that leave the model one answer."""
    return "--regex", re.sub(r"([\[\]{}.?])", r"\\\1", text)


def test_the_boxes_of_the_answer_are_drawn_on_the_upright_picture(folder: Path, ask: Callable) -> None:
    status, out, err = ask("--draw", "out.png", *regex_of(f"[{HORSE}]"))
    assert (status, out, err) == (0, f"[{HORSE}]\n", "out.png: 1 box of the answer on a.png.\n")
    expected = Image.new("RGB", (200, 100), "white")
    draw_marks(expected, Grounding((Box(20, 25, 100, 100, "马"),), (), {}))
    with Image.open(folder / "out.png") as found:
        assert (found.format, found.size, found.mode, dict(found.getexif())) == ("PNG", (200, 100), "RGB", {})
        assert found.tobytes() == expected.tobytes() != Image.new("RGB", (200, 100), "white").tobytes()
    assert Image.open(folder / "a.png").size == (100, 200)


def test_of_several_pictures_the_last_is_drawn_on_and_named(folder: Path, ask: Callable) -> None:
    answer = f'[{HORSE}, {HORSE}, {{"point_2d": [1, 2]}}, {{"bbox_2d": [9, 9]}}]'
    status, out, err = ask("--draw", "out.png", "--json", *regex_of(answer), images=("a.png", "b.png"))
    assert (status, json.loads(out)["answer"]) == (0, answer)
    said = "out.png: 2 boxes and 1 point of the answer on picture 2, b.png.\nNot drawn: 1 x bbox_2d is not four numbers.\n"
    assert err == said and Image.open(folder / "out.png").size == (60, 90)


def test_of_an_answer_that_was_cut_it_is_said(ask: Callable) -> None:
    status, out, err = ask("--draw", "out.png", "--max-new-tokens", "75", *regex_of(f"[{HORSE}, {HORSE}]"))
    assert (
        status == 0
        and out.startswith(f"[{HORSE}, {{")
        and err
        == (
            "The answer was cut after 75 tokens; --max-new-tokens gives it more room.\n"
            "out.png: 1 box of the answer on a.png.\nNot drawn: 1 x it stands in no whole JSON object.\n"
            "The answer was cut: its last box may not be what was meant.\n"
        )
    )


def test_labels_that_cannot_be_written_are_told_by_their_numbers(ask: Callable) -> None:
    _, _, err = ask("--draw", "out.png", *regex_of('{"bbox_2d": [1, 2, 3, 4], "label": "😀"}'))
    assert err.splitlines()[1] == (
        "Labels that no font of this machine can write are numbers: 1 is '😀'. pip install manimgx-fonts-cjk brings a font."
    )


@pytest.mark.parametrize(
    "answer, said",
    [
        ("没有", "the answer holds no box; nothing was drawn."),
        ("[]", "the answer holds no box; nothing was drawn."),
        ('{"bbox_2d": [3, 2, 1, 4]}', "the answer holds no box that can be drawn (1 x bbox_2d ends left of where it begins, or above);"),
    ],
)
def test_an_answer_without_a_box_is_printed_and_refused(folder: Path, ask: Callable, answer: str, said: str) -> None:
    status, out, err = ask("--draw", "out.png", *regex_of(answer))
    assert (status, out) == (1, f"{answer}\n") and err.startswith(f"infer.py: --draw: {said}") and err.count("\n") == 1
    assert not (folder / "out.png").exists()


@pytest.mark.parametrize(
    "draw, images, said",
    [
        ("out.png", (), "the question has no picture to draw on. Give one with --image."),
        ("a.png", ("b.png", "a.png"), "a.png is a picture of the question, which is not written over. Give another name."),
        ("./b.png", ("b.png", "a.png"), "./b.png is a picture of the question, which is not written over."),
        ("link.png", ("a.png",), "link.png is a picture of the question, which is not written over."),
        ("out.jpg", ("a.png",), "found out.jpg; expected a name that ends in .png."),
        ("none/out.png", ("a.png",), "there is no folder none to write out.png into. Make it first."),
        ("folder.png", ("a.png",), "folder.png is a folder; expected the name of a file."),
    ],
)
def test_where_nothing_can_be_drawn_nothing_is_asked(folder: Path, ask: Callable, draw: str, images: tuple[str, ...], said: str) -> None:
    (folder / "folder.png").mkdir(exist_ok=True)
    if not (folder / "link.png").exists():
        (folder / "link.png").hardlink_to(folder / "a.png")
    status, out, err = ask("--draw", draw, images=images)
    assert (status, out) == (1, "") and err.startswith(f"infer.py: --draw: {said}") and err.count("\n") == 1


def test_a_chat_draws_nothing(ask: Callable) -> None:
    with pytest.raises(SystemExit) as exit_:
        ask("--draw", "out.png", question=())
    assert exit_.value.code == 2


def test_within_a_memory_budget_it_is_drawn_in_full_size_all_the_same(folder: Path, ask: Callable) -> None:
    status, _, err = ask("--budget", "4GB", "--max-tiles", "1", "--draw", "out.png", *regex_of(HORSE))
    assert status == 0 and err.endswith("out.png: 1 box of the answer on a.png.\n")
    assert Image.open(folder / "out.png").size == (200, 100)


def test_a_model_that_knows_nothing_answers_in_boxes(folder: Path, ask: Callable) -> None:
    model = smvl.load(folder / "checkpoint", device="cpu")
    found: list[dict[str, Any]] = []
    for seed in range(6):
        answer = model.ask("框出马。", folder / "b.png", form=Form.boxes(["马"]), max_new_tokens=300, temperature=1.0, seed=seed)
        if answer.finish == "stop":
            found += json.loads(answer.text)
            dropped = answer.grounding(folder / "b.png").dropped
            assert set(dropped) <= {"bbox_2d ends left of where it begins, or above"}
    assert found and all(box["label"] == "马" and len(box["bbox_2d"]) == 4 for box in found)
    assert ask("--boxes-of", "马")[1].startswith("[")


# ---- docs/grounding.md ----------------------------------------------------------------------------------------------------------

DOCS = [(ROOT / f"docs/grounding{language}.md").read_text(encoding="utf-8") for language in ("", ".zh-CN")]


def code_blocks(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_both_languages_of_the_page_show_the_same_and_it_works(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert code_blocks(DOCS[0]) == code_blocks(DOCS[1])
    (_, commands), (_, example) = code_blocks(DOCS[0])
    (tmp_path / "output").mkdir()
    shutil.copytree(folder / "checkpoint", tmp_path / "output/demo")
    (tmp_path / "data/demo/images").mkdir(parents=True)
    shutil.copy(folder / "b.png", tmp_path / "data/demo/images/heldout-000000-0.png")
    monkeypatch.chdir(tmp_path)
    options = [parse_arguments(shlex.split(line)[2:]) for line in commands.splitlines()]
    assert [each.form for each in options] == [Form.boxes(), Form.boxes(["汉字", "数字"])] and {each.draw for each in options} == {
        "out.png"
    }
    exec(example, {})
    assert capsys.readouterr().out.splitlines()[-1].startswith("() {")
