"""GGUF files read back entry by entry, what is refused, and llama.cpp on both files (where its npm package is)."""

import copy
import json
import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, TokenType, dequantize
from PIL import Image
from safetensors.torch import load_file, save_file

import smvl
from smvl.demo_scenes.uses import CHECK_STOCK, UPDATE_PRICE
from smvl.export.checkpoint import ExportError
from smvl.export.gguf.folder import GGUFFiles, export_gguf
from smvl.export.gguf.llama_node import LlamaNode, LlamaNodeError
from smvl.export.gguf.pictures import fit, fit_to_tiles, read_image_processor, token_limits
from smvl.export.gguf.pieces import pieces_of
from smvl.export.gguf.quantization import find_kind, quantize_file
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.layouts.smolvlm.tiles import cut_tiles, plan_grid
from smvl.layouts.tokens import TILE_MARKERS
from smvl.model.saving import save_model
from smvl.processing.processing_smvl import SmVLMProcessor, default_chat_template
from smvl.processing.smolvlm_names import to_smolvlm_names
from tests import donors
from tests.qwen3 import qwen3_tokenizer

TEXT_NAMES = {
    "model.text_model.embed_tokens.weight": "token_embd.weight",
    "model.text_model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
VISION_NAMES = {
    "model.vision_model.embeddings.patch_embedding": "v.patch_embd",
    "model.vision_model.embeddings.position_embedding": "v.position_embd",
    "model.vision_model.post_layernorm": "v.post_ln",
    "model.connector.modality_projection.proj": "mm.model.fc",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
YARN = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 64}
BLANK_LINES = ["一。\n\n二。\n三。", "a\n\nb\nc"] * 8


def save_checkpoint(folder: Path, **options) -> Path:
    """As `splice_small`, written to disk."""
    model, processor = splice_small(folder, **options)
    save_model(model, folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


def splice_small(
    folder: Path,
    *,
    tied: bool = True,
    kind: str = "qwen3",
    projector: str = "linear",
    corpus=BLANK_LINES,
    tokenizer=None,
    layout: str = "smolvlm",
):
    """Small donors, spliced; their tokenizer knows a blank line as one token, as Qwen3's does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(donors, "CORPUS", donors.CORPUS + corpus)
        if tokenizer is not None:
            patch.setattr(donors, "small_tokenizer", lambda: tokenizer)
        text = donors.save_text_donor(folder / "text", tied=tied, kind=kind)
    options = {"projector": projector} if layout == "smolvlm" else donors.SPLICE[layout]
    model, processor = smvl.splice(vision=donors.save_vision_donor(folder / "vision"), text=text, **options)
    donors.let_taps_speak(model)
    return model, processor


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("gguf"))


@pytest.fixture
def mine(checkpoint, tmp_path) -> Path:
    """A copy of the checkpoint for a test to damage."""
    return Path(shutil.copytree(checkpoint, tmp_path / "mine"))


def edit_json(path: Path, *keys: str, value) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    entry = content
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = value
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def settings_of(path: Path) -> dict:
    return {name: field.contents() for name, field in GGUFReader(path).fields.items() if not name.startswith("GGUF.")}


def gguf_name(name: str, names: dict[str, str], layers: str, blocks: str) -> str:
    if not name.startswith(layers):
        return next(theirs + name.removeprefix(ours) for ours, theirs in names.items() if name.startswith(ours))
    index, part = name.removeprefix(layers).split(".", 1)
    stem, ending = part.rsplit(".", 1)
    return f"{blocks}{index}.{names[stem]}.{ending}"


def expected_tensors(folder: Path, *, vision: bool) -> dict[str, torch.Tensor]:
    weights = load_file(folder / "model.safetensors")
    prefixes = ("model.vision_model.", "model.connector.") if vision else ("model.text_model.", "lm_head.")
    names = VISION_NAMES if vision else TEXT_NAMES
    layers = "model.vision_model.encoder.layers." if vision else "model.text_model.layers."
    blocks = "v.blk." if vision else "blk."
    return {gguf_name(name, names, layers, blocks): tensor for name, tensor in weights.items() if name.startswith(prefixes)}


def rounding_of(kind: GGMLQuantizationType, values: np.ndarray) -> np.ndarray:
    """How far an entry may be from its own value, by the type's definition."""
    if kind == GGMLQuantizationType.F32:
        return np.zeros_like(values)
    if kind == GGMLQuantizationType.F16:
        return np.abs(values) * 2.0**-11 + 2.0**-25
    if kind == GGMLQuantizationType.BF16:
        return np.abs(values) * 2.0**-8
    blocks = np.abs(values.reshape(-1, 32)).max(axis=1, keepdims=True)
    step = blocks / (127 if kind == GGMLQuantizationType.Q8_0 else 8)
    within = step / 2 if kind == GGMLQuantizationType.Q8_0 else step  # 4 bits have -8, but not +8
    return np.broadcast_to(within + blocks * 2.0**-10, (len(blocks), 32)).reshape(values.shape)


# ---- what stands in the files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0"])
def test_every_text_tensor_is_the_checkpoints_to_the_rounding_of_its_type(checkpoint, tmp_path, kind) -> None:
    files = export_gguf(checkpoint, tmp_path, kind=kind, name="small")
    assert files == GGUFFiles(tmp_path / f"small-{kind}.gguf", tmp_path / "mmproj-small-F16.gguf")
    expected = expected_tensors(checkpoint, vision=False)
    found = {tensor.name: tensor for tensor in GGUFReader(files.text).tensors}
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        values = expected[name].numpy()
        assert tuple(reversed(tensor.shape)) == values.shape, name
        read = dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        assert (np.abs(read - values) <= rounding_of(tensor.tensor_type, values)).all(), name
    types = {name: tensor.tensor_type.name for name, tensor in found.items()}
    assert types["blk.0.ffn_down.weight"] == types["blk.1.attn_output.weight"] == kind
    assert types["token_embd.weight"] == ("F16" if kind.startswith("Q") else kind)  # rows of 48 do not divide into blocks
    assert types["blk.0.attn_q.weight"] == ("F16" if kind.startswith("Q") else kind)
    assert {types[name] for name in types if "norm" in name} == {"F32"}


def test_every_vision_tensor_is_the_checkpoints_and_embeddings_stay_float32(checkpoint, tmp_path) -> None:
    files = export_gguf(checkpoint, tmp_path)
    expected = expected_tensors(checkpoint, vision=True)
    found = {tensor.name: tensor for tensor in GGUFReader(files.vision).tensors}
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        values = expected[name].numpy()
        precise = values.ndim == 1 or "embd" in name
        assert tensor.tensor_type == (GGMLQuantizationType.F32 if precise else GGMLQuantizationType.F16), name
        read = dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        assert np.array_equal(read, values if precise else values.astype(np.float16).astype(np.float32)), name


def test_the_head_of_a_four_bit_file_keeps_eight_bits(tmp_path) -> None:
    names = {}
    for tied in (True, False):
        folder = save_wide_checkpoint(tmp_path / str(tied), tied=tied)
        files = export_gguf(folder, tmp_path, bits=4, name=str(tied))
        names[tied] = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(files.text).tensors}
    assert names[True]["token_embd.weight"] == "Q8_0" and "output.weight" not in names[True]
    assert (names[False]["token_embd.weight"], names[False]["output.weight"]) == ("Q4_0", "Q8_0")
    assert {names[tied]["blk.0.attn_q.weight"] for tied in names} == {"Q4_0"}


def save_wide_checkpoint(folder: Path, *, tied: bool) -> Path:
    """Rows of 64, which divide into blocks."""
    with pytest.MonkeyPatch.context() as patch:
        config = donors.Qwen3Config
        patch.setattr(donors, "Qwen3Config", lambda **shape: config(**{**shape, "hidden_size": 64}))
        return save_checkpoint(folder, tied=tied)


def test_the_text_settings_are_the_configs(checkpoint, tmp_path) -> None:
    found = settings_of(export_gguf(checkpoint, tmp_path, bits=8, name="small").text)
    config = json.loads((checkpoint / "config.json").read_text())["text_config"]
    tokens = {key: value for key, value in found.items() if key.startswith("tokenizer.")}
    assert {key: value for key, value in found.items() if key not in tokens} == {
        "general.architecture": "qwen3",
        "general.type": "model",
        "general.name": "small",
        "general.file_type": 7,
        "general.quantization_version": 2,
        "qwen3.vocab_size": config["vocab_size"],
        "qwen3.context_length": config["max_position_embeddings"],
        "qwen3.embedding_length": 48,
        "qwen3.block_count": 2,
        "qwen3.feed_forward_length": 64,
        "qwen3.attention.head_count": 4,
        "qwen3.attention.head_count_kv": 2,
        "qwen3.attention.key_length": 16,
        "qwen3.attention.value_length": 16,
        "qwen3.rope.dimension_count": 16,
        "qwen3.rope.freq_base": 1_000_000.0,
        "qwen3.attention.layer_norm_rms_epsilon": pytest.approx(1e-6),
    }


def test_a_longer_context_is_told_by_llama_cpps_keys(mine, tmp_path) -> None:
    edit_json(mine / "config.json", "text_config", "rope_parameters", value=YARN)
    edit_json(mine / "config.json", "text_config", "max_position_embeddings", value=256)
    found = settings_of(export_gguf(mine, tmp_path).text)
    assert {key: value for key, value in found.items() if "rope" in key or "context" in key} == {
        "qwen3.context_length": 256,
        "qwen3.rope.dimension_count": 16,
        "qwen3.rope.freq_base": 10_000.0,
        "qwen3.rope.scaling.type": "yarn",
        "qwen3.rope.scaling.factor": 4.0,
        "qwen3.rope.scaling.original_context_length": 64,
    }


def test_the_tokens_are_the_tokenizers_with_smolvlms_names_and_padding_behind(checkpoint, tmp_path) -> None:
    found = settings_of(export_gguf(checkpoint, tmp_path).text)
    tokenizer = SmVLMProcessor.from_pretrained(checkpoint).tokenizer
    tokens, types = found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"]
    assert len(tokens) == len(types) == found["qwen3.vocab_size"]
    for token, index in tokenizer.get_vocab().items():
        assert tokens[index] == to_smolvlm_names(token)
    added = {index: token.special for index, token in tokenizer.added_tokens_decoder.items()}
    expected = {index: TokenType.CONTROL if special else TokenType.USER_DEFINED for index, special in added.items()}
    for index, kind in enumerate(types):
        assert kind == (expected.get(index, TokenType.NORMAL) if index < len(tokenizer) else TokenType.UNUSED), tokens[index]
    assert tokens[types.index(TokenType.USER_DEFINED)] == "<tool_call>"
    assert tokens[len(tokenizer) :] == [f"[PAD{index}]" for index in range(len(tokenizer), len(tokens))]
    assert {tokens[tokenizer.convert_tokens_to_ids(marker)] for marker in TILE_MARKERS} >= {
        "<image>",
        "<fake_token_around_image>",
        "<global-img>",
        "<row_6_col_6>",
    }
    merges = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    assert found["tokenizer.ggml.merges"] == [" ".join(merge) for merge in merges]
    assert (found["tokenizer.ggml.model"], found["tokenizer.ggml.pre"]) == ("gpt2", "qwen2")
    assert tokens[found["tokenizer.ggml.eos_token_id"]] == "<|im_end|>"
    assert tokens[found["tokenizer.ggml.bos_token_id"]] == tokens[found["tokenizer.ggml.padding_token_id"]] == "<|endoftext|>"
    assert found["tokenizer.ggml.add_bos_token"] is False
    assert found["tokenizer.chat_template"] == to_smolvlm_names(default_chat_template())
    assert "set thinks_by_default = true" in found["tokenizer.chat_template"]
    assert "<image>" in found["tokenizer.chat_template"] and "<|image_pad|>" not in found["tokenizer.chat_template"]


TOWER = {
    "clip.vision.projection_dim": 48,
    "clip.vision.image_size": donors.TILE,
    "clip.vision.patch_size": donors.PATCH,
    "clip.vision.embedding_length": 24,
    "clip.vision.feed_forward_length": 32,
    "clip.vision.block_count": 2,
    "clip.vision.attention.head_count": 2,
    "clip.vision.attention.layer_norm_epsilon": pytest.approx(1e-6),
}
"""What llama.cpp is told of the encoder of the small donors, in both layouts."""


def test_the_vision_settings_are_the_configs(checkpoint, tmp_path) -> None:
    assert settings_of(export_gguf(checkpoint, tmp_path, name="small").vision) == {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "general.name": "small",
        "general.file_type": 1,
        "general.quantization_version": 2,
        "clip.has_vision_encoder": True,
        "clip.projector_type": "idefics3",
        **TOWER,
        "clip.vision.projector.scale_factor": 2,
        "clip.use_gelu": True,
        "clip.vision.image_mean": [0.5] * 3,
        "clip.vision.image_std": [0.5] * 3,
        "clip.vision.preproc_image_size": 2 * donors.TILE,
        "smvl.vision.resample": 1,
    }


def test_a_bfloat16_checkpoint_in_shards_gives_the_same_tensors(mine, tmp_path) -> None:
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(mine / "model.safetensors").items()}
    names = sorted(weights)
    shards = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for shard, held in shards.items():
        save_file({name: weights[name] for name in held}, mine / shard)
    (mine / "model.safetensors").unlink()
    index = {"weight_map": {name: shard for shard, held in shards.items() for name in held}}
    (mine / "model.safetensors.index.json").write_text(json.dumps(index))
    files = export_gguf(mine, tmp_path / "out", kind="BF16")
    found = {tensor.name: tensor for tensor in GGUFReader(files.text).tensors}
    embedding = dequantize(found["token_embd.weight"].data, GGMLQuantizationType.BF16)
    assert np.array_equal(embedding, weights["model.text_model.embed_tokens.weight"].float().numpy())


