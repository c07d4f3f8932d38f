"""The demo's drawn scenes: what is held out stays apart, and the same seed draws the same bytes.

pytest tests/test_demo_scenes.py
"""

import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy
import pytest
from matplotlib.mathtext import MathTextParser
from PIL import Image

from smvl.config import SourceConfig
from smvl.demo_scenes import documents, shapes, uses, write_demo_data, writing
from smvl.demo_scenes.digits import NUM_DIGITS, load_digits, split_digits
from smvl.demo_scenes.draw import MARKER, UNFINISHED, check_apart, write_scenes
from smvl.demo_scenes.paint import paint
from smvl.demo_scenes.picture import GLYPH, SHAPE, Mark, Picture, Scene
from smvl.demo_scenes.tasks import DOCUMENTS, READING_TASKS, TASKS, USES, draw_captions, draw_document, draw_scene
from smvl.demo_scenes.words import CHARACTERS, COLOURS, HELDOUT, SHAPES, TRAIN, split_of_text
from smvl.infer.form.form import Form
from smvl.infer.tool_calls import read_functions
from smvl.source_registry import open_source

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


def test_a_folder_that_an_older_version_drew_is_refused(drawn, tmp_path):
    (tmp_path / MARKER).write_text(json.dumps(SMALL))
    with pytest.raises(ValueError, match="'version': 2.* is asked for. Remove the folder"):
        write_demo_data(tmp_path, **SMALL)


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
            parts = [part for message in row["messages"] if message["role"] == "user" for part in message["content"]]
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
        assert answer == ("".join(price) if good in question else "".join(total))


def test_a_good_of_a_table_has_no_number_of_its_own():
    """What is held out is a whole table: a good and its number alone would be a prior that a model learns instead of reading."""
    tables = [[picture for picture, _, _ in documents_of("table", split, 1500)] for split in (TRAIN, HELDOUT)]
    pairs = [{entry for picture in pictures for entry in documents.printed_lines(picture)} for pictures in tables]
    assert len(pairs[0]) == len(documents.GOODS) * 10 and pairs[1] <= pairs[0]


def uses_of(task: str, split: str = TRAIN, num: int = 60) -> list[Scene]:
    generator = random.Random(task)
    return [getattr(uses, task)(generator, split) for _ in range(num)]


def test_answers_in_json_match_the_schema_in_their_question_and_the_picture():
    checked = 0
    for task in ("retail", "industry", "office"):
        for scene in uses_of(task):
            [turn] = scene.turns
            if turn.call:
                continue
            question, told = turn.question.split(f"\n{uses.ASKS_JSON}")
            schema, answer = json.loads(told), json.loads(turn.answer)
            assert turn.question == f"{question}\n{Form.json_schema(schema).instruction(question)}"
            jsonschema.validate(answer, schema)
            assert turn.answer == json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
            printed = "".join(documents.printed_lines(scene.pictures[0]))
            for each in answer if schema["type"] == "array" else [answer]:
                told = schema.get("items", schema)
                assert list(each) == list(told["properties"]) == told["required"]
                assert all(str(each[key]) in printed for key in ("商品", "单价", "合计", "设备") if key in each)
            checked += 1
    assert checked > 60


def test_calls_fit_their_functions_and_the_picture_and_are_followed_by_a_reply():
    called = set()
    for task in ("retail", "industry", "office"):
        for scene in uses_of(task):
            [turn] = scene.turns
            if turn.call is None:
                continue
            arguments, functions = turn.call.arguments, read_functions(scene.tools)
            jsonschema.validate(arguments, functions[turn.call.name])
            assert arguments.keys() == functions[turn.call.name]["properties"].keys() and turn.answer == ""
            printed = "".join(documents.printed_lines(scene.pictures[0]))
            assert task == "industry" or all(str(value) in printed for value in arguments.values())
            assert turn.call.result and turn.call.reply.endswith("。")
            called.add(turn.call.name)
    assert called == {"update_price", "check_stock", "report_reading", "record_expense"}


