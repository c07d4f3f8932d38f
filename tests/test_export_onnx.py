"""An ONNX export: graphs equal the checkpoint, weights are stored as asked, and every file says what transformers.js looks up."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper

from smvl.export.checkpoint import ExportError
from smvl.export.onnx.folder import export_onnx
from smvl.export.onnx.quantization import WeightFormat, quantize
from smvl.infer.manifest import file_sha256
from smvl.infer.onnx_folder import DECODER, EMBED_TOKENS, VISION_ENCODER, open_onnx_folder
from smvl.processing.processing_smvl import SmVLMProcessor
from tests.onnx_exports import export_small, load_model, save_small_checkpoint

ALL_BITS = (32, 16, 8, 4)
GRAPHS = (EMBED_TOKENS, VISION_ENCODER, DECODER)
NUM_LAYERS = 2
"""Of both donors."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="module")
def exports(checkpoint: Path) -> dict[int, Path]:
    return {bits: export_small(checkpoint, checkpoint.parent / f"onnx-{bits}", bits) for bits in ALL_BITS}


def session(export: Path, name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(open_onnx_folder(export).graph(name), providers=["CPUExecutionProvider"])


def graph(export: Path, name: str) -> onnx.ModelProto:
    return onnx.load(open_onnx_folder(export).graph(name))


def shapes(values) -> dict[str, list[int | str]]:
    return {value.name: value.shape for value in values}


# ---- equal to the checkpoint ---------------------------------------------------------------------------------------------------


def test_token_embeddings_equal(checkpoint: Path, exports: dict[int, Path]) -> None:
    table = load_model(checkpoint).get_input_embeddings().weight.detach()
    ids = torch.arange(len(table)).view(1, -1)
    largest = {32: 0, 16: 1e-3, 8: 0.005, 4: 0.1}  # of weights with a deviation of 0.2
    for bits, export in exports.items():
        [found] = session(export, EMBED_TOKENS).run(None, {"input_ids": ids.numpy()})
        assert found.dtype == np.float32
        assert np.abs(found[0] - table.numpy()).max() <= largest[bits]


def test_image_features_equal(checkpoint: Path, exports: dict[int, Path]) -> None:
    model = load_model(checkpoint)
    pixels = torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = torch.cat(model.model.get_image_features(pixels).pooler_output).numpy()
    inputs = {"pixel_values": pixels.numpy(), "pixel_attention_mask": np.ones((1, 3, 32, 32), dtype=bool)}
    largest = {32: 1e-5, 16: 0.02, 8: 0.05, 4: 0.05}
    for bits, export in exports.items():
        [found] = session(export, VISION_ENCODER).run(None, inputs)
        assert (found.dtype, found.shape) == (np.float32, expected.shape)
        assert np.abs(found - expected).max() / np.abs(expected).max() < largest[bits]


@pytest.mark.parametrize("filled_up_by", ["mask", "zeros", "both"])
def test_a_tile_that_fills_a_batch_up_gives_no_features(exports: dict[int, Path], filled_up_by: str) -> None:
    encoder = session(exports[32], VISION_ENCODER)
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 2, 3, 32, 32)).astype(np.float32)
    mask = np.ones((2, 2, 32, 32), dtype=bool)

    def encode(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return encoder.run(None, {"pixel_values": pixels, "pixel_attention_mask": mask})[0]

    [_, first, second, _] = encode(pixels.reshape(1, 4, 3, 32, 32), mask.reshape(1, 4, 32, 32)).reshape(4, -1)
    if filled_up_by in ("zeros", "both"):
        pixels[0, 0] = pixels[1, 1] = 0
    if filled_up_by in ("mask", "both"):
        mask[0, 0] = mask[1, 1] = False
    np.testing.assert_allclose(encode(pixels, mask).reshape(2, -1), [first, second], atol=1e-5)


def test_logits_equal_in_one_piece_in_two_and_step_by_step(checkpoint: Path, exports: dict[int, Path]) -> None:
    model, decoder = load_model(checkpoint), session(exports[32], DECODER)
    ids = torch.randint(0, 400, (1, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(input_ids=ids).logits[0].numpy()
        embeddings = model.get_input_embeddings()(ids).numpy()
    for pieces in ([12], [7, 5], [5, *[1] * 7]):
        found = decode(decoder, embeddings, pieces)
        np.testing.assert_allclose(found, expected[np.cumsum(pieces) - 1], atol=1e-5)


def decode(decoder: onnxruntime.InferenceSession, embeddings: np.ndarray, pieces: list[int]) -> list[np.ndarray]:
    """Logits behind each piece, keys and values handed on as transformers.js does it."""
    kept = {entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32) for entry in decoder.get_inputs()[2:]}
    logits, end = [], 0
    for length in pieces:
        piece, end = embeddings[:, end : end + length], end + length
        found, *present = decoder.run(None, {"inputs_embeds": piece, "attention_mask": np.ones((1, end), np.int64), **kept})
        kept = dict(zip(kept, present, strict=True))
        logits.append(found[0, 0])
    return logits


# ---- pictures of any size --------------------------------------------------------------------------------------------------------

GRIDS = [(4, 6), (2, 2), (10, 2), (6, 6)]
"""Rows and columns of patches; the encoder was made for 4 x 4."""


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("onnx-patches"), "qwen3_vl")


@pytest.fixture(scope="module")
def patch_exports(patches: Path) -> dict[int, Path]:
    return {bits: export_small(patches, patches.parent / f"onnx-{bits}", bits) for bits in (32, 4)}


def test_features_of_several_pictures_of_any_size_equal_deepstack_behind(patches: Path, patch_exports: dict[int, Path]) -> None:
    """Transformers' own; also where frames follow each other, which see nothing of one another."""
    model, encoder = load_model(patches), session(patch_exports[32], VISION_ENCODER)
    for grids in ([(1, *grid) for grid in GRIDS], [(2, 4, 6), (1, 2, 2)], [(1, 6, 8)]):
        num_patches = sum(frames * rows * columns for frames, rows, columns in grids)
        pixels = torch.rand(num_patches, 3 * 2 * 8 * 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.no_grad():
            seen = model.model.visual(pixels, grid_thw=torch.tensor(grids))
        expected = torch.cat([seen.pooler_output, *seen.deepstack_features], dim=-1).numpy()
        [found] = encoder.run(None, {"pixel_values": pixels.numpy(), "image_grid_thw": np.array(grids)})
        assert (found.dtype, found.shape) == (np.float32, (num_patches // 4, 2 * 48))
        np.testing.assert_allclose(found, expected, atol=2e-5)
        assert np.abs(found[:, 48:]).max() > 0.1, "else DeepStack says nothing"


def test_a_word_brings_nothing_for_the_layers_that_deepstack_adds_to(patches: Path, patch_exports: dict[int, Path]) -> None:
    ids = np.arange(400)[None]
    [found] = session(patch_exports[32], EMBED_TOKENS).run(None, {"input_ids": ids})
    assert (found[0, :, :48] == load_model(patches).get_input_embeddings().weight.detach().numpy()[:400]).all()
    assert found.shape[-1] == 2 * 48 and not found[..., 48:].any()


def test_positions_are_taken_as_they_are_given_but_never_beyond_a_tokens_number(patch_exports: dict[int, Path]) -> None:
    """transformers.js 4.3 hands in the prompt's length too much for each token of an answer to text alone."""
    decoder = session(patch_exports[32], DECODER)
    embeddings = np.random.default_rng(0).normal(size=(1, 5, 2 * 48)).astype(np.float32)
    empty = {entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32) for entry in decoder.get_inputs()[2:-1]}

    def logits(*positions: list[int]) -> np.ndarray:
        given = {"inputs_embeds": embeddings, "attention_mask": np.ones((1, 5), np.int64), **empty}
        return decoder.run(["logits"], given | {"position_ids": np.array(positions)[:, None]})[0]

    counted = [0, 1, 2, 3, 4]
    plain = logits(counted, counted, counted)
    assert (logits([0, 11, 12, 13, 14], [9, 9, 9, 9, 9], counted) == plain).all()
    for axis in range(3):
        changed = [counted] * 3
        changed[axis] = [0, 1, 1, 1, 1]
        assert np.abs(logits(*changed) - plain).max() > 1e-3


def test_its_names_and_shapes_are_those_of_transformers_js(patch_exports: dict[int, Path]) -> None:
    for export in patch_exports.values():
        assert shapes(session(export, EMBED_TOKENS).get_outputs()) == {"inputs_embeds": ["batch_size", "sequence_length", 96]}
        vision, decoder = session(export, VISION_ENCODER), session(export, DECODER)
        assert shapes(vision.get_inputs()) == {"pixel_values": ["num_patches", 384], "image_grid_thw": ["num_images", 3]}
        assert [value.name for value in vision.get_outputs()] == ["image_features"]
        given = shapes(decoder.get_inputs())
        assert given["inputs_embeds"] == ["batch_size", "sequence_length", 96]
        assert given["position_ids"] == [3, "batch_size", "sequence_length"]
        assert given["past_key_values.1.value"] == ["batch_size", 2, "past_sequence_length", 16]


def test_a_single_picture_is_attended_to_without_a_bias(patch_exports: dict[int, Path]) -> None:
    """With one, all scores are written down, which takes half of the memory that a large picture needs."""
    branches = [
        {attribute.name: [len(inner.input) for inner in attribute.g.node] for attribute in node.attribute}
        for node in graph(patch_exports[32], VISION_ENCODER).graph.node
        if node.op_type == "If"
    ]
    assert branches == [{"then_branch": [3], "else_branch": [6]}] * NUM_LAYERS


def test_its_products_are_rounded_and_its_positions_are_not(patch_exports: dict[int, Path]) -> None:
    rounded = {name: graph(patch_exports[4], name).graph for name in GRAPHS}
    for name, num_products in ((VISION_ENCODER, 4 * NUM_LAYERS + 2 * 2), (DECODER, 7 * NUM_LAYERS + 1)):
        assert Counter(node.op_type for node in rounded[name].node)["MatMulNBits"] == num_products
    assert largest_float_matrix(patch_exports[4], VISION_ENCODER) == 24 * 384, "which cuts patches"
    assert [4, 4, 24] in [list(tensor.dims) for tensor in rounded[VISION_ENCODER].initializer], "the table of positions"


# ---- stored as asked -----------------------------------------------------------------------------------------------------------


def test_the_operators_are_the_ones_that_were_asked_for(exports: dict[int, Path]) -> None:
    for bits, export in exports.items():
        kinds = {name: Counter(node.op_type for node in graph(export, name).graph.node) for name in GRAPHS}
        assert kinds[DECODER]["GroupQueryAttention"] == kinds[VISION_ENCODER]["MultiHeadAttention"] == NUM_LAYERS
        assert kinds[DECODER]["SimplifiedLayerNormalization"] == 4 * NUM_LAYERS + 1
        decoder_products, vision_products = 7 * NUM_LAYERS + 1, 6 * NUM_LAYERS + 1
        rounded = bits < 16
        assert kinds[DECODER]["MatMulNBits" if rounded else "MatMul"] == decoder_products
        assert kinds[VISION_ENCODER]["MatMulNBits" if rounded else "MatMul"] == vision_products
        assert kinds[EMBED_TOKENS] == {"GatherBlockQuantized" if rounded else "Gather": 1} | ({"Cast": 1} if bits == 16 else {})


def test_every_weight_is_stored_in_the_bits_that_were_asked_for(exports: dict[int, Path]) -> None:
    for bits in (8, 4):
        for name in GRAPHS:
            wanted = 8 if name == VISION_ENCODER else bits
            for node in graph(exports[bits], name).graph.node:
                found = {attribute.name: attribute.i for attribute in node.attribute}
                if node.domain == "com.microsoft" and "bits" in found:
                    assert found["bits"] == wanted
                    assert found.get("accuracy_level", 4) == 4
            assert largest_float_matrix(exports[bits], name) <= (24 * 3 * 8 * 8 if name == VISION_ENCODER else 0), name
    for name in GRAPHS:
        floats = [tensor for tensor in graph(exports[16], name).graph.initializer if tensor.data_type == TensorProto.FLOAT]
        assert sum(np.prod(tensor.dims) for tensor in floats) <= 16, "frequencies of the rotary positions stay float32"


def largest_float_matrix(export: Path, name: str) -> int:
    """Elements of the largest tensor of several axes that is neither rounded nor a scale; for the tower that which cuts patches."""
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    tensors = [tensor for tensor in graph(export, name).graph.initializer if tensor.data_type in floats and len(tensor.dims) > 1]
    return max((np.prod(tensor.dims) for tensor in tensors if not tensor.name.endswith(".scales")), default=0)


def test_rounded_weights_are_the_checkpoints_to_half_a_step(checkpoint: Path, exports: dict[int, Path]) -> None:
    weight = load_model(checkpoint).model.text_model.layers[1].mlp.down_proj.weight.detach().numpy()  # (48, 64), a block a row
    for bits in (8, 4):
        decoder = graph(exports[bits], DECODER).graph
        stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in decoder.initializer}
        nodes = [node for node in decoder.node if node.op_type == "MatMulNBits" and node_shape(node) == (64, 48)]
        assert len(nodes) == 2 * NUM_LAYERS, "of each layer the attention's last product and this one"
        packed, scales, *zero_points = (stored[name] for name in nodes[-1].input[1:])
        values = packed.astype(int) if bits == 8 else np.stack([packed & 15, packed >> 4], axis=-1).astype(int)
        middle = zero_points[0].astype(int) & 15 if bits == 4 else 128
        error = np.abs((values.reshape(48, 64) - middle) * scales - weight) / np.abs(scales)
        assert error.max() <= 1.001, "a block's end may be a whole step off"
        assert np.mean(error <= 0.501) > 0.95


def node_shape(node: onnx.NodeProto) -> tuple[int, int]:
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    return attributes["K"], attributes["N"]


def test_a_zero_point_for_each_block_comes_nearer(exports: dict[int, Path], checkpoint: Path) -> None:
    import onnx_ir

    table = load_model(checkpoint).get_input_embeddings().weight.detach().numpy() + 0.3  # away from zero
    errors = []
    for symmetric in (True, False):
        model = onnx_ir.load(open_onnx_folder(exports[32]).graph(EMBED_TOKENS))
        model.graph.initializers["embedding.weight"].const_value = onnx_ir.tensor(table)
        quantize(model, WeightFormat(4, 32, symmetric))
        path = checkpoint.parent / "table.onnx"
        onnx_ir.save(model, path)
        [found] = onnxruntime.InferenceSession(path).run(None, {"input_ids": np.arange(len(table))[None]})
        errors.append(np.abs(found[0] - table).mean())
    assert errors[1] < 0.8 * errors[0]


# ---- what runtimes look up -----------------------------------------------------------------------------------------------------


def test_names_and_shapes_are_those_of_transformers_js(exports: dict[int, Path]) -> None:
    for bits, export in exports.items():
        assert shapes(session(export, EMBED_TOKENS).get_inputs()) == {"input_ids": ["batch_size", "sequence_length"]}
        assert shapes(session(export, EMBED_TOKENS).get_outputs()) == {"inputs_embeds": ["batch_size", "sequence_length", 48]}
        vision = session(export, VISION_ENCODER)
        assert shapes(vision.get_inputs()) == {
            "pixel_values": ["batch_size", "num_tiles", 3, 32, 32],
            "pixel_attention_mask": ["batch_size", "num_tiles", 32, 32],
        }
        assert [value.name for value in vision.get_outputs()] == ["image_features"]
        decoder = session(export, DECODER)
        given, returned = shapes(decoder.get_inputs()), shapes(decoder.get_outputs())
        kept = [f"{layer}.{kind}" for layer in range(NUM_LAYERS) for kind in ("key", "value")]
        assert list(given) == ["inputs_embeds", "attention_mask", *(f"past_key_values.{name}" for name in kept)]
        assert list(returned) == ["logits", *(f"present.{name}" for name in kept)]
        assert given["past_key_values.1.value"] == ["batch_size", 2, "past_sequence_length", 16]
        kind = "tensor(float16)" if bits == 16 else "tensor(float)"
        assert {entry.type for entry in decoder.get_inputs()[2:]} == {kind}
        assert decoder.get_outputs()[0].type == "tensor(float)"


def test_the_files_are_those_that_transformers_js_asks_for(checkpoint: Path, exports: dict[int, Path]) -> None:
    settings = {"config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"}
    settings |= {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "export.json"}
    for bits, suffix in {32: "", 16: "_fp16", 8: "_quantized", 4: "_q4"}.items():
        files = {path.relative_to(exports[bits]).as_posix() for path in exports[bits].rglob("*") if path.is_file()}
        graphs = [f"{name}{suffix}.onnx" for name in GRAPHS]
        assert files == settings | {f"onnx/{name}{data}" for name in graphs for data in ("", "_data")}
        config = json.loads((exports[bits] / "config.json").read_text())
        used = config.pop("transformers.js_config")
        assert used == {"dtype": {32: "fp32", 16: "fp16", 8: "q8", 4: "q4"}[bits], "use_external_data_format": dict.fromkeys(graphs, 1)}
        assert config == json.loads((checkpoint / "config.json").read_text())


def test_markers_have_smolvlms_names_and_the_checkpoints_ids(checkpoint: Path, exports: dict[int, Path]) -> None:
    processor = SmVLMProcessor.from_pretrained(checkpoint)
    tokens = {token["content"]: token["id"] for token in json.loads((exports[4] / "tokenizer.json").read_text())["added_tokens"]}
    names = {"<|image_pad|>": "<image>", "<vision_start>": "<fake_token_around_image>", "<|vision_pad|>": "<global-img>"}
    for own, theirs in names.items():
        assert tokens[theirs] == processor.tokenizer.convert_tokens_to_ids(own)
        assert own not in tokens
    settings = json.loads((exports[4] / "tokenizer_config.json").read_text())
    assert settings["chat_template"] == (exports[4] / "chat_template.jinja").read_text()
    assert "<image>" in settings["chat_template"] and "<|image_pad|>" not in settings["chat_template"]
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有什么?"}]}]
    assert SmVLMProcessor.from_pretrained(exports[4]).lay_out(messages, [(64, 64)]) == processor.lay_out(messages, [(64, 64)])


def test_the_manifest_describes_every_file_and_nothing_tells_where_it_was_made(checkpoint: Path, exports: dict[int, Path]) -> None:
    for bits, export in exports.items():
        manifest = json.loads((export / "export.json").read_text())
        assert (manifest["bits"], manifest["source"]["checkpoint"]) == (bits, "checkpoint")
        assert manifest["source"]["weights_sha256"] == {"model.safetensors": file_sha256(checkpoint / "model.safetensors")}
        assert {"torch", "onnx", "onnxruntime"} <= manifest["packages"].keys()
        for path in export.rglob("*"):
            if path.is_file() and path.name != "export.json":
                entry = manifest["files"][path.relative_to(export).as_posix()]
                assert entry == {"size": path.stat().st_size, "sha256": file_sha256(path)}
            for place in (str(Path.cwd()), str(checkpoint.parent), "site-packages"):
                assert not path.is_file() or place.encode() not in path.read_bytes()


# ---- refusals ------------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_exported_is_refused_before_anything_is_traced(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="bits is 5; .* 32, 16, 8, 4"):
        export_onnx(checkpoint, tmp_path / "out", bits=5)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").touch()
    with pytest.raises(ExportError, match="used is in use"):
        export_onnx(checkpoint, tmp_path / "used", bits=4)
    with pytest.raises(ExportError, match="no checkpoint folder"):
        export_onnx(tmp_path / "nowhere", tmp_path / "out", bits=4)
    shutil.copytree(checkpoint, tmp_path / "partial")
    (tmp_path / "partial" / "generation_config.json").unlink()
    with pytest.raises(ExportError, match="partial has no generation_config.json"):
        export_onnx(tmp_path / "partial", tmp_path / "out", bits=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["partial", "used"]


def test_an_export_that_fails_leaves_nothing(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("smvl.export.onnx.folder._save", stop)
    with pytest.raises(OSError, match="No space left"):
        export_small(checkpoint, tmp_path / "out", 32)
    assert not list(tmp_path.iterdir())


def test_attention_heads_of_another_width_are_refused(tmp_path: Path) -> None:
    checkpoint = save_small_checkpoint(tmp_path, kind="llama")
    with pytest.raises(ValueError, match="heads are 12 wide; .* multiples of 8"):
        export_onnx(checkpoint, tmp_path / "out", bits=32)


def test_a_text_model_with_a_sliding_window_is_refused_by_that_name(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "sliding")
    config = json.loads((tmp_path / "sliding" / "config.json").read_text())
    config["text_config"] |= {"layer_types": ["full_attention", "sliding_attention"], "use_sliding_window": True, "sliding_window": 8}
    (tmp_path / "sliding" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="layers of sliding_attention"):
        export_onnx(tmp_path / "sliding", tmp_path / "out", bits=32)
    assert not (tmp_path / "out").exists()