# ---- the same of the layout qwen3_vl ---------------------------------------------------------------------------------------------

PATCH_NAMES = {
    "patch_embed.proj.bias": "v.patch_embd.bias",
    "pos_embed.weight": "v.position_embd.weight",
    "merger.norm": "v.post_ln",
    "merger.linear_fc1": "mm.0",
    "merger.linear_fc2": "mm.2",
    "deepstack_merger_list.0.norm": "v.deepstack.0.norm",
    "deepstack_merger_list.0.linear_fc1": "v.deepstack.0.fc1",
    "deepstack_merger_list.0.linear_fc2": "v.deepstack.0.fc2",
    "attn.qkv": "attn_qkv",
    "attn.proj": "attn_out",
    "mlp.linear_fc1": "ffn_up",
    "mlp.linear_fc2": "ffn_down",
    "norm1": "ln1",
    "norm2": "ln2",
}


@pytest.fixture(scope="module")
def patches(tmp_path_factory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("gguf-patches"), layout="qwen3_vl")


@pytest.fixture(scope="module")
def patch_files(patches) -> GGUFFiles:
    return export_gguf(patches, patches.parent / "out", name="small")


def expected_patch_tensors(folder: Path) -> dict[str, np.ndarray]:
    expected = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.startswith("model.language_model."):
            plain = name.replace("model.language_model.", "model.text_model.")
            expected[gguf_name(plain, TEXT_NAMES, "model.text_model.layers.", "blk.")] = tensor.numpy()
        elif name == "model.visual.patch_embed.proj.weight":
            expected |= {"v.patch_embd.weight": tensor[:, :, 0].numpy(), "v.patch_embd.weight.1": tensor[:, :, 1].numpy()}
        else:
            expected[gguf_name(name.removeprefix("model.visual."), PATCH_NAMES, "blocks.", "v.blk.")] = tensor.numpy()
    return expected


