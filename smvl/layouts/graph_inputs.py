"""What the graphs of an exported model are handed, by layout. Nothing here needs torch or transformers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from smvl.layouts.qwen3_vl.stock_patches import stock_patches
from smvl.layouts.settings import layout_of_type

Shapes = Sequence[tuple[int, int]]
"""Rows and columns of each picture, as `smvl.layouts.pictures.Plan.shape` has them."""


def vision_inputs(config: Mapping[str, Any], pixels: np.ndarray, shapes: Shapes) -> Iterator[dict[str, np.ndarray]]:
    """What the vision encoder is given, call by call: as little at once as can be seen alone, so that memory does not grow with pictures.

    Args:
        config: the model's config.json.
        pixels: (num_units, 3, side, side) float32.
    """
    return _VISION_INPUTS[layout_of_type(config["model_type"])](config, pixels, shapes)


def num_taps(config: Mapping[str, Any]) -> int:
    """How many further features stand behind that which takes the place of a token's embedding (DeepStack)."""
    return len(config["vision_config"].get("deepstack_visual_indexes") or ())


def _tile_by_tile(config: Mapping[str, Any], pixels: np.ndarray, shapes: Shapes) -> Iterator[dict[str, np.ndarray]]:
    mask = np.ones((1, 1, *pixels.shape[2:]), dtype=bool)
    for tile in pixels:
        yield {"pixel_values": tile[None, None], "pixel_attention_mask": mask}


def _picture_by_picture(config: Mapping[str, Any], pixels: np.ndarray, shapes: Shapes) -> Iterator[dict[str, np.ndarray]]:
    start = 0
    for shape in shapes:
        end = start + shape[0] * shape[1]
        yield stock_patches([pixels[start:end]], [shape], config["vision_config"]["temporal_patch_size"])
        start = end


_VISION_INPUTS: dict[str, Callable[[Mapping[str, Any], np.ndarray, Shapes], Iterator[dict[str, np.ndarray]]]] = {
    "smolvlm": _tile_by_tile,
    "qwen3_vl": _picture_by_picture,
}
