"""The model that a run begins with, as its configuration asks for it: with the weights of donors or of a checkpoint, or in its shapes."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from transformers import SmolVLMForConditionalGeneration

from smvl.assemble import load_checkpoint, outline, outline_checkpoint, splice
from smvl.config import Config
from smvl.image_settings import show_images_as
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.strict_yaml import at_key


def load_model(config: Config) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    """The splice, or the checkpoint. Later stages have other weights, but as many.

    Raises:
        ValueError: a folder is not what it should be; the message names it and its key.
    """
    if config.model.checkpoint is not None:
        return _of_checkpoint(config, load_checkpoint)
    return splice(**_donors(config), **_kind(config), seed=config.seed, projector_from=config.model.projector_from)


def outline_model(config: Config) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    """The same without a weight, in a second."""
    if config.model.checkpoint is not None:
        return _of_checkpoint(config, outline_checkpoint)
    return outline(**_donors(config), **_kind(config))


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
    return model, processor