def test_every_tensor_of_a_model_of_native_resolution_is_there(patches, patch_files) -> None:
    found = {tensor.name: tensor for file in (patch_files.text, patch_files.vision) for tensor in GGUFReader(file).tensors}
    expected = expected_patch_tensors(patches)
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        values = expected[name]
        precise = values.ndim == 1 or name.startswith(("v.patch_embd", "v.position_embd"))
        assert tensor.tensor_type == (GGMLQuantizationType.F32 if precise else GGMLQuantizationType.F16), name
        read = dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        assert np.array_equal(read, values if precise else values.astype(np.float16).astype(np.float32)), name


def test_its_settings_are_the_configs(patches, patch_files) -> None:
    text, vision = settings_of(patch_files.text), settings_of(patch_files.vision)
    rope = json.loads((patches / "config.json").read_text())["text_config"]["rope_parameters"]
    assert (text["general.architecture"], text["qwen3vl.n_deepstack_layers"]) == ("qwen3vl", 1)
    assert text["qwen3vl.rope.dimension_sections"] == [*rope["mrope_section"], 0] and sum(rope["mrope_section"]) == 8
    assert text["qwen3vl.rope.freq_base"] == rope["rope_theta"]
    assert {"<|vision_start|>", "<|image_pad|>", "<|vision_end|>"} <= set(text["tokenizer.ggml.tokens"])
    assert text["tokenizer.chat_template"] == (patches / "chat_template.jinja").read_text(encoding="utf-8")
    assert {key: value for key, value in vision.items() if key.startswith("clip.")} == {
        "clip.has_vision_encoder": True,
        "clip.projector_type": "qwen3vl_merger",
        **TOWER,
        "clip.vision.spatial_merge_size": 2,
        "clip.vision.is_deepstack_layers": [True, False],
        "clip.use_gelu": True,
        "clip.vision.image_min_pixels": 256,
        "clip.vision.image_max_pixels": 4 * donors.TILE**2,
        "clip.vision.image_mean": [0.5] * 3,
        "clip.vision.image_std": [0.5] * 3,
    }


