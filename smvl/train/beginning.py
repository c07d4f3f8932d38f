"""The model that a run begins with, as its configuration asks for it: with the weights of donors or of a checkpoint, or in its shapes."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import torch
from transformers import SmolVLMForConditionalGeneration

from smvl.assemble import load_checkpoint, outline, outline_checkpoint, splice
from smvl.config import Config
from smvl.image_settings import show_images_as
from smvl.model.rope import change_rope
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.strict_yaml import at_key

logger = logging.getLogger(__name__)


def load_model(config: Config) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    """The splice, or the checkpoint. Later stages have other weights, but as many.

    Raises:
        ValueError: a folder is not what it should be; the message names it and its key.
    """
    if config.model.checkpoint is not None:
        return _of_checkpoint(config, load_checkpoint)
    spliced = splice(**_donors(config), **_kind(config), seed=config.seed, projector_from=config.model.projector_from)
    return _with_its_rope(config, *spliced)


def outline_model(config: Config) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    """The same without a weight, in a second."""
    if config.model.checkpoint is not None:
        return _of_checkpoint(config, outline_checkpoint)
    return _with_its_rope(config, *outline(**_donors(config), **_kind(config)))


def _donors(config: Config) -> dict[str, Any]:
    model, image = config.model, config.data.image
    shared = {"vision": model.vision, "text": model.text, "layout": model.layout, **dataclasses.asdict(image)}
    return shared | {name: getattr(model, name) for name in ("projector", "scale_factor", "deepstack", "rotary_alignment")}


def _kind(config: Config) -> dict[str, Any]:
    return {"attention": config.model.attention, "dtype": getattr(torch, config.model.dtype)}


def _of_checkpoint(config: Config, load: Callable[..., Any]) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    with at_key("model.checkpoint"):
        model, processor = load(config.model.checkpoint, **_kind(config))
    show_images_as(processor, config.data)
    return _with_its_rope(config, model, processor)


def _with_its_rope(
    config: Config, model: SmolVLMForConditionalGeneration, processor: SmVLMProcessor
) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    """With the rotation that the configuration asks for; without one, with its own."""
    if config.model.rope is not None:
        with at_key("model.rope"):
            change_rope(model, **dataclasses.asdict(config.model.rope), max_length=config.data.max_length)
    most = model.config.text_config.max_position_embeddings
    if config.data.max_length > most:
        logger.warning(
            "data.max_length is %s, but by its config.json the text model reads %s tokens, and other runtimes will refuse longer prompts. "
            "Let model.rope reach as far, as train.yaml explains it, or lower data.max_length.",
            *(f"{number:,}" for number in (config.data.max_length, most)),
        )
    return model, processor
