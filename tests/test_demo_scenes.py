"""The demo's drawn scenes: what is held out stays apart, and the same seed draws the same bytes.

pytest tests/test_demo_scenes.py
"""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

from smvl.demo_scenes import documents, shapes, write_demo_data, writing
from smvl.demo_scenes.digits import NUM_DIGITS, load_digits, split_digits
from smvl.demo_scenes.draw import MARKER, UNFINISHED, check_apart
from smvl.demo_scenes.paint import paint
from smvl.demo_scenes.picture import GLYPH, SHAPE, Mark, Picture
from smvl.demo_scenes.tasks import DOCUMENTS, READING_TASKS, TASKS, draw_captions, draw_document, draw_scene
from smvl.demo_scenes.words import CHARACTERS, COLOURS, HELDOUT, SHAPES, TRAIN, split_of_text

CLASS_COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of the original set
SMALL = {"seed": 3, "num_align": 12, "num_finetune": 40, "num_heldout": 40}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    write_demo_data(folder, **SMALL)
    return folder


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def digest_files(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_sheet_holds_all_the_digits_of_the_set():
    ink, labels = load_digits()
    assert ink.shape == (NUM_DIGITS, 8, 8) and int(ink.max()) == 16
    assert numpy.bincount(labels).tolist() == CLASS_COUNTS


def test_no_digit_is_on_both_sides_of_the_split():
    train, heldout = ({index for each in split_digits()[split].values() for index in each} for split in (TRAIN, HELDOUT))
    assert not train & heldout
    assert len(train | heldout) == NUM_DIGITS


def test_the_same_seed_draws_the_same_bytes(drawn, tmp_path):
    write_demo_data(tmp_path, **SMALL)
    assert digest_files(tmp_path) == digest_files(drawn)


def test_another_seed_draws_other_bytes(drawn, tmp_path):
    write_demo_data(tmp_path, **{**SMALL, "seed": 4})
    assert digest_files(tmp_path)["heldout.jsonl"] != digest_files(drawn)["heldout.jsonl"]


def test_a_drawn_folder_is_left_alone(drawn):
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    write_demo_data(drawn, **SMALL)
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_a_half_drawn_folder_is_drawn_again(drawn, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / UNFINISHED).write_text("{}")
    (tmp_path / "images" / "finetune-999999-0.png").write_bytes(b"left by a run that was killed")
    write_demo_data(tmp_path, **SMALL)
    assert digest_files(tmp_path) == digest_files(drawn)


def test_other_arguments_for_a_drawn_folder_are_refused(drawn):
    with pytest.raises(ValueError, match="num_heldout.*is asked for"):
        write_demo_data(drawn, **{**SMALL, "num_heldout": 41})
    assert (drawn / MARKER).exists()


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "mine.png").write_bytes(b"somebody's own")
    with pytest.raises(ValueError, match="not the demo's"):
        write_demo_data(tmp_path, **SMALL)
    assert (tmp_path / "images" / "mine.png").exists()


def test_heldout_reading_answers_never_occur_in_training(drawn):
    train = {message["content"] for row in read_rows(drawn / "finetune.jsonl") for message in row["messages"][1::2]}
    train |= {message["content"] for row in read_rows(drawn / "text.jsonl") for message in row["messages"][1::2]}
    heldout = {
        message["content"]
        for row in read_rows(drawn / "heldout.jsonl") if row["task"] in READING_TASKS
        for message in row["messages"][1::2]
    }  # fmt: skip
    assert heldout and not train & heldout
    assert all(split_of_text(answer) == HELDOUT for answer in heldout)


def test_a_shared_combination_or_digit_is_noticed():
    generator = random.Random(1)
    sign = [draw_scene(generator, TRAIN) for _ in range(80)]
    with pytest.raises(AssertionError, match="both sides"):
        check_apart(sign, sign)


def test_every_image_of_a_row_is_there_and_opens(drawn):
    for name in ("finetune", "heldout"):
        for row in read_rows(drawn / f"{name}.jsonl"):
            parts = [part for message in row["messages"][::2] for part in message["content"]]
            paths = [part["image"] for part in parts if part["type"] == "image"]
            assert paths and all(max(Image.open(drawn / path).size) >= 96 for path in paths)


def test_text_rows_have_no_image(drawn):
    rows = read_rows(drawn / "text.jsonl")
    assert len(rows) == round(SMALL["num_finetune"] * 0.14)
    assert {part["type"] for row in rows for message in row["messages"][::2] for part in message["content"]} == {"text"}