def test_what_its_file_cannot_say_stands_beside_it_for_llama_server(checkpoint, patch_files, tmp_path) -> None:
    assert patch_files.text.with_name("llama-server.ini").read_text() == (
        "version = 1\n\n[small]\nmodel = small-F16.gguf\nmmproj = mmproj-small-F16.gguf\nimage-min-tokens = 1\nimage-max-tokens = 16\n"
        "load-on-startup = true\n"
    )
    assert not export_gguf(checkpoint, tmp_path).text.with_name("llama-server.ini").exists()


@pytest.mark.parametrize("size", [(64, 64), (64, 32), (90, 30), (20, 70), (7, 200)])
def test_a_picture_of_native_resolution_is_handed_over_as_large_as_it_is_shown(patches, patch_files, size) -> None:
    image_processor, image = read_image_processor(patch_files.vision), picture(*size)
    pictures = SmVLMProcessor.from_pretrained(patches).pictures
    plan = pictures.plan(image.height, image.width)
    fitted = fit(image, image_processor)
    assert fitted.size == (plan.columns * donors.PATCH, plan.rows * donors.PATCH)
    assert np.array_equal(pictures.cut(fitted, pictures.plan(fitted.height, fitted.width)), pictures.cut(image, plan))
    assert token_limits(image_processor) == {"image_min_tokens": 1, "image_max_tokens": 16}


