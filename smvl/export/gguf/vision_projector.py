"""The vision encoder and the projector as the GGUF file that llama.cpp calls mmproj: an `idefics3` projector behind a `clip` tower."""

from pathlib import Path
from typing import Any

from gguf import (
    GGML_QUANT_VERSION,
    MODEL_ARCH,
    MODEL_ARCH_NAMES,
    GGMLQuantizationType,
    GGUFType,
    GGUFWriter,
    VisionProjectorType,
    get_tensor_name_map,
)

from smvl.export.checkpoint import Checkpoint, ExportError, Weights
from smvl.export.gguf.pictures import RESAMPLE_KEY
from smvl.export.gguf.quantization import file_type, tensor_type
from smvl.export.gguf.tensors import PlannedTensor, check_planned, write_tensors

_TOWER, _CONNECTOR = "model.vision_model.", "model.connector."


def write_vision_projector(checkpoint: Checkpoint, weights: Weights, path: Path, *, name: str, kind: str = "F16") -> None:
    """Write the vision encoder, the projector and the image settings of a checkpoint.

    The embeddings of patches and positions stay float32, as in llama.cpp's own conversion of this architecture.

    Args:
        kind: F16, F32 or BF16.

    Raises:
        ExportError: llama.cpp's graph of this projector has no place for a setting, or the tensors are not those of config.json.
    """
    check_vision_config(checkpoint)
    plan = _plan(checkpoint.config, kind)
    check_planned(plan, weights, [_TOWER, _CONNECTOR], checkpoint.folder)
    writer = GGUFWriter(None, MODEL_ARCH_NAMES[MODEL_ARCH.MMPROJ])
    writer.add_type(GGUFType.MMPROJ)
    writer.add_name(name)
    writer.add_file_type(file_type(kind))
    writer.add_quantization_version(GGML_QUANT_VERSION)
    _add_shape(writer, checkpoint.config)
    _add_image_settings(writer, checkpoint.image_settings)
    write_tensors(writer, path, plan, weights)


def check_vision_config(checkpoint: Checkpoint) -> None:
    """Raise `ExportError` for a vision encoder, or an image setting, that llama.cpp's idefics3 has not."""
    config, settings = checkpoint.vision_config, checkpoint.image_settings
    wrong = []
    if config["hidden_act"] != "gelu_pytorch_tanh":
        wrong.append(f"hidden_act: {config['hidden_act']} (it computes gelu_pytorch_tanh)")
    if config["num_channels"] != 3:
        wrong.append(f"num_channels: {config['num_channels']} (it reads 3)")
    if abs(settings["rescale_factor"] * 255 - 1) > 1e-6:
        wrong.append(f"rescale_factor: {settings['rescale_factor']} (it divides by 255)")
    if settings["max_image_size"]["longest_edge"] != config["image_size"]:
        wrong.append(f"max_image_size: {settings['max_image_size']['longest_edge']} (its tile is image_size, {config['image_size']})")
    if wrong:
        raise ExportError(f"llama.cpp's idefics3 projector cannot see as {checkpoint.folder} does: {'; '.join(wrong)}.")


def _add_shape(writer: GGUFWriter, config: dict[str, Any]) -> None:
    vision = config["vision_config"]
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(VisionProjectorType.IDEFICS3)
    writer.add_vision_projection_dim(config["text_config"]["hidden_size"])
    writer.add_vision_image_size(vision["image_size"])
    writer.add_vision_patch_size(vision["patch_size"])
    writer.add_vision_embedding_length(vision["hidden_size"])
    writer.add_vision_feed_forward_length(vision["intermediate_size"])
    writer.add_vision_block_count(vision["num_hidden_layers"])
    writer.add_vision_head_count(vision["num_attention_heads"])
    writer.add_vision_attention_layernorm_eps(vision["layer_norm_eps"])
    writer.add_vision_projector_scale_factor(config["scale_factor"])
    writer.add_vision_use_gelu(True)


def _add_image_settings(writer: GGUFWriter, settings: dict[str, Any]) -> None:
    writer.add_vision_image_mean(settings["image_mean"])
    writer.add_vision_image_std(settings["image_std"])
    writer.add_vision_preproc_image_size(settings["size"]["longest_edge"])
    writer.add_uint32(RESAMPLE_KEY, settings["resample"])


def _plan(config: dict[str, Any], kind: str) -> list[PlannedTensor]:
    names = get_tensor_name_map(MODEL_ARCH.MMPROJ, config["vision_config"]["num_hidden_layers"])
    planned = []
    for source, shape in _shapes(config).items():
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        assert name is not None, f"the gguf library knows no {source}"
        precise = ".embeddings." in source
        kept = GGMLQuantizationType.F32 if precise else tensor_type(shape, kind, is_head=False)
        planned.append(PlannedTensor(source, name, shape, kept))
    return planned


def _shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor of the tower and the projector by its name in a checkpoint."""
    vision = config["vision_config"]
    width, inner, patch = vision["hidden_size"], vision["intermediate_size"], vision["patch_size"]
    num_patches = (vision["image_size"] // patch) ** 2
    shapes = {
        "embeddings.patch_embedding.weight": (width, vision["num_channels"], patch, patch),
        "embeddings.patch_embedding.bias": (width,),
        "embeddings.position_embedding.weight": (num_patches, width),
    }
    linears = {f"self_attn.{part}": (width, width) for part in ("q_proj", "k_proj", "v_proj", "out_proj")}
    linears |= {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner), "layer_norm1": (width,), "layer_norm2": (width,)}
    for index in range(vision["num_hidden_layers"]):
        for name, shape in linears.items():
            shapes[f"encoder.layers.{index}.{name}.weight"] = shape
            shapes[f"encoder.layers.{index}.{name}.bias"] = shape[:1]
    shapes |= {"post_layernorm.weight": (width,), "post_layernorm.bias": (width,)}
    shapes = {f"{_TOWER}{name}": shape for name, shape in shapes.items()}
    shapes[f"{_CONNECTOR}modality_projection.proj.weight"] = (config["text_config"]["hidden_size"], width * config["scale_factor"] ** 2)
    return shapes
