"""A GGUF export as the engine drives it: the checkpoint's answers token for token, without torch, and nothing damaged is loaded.

What runs the model needs llama-cpp-python (requirements-llama.txt) and is skipped without it.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smvl.export.gguf.folder import export_gguf
from smvl.infer.engine import Engine
from smvl.infer.gguf_folder import is_gguf_folder, open_gguf_folder, verify_gguf_folder
from smvl.infer.manifest import ExportFolderError
from smvl.infer.memory import Memory
from smvl.infer.request import Request
from smvl.layouts.smolvlm.tiles import cut_tiles, plan_grid
from smvl.layouts.tokens import IMAGE_TOKEN
from smvl.processing.processing_smvl import SmVLMProcessor
from tests.test_export_gguf import save_checkpoint
from tests.test_imports import ROOT, WITHOUT_TORCH
from tests.test_onnx_model import ask, check_forms, noise, requests

FILES = ("small-F32.gguf", "mmproj-small-F16.gguf", "config.json", "tokenizer.json", "chat_template.jinja", "processor_config.json")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("llama-model"), tied=False)


@pytest.fixture(scope="module")
def exports(checkpoint: Path) -> dict[str, Path]:
    """By kind."""
    folders = {kind: checkpoint.parent / kind for kind in ("F32", "F16", "Q8_0", "Q4_0")}
    for kind, folder in folders.items():
        export_gguf(checkpoint, folder, kind=kind, name="small")
    return folders


@pytest.fixture(scope="module")
def torch_engine(checkpoint: Path) -> Engine:
    return Engine.from_folder(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def engines(exports: dict[str, Path]) -> dict[str, Engine]:
    return {kind: llama_engine(folder) for kind, folder in exports.items()}


@pytest.fixture
def copy(exports: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(exports["F32"], tmp_path / "copy"))


def llama_engine(folder: Path, **options) -> Engine:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    from smvl.infer.llama.model import LlamaModel

    return Engine(LlamaModel(folder, threads=1, **options), SmVLMProcessor.from_pretrained(folder))


def tiles(engine: Engine, seed: int, width: int = 64, height: int = 48) -> np.ndarray:
    image, image_processor = noise(seed, width, height), engine.processor.image_processor
    return cut_tiles(image, image_processor, plan_grid(height, width, image_processor, 64))


# ---- equal to the checkpoint ---------------------------------------------------------------------------------------------------


def test_forms_and_calls_are_those_of_the_checkpoint(torch_engine: Engine, engines: dict[str, Engine]) -> None:
    check_forms(torch_engine, engines["F32"])


@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_greedy_tokens_equal_with_no_one_and_two_images(torch_engine: Engine, engines: dict[str, Engine], kind: str) -> None:
    before, after = (engine.answer(requests(), max_new_tokens=24) for engine in (torch_engine, engines[kind]))
    assert [answer.token_ids for answer in after] == [answer.token_ids for answer in before]
    assert len({answer.token_ids for answer in after}) == len(after), "equal answers would hide an exchange"


def test_scores_without_images_equal_in_whole_floats(torch_engine: Engine, engines: dict[str, Engine]) -> None:
    for request in (ask("图中有什么?"), ask("What? " * 30)):
        before, after = (engine.first_scores(request) for engine in (torch_engine, engines["F32"]))
        assert after.dtype == np.float32
        np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 48), (20, 60), (64, 20)])
def test_the_features_of_each_tile_are_the_checkpoints(torch_engine: Engine, engines: dict[str, Engine], size: tuple[int, int]) -> None:
    """To the rounding of the projector's file, float16; two tiles are a thousand times as far apart."""
    given = tiles(torch_engine, 1, *size)
    before, after = (engine.model.encode_images(given, []) for engine in (torch_engine, engines["F32"]))
    assert (after.shape, after.dtype) == ((4 * len(given), 48), np.float32)
    np.testing.assert_allclose(after, before.reshape(after.shape), atol=2e-3)
    assert len(given) >= 3 and np.abs(after[:4] - after[4:8]).max() > 0.1


