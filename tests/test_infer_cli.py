"""infer.py as a user runs it: a streamed answer, one JSON object, a chat, and one clear line for every mistake.

python -m pytest tests/test_infer_cli.py
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import infer
from tests.test_engine import one_thread, picture, save_small_checkpoint  # noqa: F401

ROOT = Path(__file__).parents[1]
KEYS = ["answer", "reasoning", "finish", "num_prompt_tokens", "num_image_tokens", "num_tiles", "num_new_tokens"]
KEYS += ["seconds_to_first_token", "seconds", "num_known_tokens", "num_forced_tokens"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, two whole pictures and three that are not."""
    folder = tmp_path_factory.mktemp("infer")
    save_small_checkpoint(folder)
    picture("red").save(folder / "a.png")
    picture("blue", 32, 32).save(folder / "b.jpg")
    noise = Image.effect_noise((64, 64), 90)
    for name in ("cut.png", "cut.jpg"):
        noise.save(folder / name)
        (folder / name).write_bytes((folder / name).read_bytes()[:-1000])
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    return folder


@pytest.fixture
def ask(folder: Path, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    """Run infer.py in this process on the checkpoint: (exit status, stdout, stderr)."""

    def run(*arguments: str, model: str = "checkpoint") -> tuple[int, str, str]:
        status = infer.main(["--model", str(folder / model), "--device", "cpu", "--max-new-tokens", "6", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_json_is_one_object_with_exactly_these_keys(folder: Path, ask: Callable) -> None:
    status, out, _ = ask("--image", str(folder / "a.png"), "--image", str(folder / "b.jpg"), "--json", "哪一张更大?")
    answer = json.loads(out)
    assert (status, out.count("\n"), list(answer)) == (0, 1, KEYS)
    assert (answer["num_tiles"], answer["num_image_tokens"]) == (10, 10 * 4)
    assert 1 <= answer["num_new_tokens"] <= 6
    assert 0 < answer["seconds_to_first_token"] <= answer["seconds"]


def test_the_streamed_answer_is_the_one_of_json(folder: Path, ask: Callable) -> None:
    question = ["--image", str(folder / "a.png"), "--system", "简短。", "图中有什么?"]
    assert ask(*question)[:2] == (0, json.loads(ask("--json", *question)[1])["answer"] + "\n")


def test_system_and_thinking_change_the_prompt(ask: Callable) -> None:
    def num_prompt_tokens(*options: str) -> int:
        return json.loads(ask("--json", *options, "图?")[1])["num_prompt_tokens"]

    assert num_prompt_tokens("--thinking") == num_prompt_tokens() - 6  # <think>, two line breaks, </think>, two more
    assert num_prompt_tokens("--system", "简短。") > num_prompt_tokens()


def test_without_a_question_it_is_a_chat_whose_first_question_has_the_images(
    folder: Path, ask: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["图中有什么?", f"/image {folder}/cut.jpg", f"/image {folder}/b.jpg", "哪一张更大?"])

    def read(prompt: str) -> str:
        line = next(lines, None)
        if line is None:
            raise EOFError
        return line

    monkeypatch.setattr("builtins.input", read)
    status, out, _ = ask("--image", str(folder / "a.png"))
    assert status == 0
    assert "cut.jpg: the image is damaged" in out and "Image 2: b.jpg, 32 x 32 pixels" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--image", "{folder}/missing.png", "?"], "missing.png: there is no such image file."),
        (["--image", "{folder}/cut.png", "?"], "cut.png: the image is damaged or cut short"),
        (["--image", "{folder}/cut.jpg", "--json", "?"], "cut.jpg: the image is damaged or cut short"),
        (["--image", "{folder}/notes.txt", "?"], "notes.txt: this is not an image"),
        (["--image", "{folder}/cut.jpg"], "cut.jpg: the image is damaged or cut short"),
        (["--device", "nonesuch", "?"], "the device nonesuch cannot be used here"),
        (["--device", "meta", "?"], "the device meta cannot be used here (it holds no numbers). Take auto or cpu."),
        (["--device", "cpu:7", "?"], "the device cpu:7 cannot be used here (there is one cpu). Take auto or cpu."),
        (["--image", "", "?"], "infer.py: --image is empty; expected a path."),
        (["--image", " ", "--image", "{folder}/a.png"], "infer.py: --image is empty; expected a path."),
        (["--model", "", "?"], "infer.py: --model is empty; expected a path."),
        (["--max-tiles", "0", "?"], "infer.py: --max-tiles: at most 0 tiles for an image; expected a whole number of at least 1."),
        (["--max-tiles", "-3", "--budget", "2GB", "?"], "infer.py: --max-tiles: at most -3 tiles for an image;"),
        (["--longest-edge", "7", "?"], "--longest-edge: longest_edge is 7 and the tile is 32 pixels; longest_edge must be"),
        (["--longest-edge", "0", "?"], "--longest-edge: longest_edge is 0 and the tile is 32 pixels;"),
        (["--longest-edge", "7", "--budget", "2GB", "?"], "longest_edge is 7 and the tile is 32 pixels;"),
        (["--temperature", "-1", "?"], "temperature is -1.0"),
        (["--max-new-tokens", "0", "?"], "max_new_tokens is 0"),
        (["--max-new-tokens", "999999", "?"], "max_new_tokens is 999999"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_status_1(folder: Path, ask: Callable, arguments: list[str], complaint: str) -> None:
    status, out, err = ask(*(argument.format(folder=folder) for argument in arguments))
    assert (status, out) == (1, "")
    assert err.startswith("infer.py: ") and complaint in err and "data.image" not in err and err.count("\n") == 1


def test_a_path_of_the_settings_file_that_leads_nowhere_names_both_folders(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "edge.yaml").write_text("model: checkpoint\nimage: [a.png]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert infer.main(["--config", str(folder / "edge.yaml"), "?"]) == 1
    assert capsys.readouterr().err == (
        f"infer.py: {folder}/edge.yaml: model: there is no checkpoint. Relative paths count from the current folder, {tmp_path}, not from "
        f"that of the YAML file, {folder}; checkpoint is in {folder}: start there.\n"
    )


def with_weights_cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def with_another_shape(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["text_config"]["intermediate_size"] *= 2
    path.write_text(json.dumps(config), encoding="utf-8")


def without_marker(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] != "<row_1_col_1>"]
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: value for key, value in settings.items() if key != "extra_special_tokens"}), encoding="utf-8")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no folder": (shutil.rmtree, "there is no folder"),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no .safetensors weights"),
    "no image settings": (lambda folder: [path.unlink() for path in folder.glob("*processor_config.json")], "cannot be loaded"),
    "weights cut short": (with_weights_cut_short, "cannot be loaded"),
    "weights of another shape": (with_another_shape, "text_model.layers.0.mlp.down_proj.weight"),
    "a configuration cut short": (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
    "a marker missing": (without_marker, "does not know the marker <row_1_col_1> as one token"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_whole_checkpoint_is_refused_by_name(folder: Path, ask: Callable, damage: str) -> None:
    shutil.rmtree(folder / "damaged", ignore_errors=True)
    shutil.copytree(folder / "checkpoint", folder / "damaged")
    break_it, complaint = DAMAGES[damage]
    break_it(folder / "damaged")
    status, out, err = ask("?", model="damaged")
    assert (status, out) == (1, "")
    assert str(folder / "damaged") in err and complaint in err and err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--json"], ["--dtype", "int3", "?"], ["--nonesuch"]])
def test_a_wrong_command_line_is_status_2(ask: Callable, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        ask(*arguments)
    assert exit_.value.code == 2


def test_an_interrupt_ends_quietly(ask: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("smvl.infer.command.print_streamed", interrupt)
    assert ask("?") == (130, "", "\n")


def run_program(folder: Path, *arguments: str | bytes, encoding: str = "utf-8", **options: Any) -> subprocess.CompletedProcess:
    """infer.py in a process of its own; its output as bytes."""
    command = [sys.executable, str(ROOT / "infer.py"), "--model", str(folder / "checkpoint"), "--device", "cpu", "--max-new-tokens", "3"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    return subprocess.run([*command, *arguments], cwd=folder, env=environment, timeout=120, **{"capture_output": True, **options})


def without_cut(err: str) -> str:
    """Standard error without the line that says that an answer was cut, which must be there."""
    rest, found = re.subn("The answer was cut after [0-9]+ tokens; --max-new-tokens gives it more room.\n", "", err)
    assert found == 1, err
    return rest


def test_an_answer_that_standard_output_cannot_show_is_written_as_escapes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "infer.py: standard output is ascii; what it cannot show was written as escapes. Set PYTHONIOENCODING=utf-8.\n"
    whole = run_program(folder, "图中有什么?").stdout.decode()
    escaped = run_program(folder, "图中有什么?", encoding="ascii")
    assert (escaped.returncode, without_cut(escaped.stderr.decode())) == (0, said if not whole.isascii() else "")
    assert escaped.stdout == whole.encode("ascii", "backslashreplace")
    as_json = run_program(folder, "--json", "图中有什么?", encoding="ascii")
    assert (as_json.returncode, as_json.stderr, json.loads(as_json.stdout)["answer"] + "\n") == (0, b"", whole)


def test_a_question_of_other_bytes_is_refused_in_one_line(folder: Path) -> None:
    refused = run_program(folder, "你好".encode("gbk"))
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.startswith(rb"infer.py: b'\xc4\xe3\xba\xc3' is not text in UTF-8. ") and refused.stderr.count(b"\n") == 1
    told = run_program(folder, "--system", "你好".encode("gbk"), "图?")
    assert told.returncode == 1 and told.stderr.startswith(rb"infer.py: b'\xc4\xe3\xba\xc3' is not text")


def test_a_line_of_other_bytes_does_not_end_a_chat(folder: Path) -> None:
    chat = run_program(folder, input="你好".encode("gbk") + f"\n/image file://{folder}/a.png\n图?\n".encode())
    assert chat.returncode == 0 and chat.stderr == b""
    assert rb"! b'\xc4\xe3\xba\xc3' is not text in UTF-8." in chat.stdout and b"Image 1: a.png, 64 x 48 pixels." in chat.stdout


def test_an_image_may_be_given_as_an_address(folder: Path, ask: Callable) -> None:
    question = ["--json", "图中有什么?"]
    by_path, by_address = (json.loads(ask("--image", image, *question)[1]) for image in (f"{folder}/a.png", f"file://{folder}/%61.png"))
    assert by_path["answer"] == by_address["answer"] and by_address["num_tiles"] == 5


@pytest.mark.parametrize("options", [["图?"], ["--json", "图?"], []])
def test_a_reader_that_goes_away_ends_it_quietly(folder: Path, options: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run_program(folder, *options, capture_output=False, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_closed_output_is_said_before_anything_is_loaded(ask: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert ask("图?")[::2] == (1, "infer.py: standard output is closed: there is nowhere to write the answer. Leave >&- out.\n")


def test_closed_input_is_said_before_anything_is_loaded_unless_there_is_a_question(ask: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    said = "infer.py: standard input is closed: there is nowhere to read questions from. Give one on the command line.\n"
    assert ask() == (1, "", said)
    status, _, err = ask("图?")
    assert (status, without_cut(err)) == (0, "")


def test_the_program_itself_writes_nothing_else_and_no_traceback(folder: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(ROOT / "infer.py"), "--model", str(folder / "checkpoint"), "--device", "cpu", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=120)

    answered = run("--image", "a.png", "--max-new-tokens", "3", "--json", "图中有什么?")
    assert (answered.returncode, answered.stderr) == (0, "")
    assert list(json.loads(answered.stdout)) == KEYS
    refused = run("--image", "cut.png", "图中有什么?")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("infer.py: cut.png: ") and "Traceback" not in refused.stderr
