"""The model that a run begins with, as its configuration asks for it: with the donors' weights, or in its shapes alone."""

from typing import Any

import torch
from transformers import SmolVLMForConditionalGeneration

from smvl.assemble import outline, splice
from smvl.config import Config
from smvl.processing.processing_smvl import SmVLMProcessor


def load_model(config: Config) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    """The splice. Later stages have other weights, but as many."""
    return splice(**_options(config), seed=config.seed, projector_from=config.model.projector_from)


def outline_model(config: Config) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
    """The same without a weight, in a second."""
    return outline(**_options(config))


def _options(config: Config) -> dict[str, Any]:
    model, image = config.model, config.data.image
    return {
        "vision": model.vision,
        "text": model.text,
        "projector": model.projector,
        "scale_factor": model.scale_factor,
        "tile": image.tile,
        "longest_edge": image.longest_edge,
        "attention": model.attention,
        "dtype": getattr(torch, model.dtype),
    }