def test_an_inspection_says_what_its_sheet_says_and_the_limit_that_was_said():
    checked = set()
    for scene in uses_of("industry", num=100):
        [turn] = scene.turns
        answer = json.loads(turn.answer or "{}")
        if "检查表" in turn.question:
            lines = [dict(zip(("设备", "读数", "上限"), (line[0], int(line[1]), int(line[2])))) for line in printed_lines(scene)]
            assert answer == [{name: line[name] for name in each} for line, each in zip(lines, answer, strict=True)]
            checked |= set(answer[0])
        elif "上限" in answer:
            assert f"上限{answer['上限']}。" in turn.question
    assert checked == {"设备", "读数", "上限"}


def printed_lines(scene: Scene) -> list[str]:
    return documents.printed_lines(scene.pictures[0])


def test_sums_are_right_latex_with_the_step_between():
    for scene in uses_of("study"):
        [turn] = scene.turns
        (left, right), (below, same) = (re.findall("[0-9]", line) for line in documents.printed_lines(scene.pictures[0]))
        assert below == same
        task = rf"\frac{{{left}}}{{{below}}}+\frac{{{right}}}{{{below}}}"
        whole = rf"{task}=\frac{{{left}+{right}}}{{{below}}}=\frac{{{int(left) + int(right)}}}{{{below}}}"
        assert turn.answer == (whole if "题和答" in turn.question else task)
        assert turn.question.endswith(f"\n{Form.latex().instruction(turn.question)}")
        MathTextParser("agg").parse(f"${turn.answer}$")


def test_calls_and_their_tools_are_written_as_rows_that_training_reads(tmp_path):
    scene = next(scene for scene in uses_of("retail") if scene.turns[0].call)
    (tmp_path / "images").mkdir()
    call = scene.turns[0].call
    called = {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    for replies in (False, True):
        write_scenes(tmp_path, "rows", [scene], replies=replies)
        sample = open_source(SourceConfig(path=str(tmp_path / "rows.jsonl")))[0]
        messages = sample.messages if not replies else sample.messages[:-2]
        assert messages[-1]["tool_calls"] == [called] and sample.tools == list(scene.tools)
        assert not replies or [message["content"] for message in sample.messages[-2:]] == [call.result, call.reply]


def test_calligraphy_is_read_downwards():
    for picture, _, answer in documents_of("calligraphy"):
        assert answer == "".join(mark.label for mark in sorted(picture.marks, key=lambda mark: mark.y))


def test_what_is_not_on_a_price_tag_is_said_to_be_missing():
    refused = [(picture, answer) for picture, _, answer in documents_of("price_tag") if answer.startswith("图中没有")]
    assert refused and all(answer[4] not in "".join(documents.printed_lines(picture)) for picture, answer in refused)


def test_two_street_signs_are_not_one_sign_of_the_other_side():
    for split in (TRAIN, HELDOUT):
        texts = {"".join(documents.printed_lines(picture)) for picture, _, _ in documents_of("street_sign", split, 200)}
        assert {len(text) for text in texts} == {2, 4} and {split_of_text(text) for text in texts} == {split}


def test_no_document_is_printed_on_both_sides():
    generator = random.Random(3)
    sides = [
        {"".join(documents.printed_lines(draw_document(generator, split).pictures[0])) for _ in range(300)} - {""}
        for split in (TRAIN, HELDOUT)
    ]
    assert min(map(len, sides)) > 150 and not sides[0] & sides[1]


def test_every_task_draws_for_both_sides():
    for task in [*TASKS, *DOCUMENTS, *USES]:
        for split in (TRAIN, HELDOUT):
            scene = task(random.Random(1), split)
            assert scene.task == task.__name__ and scene.pictures and (scene.turns[-1].answer or scene.turns[-1].call)
    assert draw_captions(random.Random(1), TRAIN).pictures


def test_drawing_does_not_import_torch():
    code = "import sys, smvl.demo_scenes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0
