"""`python -m smvl export`: what is written, asked and reported, and the exit status that says whether to trust it.

python -m pytest tests/test_export_command.py
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from smvl.demo_scenes.draw import write_scenes
from smvl.demo_scenes.uses import retail
from smvl.demo_scenes.words import HELDOUT
from smvl.export import command, probe, targets
from smvl.export.parity import Limits
from smvl.export.probe import write_questions
from smvl.export.questions import find_questions
from smvl.infer.engine import Engine
from tests.test_engine import ask, one_thread, picture, save_small_checkpoint, write_for  # noqa: F401
from tests.test_export_gguf import save_checkpoint as save_gguf_checkpoint

QUICK = ["--questions", "4", "--max-new-tokens", "6"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Iterator[Path]:
    out = checkpoint.parent / "onnx-32"
    assert command.main(["--model", str(checkpoint), "--to", "onnx", "--bits", "32", "--out", str(out), *QUICK]) == 0
    return out


def heldout(folder: Path, answers: list[str]) -> Path:
    """Held-out questions about one picture, as JSON Lines."""
    picture("red").save(folder / "red.png")
    rows = [
        {
            "id": str(number),
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image", "image": "red.png"}, {"type": "text", "text": f"图中有什么?{number}"}],
                },
                {"role": "assistant", "content": answer},
            ],
        }
        for number, answer in enumerate(answers)
    ]
    path = folder / "heldout.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_an_export_is_loaded_back_and_its_report_says_that_it_agrees(exported: Path) -> None:
    report = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert (report["equal_tokens"], report["num_questions"], report["excess"]) == (1.0, 4, [])
    assert report["largest_score_difference"] < 1e-4
    sizes = {name: (exported / name).stat().st_size for name in report["file_bytes"]}
    assert report["file_bytes"] == sizes and report["total_bytes"] == sum(sizes.values())
    assert "onnx/decoder_model_merged.onnx" in sizes and "parity.json" not in sizes
    assert report["export"]["peak_bytes"] < report["checkpoint"]["peak_bytes"], "torch was loaded for an export that needs none"


def test_the_engine_answers_from_an_export_as_from_its_checkpoint(exported: Path, checkpoint: Path) -> None:
    requests = [ask("图中有什么?"), ask("哪一张?", picture("red"), picture("blue", 20, 60))]
    ours, theirs = (Engine.from_folder(folder, device="cpu").answer(requests, max_new_tokens=8) for folder in (exported, checkpoint))
    assert [answer.token_ids for answer in ours] == [answer.token_ids for answer in theirs]


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"dtype": "float16"}, {"quantize": "int8"}])
def test_what_an_export_cannot_be_is_refused(exported: Path, options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is an ONNX export"):
        Engine.from_folder(exported, **options)


def test_an_export_that_is_too_far_is_kept_and_ends_with_2(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(targets.LIMITS, ("onnx", 4), Limits(scores=0.0))
    out = tmp_path / "onnx-4"
    assert command.main(["--model", str(checkpoint), "--to", "onnx", "--out", str(out), *QUICK]) == command.TOO_FAR
    assert "TOO FAR: logits differ by" in capsys.readouterr().out
    assert json.loads((out / "parity.json").read_text(encoding="utf-8"))["excess"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--to", "onnx", "--bits", "3"], "onnx in 3 bits is not known; expected one of 32, 16, 8, 4"),
        (["--to", "idefics3", "--bits", "8"], "expected no --bits"),
        (["--to", "onnx", "--model", "nowhere"], "nowhere"),
        (["--to", "onnx", "--kind", "Q4_K_M"], "--kind Q4_K_M is one of GGUF's; onnx is asked for by --bits"),
        (["--to", "gguf", "--kind", "Q9"], "kind is Q9; expected one of F32"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_1(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert command.main(["--model", str(checkpoint), "--out", str(tmp_path / "out"), *arguments]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert complaint in line and line.startswith("smvl export: ")


def test_bits_and_a_kind_exclude_each_other(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--model", str(checkpoint), "--to", "gguf", "--bits", "8", "--kind", "Q6_K", "--out", str(tmp_path / "out")])
    assert "not allowed with argument --bits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("F16", targets.LIMITS["gguf", 16]),
        ("BF16", targets.LIMITS["gguf", 16]),
        ("Q8_0", Limits(score_loss=0.005)),
        ("Q6_K", Limits(score_loss=0.005)),
        ("Q5_K_M", Limits(score_loss=0.02)),
        ("Q4_K_S", Limits(score_loss=0.02)),
        ("Q3_K_L", Limits()),
        ("Q2_K", Limits()),
    ],
)
def test_a_kinds_limits_are_those_of_its_bits(kind: str, limits: Limits) -> None:
    assert targets.find_target("gguf", None, kind).limits == limits


def test_a_gguf_export_is_asked_through_the_engine_where_llama_cpp_is(tmp_path: Path) -> None:
    """Its ids and scores are compared, not their text."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    out = tmp_path / "gguf"
    assert command.main(["--model", str(save_gguf_checkpoint(tmp_path)), "--to", "gguf", "--kind", "F32", "--out", str(out), *QUICK]) == 0
    report = json.loads((out / "parity.json").read_text(encoding="utf-8"))
    assert report["equal_tokens"] == 1.0 and report["largest_score_difference"] < 0.02
    assert (report["checkpoint"]["runtime"].split()[0], report["export"]["runtime"].split()[0]) == ("torch", "llama-cpp-python")
    assert {"small.gguf", "export.json"} <= {name.replace("checkpoint-F32", "small") for name in report["file_bytes"]}