def test_align_rows_load_as_the_cauldron_does(drawn, tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_parquet(str(drawn / "align" / "align.parquet"), cache_dir=str(tmp_path))
    assert len(rows) == SMALL["num_align"]
    assert max(rows[0]["images"][0].size) >= 96
    assert set(rows[0]["texts"][0]) == {"user", "assistant", "source"}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_has_its_colour_where_it_stands(shape, colour):
    image = paint(Picture(96, 96, (Mark(SHAPE, shape, 30, 60, 28, colour),), seed=5))
    zoom = image.size[0] / 96
    seen = numpy.array(image.getpixel((round(30 * zoom), round(60 * zoom))), dtype=int)
    distances = {name: numpy.abs(seen - value).sum() for name, value in COLOURS.items()}
    assert min(distances, key=distances.get) == colour


def test_every_character_of_the_pool_is_in_the_font():
    missing = {paint_ink("\U0010ffff")}  # what the font shows for a character it lacks
    inks = {character: paint_ink(character) for character in CHARACTERS + "0123456789元"}
    assert not missing & set(inks.values())
    assert len(set(inks.values())) == len(inks)


def paint_ink(character: str) -> bytes:
    picture = Picture(96, 48, (Mark(GLYPH, character, 48, 24, 40),), seed=1)
    return paint(picture).tobytes()


def test_pictures_agree_with_their_answers():
    generator = random.Random(2)
    pair = shapes.draw_pair(generator, side_by_side=True)
    left, right = sorted(pair.marks, key=lambda mark: mark.x)
    answers = {shapes.ask_position(generator, pair) for _ in range(60)}
    for question, answer in answers:
        mark = left if question.startswith("左") else right
        assert answer in (f"{mark.colour}色", SHAPES[mark.label], f"{mark.colour}色的{SHAPES[mark.label]}")
    number = writing.draw_number(generator, HELDOUT, 4)
    _, labels = load_digits()
    assert writing.ask_number(generator, number)[1] == "".join(str(labels[mark.digit_index]) for mark in number.marks)


def documents_of(task: str, split: str = TRAIN, num: int = 40) -> list[tuple[Picture, str, str]]:
    """(picture, question, answer) of some documents of one kind."""
    kind, generator = getattr(documents, task), random.Random(task)
    turns = [kind(generator, split).turns[0] for _ in range(num)]
    return [(turn.pictures[0], turn.question, turn.answer) for turn in turns]


def test_a_charts_bars_are_as_high_as_its_answers_say():
    for picture, question, answer in documents_of("chart"):
        heights = {panel.colour: panel.bottom - panel.top for panel in picture.panels}
        best = max(heights, key=heights.get) if "高" in question else min(heights, key=heights.get)
        assert answer == (f"{best}色" if "最" in question else f"{len(heights)}条")


def test_a_dials_needle_points_at_its_answer():
    for picture, _, answer in documents_of("dial"):
        image = numpy.asarray(paint(picture).convert("L").resize((96, 96)), dtype=int)
        angles = [numpy.deg2rad(135 + 30 * tick) for tick in range(10)]
        darkness = [image[round(48 + 20 * numpy.sin(angle)), round(48 + 20 * numpy.cos(angle))] for angle in angles]
        assert int(numpy.argmin(darkness)) == int(answer)


def test_tables_and_receipts_say_what_their_answers_say():
    for picture, question, answer in documents_of("table"):
        entries = {line[0]: line[1:] for line in documents.printed_lines(picture)}
        asked = next((good for good in entries if good in question), None)
        assert answer == (entries[asked] if asked else "\n".join(f"|{good}|{number}|" for good, number in entries.items()))
    for picture, question, answer in documents_of("receipt"):
        (good, *price), (_, *total) = documents.printed_lines(picture)
        values = {good: int("".join(price)), "金": int("".join(total[:-1]))}
        assert json.loads(answer) == values if "JSON" in question else answer == ("".join(price) if good in question else "".join(total))


def test_calligraphy_is_read_downwards():
    for picture, _, answer in documents_of("calligraphy"):
        assert answer == "".join(mark.label for mark in sorted(picture.marks, key=lambda mark: mark.y))


def test_what_is_not_on_a_price_tag_is_said_to_be_missing():
    refused = [(picture, answer) for picture, _, answer in documents_of("price_tag") if answer.startswith("图中没有")]
    assert refused and all(answer[4] not in "".join(documents.printed_lines(picture)) for picture, answer in refused)


def test_no_document_is_printed_on_both_sides():
    generator = random.Random(3)
    sides = [
        {"".join(documents.printed_lines(draw_document(generator, split).pictures[0])) for _ in range(300)} - {""}
        for split in (TRAIN, HELDOUT)
    ]
    assert min(map(len, sides)) > 150 and not sides[0] & sides[1]


def test_every_task_draws_for_both_sides():
    for task in [*TASKS, *DOCUMENTS]:
        for split in (TRAIN, HELDOUT):
            scene = task(random.Random(1), split)
            assert scene.task == task.__name__ and scene.pictures and scene.turns[-1].answer
    assert draw_captions(random.Random(1), TRAIN).pictures


def test_drawing_does_not_import_torch():
    code = "import sys, smvl.demo_scenes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0
