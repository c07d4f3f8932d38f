"""`smvl batch`: every picture is answered once, whatever breaks, stops or kills it on the way.

python -m pytest tests/test_batch.py
"""

import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import smvl.progress
from smvl.__main__ import COMMANDS
from smvl.batch.answering import answer_pictures
from smvl.batch.command import main, make_parser
from smvl.batch.lines_file import CsvTable, JsonLines, LinesError, LinesFile
from smvl.batch.model_identity import model_identity
from smvl.batch.pictures import Broken, Picture, find_pictures
from smvl.batch.question import Question
from smvl.file_lock import holding
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from tests.test_engine import one_thread, picture, save_small_checkpoint  # noqa: F401
from tests.tiny_data import png_declaring

ROOT = Path(__file__).parents[1]
QUESTION = "图中有什么?"
NOT_AN_IMAGE = "this is not an image that can be read"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("batch"))


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine.from_folder(checkpoint, device="cpu")


@pytest.fixture
def loaded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is loaded once for all tests that ask for it."""
    monkeypatch.setattr("smvl.batch.command.load_engine", lambda options, plan: engine)


@pytest.fixture
def ask(checkpoint: Path, loaded: None, tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, list[str]]]:
    """Run the command in this process on `tmp_path/pictures`: (exit status, lines on standard error)."""

    def run(*arguments: str, out: str = "answers.jsonl", images: str | None = None, question: str = QUESTION) -> tuple[int, list[str]]:
        options = ["--model", str(checkpoint), "--images", images or f"{tmp_path}/pictures", "--question", question]
        status = main([*options, "--out", f"{tmp_path}/{out}", "--max-new-tokens", "3", *arguments])
        captured = capsys.readouterr()
        assert captured.out == ""
        return status, captured.err.splitlines()

    return run


def draw(folder: Path, number: int, *, names: Callable[[int], str] = "{:03}.png".format) -> list[str]:
    """Pictures of different colours and sizes; returns their names."""
    for index in range(number):
        path = folder / names(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(f"hsl({index * 37 % 360}, 90%, {20 + index % 60}%)", 20 + index % 40, 20 + index % 30).save(path)
    return [names(index) for index in range(number)]


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def images_of(path: Path) -> list[str]:
    return [row["image"] for row in rows_of(path)]


# ---- answers ---------------------------------------------------------------------------------------------------------------------


def test_the_answers_are_those_of_the_pictures_asked_alone(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = save_small_checkpoint(tmp_path / "model", layout=layout)
    names = draw(tmp_path / "pictures", 5, names="{}/a.png".format)
    picture("red", 300, 40).save(tmp_path / "pictures/wide.png")
    options = ["--model", str(folder), "--images", f"{tmp_path}/pictures", "--question", QUESTION, "--system", "简短。"]
    assert main([*options, "--out", f"{tmp_path}/a.jsonl", "--max-new-tokens", "8", "--batch-size", "4", "--device", "cpu"]) == 0
    engine = Engine.from_folder(folder, device="cpu")
    rows = rows_of(tmp_path / "a.jsonl")
    assert [row["image"] for row in rows] == [*names, "wide.png"]
    for row in rows:
        content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        messages = [{"role": "system", "content": "简短。"}, {"role": "user", "content": content}]
        [alone] = engine.answer([Request(messages, [Path(row["folder"], row["image"])])], max_new_tokens=8)
        assert row.pop("seconds") > 0
        assert row == {
            "image": row["image"],
            "question": QUESTION,
            "answer": alone.text,
            "finish": alone.finish,
            "num_prompt_tokens": alone.num_prompt_tokens,
            "num_image_tokens": alone.num_image_tokens,
            "num_new_tokens": alone.num_new_tokens,
            "folder": str(tmp_path / "pictures"),
        }
    assert len({row["answer"] for row in rows}) > 1, "equal answers would hide an exchange"


SCHEMA = {"type": "object", "properties": {"数": {"enum": [-1, -2]}, "字": {"enum": ["=1+1", "是"]}, "表": {"const": [True]}}}
SCHEMA["required"] = list(SCHEMA["properties"])


def test_with_a_schema_the_answer_is_parsed(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 3)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA, ensure_ascii=False), encoding="utf-8")
    form = ["--json-schema", f"{tmp_path}/schema.json"]
    assert ask(*form, "--max-new-tokens", "60") == (0, ["smvl batch: 3 pictures.", f"smvl batch: 3 answers in {tmp_path}/answers.jsonl."])
    for row in rows_of(tmp_path / "answers.jsonl"):
        assert row["finish"] == "stop" and row["json"] == json.loads(row["answer"]) and row["json"]["数"] in (-1, -2)
    assert ask(*form, "--max-new-tokens", "4", out="cut.jsonl")[0] == 0
    assert [(row["json"], row["finish"]) for row in rows_of(tmp_path / "cut.jsonl")] == [(None, "length")] * 3


def test_boxes_are_parsed_too(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 2)
    assert ask("--boxes-of", "红,蓝", "--max-new-tokens", "200")[0] == 0
    for row in rows_of(tmp_path / "answers.jsonl"):
        assert isinstance(row["json"], list) if row["finish"] == "stop" else row["json"] is None
    assert ask("--boxes", out="boxes.csv")[0] == 0
    assert list(rows_of(tmp_path / "boxes.csv")[0])[:5] == ["image", "question", "answer", "json", "finish"]


def test_in_csv_each_property_of_the_schema_is_a_column_and_no_cell_is_a_formula(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 8)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA, ensure_ascii=False), encoding="utf-8")
    ask("--json-schema", f"{tmp_path}/schema.json", "--max-new-tokens", "60", out="a.csv", question="=1+1?")
    content = (tmp_path / "a.csv").read_bytes()
    counts = "num_prompt_tokens,num_image_tokens,num_new_tokens,seconds"
    assert content.decode("utf-8").startswith(f"\ufeffimage,question,answer,json.数,json.字,json.表,finish,{counts},folder\r\n")
    for row in rows_of(tmp_path / "a.csv"):
        answer = json.loads(row["answer"])
        assert row["question"] == "'=1+1?"
        assert row["json.数"] == str(answer["数"]) and row["json.表"] == "[true]"
        assert row["json.字"] == {"=1+1": "'=1+1", "是": "是"}[answer["字"]]


def test_with_thinking_the_reasoning_stands_beside_the_answer(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 1)
    ask("--thinking")
    [row] = rows_of(tmp_path / "answers.jsonl")
    assert list(row)[:4] == ["image", "question", "answer", "reasoning"]


# ---- broken pictures -------------------------------------------------------------------------------------------------------------


def break_ten(folder: Path) -> dict[str, str]:
    """Ten files that are no pictures, by name; of each how the reason begins."""
    noise = Image.effect_noise((64, 64), 90)
    for name in ("cut.jpg", "cut.png"):
        noise.save(folder / name)
        (folder / name).write_bytes((folder / name).read_bytes()[:-1000])
    (folder / "empty.png").touch()
    (folder / "page.jpg").write_text("<!doctype html><html>404</html>", encoding="utf-8")
    (folder / "notes.webp").write_text("no picture", encoding="utf-8")
    (folder / "bomb.png").write_bytes(png_declaring(60_000, 60_000))
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    os.mkfifo(folder / "pipe.png")
    return {
        "bomb.png": "3,600,000,000 pixels; at most 120,000,000 are read.",
        "cut.jpg": "the image is damaged or cut short",
        "cut.png": "the image is damaged or cut short",
        "empty.png": "the image is empty (0 bytes).",
        "gone.png": "there is no such image file.",
        "loop.png": "there is no such image file (Too many levels of symbolic links).",
        "notes.webp": f"{NOT_AN_IMAGE} (",
        "page.jpg": f"{NOT_AN_IMAGE} (it is a web page (HTML)).",
        "phone.heic": f"{NOT_AN_IMAGE} (it is a HEIC picture, as iPhones write). Save it as PNG or JPEG.",
        "pipe.png": f"{NOT_AN_IMAGE} (it is a named pipe; expected a file).",
    }


def test_a_broken_picture_costs_its_own_answer_and_is_listed_with_its_reason(ask: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    names = draw(folder, 20)
    expected = break_ten(folder)
    status, said = ask("--batch-size", "7")
    assert status == 1
    assert images_of(tmp_path / "answers.jsonl") == names
    listed = rows_of(tmp_path / "answers.jsonl.broken.jsonl")
    assert [row["image"] for row in listed] == sorted(expected)
    for row in listed:
        assert row["reason"].startswith(expected[row["image"]]) and row["rule"] and row["folder"] == str(folder)
    assert said[0] == "smvl batch: 30 pictures."
    assert said[2:12] == [f"  {folder}/{row['image']}: {row['reason']}" for row in listed]
    assert said[12:] == [f"smvl batch: 10 could not be read: {tmp_path}/answers.jsonl.broken.jsonl. --again tries them once more."]


def test_what_was_broken_is_tried_again_only_when_asked(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 2)
    (tmp_path / "pictures/late.png").touch()
    (tmp_path / "pictures/never.png").touch()
    assert ask()[0] == 1
    picture("red").save(tmp_path / "pictures/late.png")
    assert ask()[0] == 1 and images_of(tmp_path / "answers.jsonl") == ["000.png", "001.png"]
    status, said = ask("--again")
    assert (status, said[0]) == (1, "smvl batch: 4 pictures, 2 done before.")
    assert images_of(tmp_path / "answers.jsonl") == ["000.png", "001.png", "late.png"]
    assert images_of(tmp_path / "answers.jsonl.broken.jsonl") == ["never.png"]
    picture("blue").save(tmp_path / "pictures/never.png")
    assert ask("--again")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "answers.jsonl.batch.json", "pictures"]


def plain_question(**changes: Any) -> Question:
    fields = {"text": QUESTION, "system": None, "thinking": False, "form": None, "schema": None, "max_new_tokens": 3}
    return Question(**(fields | changes))


def test_a_picture_that_leaves_no_room_for_its_answer_is_broken_and_the_others_are_answered(engine: Engine, tmp_path: Path) -> None:
    picture("red", 60, 10).save(tmp_path / "small.png")
    picture("red", 64, 64).save(tmp_path / "large.png")
    small, large = (len(engine.lay_out(plain_question().request(tmp_path / name)).input_ids) for name in ("small.png", "large.png"))
    assert small < large
    short = Engine(engine.model, engine.processor)
    short.facts = replace(engine.facts, max_positions=small + 3)
    pictures = [Picture(str(tmp_path), name) for name in ("large.png", "small.png")]
    broken, [row] = answer_pictures(short, plain_question(), pictures, batch_size=16)
    assert isinstance(broken, Broken) and broken.picture.name == "large.png" and row["image"] == "small.png"
    assert broken.rule == "image too large" and broken.reason.startswith(f"the prompt has {large} tokens (")
    with pytest.raises(ValueError, match="max_new_tokens is 900000"):
        next(answer_pictures(short, plain_question(max_new_tokens=900_000), pictures, batch_size=16))


def test_a_folder_that_is_gone_is_no_folder_of_broken_pictures(engine: Engine, tmp_path: Path) -> None:
    draw(tmp_path / "disk", 3)
    pictures = find_pictures([f"{tmp_path}/disk"]).pictures
    answering = answer_pictures(engine, plain_question(), pictures, batch_size=1)
    assert len(next(answering)) == 1
    shutil.rmtree(tmp_path / "disk")
    with pytest.raises(ValueError, match=f"^the folder {tmp_path}/disk is gone. Bring it back; the same command then goes on.$"):
        next(answering)


def test_pictures_of_one_batch_are_held_and_scaled_down(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(12):
        Image.new("RGB", (400, 300), (index, 0, 0)).save(tmp_path / f"{index:02}.png")
    held, most, whole = [], [], []
    read_image, answer = Engine.read_image, Engine.answer

    def remember(self: Engine, source: Any) -> Image.Image:
        image = read_image(self, source)
        if isinstance(source, Path):
            whole.append(weakref.ref(image))
        return image

    def count(self: Engine, requests: list[Request], **options: Any) -> Any:
        held.extend(weakref.ref(image) for request in requests for image in request.images)
        most.append(sum(reference() is not None for reference in held))
        assert not any(reference() for reference in whole), "a picture is held as it was read"
        return answer(self, requests, **options)

    monkeypatch.setattr(Engine, "read_image", remember)
    monkeypatch.setattr(Engine, "answer", count)
    for _ in answer_pictures(engine, plain_question(), find_pictures([str(tmp_path)]).pictures, batch_size=4):
        pass
    assert most == [4, 4, 4] and len(whole) == 12


def test_a_runtime_that_reads_one_at_a_time_gives_each_answer_at_once(engine: Engine, tmp_path: Path) -> None:
    draw(tmp_path, 3)
    single = Engine(engine.model, engine.processor)
    single.facts = replace(engine.facts, max_batch=1)
    outcomes = answer_pictures(single, plain_question(), find_pictures([str(tmp_path)]).pictures, batch_size=16)
    assert [len(rows) for rows in outcomes] == [1, 1, 1]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), RuntimeError("can't allocate memory: 9 bytes")]
)
def test_too_little_memory_is_one_line_that_says_what_to_do(
    ask: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    draw(tmp_path / "pictures", 3)

    def run_out(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Engine, "answer", run_out)
    assert ask() == (
        1,
        ["smvl batch: 3 pictures.", "smvl batch: there is too little memory for a batch of 3. Give a smaller --batch-size."],
    )


# ---- going on --------------------------------------------------------------------------------------------------------------------


def start(checkpoint: Path, folder: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "smvl", "batch", "--model", str(checkpoint), "--device", "cpu", "--images", str(folder)]
    options = ["--question", QUESTION, "--max-new-tokens", "2", "--batch-size", "8", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*command, *options], env=environment, stderr=subprocess.PIPE, text=True)


def num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_twice_on_the_way_every_picture_is_answered_once(checkpoint: Path, tmp_path: Path) -> None:
    names, broken, killed_at = draw(tmp_path / "pictures", 490), break_ten(tmp_path / "pictures"), []
    path = tmp_path / "answers.jsonl"
    for least in (100, 300):
        process = start(checkpoint, tmp_path / "pictures", path)
        while process.poll() is None and num_lines(path) < least:
            time.sleep(0.002)
        process.kill()
        assert process.wait() == -signal.SIGKILL, process.stderr.read()
        process.stderr.close()
        killed_at.append(num_lines(path))
        with path.open("ab") as file:
            file.write(b'{"image": "109.png", "question": "')  # as a kill in the midst of a line leaves it
    process = start(checkpoint, tmp_path / "pictures", path)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1, said
    assert 100 <= killed_at[0] < killed_at[1] < 490
    assert images_of(path) == names
    assert sorted(images_of(tmp_path / "answers.jsonl.broken.jsonl")) == sorted(broken)
    left = ["answers.jsonl", "answers.jsonl.batch.json", "answers.jsonl.broken.jsonl", "pictures"]
    assert sorted(each.name for each in tmp_path.iterdir()) == left


ROWS = [
    {"image": "a\nb.png", "answer": 'say "茶"\r\n|9|', "n": 1},
    {"image": "=cmd.png", "answer": "", "n": 2.5},
    {"image": "\udcff.png", "answer": "\t,", "n": None},
]


@pytest.mark.parametrize("form", [JsonLines(("image", "answer")), CsvTable(["image", "answer", "n"])], ids=["jsonl", "csv"])
def test_cut_at_any_byte_a_file_goes_on_behind_its_last_whole_row(form: Any, tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = LinesFile(path, form)
    file.add(ROWS)
    file.close()
    whole = path.read_bytes()
    seen = set()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        file = LinesFile(path, form)
        seen.add(len(file.rows))
        file.add(ROWS[len(file.rows) :])
        file.close()
        assert path.read_bytes() == whole
    assert seen == {0, 1, 2, 3}
    assert [row["image"] for row in LinesFile(path, form).rows] == [
        "a\nb.png",
        "=cmd.png",
        ROWS[2]["image"] if form.head == b"" else r"\udcff.png",
    ]


def test_a_row_is_one_line_however_lines_are_told(tmp_path: Path) -> None:
    row = {"image": "a\u2028b\x85.png", "answer": "一\u2029二\r\n\x0b\x0c\x1c三"}
    form = JsonLines(("image", "answer"))
    [line] = form.line(row).decode("utf-8").splitlines()
    assert json.loads(line) == form.row(line.encode()) == row and "一" in line


def test_a_csv_file_that_lost_a_quotation_mark_is_not_cut_there(tmp_path: Path) -> None:
    form, path = CsvTable(["image", "answer", "n"]), tmp_path / "a.csv"
    file = LinesFile(path, form)
    file.add([{"image": f"{number}.png", "answer": "一", "n": number} for number in range(5)])
    file.close()
    spoilt = path.read_bytes().replace(b"2.png", b'"2.png')
    path.write_bytes(spoilt)
    with pytest.raises(
        LinesError, match="has a quotation mark without its pair behind row 2. Put it back as it was, or give another --out."
    ):
        LinesFile(path, form)
    assert path.read_bytes() == spoilt


def test_a_file_that_somebody_else_has_written_to_is_refused_and_left_as_it_is(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 2)
    ask()
    path = tmp_path / "answers.jsonl"
    path.write_bytes(path.read_bytes() + b"[1]\n")
    before, found = (
        path.read_bytes(),
        "has a row 3 that was not written here (expected an object with texts as image, finish, folder): '[1]\\n'",
    )
    assert ask() == (1, [f"smvl batch: {path} {found}. Put it back as it was, or give another --out."])
    assert path.read_bytes() == before
    ask(out="a.csv")
    table = tmp_path / "a.csv"
    table.write_bytes(table.read_bytes().decode("utf-8-sig").encode("gbk", "replace"))  # as a spreadsheet in China may save it
    status, [said] = ask(out="a.csv")
    assert status == 1 and said.startswith(f"smvl batch: {table} does not begin as it was written: 'image,question,answer,")


def test_a_second_run_asks_nothing_and_loads_no_model(ask: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "pictures", 2)
    assert ask() == (0, ["smvl batch: 2 pictures.", said_cut(tmp_path, 2)])
    monkeypatch.setattr("smvl.batch.command.load_engine", None)
    before = (tmp_path / "answers.jsonl").read_bytes()
    assert ask() == (0, ["smvl batch: 2 pictures, 2 done before.", said_cut(tmp_path, 2)])
    assert (tmp_path / "answers.jsonl").read_bytes() == before


def said_cut(folder: Path, number: int) -> str:
    return f"smvl batch: {number} answers in {folder}/answers.jsonl. {number} were cut at --max-new-tokens (finish: length)."


def test_new_pictures_join_and_the_same_folder_in_other_words_is_the_same(ask: Callable, tmp_path: Path, monkeypatch: Any) -> None:
    draw(tmp_path / "pictures/inner", 2)
    ask()
    picture("red").save(tmp_path / "pictures/z.png")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("pictures")
    ask("--images", "link", "pictures/inner", "pictures/z.png", f"file://{tmp_path}/pictures/inner/000.png", images="./pictures/")
    assert images_of(tmp_path / "answers.jsonl") == ["inner/000.png", "inner/001.png", "z.png"]


def test_something_else_is_not_added_to_a_file_and_what_differs_is_said(ask: Callable, checkpoint: Path, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 1)
    ask("--choices", "是,否")
    before = {path: path.read_bytes() for path in tmp_path.glob("answers*")}
    start, end = f"smvl batch: {tmp_path}/answers.jsonl holds answers to something else: ", ". Ask the same, or give another --out."
    differing = {
        "question: '图中有什么?' -> '几个?'": (["--choices", "是,否"], {"question": "几个?"}),
        "choices: '是,否' -> '是,不'": (["--choices", "是,不"], {}),
        "choices: '是,否' -> none; table: none -> True": (["--table"], {}),
        "system: none -> '简短。'; thinking: False -> True": (["--choices", "是,否", "--system", "简短。", "--thinking"], {}),
        "max_new_tokens: 3 -> 4; max_tiles: none -> 1": (["--choices", "是,否", "--max-new-tokens", "4", "--max-tiles", "1"], {}),
    }
    for found, (arguments, changes) in differing.items():
        assert ask(*arguments, **changes) == (1, [f"{start}{found}{end}"])
    copy = shutil.copytree(checkpoint, tmp_path / "moved")
    assert ask("--choices", "是,否", "--model", str(copy), "--batch-size", "1", "--device", "auto")[0] == 0, "a model may be moved"
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    first, second = (model_identity(folder)[:12] for folder in (checkpoint, copy))
    assert ask("--choices", "是,否", "--model", str(copy)) == (1, [f"{start}model: {checkpoint} ({first}) -> {copy} ({second}){end}"])
    assert {path: path.read_bytes() for path in tmp_path.glob("answers*")} == before


def test_a_schema_is_the_same_however_it_is_spaced_but_not_in_another_order(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 1)
    schema, form = tmp_path / "schema.json", ["--json-schema", f"{tmp_path}/schema.json"]
    schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
    assert ask(*form)[0] == 0
    schema.write_text(json.dumps(SCHEMA, ensure_ascii=False, indent=4), encoding="utf-8")
    assert ask(*form)[0] == 0
    schema.write_text(json.dumps({**SCHEMA, "properties": dict(reversed(SCHEMA["properties"].items()))}), encoding="utf-8")
    status, [said] = ask(*form)
    assert status == 1 and "holds answers to something else: json-schema: {'type'" in said


def test_where_nothing_was_answered_something_else_may_be_asked(ask: Callable, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").touch()
    assert ask()[0] == 1
    picture("red").save(tmp_path / "pictures/a.png")
    assert ask(question="几个?")[0] == 0
    assert [row["question"] for row in rows_of(tmp_path / "answers.jsonl")] == ["几个?"]


def test_a_model_that_cannot_be_loaded_leaves_nothing_behind(ask: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError("the device cuda cannot be used here.")

    draw(tmp_path / "pictures", 1)
    monkeypatch.setattr("smvl.batch.command.load_engine", refuse)
    assert ask() == (1, ["smvl batch: 1 picture.", "smvl batch: the device cuda cannot be used here."])
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_two_at_once_on_one_file_are_refused(ask: Callable, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 1)
    (tmp_path / "same.jsonl").symlink_to("answers.jsonl")
    said = f"smvl batch: another batch is being written to {tmp_path}/answers.jsonl. Wait for its end, or give another --out."
    with holding(tmp_path / "answers.jsonl.lock"):
        assert ask() == ask(out="same.jsonl") == (1, [said])
    assert not (tmp_path / "answers.jsonl").exists()
    assert ask(out="same.jsonl")[0] == ask()[0] == 0 and images_of(tmp_path / "answers.jsonl") == ["000.png"]


@pytest.mark.parametrize("out", ["answers.jsonl", "answers.csv"])
def test_an_interrupt_keeps_the_batches_that_are_done_and_says_how_to_go_on(
    ask: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    names, answer, calls = draw(tmp_path / "pictures", 5), Engine.answer, []

    def interrupt(self: Engine, requests: Any, **options: Any) -> Any:
        calls.append(len(requests))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answer(self, requests, **options)

    monkeypatch.setattr(Engine, "answer", interrupt)
    said = f"smvl batch: stopped. {tmp_path}/{out} keeps the batches that are done; the same command goes on behind them."
    assert ask("--batch-size", "2", out=out) == (130, ["smvl batch: 5 pictures.", "", said])
    assert images_of(tmp_path / out) == names[:2]
    assert ask("--batch-size", "2", out=out)[0] == 0 and images_of(tmp_path / out) == names
    assert calls == [2, 2, 2, 1]


# ---- which pictures --------------------------------------------------------------------------------------------------------------

HOSTILE = [
    "a\nb.png",
    "c\rd.png",
    "-rf.png",
    "--out.png",
    "=1+1.png",
    "'=1+1.png",
    "@x.png",
    "＝1.png",
    "价 签,“1”.png",
    'quote".png',
    "a\tb.PNG",
]
HOSTILE += ["\udcff\udcfe.png", "tail .png", "\u202egnp.png", "$(touch x).png", "%s{}.png", "x" * 250 + ".png"]


@pytest.mark.parametrize("out", ["answers.jsonl", "answers.csv"])
def test_whatever_a_file_is_called_it_is_answered_once(ask: Callable, tmp_path: Path, out: str) -> None:
    for index, name in enumerate(HOSTILE):
        (tmp_path / "pictures" / f"d{index % 3}").mkdir(parents=True, exist_ok=True)
        with open(os.fsencode(tmp_path / "pictures" / f"d{index % 3}" / name), "wb") as file:
            picture("red", 20 + index, 20).save(file, format="png")
    assert ask(out=out)[0] == 0
    assert len(rows_of(tmp_path / out)) == len(HOSTILE)
    assert not [cell for row in rows_of(tmp_path / out) for cell in row.values() if out == "answers.csv" and cell[:1] in tuple("=+-@\t\r")]
    if out == "answers.jsonl":
        expected = sorted(f"d{index % 3}/{name}" for index, name in enumerate(HOSTILE))
        assert images_of(tmp_path / out) == expected
    before = (tmp_path / out).read_bytes()
    assert ask(out=out)[1][0] == f"smvl batch: {len(HOSTILE)} pictures, {len(HOSTILE)} done before."
    assert (tmp_path / out).read_bytes() == before


def test_a_name_that_would_be_written_as_another_is_listed_and_not_passed_over(tmp_path: Path) -> None:
    for name in (b"\xff.png", rb"\udcff.png"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):
            pass
    found = find_pictures([str(tmp_path)])
    assert len(found.pictures) == 1
    [broken] = found.broken
    assert broken.rule == "name twice" and broken.reason.startswith("its name would be written as that of another one is, ")


def test_a_folder_is_looked_through_without_hidden_files_and_links_to_folders(ask: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for name in ("b/2.PNG", "a.jpg", "b/10.png", ".hidden.png", ".git/x.png", "b/._2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture("red").save(folder / name, format="png")
    for name in ("notes.txt", "b/more.txt", "b/doc.pdf", "README"):
        (folder / name).touch()
    (folder / "b/up").symlink_to(folder)
    (folder / "file.png").symlink_to(folder / "a.jpg")
    status, said = ask(out="pictures/out.jsonl")
    passed = "Passed over by their names: 2 .txt, 1 without an ending, 1 .pdf."
    links = f"Links to folders are not followed; name them in --images: {folder}/b/up."
    assert (status, said[0]) == (0, f"smvl batch: 4 pictures. {passed} {links}")
    assert images_of(folder / "out.jsonl") == ["a.jpg", "b/10.png", "b/2.PNG", "file.png"]
    assert ask(out="pictures/out.jsonl")[1][0] == f"smvl batch: 4 pictures, 4 done before. {passed} {links}"


def test_ten_thousand_files_and_a_thousand_folders_in_each_other_are_found(tmp_path: Path) -> None:
    deep = "/".join("d" * 1000)
    for depth in range(1, 1001):
        os.mkdir(f"{tmp_path}/{'/'.join('d' * depth)}")
    for index in range(10_000):
        Path(tmp_path, "d/" * (index % 3), f"{index:05}.png").touch()
    Path(tmp_path, deep, "last.jpg").touch()
    found = find_pictures([str(tmp_path)])
    Path(tmp_path, deep, "last.jpg").unlink()
    for depth in range(1000, 3, -1):  # pytest could not clear it away
        os.rmdir(f"{tmp_path}/{'/'.join('d' * depth)}")
    assert len(found.pictures) == 10_001 and found.pictures[0].name == "00000.png"
    assert f"{deep}/last.jpg" in {each.name for each in found.pictures}


def test_a_folder_that_cannot_be_looked_into_is_listed(ask: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "pictures", 1)
    (tmp_path / "pictures/locked").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> Iterator:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    reason = "the folder cannot be looked into (Permission denied). Give it the permissions, or leave it out."
    assert ask()[0] == 1
    assert [(row["image"], row["reason"]) for row in rows_of(tmp_path / "answers.jsonl.broken.jsonl")] == [("locked", reason)]
    monkeypatch.undo()


# ---- refusals --------------------------------------------------------------------------------------------------------------------


def test_a_mistake_is_one_line_before_anything_is_written(ask: Callable, checkpoint: Path, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").touch()
    (tmp_path / "mine.jsonl").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    mistakes = {
        f"there is no picture in {tmp_path}/empty. Passed over by their names: 1 .txt.": {"images": f"{tmp_path}/empty"},
        f"--images: there is no folder or picture {tmp_path}/nowhere.": {"images": f"{tmp_path}/nowhere"},
        "--images is empty; expected a folder or a picture.": {"images": " "},
        "--question is empty; expected what to ask of each picture.": {"question": " "},
        f"--out {tmp_path}/a.png has the name of a picture. Give one that ends in .jsonl or .csv.": {"out": "a.png"},
        f"--out {tmp_path}/pictures is no file. Give one that ends in .jsonl or .csv.": {"out": "pictures"},
        f"--out {tmp_path}/no/a.jsonl: there is no folder {tmp_path}/no. Make it first.": {"out": "no/a.jsonl"},
        f"{tmp_path}/mine.jsonl is there, and no batch wrote it (there is no mine.jsonl.batch.json). Give another --out.": {
            "out": "mine.jsonl"
        },
    }
    for said, changes in mistakes.items():
        assert ask(**changes) == (1, [f"smvl batch: {said}"])
    arguments = {
        "--batch-size is 0; expected at least 1.": ["--batch-size", "0"],
        "--max-tiles: at most 0 tiles for an image; expected a whole number of at least 1.": ["--max-tiles", "0"],
        f"{tmp_path}/empty has no model in it; expected a checkpoint or an export, such as output/demo.": ["--model", f"{tmp_path}/empty"],
        f"{tmp_path}/no is no folder; expected a checkpoint or an export, such as output/demo.": ["--model", f"{tmp_path}/no"],
        "--table and --latex were given together; an answer has one form.": ["--table", "--latex"],
        f"--json-schema: {tmp_path}/no.json cannot be read (No such file or directory).": ["--json-schema", f"{tmp_path}/no.json"],
    }
    for said, given in arguments.items():
        assert ask(*given) == (1, [f"smvl batch: {said}"])
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "mine.jsonl").read_text(encoding="utf-8") == "mine"


def test_the_commands_of_the_documentation_are_the_same_in_both_languages_and_known() -> None:
    english, chinese = ((ROOT / f"docs/batch{language}.md").read_text(encoding="utf-8") for language in ("", ".zh-CN"))
    blocks = [re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL) for text in (english, chinese)]
    assert blocks[0] == blocks[1]
    commands = [shlex.split(line) for block in blocks[0] for line in block.splitlines()]
    assert [words[:4] for words in commands] == [["python", "-m", "smvl", "batch"]] * 2
    assert make_parser().parse_args(commands[1][4:]).images == ["receipts", "more/a.jpg"]
    assert (
        set(re.findall(r"`(--[a-z-]+)", english)) == set(re.findall(r"`(--[a-z-]+)", chinese)) <= set(make_parser()._option_string_actions)
    )


def test_it_takes_the_form_options_that_ask_takes() -> None:
    asked = subprocess.run([sys.executable, "-m", "smvl", "ask", "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    forms = asked.partition("form:\n")[2].partition("--lark FILE")[0]
    assert "--json-schema FILE" in forms and forms in make_parser().format_help()
    assert COMMANDS["batch"].module == "smvl.batch.command"


# ---- progress --------------------------------------------------------------------------------------------------------------------


def test_in_a_log_the_time_that_is_left_is_said_now_and_then(ask: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "pictures", 6)
    assert len(ask("--batch-size", "2")[1]) == 2
    clock = iter([0.0, 30.0, 61.0, 100.0, 125.0, 130.0])
    monkeypatch.setattr(smvl.progress.time, "monotonic", lambda: next(clock))
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    with smvl.progress.counting("smvl batch", 1000, done=100) as on_done:
        for number in (10, 20, 30, 40, 50):
            on_done(number)
    assert said.getvalue() == "smvl batch: 130 of 1000, 0:29:29 left\nsmvl batch: 200 of 1000, 0:16:40 left\n"