def test_the_features_of_a_tile_do_not_hang_on_its_neighbours(engines: dict[str, Engine]) -> None:
    model = engines["F32"].model
    given = tiles(engines["F32"], 5)
    one_by_one = np.concatenate([model.encode_images(tile[None]) for tile in given])
    assert (one_by_one == model.encode_images(given)).all()


def test_pixels_are_recovered_to_the_last_bit(engines: dict[str, Engine]) -> None:
    engine = engines["F32"]
    image = noise(3, 64, 64)
    pixels = engine.model._pixels.of(tiles(engine, 3, 64, 64)[0])
    assert (pixels == np.asarray(image)[:32, :32]).all()


def test_the_turns_of_a_chat_equal_and_are_not_read_again(torch_engine: Engine, engines: dict[str, Engine]) -> None:
    """With a picture in the first and in the last turn, and a question that is taken back in between."""
    found = {}
    for name, engine in (("torch", torch_engine), ("llama", engines["F32"])):
        memory, answers = Memory(), []
        for request in chat():
            stream = engine.stream(request, max_new_tokens=12, memory=memory)
            for _ in stream:
                pass
            answers.append(stream.answer)
        found[name] = [(answer.token_ids, answer.num_known_tokens) for answer in answers]
    assert found["llama"] == found["torch"]
    assert [num_known > 0 for _, num_known in found["llama"]] == [False, True, True]


def chat() -> list[Request]:
    first = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有什么?"}]}
    answer = {"role": "assistant", "content": "一个红色的圆形。"}
    last = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "这一张呢?"}]}
    return [
        Request([first], [noise(1)]),
        Request([first, answer, {"role": "user", "content": "什么颜色?"}], [noise(1)]),
        Request([first, answer, last], [noise(1), noise(2, 20, 60)]),
    ]


@pytest.mark.parametrize("room", [0, 4, 400])
def test_reading_on_equals_reading_anew(engines: dict[str, Engine], room: int) -> None:
    """With room for it from the start, and where it must grow, during a prompt or during an answer."""
    model = engines["F32"].model
    ids = [20 + index % 100 for index in range(300)]
    reading = model.read([ids[:240]], [None], room)
    for token in range(40):
        reading.go_on([[token]])
    reading.read_on(235, ids[235:], None, room=2)
    fresh = model.read([ids], [None], 2)
    np.testing.assert_allclose(reading.scores(), fresh.scores(), atol=1e-5)
    for token in (1, 2, 3):
        reading.go_on([[token]])
        fresh.go_on([[token]])
        np.testing.assert_allclose(reading.scores(), fresh.scores(), atol=1e-5)
        assert reading.likeliest() == fresh.likeliest()


def test_images_are_read_on_too(engines: dict[str, Engine]) -> None:
    model = engines["F32"].model
    features = model.encode_images(tiles(engines["F32"], 2)[:2])
    image = [model.image_token_id] * 4
    reading = model.read([[5, *image, 6]], [features[:4]], 0)
    reading.read_on(6, [7, *image], features[4:], 0)  # it may end with one
    fresh = model.read([[5, *image, 6, 7, *image]], [features], 0)
    np.testing.assert_allclose(reading.scores(), fresh.scores(), atol=1e-5)
    swapped = model.read([[5, *image, 6, 7, *image]], [np.concatenate([features[4:], features[:4]])], 0)
    assert np.abs(swapped.scores() - fresh.scores()).max() > 1e-2


