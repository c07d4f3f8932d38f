"""An ONNX export as the engine drives it: the checkpoint's answers token for token, without torch, and nothing damaged is loaded."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smvl.infer.engine import Engine
from smvl.infer.form.form import Form
from smvl.infer.memory import Memory
from smvl.infer.onnx_folder import OnnxFolderError, is_onnx_folder, open_onnx_folder, verify_onnx_folder
from smvl.infer.onnx_model import OnnxModel
from smvl.infer.request import Request
from smvl.layouts.settings import LAYOUT_KEYS
from smvl.processing.processing_smvl import SmVLMProcessor
from tests.onnx_exports import export_small, save_small_checkpoint
from tests.test_imports import ROOT, WITHOUT_TORCH

GRAPHS = ("embed_tokens.onnx", "vision_encoder.onnx", "decoder_model_merged.onnx")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By layout."""
    return {layout: save_small_checkpoint(tmp_path_factory.mktemp(layout), layout) for layout in LAYOUT_KEYS}


@pytest.fixture(scope="module")
def exports(checkpoints: dict[str, Path]) -> dict[str, Path]:
    return {layout: export_small(checkpoint, checkpoint.parent / "onnx", 32) for layout, checkpoint in checkpoints.items()}


@pytest.fixture(scope="module")
def checkpoint(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["smolvlm"]


@pytest.fixture(scope="module")
def export(exports: dict[str, Path]) -> Path:
    return exports["smolvlm"]


@pytest.fixture(scope="module")
def engines(checkpoints: dict[str, Path], exports: dict[str, Path], layout: str) -> tuple[Engine, Engine]:
    """Of the checkpoint and of its export."""
    export = exports[layout]
    return (
        Engine.from_folder(checkpoints[layout], device="cpu"),
        Engine(OnnxModel(export, threads=1), SmVLMProcessor.from_pretrained(export)),
    )


@pytest.fixture
def copy(export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(export, tmp_path / "copy"))


def noise(seed: int, width: int = 64, height: int = 48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def ask(question: str, *images: Image.Image) -> Request:
    content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question}]
    return Request([{"role": "user", "content": content}], images)


def formed_requests() -> list[Request]:
    """Those whose answers have a form, or are calls."""
    goods = {"品名": {"enum": ["苹果", "牛奶"]}, "数量": {"type": "integer", "minimum": 0, "maximum": 99}}
    schema = {"type": "object", "properties": goods, "required": list(goods)}
    tool = {"type": "function", "function": {"name": "count", "description": "?", "parameters": schema}}
    plain = requests()[1]
    return [
        replace(plain, form=Form.json_schema(schema)),
        replace(plain, form=Form.choices(["第一张图", "第二张图"])),
        replace(plain, form=Form.regex("[0-9]{2}元一公斤"), thinking=True),
        replace(plain, tools=[tool], tool_choice="count"),
    ]


def check_forms(reference: Engine, export: Engine) -> None:
    """Both write the same tokens, and both are spared the same ones."""
    for request in formed_requests():
        one, other = (engine.answer([request], max_new_tokens=96)[0] for engine in (reference, export))
        assert (other.token_ids, other.num_forced_tokens, other.tool_calls) == (one.token_ids, one.num_forced_tokens, one.tool_calls)
        assert one.num_forced_tokens >= 1  # behind <think>, or an opening


def requests() -> list[Request]:
    return [ask("图中有什么?"), ask("图中有什么?", noise(1)), ask("哪一张的数字更大?", noise(2, 20, 60), noise(3)), ask("What? " * 30)]


# ---- equal to the checkpoint ---------------------------------------------------------------------------------------------------


def test_forms_and_calls_are_those_of_the_checkpoint(engines: tuple[Engine, Engine]) -> None:
    check_forms(*engines)


def test_scores_equal_with_no_one_and_two_images(engines: tuple[Engine, Engine]) -> None:
    for request in requests():
        torch_scores, onnx_scores = (engine.first_scores(request) for engine in engines)
        assert onnx_scores.dtype == np.float32
        np.testing.assert_allclose(onnx_scores, torch_scores, atol=1e-5)


def test_greedy_tokens_equal(engines: tuple[Engine, Engine]) -> None:
    torch_answers, onnx_answers = (engine.answer(requests(), max_new_tokens=24) for engine in engines)
    assert [answer.token_ids for answer in onnx_answers] == [answer.token_ids for answer in torch_answers]
    assert len({answer.token_ids for answer in onnx_answers}) == len(onnx_answers), "equal answers would hide an exchange"


