"""The splice: a vision encoder and a text model, joined by pixel shuffle and a projector into one Hugging Face model.

The splice is a configuration, not a class: `SmolVLMConfig` takes any text model, so that the result is a stock `smolvlm` checkpoint.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, SmolVLMConfig, SmolVLMForConditionalGeneration

from smvl.model.donors import DonorError, VisionDonor, load_text, load_tower, make_text, make_tower, read_projector
from smvl.model.modeling_smvl import SmVLMConfig, SmVLMForConditionalGeneration

logger = logging.getLogger(__name__)

Projector = Literal["linear", "mlp"]

_MODEL_CLASSES = {
    "linear": (SmolVLMConfig, SmolVLMForConditionalGeneration),
    "mlp": (SmVLMConfig, SmVLMForConditionalGeneration),
}


def splice_model(
    vision: VisionDonor,
    text: str | Path,
    *,
    image_token_id: int,
    marker_ids: Sequence[int],
    unseen_ids: Sequence[int],
    stop_ids: Sequence[int],
    pad_token_id: int,
    projector: Projector = "linear",
    scale_factor: int | None = None,
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
    seed: int = 42,
) -> SmolVLMForConditionalGeneration:
    """Join two donors. Every tensor of theirs is loaded; what is newly made is the projector and the marker rows, and is logged.

    Args:
        image_token_id: the id whose embeddings are replaced by image features.
        marker_ids: ids of the other markers, which are trained as inputs.
        unseen_ids: those of all new ids that the text donor's tokenizer did not have.
        stop_ids: ids that end an answer.
        projector: `linear` gives a stock `smolvlm` model, `mlp` the class of `modeling_smvl.py`.
        scale_factor: side of the square of patches that becomes one token; by default the vision donor's own.

    Raises:
        DonorError: a donor is missing, damaged or of the wrong kind, or `scale_factor` does not divide its patches.
    """
    generator = torch.Generator().manual_seed(seed)
    tower = load_tower(vision, dtype=dtype, attention=attention)
    language_model = load_text(text, dtype=dtype, attention=attention)
    _make_room(language_model, max([image_token_id, *marker_ids, *unseen_ids]))
    _start_rows(language_model, unseen_ids, generator)
    model = _assemble(vision, tower, language_model, image_token_id, pad_token_id, projector, scale_factor)
    model.model.connector.to_empty(device="cpu")
    stranded = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    assert not stranded, f"no donor brought {stranded}"
    _start_projector(model, generator)
    model.generation_config = _generation_config(stop_ids, pad_token_id, [image_token_id, *marker_ids])
    model.eval()
    return model


def outline_model(
    vision: VisionDonor,
    text: str | Path,
    *,
    image_token_id: int,
    highest_id: int,
    pad_token_id: int,
    projector: Projector = "linear",
    scale_factor: int | None = None,
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
) -> SmolVLMForConditionalGeneration:
    """The model that `splice_model` makes, in its shapes alone: no donor's weights are read, and no tensor has storage.

    Args:
        highest_id: that the embedding must have a row for.

    Raises:
        DonorError: as `splice_model`, but for what weights can be.
    """
    with torch.device("meta"):
        tower = make_tower(vision, dtype=dtype, attention=attention)
        language_model = make_text(text, dtype=dtype, attention=attention)
        _make_room(language_model, highest_id)
        return _assemble(vision, tower, language_model, image_token_id, pad_token_id, projector, scale_factor)


def _assemble(
    vision: VisionDonor,
    tower: nn.Module,
    language_model: PreTrainedModel,
    image_token_id: int,
    pad_token_id: int,
    projector: Projector,
    scale_factor: int | None,
) -> SmolVLMForConditionalGeneration:
    """Build the whole without initialising what the donors bring: the frame has no storage until they are put in."""
    config_class, model_class = _MODEL_CLASSES[projector]
    config = config_class(
        vision_config=vision.config.to_dict(),
        text_config=_describe_text(language_model.config, pad_token_id),
        scale_factor=vision.scale_factor(scale_factor),
        image_token_id=image_token_id,
        tie_word_embeddings=language_model.config.tie_word_embeddings,
        pad_token_id=pad_token_id,
        dtype=language_model.dtype,
    )
    attention = language_model.config._attn_implementation
    with torch.device("meta"):
        model = model_class._from_config(config, attn_implementation=attention)
    model.model.vision_model = tower
    model.model.text_model = language_model.base_model
    model.lm_head = language_model.get_output_embeddings()
    _share_config(tower, model.config.vision_config)
    _share_config(language_model.base_model, model.config.text_config)
    model.config._attn_implementation = attention
    model.tie_weights()
    return model


def _share_config(part: nn.Module, config: PreTrainedConfig) -> None:
    """Let every module of a donor read the whole model's configuration, as in a model that was loaded: a later change must reach all."""
    for module in part.modules():
        if hasattr(module, "config"):
            module.config = config