def test_a_long_prompt_is_read_in_pieces(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    model = engines["F32"].model
    features = model.encode_images(tiles(engines["F32"], 2)[:3])
    ids = [*range(20, 120), *[model.image_token_id] * 12, *range(20, 40)]
    whole = model.read([ids], [features], 0).scores()
    monkeypatch.setattr("smvl.infer.llama.context.READ_BY_LLAMA", 7)
    np.testing.assert_allclose(model.read([ids], [features], 0).scores(), whole, atol=1e-5)


def test_two_readings_do_not_disturb_each_other(engines: dict[str, Engine]) -> None:
    model = engines["F32"].model
    first, second = model.read([[5, 6, 7]], [None], 4), model.read([[9, 8]], [None], 4)
    kept = first.scores()
    second.go_on([[3]])
    assert (first.scores() == kept).all()
    first.go_on([[4]])
    np.testing.assert_allclose(first.scores(), model.read([[5, 6, 7, 4]], [None], 0).scores(), atol=1e-5)


def test_the_room_of_a_reading_that_is_over_is_taken_again_and_holds_nothing(engines: dict[str, Engine]) -> None:
    model = engines["F32"].model
    reading = model.read([[5, 6, 7]], [None], 400)
    scores, context = reading.scores(), reading._context
    del reading
    again = model.read([[5, 6, 7]], [None], 20)
    assert again._context is context and context.room == 512
    assert (again.scores() == scores).all()


def test_suppressed_tokens_are_never_the_likeliest(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    model = engines["F32"].model
    reading = model.read([[5, 6, 7]], [None], 0)
    [best] = reading.likeliest()
    assert model.image_token_id in model.facts.suppressed_ids
    raised = reading.scores()
    raised[0, model.image_token_id] = 1e9
    monkeypatch.setattr(reading, "scores", lambda: raised.copy())
    assert reading.likeliest() == [best]


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_rounded_exports_answer(torch_engine: Engine, engines: dict[str, Engine], kind: str) -> None:
    for request in requests():
        before, after = (engine.first_scores(request) for engine in (torch_engine, engines[kind]))
        assert np.corrcoef(before, after)[0, 1] > {"Q8_0": 0.999, "Q4_0": 0.9}[kind]
    assert len(engines[kind].answer(requests(), max_new_tokens=4)) == 4


def test_facts_are_those_of_the_checkpoint(torch_engine: Engine, engines: dict[str, Engine], exports: dict[str, Path]) -> None:
    before, after = torch_engine.facts, engines["F32"].facts
    assert (after.max_positions, after.stop_ids, after.suppressed_ids) == (before.max_positions, before.stop_ids, before.suppressed_ids)
    assert after.max_batch == 1
    short = llama_engine(exports["F32"], context=300).model
    assert short.facts.max_positions == 300 and short.read([[5]], [None], 0)._context.room == 512


def test_the_vision_encoder_can_be_released_after_each_image(engines: dict[str, Engine], exports: dict[str, Path]) -> None:
    kept, released = engines["F32"].model, llama_engine(exports["F32"], keep_vision=False).model
    given = tiles(engines["F32"], 4)
    assert (released.encode_images(given) == kept.encode_images(given)).all()
    assert kept._vision is not None and released._vision is None
    kept.release_vision()
    assert kept._vision is None


# ---- pictures of any size --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patch_engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    """A checkpoint of native resolution with DeepStack, in torch and in llama.cpp."""
    checkpoint = save_checkpoint(tmp_path_factory.mktemp("llama-patches"), tied=False, layout="qwen3_vl")
    export_gguf(checkpoint, checkpoint.parent / "F32", kind="F32", name="small")
    return {"torch": Engine.from_folder(checkpoint, device="cpu"), "llama": llama_engine(checkpoint.parent / "F32")}


def test_features_of_pictures_of_any_size_are_the_checkpoints_deepstack_behind(patch_engines: dict[str, Engine]) -> None:
    pictures = patch_engines["torch"].processor.pictures
    images = [noise(1), noise(2, 20, 60), noise(3, 16, 16), noise(4, 300, 30)]
    plans = [pictures.plan(image.height, image.width) for image in images]
    pixels = np.concatenate([pictures.cut(image, plan) for image, plan in zip(images, plans)])
    before, after = (engine.model.encode_images(pixels, [plan.shape for plan in plans]) for engine in patch_engines.values())
    assert (after.shape, after.dtype) == ((sum(map(pictures.num_tokens, plans)), 2 * 48), np.float32)
    np.testing.assert_allclose(after, before, atol=0.02)  # the mergers' GELU is llama.cpp's approximation of it
    assert np.abs(after[:, 48:]).max() > 1, "else DeepStack says nothing"


def test_greedy_tokens_about_pictures_of_any_size_equal(patch_engines: dict[str, Engine]) -> None:
    before, after = (engine.answer(requests(), max_new_tokens=16) for engine in patch_engines.values())
    assert [answer.token_ids for answer in after] == [answer.token_ids for answer in before]
    assert len({answer.token_ids for answer in after}) == len(after), "equal answers would hide an exchange"


def test_positions_in_three_axes_are_llama_cpps_also_in_pieces_and_where_a_chat_goes_on(
    patch_engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a picture llama.cpp's positions fall behind the number of tokens, and what is forgotten is told by position."""
    found = {}
    for name, engine in patch_engines.items():
        memory, scores = Memory(), []
        for request in chat():
            stream = engine.stream(request, max_new_tokens=6, memory=memory)
            list(stream)
            scores.append((stream.answer.token_ids, stream.answer.num_known_tokens))
            monkeypatch.setattr("smvl.infer.llama.context.READ_BY_LLAMA", 7)
        found[name] = scores
    assert found["llama"] == found["torch"]
    assert [num_known > 0 for _, num_known in found["llama"]] == [False, True, True]


# ---- refusals that need llama.cpp ----------------------------------------------------------------------------------------------


def test_what_one_prompt_at_a_time_cannot_do_is_refused(engines: dict[str, Engine]) -> None:
    model = engines["F32"].model
    with pytest.raises(ValueError, match="2 prompts .* one at a time"):
        model.read([[5], [6]], [None, None], 0)
    with pytest.raises(ValueError, match="1 image tokens, but 0 image features"):
        model.read([[model.image_token_id]], [None], 0)


@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size", "num_key_value_heads", "vocab_size"])
def test_the_config_of_another_model_is_refused_by_its_name(copy: Path, field: str) -> None:
    """Also where its entry in the manifest was taken out."""
    config = json.loads((copy / "config.json").read_text())
    config["text_config"][field] += 1
    (copy / "config.json").write_text(json.dumps(config))
    drop_entry(copy, "config.json")
    with pytest.raises(ExportFolderError, match=f"config.json is not that of .*{field} is {config['text_config'][field]}"):
        llama_engine(copy)


@pytest.mark.parametrize("name", ["small-F32.gguf", "mmproj-small-F16.gguf"])
def test_a_file_that_llama_cpp_refuses_is_named_with_its_reason(copy: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (copy / name).write_bytes(b"no such file" * 10)
    drop_entry(copy, name)
    with pytest.raises(ExportFolderError, match=f"{name} cannot be loaded by llama.cpp: .*invalid magic"):
        llama_engine(copy).model.encode_images(np.zeros((1, 3, 32, 32), dtype=np.float32))
    assert capfd.readouterr().err == ""


def drop_entry(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "export.json").read_text())
    del manifest["files"][name]
    (folder / "export.json").write_text(json.dumps(manifest))


def test_llama_cpp_writes_nothing_to_the_terminal(exports: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    engine = llama_engine(exports["F32"])
    engine.answer([ask("图中有什么?", noise(1))], max_new_tokens=2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"dtype": "float16"}, {"quantize": "int8"}])
def test_what_an_export_cannot_be_is_refused(exports: dict[str, Path], options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is a GGUF export: it runs on the CPU"):
        Engine.from_folder(exports["F32"], **options)


# ---- the folder, without llama.cpp ---------------------------------------------------------------------------------------------


def test_a_folder_without_llama_cpp_says_what_to_install(exports: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smvl.infer.llama.model", None)
    with pytest.raises(ValueError, match="pip install llama-cpp-python .which compiles llama.cpp: a C\\+\\+ compiler and CMake"):
        Engine.from_folder(exports["F32"])


def test_an_export_names_its_files_and_its_kind(exports: dict[str, Path]) -> None:
    for kind, path in exports.items():
        folder = open_gguf_folder(path)
        assert (folder.kind, folder.text, folder.vision) == (kind, path / f"small-{kind}.gguf", path / "mmproj-small-F16.gguf")
        listed = json.loads((path / "export.json").read_text())["files"]
        assert listed.keys() == {file.name for file in path.iterdir()} - {"export.json"}
        verify_gguf_folder(path)


def test_its_processor_lays_out_as_the_checkpoints(checkpoint: Path, exports: dict[str, Path]) -> None:
    messages = chat()[2].messages
    layouts = [SmVLMProcessor.from_pretrained(path).lay_out(messages, [(48, 64), (60, 20)]) for path in (checkpoint, exports["F32"])]
    assert layouts[0] == layouts[1]
    assert IMAGE_TOKEN not in (exports["F32"] / "tokenizer.json").read_text(encoding="utf-8")


def test_a_second_kind_in_the_same_folder_is_the_one_that_is_opened(checkpoint: Path, tmp_path: Path) -> None:
    export_gguf(checkpoint, tmp_path, kind="F16", name="small")
    export_gguf(checkpoint, tmp_path, kind="Q8_0", name="small")
    assert open_gguf_folder(tmp_path).text.name == "small-Q8_0.gguf"
    (tmp_path / "small-F16.gguf").unlink()
    verify_gguf_folder(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_or_missing_is_refused_by_its_name(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(ExportFolderError, match=rf"{name} has .* bytes; .* were written"):
        open_gguf_folder(copy)
    (copy / name).unlink()
    with pytest.raises(ExportFolderError, match=f"{name} is missing"):
        open_gguf_folder(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_replaced_is_refused_by_its_name(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[-2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ExportFolderError, match=f"{name} is not the file that was exported"):
        open_gguf_folder(copy)


def test_a_folder_without_a_manifest_is_refused_with_what_to_do(copy: Path, checkpoint: Path) -> None:
    assert is_gguf_folder(copy) and not is_gguf_folder(checkpoint)
    (copy / "export.json").unlink()
    assert is_gguf_folder(copy)
    with pytest.raises(ExportFolderError, match="holds GGUF files, but no export.json.* Export the checkpoint again"):
        open_gguf_folder(copy)
    assert not any(map(is_gguf_folder, ("", "no such folder", "问" * 300, "\0")))


def test_an_export_of_another_format_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "export.json").read_text())
    (copy / "export.json").write_text(json.dumps({**manifest, "format": "qwen3-smvl gguf 2"}))
    with pytest.raises(ExportFolderError, match="format qwen3-smvl gguf 2; .* Export the model again"):
        open_gguf_folder(copy)


# ---- without torch -------------------------------------------------------------------------------------------------------------


def test_it_answers_without_torch(exports: dict[str, Path], torch_engine: Engine) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    program = WITHOUT_TORCH + (
        "from smvl.infer.engine import Engine; from smvl.infer.request import Request\n"
        "[answer] = Engine.from_folder(sys.argv[1]).answer([Request([{'role': 'user', 'content': '图中有什么?'}])], max_new_tokens=8)\n"
        "assert not {'torch', 'onnxruntime', 'gguf'} & set(sys.modules); sys.stdout.write(repr(answer.token_ids))"
    )
    done = subprocess.run([sys.executable, "-c", program, exports["F32"]], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    [answer] = torch_engine.answer([ask("图中有什么?")], max_new_tokens=8)
    assert done.stdout == repr(answer.token_ids)
