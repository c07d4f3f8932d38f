"""The vision half of layout `smolvlm` in llama.cpp: an `idefics3` projector behind a `clip` tower."""

from typing import Any

from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, VisionProjectorType, get_tensor_name_map

from smvl.export.checkpoint import Checkpoint
from smvl.export.gguf.quantization import tensor_type
from smvl.export.gguf.tensors import PlannedTensor
from smvl.export.gguf.vision_form import VisionForm, add_pixel_settings, check_common

_TOWER, _CONNECTOR = "model.vision_model.", "model.connector."


def _check(checkpoint: Checkpoint) -> None:
    config, settings = checkpoint.vision_config, checkpoint.image_settings
    wrong = []
    if config["num_channels"] != 3:
        wrong.append(f"num_channels: {config['num_channels']} (it reads 3)")
    if settings["max_image_size"]["longest_edge"] != config["image_size"]:
        wrong.append(f"max_image_size: {settings['max_image_size']['longest_edge']} (its tile is image_size, {config['image_size']})")
    check_common(checkpoint, FORM.projector, wrong)


def _add_settings(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    vision = checkpoint.vision_config
    writer.add_vision_projection_dim(checkpoint.text_config["hidden_size"])
    writer.add_vision_image_size(vision["image_size"])
    writer.add_vision_patch_size(vision["patch_size"])
    writer.add_vision_embedding_length(vision["hidden_size"])
    writer.add_vision_feed_forward_length(vision["intermediate_size"])
    writer.add_vision_block_count(vision["num_hidden_layers"])
    writer.add_vision_head_count(vision["num_attention_heads"])
    writer.add_vision_attention_layernorm_eps(vision["layer_norm_eps"])
    writer.add_vision_projector_scale_factor(checkpoint.config["scale_factor"])
    writer.add_vision_use_gelu(True)
    writer.add_vision_preproc_image_size(checkpoint.image_settings["size"]["longest_edge"])
    add_pixel_settings(writer, checkpoint.image_settings)


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


def _server_options(checkpoint: Checkpoint) -> dict[str, Any]:
    return {}


FORM = VisionForm(VisionProjectorType.IDEFICS3, (_TOWER, _CONNECTOR), _check, _add_settings, _plan, _server_options)