def test_images_change_the_scores(engines: tuple[Engine, Engine]) -> None:
    scores = [engines[1].first_scores(ask("图中有什么?", noise(seed))) for seed in (1, 2)]
    assert np.abs(scores[0] - scores[1]).max() > 0.1


@pytest.mark.parametrize("room", [0, 4, 100])
def test_reading_on_equals_reading_anew(engines: tuple[Engine, Engine], room: int) -> None:
    """With room for it from the start, and where the buffers must grow."""
    model = engines[1].model
    ids = list(range(20, 60))
    reading = model.read([ids[:30]], [None], room)
    for token in (7, 8, 9):
        reading.go_on([[token]])
    reading.read_on(25, ids[25:], None, room=2)
    fresh = model.read([ids], [None], 2)
    np.testing.assert_allclose(reading.scores(), fresh.scores(), atol=1e-5)
    for token in (1, 2, 3):
        reading.go_on([[token]])
        fresh.go_on([[token]])
        np.testing.assert_allclose(reading.scores(), fresh.scores(), atol=1e-5)
        assert reading.likeliest() == fresh.likeliest()


def test_images_are_read_on_too(engines: tuple[Engine, Engine]) -> None:
    engine = engines[1]
    turns = [ask("图中有什么?", noise(1)).messages[0], {"role": "assistant", "content": "圆形。"}, ask("What?", noise(2, 40)).messages[0]]
    memory = Memory()
    for request in (Request(turns[:1], [noise(1)]), Request(turns, [noise(1), noise(2, 40)])):
        stream = engine.stream(request, max_new_tokens=8, memory=memory)
        list(stream)
    answer = stream.answer
    assert answer.num_known_tokens > 20
    assert answer.token_ids == engines[0].answer([request], max_new_tokens=8)[0].token_ids


def test_a_long_prompt_is_read_in_pieces(engines: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    model = engines[1].model
    whole = model.read([range(20, 120)], [None], 0).scores()
    monkeypatch.setattr("smvl.infer.onnx_model.READ_BY_ONNXRUNTIME", 7)
    np.testing.assert_allclose(model.read([range(20, 120)], [None], 0).scores(), whole, atol=1e-5)


def test_two_readings_do_not_disturb_each_other(engines: tuple[Engine, Engine]) -> None:
    model = engines[1].model
    first, second = model.read([[5, 6, 7]], [None], 4), model.read([[9, 8]], [None], 4)
    kept = first.scores()
    second.go_on([[3]])
    assert (first.scores() == kept).all()
    first.go_on([[4]])
    np.testing.assert_allclose(first.scores(), model.read([[5, 6, 7, 4]], [None], 0).scores(), atol=1e-5)


def test_suppressed_tokens_are_never_the_likeliest(engines: tuple[Engine, Engine]) -> None:
    model = engines[1].model
    reading = model.read([[5, 6, 7]], [None], 0)
    assert model.image_token_id in model.facts.suppressed_ids
    reading._scores[0, 0, model.image_token_id] = 1e9
    assert reading.likeliest() != [model.image_token_id]
    assert reading.scores()[0, model.image_token_id] == np.float32(1e9)


def test_the_vision_encoder_can_be_released_after_each_image(export: Path) -> None:
    tiles = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32)
    kept, released = OnnxModel(export, threads=1), OnnxModel(export, threads=1, keep_vision=False)
    assert (released.encode_images(tiles) == kept.encode_images(tiles)).all()
    assert kept._vision is not None and released._vision is None
    kept.release_vision()
    assert kept._vision is None


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_rounded_exports_answer(checkpoints: dict[str, Path], layout: str, engines: tuple[Engine, Engine], bits: int) -> None:
    export = export_small(checkpoints[layout], checkpoints[layout].parent / f"onnx-{bits}", bits)
    engine = Engine(OnnxModel(export, threads=1), SmVLMProcessor.from_pretrained(export))
    for request in requests():
        before, after = (each.first_scores(request) for each in (engines[0], engine))
        assert np.corrcoef(before, after)[0, 1] > {16: 0.9999, 8: 0.998, 4: 0.8}[bits]
    assert len(engine.answer(requests(), max_new_tokens=4)) == 4


def test_facts_are_those_of_the_checkpoint(engines: tuple[Engine, Engine]) -> None:
    before, after = (engine.facts for engine in engines)
    assert (after.max_positions, after.stop_ids, after.suppressed_ids) == (before.max_positions, before.stop_ids, before.suppressed_ids)
    assert after.max_batch == 1


# ---- refusals ------------------------------------------------------------------------------------------------------------------