# ---- questions -----------------------------------------------------------------------------------------------------------------


def test_questions_come_from_the_data_that_is_named(checkpoint: Path, tmp_path: Path) -> None:
    questions = find_questions(checkpoint, heldout(tmp_path, ["红色", "圆形", "方形"]), 2)
    assert questions.answers == ["红色", "圆形"]
    assert [len(request.images) for request in questions.requests] == [1, 1]
    assert "2 held-out samples" in questions.origin


def test_a_call_is_expected_and_answered_as_a_model_writes_it(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text alone would be empty on both sides: whatever was called would be equal, and right."""
    scene = next(scene for scene in (retail(random.Random(seed), HELDOUT) for seed in range(50)) if scene.turns[0].call)
    (tmp_path / "images").mkdir()
    write_scenes(tmp_path, "rows", [scene])
    questions = find_questions(checkpoint, tmp_path / "rows.jsonl", 1)
    call = scene.turns[0].call
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    wanted = f'<tool_call>\n{{"name": "{call.name}", "arguments": {arguments}}}\n</tool_call>'
    assert questions.answers == [wanted]
    write_questions(questions.requests, tmp_path / "asked")
    engine = Engine.from_folder(checkpoint, device="cpu")
    monkeypatch.setattr(Engine, "from_folder", lambda *_, **options: engine)
    for said in (wanted, wanted.replace(call.arguments["商品"], "云云")):
        monkeypatch.setattr(engine, "first_scores", lambda _: np.zeros(4))
        write_for(engine, monkeypatch, f"{said}<|im_end|>")
        probed, _ = probe.ask(checkpoint, tmp_path / "asked", max_new_tokens=200, device="cpu", dtype="float32")
        assert probed.texts == [said]


def test_broken_rows_are_passed_over_and_counted(checkpoint: Path, tmp_path: Path) -> None:
    path = heldout(tmp_path, ["红色"])
    sound = path.read_text(encoding="utf-8")
    (path.parent / "page.png").write_bytes(b"<html>")
    damaged = sound.strip().replace("red.png", "page.png")
    path.write_text(f"{{no JSON\n{damaged}\n{sound}", encoding="utf-8")
    questions = find_questions(checkpoint, path, 5)
    assert questions.answers == ["红色"]
    assert "1 held-out samples" in questions.origin and "2 broken rows were passed over" in questions.origin


def test_questions_come_from_the_run_that_made_the_checkpoint(tmp_path: Path) -> None:
    folder = save_small_checkpoint(tmp_path / "run")
    path = heldout(tmp_path, ["红色"])
    (folder / "config.yaml").write_text(
        "model: {vision: a, text: b}\n"
        "stages: [{name: align, mixture: [{source: jsonl, path: c}], train: [connector], trainer: {max_steps: 1}}]\n"
        f"evaluation: {{heldout: {{source: jsonl, path: {path}}}}}\noutput_dir: out\n",
        encoding="utf-8",
    )
    assert find_questions(folder, None, 5).answers == ["红色"]
    path.unlink()
    assert find_questions(folder, None, 5).answers is None


def test_drawn_questions_are_the_same_each_time_and_of_every_kind(checkpoint: Path) -> None:
    first, second = (find_questions(checkpoint, None, 10) for _ in range(2))
    assert first.answers is None and "drawn pictures" in first.origin
    assert [request.messages for request in first.requests] == [request.messages for request in second.requests]
    assert [[image.tobytes() for image in request.images] for request in first.requests] == [
        [image.tobytes() for image in request.images] for request in second.requests
    ]
    assert {len(request.images) for request in first.requests} == {0, 1, 2}