@pytest.mark.parametrize(
    ("file", "keys", "value", "message"),
    [
        ("config.json", ("text_config", "rope_parameters", "mrope_interleaved"), False, "mrope_interleaved: False, .*qwen3vl has not"),
        ("config.json", ("vision_config", "rope_parameters", "rope_theta"), 500.0, "rope_theta: 500.0 .it has 10000"),
        ("config.json", ("vision_config", "temporal_patch_size"), 1, "temporal_patch_size: 1 .it has 2"),
        ("config.json", ("vision_config", "deepstack_visual_indexes"), [0, 1], "missing model.visual.deepstack_merger_list.1"),
    ],
)
def test_a_model_of_native_resolution_that_llama_cpp_would_run_otherwise_is_refused(patches, tmp_path, file, keys, value, message) -> None:
    mine = Path(shutil.copytree(patches, tmp_path / "mine"))
    edit_json(mine / file, *keys, value=value)
    with pytest.raises(ExportError, match=message):
        export_gguf(mine, tmp_path / "out")


# ---- pictures ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (64, 32), (90, 30), (20, 70), (33, 31), (7, 200)])
def test_a_picture_for_llama_cpp_is_made_of_the_tiles_that_the_model_is_trained_on(checkpoint, tmp_path, size) -> None:
    image_processor = read_image_processor(export_gguf(checkpoint, tmp_path).vision)
    trained_on = SmVLMProcessor.from_pretrained(checkpoint).image_processor
    image = picture(*size)
    grid = plan_grid(image.height, image.width, trained_on, 2 * donors.TILE)
    fitted = fit_to_tiles(image, image_processor)
    assert fitted.size == (grid.columns * donors.TILE, grid.rows * donors.TILE) and max(fitted.size) == 2 * donors.TILE
    assert plan_grid(fitted.height, fitted.width, trained_on, 2 * donors.TILE) == grid
    tiles = cut_tiles(image, trained_on, grid)
    again = cut_tiles(fitted, trained_on, grid)
    assert np.array_equal(again, tiles)  # the view of the whole, too
    assert fit_to_tiles(fitted, image_processor).tobytes() == fitted.tobytes()


def test_a_projector_that_says_nothing_of_pictures_is_refused(checkpoint, tmp_path) -> None:
    files = export_gguf(checkpoint, tmp_path, name="small")
    with pytest.raises(ValueError, match="small-F16.gguf does not say its clip.vision.image_size"):
        read_image_processor(files.text)


# ---- what is refused -------------------------------------------------------------------------------------------------------------


