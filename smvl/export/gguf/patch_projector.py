"""The vision half of layout `qwen3_vl` in llama.cpp: its `qwen3vl_merger`, with a merger of DeepStack beside each layer that is tapped."""

from typing import Any

from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, VisionProjectorType, get_tensor_name_map

from smvl.export.checkpoint import Checkpoint
from smvl.export.gguf.quantization import tensor_type
from smvl.export.gguf.tensors import PlannedTensor
from smvl.export.gguf.vision_form import VisionForm, add_pixel_settings, check_common
from smvl.layouts.qwen3_vl.patches import FRAMES, MERGE, fewest_and_most_tokens

_TOWER, _PLAIN = "model.visual.", "visual."
"""Where its tensors stand in a checkpoint, and where the gguf library looks for them."""
_ROPE_BASE = 10_000.0
"""Of the encoder's rotation; it stands in llama.cpp's graph."""
_NORM_EPSILON = 1e-6
"""Of transformers' encoder, whatever config.json says."""
_MERGER_NAMES = {"merger.norm": "v.post_ln", "merger.linear_fc1": "mm.0", "merger.linear_fc2": "mm.2"}
_TAP_NAMES = {"norm": "norm", "linear_fc1": "fc1", "linear_fc2": "fc2"}


def _check(checkpoint: Checkpoint) -> None:
    config = checkpoint.vision_config
    theta = (config.get("rope_parameters") or {}).get("rope_theta", _ROPE_BASE)
    expected = {"in_channels": 3, "spatial_merge_size": MERGE, "temporal_patch_size": FRAMES}
    wrong = [f"{key}: {config[key]} (it has {value})" for key, value in expected.items() if config[key] != value]
    wrong += [f"rope_theta: {theta} (it has {_ROPE_BASE:g})"] * (theta != _ROPE_BASE)
    check_common(checkpoint, FORM.projector, wrong)


def _add_settings(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    """llama.cpp b11434 does not read the numbers of pixels: see `_server_options`."""
    vision, size = checkpoint.vision_config, checkpoint.image_settings["size"]
    writer.add_vision_projection_dim(vision["out_hidden_size"])
    writer.add_vision_image_size(_side(vision) * vision["patch_size"])
    writer.add_vision_patch_size(vision["patch_size"])
    writer.add_vision_embedding_length(vision["hidden_size"])
    writer.add_vision_feed_forward_length(vision["intermediate_size"])
    writer.add_vision_block_count(vision["depth"])
    writer.add_vision_head_count(vision["num_heads"])
    writer.add_vision_attention_layernorm_eps(_NORM_EPSILON)
    writer.add_vision_spatial_merge_size(vision["spatial_merge_size"])
    writer.add_vision_is_deepstack_layers([layer in vision["deepstack_visual_indexes"] for layer in range(vision["depth"])])
    writer.add_vision_use_gelu(True)
    writer.add_vision_min_pixels(size["shortest_edge"])
    writer.add_vision_max_pixels(size["longest_edge"])
    add_pixel_settings(writer, checkpoint.image_settings)


def _side(vision: dict[str, Any]) -> int:
    """Of the table of positions, in patches."""
    return round(vision["num_position_embeddings"] ** 0.5)


def _plan(config: dict[str, Any], kind: str) -> list[PlannedTensor]:
    vision = config["vision_config"]
    names = get_tensor_name_map(MODEL_ARCH.MMPROJ, vision["depth"])
    patch = (vision["hidden_size"], vision["in_channels"], vision["patch_size"], vision["patch_size"])
    planned = [
        PlannedTensor(f"{_TOWER}patch_embed.proj.weight", name, patch, GGMLQuantizationType.F32, frame=frame)
        for frame, name in enumerate(("v.patch_embd.weight", "v.patch_embd.weight.1"))
    ]
    for source, shape in _shapes(vision).items():
        name = _merger_name(source, vision) or names.get_name(_PLAIN + source, try_suffixes=(".weight", ".bias"))
        assert name is not None, f"the gguf library knows no {source}"
        kept = GGMLQuantizationType.F32 if source.startswith("pos_embed") else tensor_type(shape, kind, is_head=False)
        planned.append(PlannedTensor(_TOWER + source, name, shape, kept))
    return planned


def _merger_name(source: str, vision: dict[str, Any]) -> str | None:
    """In the file, of a merger's tensor: llama.cpp numbers those of DeepStack by the layer that is tapped."""
    stem, ending = source.rsplit(".", 1)
    if stem in _MERGER_NAMES:
        return f"{_MERGER_NAMES[stem]}.{ending}"
    if not stem.startswith("deepstack_merger_list."):
        return None
    _, number, part = stem.split(".")
    return f"v.deepstack.{vision['deepstack_visual_indexes'][int(number)]}.{_TAP_NAMES[part]}.{ending}"


def _shapes(vision: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor of the encoder and the mergers but the one that cuts patches."""
    width, inner, out = vision["hidden_size"], vision["intermediate_size"], vision["out_hidden_size"]
    joined = width * vision["spatial_merge_size"] ** 2
    layer = {
        "attn.qkv": (3 * width, width),
        "attn.proj": (width, width),
        "mlp.linear_fc1": (inner, width),
        "mlp.linear_fc2": (width, inner),
    }
    layer |= {"norm1": (width,), "norm2": (width,)}
    merger = {"linear_fc1": (joined, joined), "linear_fc2": (out, joined)}
    parts = {f"blocks.{number}.{name}": shape for number in range(vision["depth"]) for name, shape in layer.items()}
    parts |= {f"merger.{name}": shape for name, shape in ({"norm": (width,)} | merger).items()}
    for number in range(len(vision["deepstack_visual_indexes"])):
        parts |= {f"deepstack_merger_list.{number}.{name}": shape for name, shape in ({"norm": (joined,)} | merger).items()}
    shapes = {"patch_embed.proj.bias": (width,), "pos_embed.weight": (vision["num_position_embeddings"], width)}
    for name, shape in parts.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _server_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """llama.cpp b11434 takes 8 to 4,096 tokens for a picture, whatever the file says."""
    vision = checkpoint.vision_config
    fewest, most = fewest_and_most_tokens(checkpoint.image_settings["size"], vision["patch_size"] * vision["spatial_merge_size"])
    return {"image-min-tokens": fewest, "image-max-tokens": most}


FORM = VisionForm(VisionProjectorType.QWEN3VL, (_TOWER,), _check, _add_settings, _plan, _server_options)