def test_what_one_prompt_at_a_time_cannot_do_is_refused(engines: tuple[Engine, Engine]) -> None:
    model = engines[1].model
    with pytest.raises(ValueError, match="2 prompts .* one at a time"):
        model.read([[5], [6]], [None, None], 0)
    with pytest.raises(ValueError, match="1 image tokens, but 0 image features"):
        model.read([[model.image_token_id]], [None], 0)


@pytest.mark.parametrize("name", [f"onnx/{graph}{data}" for graph in GRAPHS for data in ("", "_data")])
def test_a_file_cut_short_is_refused_by_its_name(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(OnnxFolderError, match=rf"{name} has .* bytes; .* were written"):
        OnnxModel(copy)


@pytest.mark.parametrize("name", ["onnx/vision_encoder.onnx", "tokenizer.json", "processor_config.json"])
def test_a_missing_file_is_refused_by_its_name(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(OnnxFolderError, match=f"{name} is missing"):
        OnnxModel(copy)


def test_a_tokenizer_without_a_marker_is_refused_by_its_name(copy: Path) -> None:
    text = (copy / "tokenizer.json").read_text()
    (copy / "tokenizer.json").write_text(text.replace('"<global-img>"', '"<global-pic>"'))  # as long as before
    with pytest.raises(OnnxFolderError, match="tokenizer.json is not the file that was exported"):
        OnnxModel(copy)


@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size", "num_key_value_heads", "vocab_size"])
def test_the_config_of_another_model_is_refused_by_its_name(copy: Path, field: str) -> None:
    """Also where its entry in the manifest was changed with it."""
    config = json.loads((copy / "config.json").read_text())
    config["text_config"][field] += 1
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(OnnxFolderError, match="config.json"):
        OnnxModel(copy)
    manifest = json.loads((copy / "export.json").read_text())
    del manifest["files"]["config.json"]
    (copy / "export.json").write_text(json.dumps(manifest))
    with pytest.raises(OnnxFolderError, match=f"config.json is not that of .*{field} is {config['text_config'][field]}"):
        OnnxModel(copy)


def test_changed_weights_of_the_right_length_are_found_by_a_full_check(copy: Path) -> None:
    verify_onnx_folder(copy)
    path = copy / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_new_tokens": 9}))  # may be changed
    verify_onnx_folder(copy)
    weights = copy / "onnx" / "decoder_model_merged.onnx_data"
    weights.write_bytes(b"\1" + weights.read_bytes()[1:])
    with pytest.raises(OnnxFolderError, match="decoder_model_merged.onnx_data is not the file"):
        verify_onnx_folder(copy)


def test_an_export_of_another_format_is_refused(copy: Path, checkpoint: Path) -> None:
    assert is_onnx_folder(copy) and not is_onnx_folder(checkpoint)
    manifest = json.loads((copy / "export.json").read_text())
    (copy / "export.json").write_text(json.dumps({**manifest, "format": "qwen3-smvl onnx 2"}))
    assert is_onnx_folder(copy)
    with pytest.raises(OnnxFolderError, match="format qwen3-smvl onnx 2; .* Export the model again"):
        open_onnx_folder(copy)
    (copy / "export.json").unlink()
    assert not is_onnx_folder(copy)
    with pytest.raises(OnnxFolderError, match="export.json cannot be read"):
        open_onnx_folder(copy)


def test_an_export_that_ends_no_answer_is_refused(copy: Path) -> None:
    (copy / "generation_config.json").write_text("{}")
    with pytest.raises(ValueError, match="eos_token_id"):
        OnnxModel(copy)


# ---- without torch -------------------------------------------------------------------------------------------------------------


def test_it_imports_no_torch() -> None:
    program = "import sys, smvl.infer.onnx_model; assert not {'torch', 'transformers', 'onnx'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_it_answers_without_torch(exports: dict[str, Path], layout: str, engines: tuple[Engine, Engine]) -> None:
    program = WITHOUT_TORCH + (
        "from smvl.infer.engine import Engine; from smvl.infer.onnx_model import OnnxModel; from smvl.infer.request import Request\n"
        "from smvl.processing.processing_smvl import SmVLMProcessor\n"
        "engine = Engine(OnnxModel(sys.argv[1]), SmVLMProcessor.from_pretrained(sys.argv[1]))\n"
        "[answer] = engine.answer([Request([{'role': 'user', 'content': '图中有什么?'}])], max_new_tokens=8)\n"
        "assert 'torch' not in sys.modules; sys.stdout.write(repr(answer.token_ids))"
    )
    done = subprocess.run([sys.executable, "-c", program, exports[layout]], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    [answer] = engines[0].answer([ask("图中有什么?")], max_new_tokens=8)
    assert done.stdout == repr(answer.token_ids)