def test_a_text_model_that_is_no_qwen3_is_refused_by_its_kind(tmp_path) -> None:
    folder = save_checkpoint(tmp_path, kind="llama")
    with pytest.raises(ExportError, match="is a llama; only qwen3 is exported to GGUF"):
        export_gguf(folder, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_projector_of_two_layers_is_refused_with_what_to_train_instead(tmp_path) -> None:
    folder = save_checkpoint(tmp_path, projector="mlp")
    with pytest.raises(ExportError, match="has two layers .* Train with model.projector: linear"):
        export_gguf(folder, tmp_path / "out")


def test_lora_leftovers_are_refused_with_what_merges_them(mine, tmp_path) -> None:
    weights = load_file(mine / "model.safetensors")
    layer = "model.text_model.layers.0.self_attn.q_proj"
    weights[f"{layer}.base_layer.weight"] = weights.pop(f"{layer}.weight")
    weights[f"{layer}.lora_A.default.weight"] = torch.zeros(4, 48)
    save_file(weights, mine / "model.safetensors")
    with pytest.raises(ExportError, match=r"q_proj.base_layer.weight and 1 more.*merge them with smvl.train.lora_merge"):
        export_gguf(mine, tmp_path / "out")
    (mine / "adapter_config.json").write_text("{}")
    with pytest.raises(ExportError, match="is a LoRA adapter, not a model"):
        export_gguf(mine, tmp_path / "out")


def test_a_tokenizer_without_a_blank_line_token_is_refused(tmp_path) -> None:
    folder = save_checkpoint(tmp_path, corpus=[])
    with pytest.raises(ExportError, match=r"no single token for \\n\\n, which llama.cpp writes around an image"):
        export_gguf(folder, tmp_path / "out")


def test_a_tokenizer_without_a_marker_is_refused_by_the_markers_name(mine, tmp_path) -> None:
    content = json.loads((mine / "tokenizer.json").read_text(encoding="utf-8"))
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != "<row_2_col_3>"]
    (mine / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ExportError, match="no single token for <row_2_col_3>"):
        export_gguf(mine, tmp_path / "out")


def test_a_tokenizer_that_cuts_words_otherwise_is_refused(mine, tmp_path) -> None:
    split = {"type": "Split", "pattern": {"Regex": r"\s+"}, "behavior": "Isolated", "invert": False}
    edit_json(mine / "tokenizer.json", "pre_tokenizer", "pretokenizers", value=[split, {"type": "ByteLevel"}])
    with pytest.raises(ExportError, match="expected Qwen's byte-level BPE"):
        export_gguf(mine, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "keys", "value", "message"),
    [
        ("config.json", ("text_config", "hidden_act"), "gelu", "hidden_act: gelu, which llama.cpp's qwen3 has not"),
        ("config.json", ("text_config", "rope_parameters", "rope_type"), "yarn", "rope_type: yarn without factor"),
        ("config.json", ("text_config", "rope_parameters", "rope_type"), "dynamic", "rope_type: dynamic"),
        ("config.json", ("text_config", "rope_parameters"), {**YARN, "beta_fast": 16}, "beta_fast: 16, which"),
        ("config.json", ("vision_config", "hidden_act"), "gelu", "hidden_act: gelu .it computes gelu_pytorch_tanh"),
        ("config.json", ("text_config", "intermediate_size"), 65, "of another shape .*mlp.down_proj.weight is .48, 64., not .48, 65."),
        ("config.json", ("text_config", "num_hidden_layers"), 3, "missing model.text_model.layers.2"),
        ("config.json", ("text_config", "num_hidden_layers"), 1, "unknown model.text_model.layers.1"),
        ("config.json", ("model_type",), "llava", "holds a model of type llava; expected a smolvlm or qwen3_vl checkpoint"),
        ("preprocessor_config.json", ("size",), {"longest_edge": 32}, "data.image.longest_edge of at least 64"),
        ("preprocessor_config.json", ("rescale_factor",), 1.0, "rescale_factor: 1.0"),
    ],
)
def test_a_checkpoint_that_llama_cpp_would_run_otherwise_is_refused(mine, tmp_path, file, keys, value, message) -> None:
    edit_json(mine / file, *keys, value=value)
    with pytest.raises(ExportError, match=message):
        export_gguf(mine, tmp_path / "out")


def test_a_damaged_file_is_refused_by_its_name_and_leaves_nothing_behind(mine, tmp_path) -> None:
    whole = (mine / "model.safetensors").read_bytes()
    (mine / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ExportError, match="model.safetensors cannot be read"):
        export_gguf(mine, tmp_path / "out")
    weights = load_file_from(whole, tmp_path)
    weights["model.connector.modality_projection.proj.weight"][0, 0] = float("nan")
    save_file(weights, mine / "model.safetensors")
    with pytest.raises(ExportError, match="modality_projection.proj.weight holds entries that are not numbers"):
        export_gguf(mine, tmp_path / "out", name="small")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small-F16.gguf"]
    (mine / "tokenizer.json").write_text("{")
    with pytest.raises(ExportError, match="tokenizer.json cannot be read"):
        export_gguf(mine, tmp_path / "out")


def load_file_from(content: bytes, folder: Path) -> dict[str, torch.Tensor]:
    (folder / "whole.safetensors").write_bytes(content)
    return load_file(folder / "whole.safetensors")


def test_an_entry_beyond_float16_is_refused_with_the_kinds_that_hold_it(mine, tmp_path) -> None:
    weights = load_file(mine / "model.safetensors")
    weights["model.text_model.layers.0.mlp.up_proj.weight"][3, 3] = 1e5
    save_file(weights, mine / "model.safetensors")
    with pytest.raises(ExportError, match="up_proj.weight holds entries beyond float16's range. Export as BF16"):
        export_gguf(mine, tmp_path / "out", kind="F16")
    export_gguf(mine, tmp_path / "out", kind="F32")