def _describe_text(config: PreTrainedConfig, pad_token_id: int) -> dict[str, Any]:
    """The text configuration with every field that some runtime reads, also those that transformers 5 no longer writes."""
    described = config.to_dict()
    described.pop("_name_or_path", None)  # a path of the machine that spliced means nothing elsewhere
    described["pad_token_id"] = pad_token_id
    described["head_dim"] = described.get("head_dim") or config.hidden_size // config.num_attention_heads
    return described


def _make_room(language_model: PreTrainedModel, highest_id: int) -> None:
    """Give the embedding more rows only where its spare ones do not suffice; Qwen3's do."""
    num_rows = language_model.get_input_embeddings().num_embeddings
    if highest_id >= num_rows:
        logger.warning(
            "The embedding of the text model has %d rows; %d more were added for the markers.", num_rows, highest_id + 1 - num_rows
        )
        language_model.resize_token_embeddings(highest_id + 1, mean_resizing=False)


@torch.no_grad()
def _start_rows(language_model: PreTrainedModel, unseen_ids: Sequence[int], generator: torch.Generator) -> None:
    """Start each new row near the mean of the trained ones, so that it is neither alien nor equal to another (Hewitt, 2021)."""
    if not unseen_ids:
        return
    weight = language_model.get_input_embeddings().weight
    trained = weight[: min(unseen_ids)].float()
    noise = torch.randn(len(unseen_ids), weight.shape[1], generator=generator)
    weight[list(unseen_ids)] = (trained.mean(dim=0) + 0.5 * trained.std(dim=0) * noise).to(weight.dtype)
    logger.info("Newly made: %d marker rows (ids %d to %d) of the embedding.", len(unseen_ids), min(unseen_ids), max(unseen_ids))


@torch.no_grad()
def take_projector(model: SmolVLMForConditionalGeneration, folder: str | Path) -> None:
    """Start the projector with that of another checkpoint, in the place of a new one.

    Raises:
        DonorError: there is none in the folder, or it is of other shapes.
    """
    own, found = model.model.connector.state_dict(), read_projector(folder)
    shapes = [{name: tuple(tensor.shape) for name, tensor in sorted(each.items())} for each in (found, own)]
    if shapes[0] != shapes[1]:
        raise DonorError(f"the projector in {folder} does not fit: found {shapes[0]}, expected {shapes[1]}.")
    model.model.connector.load_state_dict(found)
    logger.info("The projector is that of %s.", folder)


@torch.no_grad()
def _start_projector(model: SmolVLMForConditionalGeneration, generator: torch.Generator) -> None:
    """Start the projector so that image features come out about as large as word embeddings.

    The encoder ends with a layer norm, so a feature's entries have a mean square near one; a first step then neither drowns the
    words nor is drowned by them.
    """
    projection = model.model.connector.modality_projection
    linears = [module for module in projection.modules() if isinstance(module, nn.Linear)]
    word_size = model.get_input_embeddings().weight.float().square().mean().sqrt().item()
    for linear in linears:
        size = word_size if linear is linears[-1] else 1.0
        drawn = torch.empty(linear.weight.shape, dtype=torch.float32)  # older torch draws other numbers in bfloat16
        linear.weight.copy_(drawn.normal_(0.0, size / linear.in_features**0.5, generator=generator))
        if linear.bias is not None:
            linear.bias.zero_()
    num_parameters = sum(parameter.numel() for parameter in projection.parameters())
    logger.info("Newly made: the projector, %s parameters.", f"{num_parameters:,}")


def _generation_config(stop_ids: Sequence[int], pad_token_id: int, marker_ids: Sequence[int]) -> GenerationConfig:
    """Greedy, ends at the end of a turn, and never writes a marker: a marker is an input, not a word."""
    return GenerationConfig(eos_token_id=list(stop_ids), pad_token_id=pad_token_id, suppress_tokens=sorted(marker_ids), do_sample=False)