def test_bits_and_kinds_that_do_not_exist_are_refused() -> None:
    assert [find_kind(bits, None) for bits in (None, 4, 8, 16, 32)] == ["F16", "Q4_0", "Q8_0", "F16", "F32"]
    with pytest.raises(ValueError, match="bits is 5; expected one of 4, 8, 16, 32"):
        find_kind(5, None)
    with pytest.raises(ValueError, match="kind is Q9; expected one of F32"):
        find_kind(None, "Q9")
    with pytest.raises(ValueError, match="both bits .8. and kind .F16. were given"):
        find_kind(8, "F16")


# ---- K-quants --------------------------------------------------------------------------------------------------------------------


def test_k_quants_without_llama_cpps_quantizer_say_what_to_install(checkpoint, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "smvl.export.gguf.llama_quantizer", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="neither llama-cpp-python is installed nor llama-quantize on the PATH. Install one"):
        export_gguf(checkpoint, tmp_path / "out", kind="Q4_K_M")
    assert not (tmp_path / "out").exists()


def test_k_quants_are_made_from_the_whole_float16_file(checkpoint, tmp_path, monkeypatch) -> None:
    """A quantizer that copies what it is given, and notes how it was asked."""
    install_quantizer(tmp_path, f'echo "$3" > {tmp_path}/asked && cp "$1" "$2"', monkeypatch)
    files = export_gguf(checkpoint, tmp_path / "out", kind="Q4_K_M", name="small")
    assert (tmp_path / "asked").read_text() == "Q4_K_M\n"
    assert sorted(path.name for path in (tmp_path / "out").glob("*.gguf*")) == ["mmproj-small-F16.gguf", "small-Q4_K_M.gguf"]
    plain = export_gguf(checkpoint, tmp_path / "plain", kind="F16", name="small")
    assert files.text.read_bytes() == plain.text.read_bytes()


def test_a_quantizer_that_fails_is_quoted(checkpoint, tmp_path, monkeypatch) -> None:
    install_quantizer(tmp_path, "echo no such type >&2; exit 3", monkeypatch)
    with pytest.raises(ValueError, match=r"small-Q6_K.gguf could not be made from small-F16.gguf.whole: .*exit 3.:\nno such type"):
        export_gguf(checkpoint, tmp_path / "out", kind="Q6_K", name="small")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", ["Q2_K", "Q4_K_M", "Q6_K"])
def test_k_quants_of_llama_cpp_python_hold_every_tensor_of_the_checkpoint(tmp_path, kind) -> None:
    """Rows of 256 in the kind that is asked for, or a finer one; rows of 64, which do not divide into its blocks, in blocks of 32."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    with pytest.MonkeyPatch.context() as patch:
        config = donors.Qwen3Config
        patch.setattr(donors, "Qwen3Config", lambda **shape: config(**{**shape, "hidden_size": 256}))
        folder = save_checkpoint(tmp_path)
    files = export_gguf(folder, tmp_path / "out", kind=kind, name="small")
    expected = expected_tensors(folder, vision=False)
    found = {tensor.name: tensor for tensor in GGUFReader(files.text).tensors}
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        values = expected[name].numpy()
        read = dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        if values.ndim == 1:
            assert tensor.tensor_type.name == "F32" and np.array_equal(read, values), name
        else:
            divides = values.shape[-1] % 256 == 0
            assert tensor.tensor_type.name.endswith("_K") if divides else tensor.tensor_type.name in ("Q4_0", "Q5_0", "Q8_0"), name
            assert np.corrcoef(read.ravel(), values.ravel())[0, 1] > {"Q2_K": 0.9, "Q4_K_M": 0.99, "Q6_K": 0.999}[kind], name
    assert settings_of(files.text)["general.file_type"] == {"Q2_K": 10, "Q4_K_M": 15, "Q6_K": 18}[kind]
    assert not list((tmp_path / "out").glob("*.whole*"))


def test_llama_cpp_python_that_refuses_is_quoted(tmp_path) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    (tmp_path / "small.gguf").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="out.gguf could not be made from small.gguf: llama.cpp refused: .*magic"):
        quantize_file(tmp_path / "small.gguf", tmp_path / "out.gguf", "Q4_K_M")
    assert [path.name for path in tmp_path.iterdir()] == ["small.gguf"]


def install_quantizer(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smvl.export.gguf.llama_quantizer", None)
    path = folder / "bin" / "llama-quantize"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")


# ---- llama.cpp -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama() -> LlamaNode:
    try:
        return LlamaNode.find()
    except LlamaNodeError as error:
        pytest.skip(str(error))


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8))


QUESTION = "图中有什么?What's in it: 12 个苹果, 🍎 x² …\n\n  第二行"
TURNS = [{"role": "assistant", "content": "一个红色的圆形。"}, {"role": "user", "content": "再看一次"}]
CONVERSATIONS = {
    "no image": ([{"role": "system", "content": "只用一个词回答。"}, {"role": "user", "content": QUESTION}, *TURNS], []),
    "one image": ([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}, *TURNS], [picture(64, 48)]),
    "two images": (
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "先看"}, {"type": "image"}, {"type": "text", "text": "再看"}, {"type": "image"}],
            }
        ],
        [picture(90, 30), picture(20, 70)],
    ),
    "tools": (
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "按图改价。"}]}],
        [picture(64, 48)],
        [UPDATE_PRICE, CHECK_STOCK],
    ),
}


def test_llama_cpps_prompt_ids_are_ours_for_no_one_and_two_images(llama, tmp_path) -> None:
    """Under Qwen3's real vocabulary."""
    model, processor = splice_small(tmp_path, tokenizer=copy.deepcopy(qwen3_tokenizer()))
    save_model(model, tmp_path / "checkpoint")
    processor.save_pretrained(tmp_path / "checkpoint")
    requests = [Request(*each) for each in CONVERSATIONS.values()]
    session = llama.ask(export_gguf(tmp_path / "checkpoint", tmp_path), requests, max_new_tokens=0)
    for (messages, images, *tools), reply in zip(CONVERSATIONS.values(), session.replies):
        sizes = [(image.height, image.width) for image in images]
        options = {"add_generation_prompt": True, "enable_thinking": False, "tools": tools[0] if tools else None}
        ids = processor.lay_out(messages, sizes, **options).input_ids
        assert reply.prompt_ids == tuple(-1 if token == processor.image_token_id else token for token in ids)
        assert bool(images) == (processor.image_token_id in ids)


TEXTS = ["你好", "What is in the picture?", "1+1=?", "请用一句话介绍北京。", "def add(a, b):", "春眠不觉晓,"]


@pytest.mark.parametrize(("kind", "rope"), [("F32", None), ("F16", None), ("F32", YARN)], ids=["F32", "F16", "yarn"])
def test_the_float_text_models_greedy_tokens_in_llama_cpp_are_pytorchs(llama, mine, tmp_path, kind, rope) -> None:
    """At least 85% of them, of random weights, which decide by little: one rounding may turn a token, and all that follow it."""
    if rope is not None:
        edit_json(mine / "config.json", "text_config", "rope_parameters", value=rope)
    engine = Engine.from_folder(mine)
    requests = [Request([{"role": "user", "content": text}]) for text in TEXTS]
    wanted = [greedy(engine, request.messages, 16) for request in requests]
    files = export_gguf(mine, tmp_path, kind=kind)
    suppressed = engine.facts.suppressed_ids
    session = llama.ask(files, requests, max_new_tokens=16, suppressed_ids=suppressed)
    equal = [one == other for reply, pieces in zip(session.replies, wanted) for one, other in zip(reply.pieces, pieces)]
    assert sum(equal) >= 0.85 * sum(map(len, wanted)), f"{sum(equal)} of {sum(map(len, wanted))}"


def greedy(engine: Engine, messages: list[dict], num_tokens: int) -> list[str]:
    reading = engine.model.read([engine.lay_out(Request(messages)).input_ids], [None], num_tokens)
    written = reading.likeliest()
    while len(written) < num_tokens and written[-1] not in engine.facts.stop_ids:
        reading.go_on([written[-1:]])
        written += reading.likeliest()
    return pieces_of(engine.processor.tokenizer, written)


def test_a_file_cut_short_is_refused_by_llama_cpp_with_its_name(llama, checkpoint, tmp_path) -> None:
    files = export_gguf(checkpoint, tmp_path, name="small")
    files.text.write_bytes(files.text.read_bytes()[:4000])
    with pytest.raises(LlamaNodeError, match="small-F16.gguf"):
        llama.ask(files, [Request([{"role": "user", "content": "你好"}])], max_new_tokens=0)


def test_a_missing_node_package_says_how_to_install_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SMVL_NODE_MODULES", str(tmp_path))
    with pytest.raises(LlamaNodeError, match="npm install @fugood/llama.node|Install Node.js"):
        LlamaNode.find()
