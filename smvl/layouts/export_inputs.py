"""What exported models are handed, by layout. Nothing here needs torch or transformers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smvl.layouts.qwen3_vl.stock_patches import MOST_PIXELS, stock_patches, whole_picture
from smvl.layouts.settings import layout_of_type

Config = Mapping[str, Any]
"""A model's config.json."""
Shapes = Sequence[tuple[int, int]]
"""Rows and columns of each picture, as `smvl.layouts.pictures.Plan.shape` has them."""


def vision_inputs(config: Config, pixels: np.ndarray, shapes: Shapes) -> Iterator[dict[str, np.ndarray]]:
    """What the graph of a vision encoder is given, call by call: as little at once as can be seen alone, so that memory does not grow.

    Args:
        pixels: (num_units, 3, side, side) float32.
    """
    return _layout_of(config).graph_inputs(config, pixels, shapes)


def seen_alone(config: Config, pixels: np.ndarray, shapes: Shapes) -> Iterator[tuple[np.ndarray, int]]:
    """Pictures (3, height, width) that can be seen alone, and how many features each becomes: tiles, or whole pictures."""
    return _layout_of(config).alone(config, pixels, shapes)


def fewest_and_most_features(config: Config) -> tuple[int, int]:
    """Of what `seen_alone` gives."""
    return _layout_of(config).num_features(config)


def num_taps(config: Config) -> int:
    """How many further features stand behind that which takes the place of a token's embedding (DeepStack)."""
    return len(config["vision_config"].get("deepstack_visual_indexes") or ())


@dataclass(frozen=True)
class _Layout:
    graph_inputs: Callable[[Config, np.ndarray, Shapes], Iterator[dict[str, np.ndarray]]]
    alone: Callable[[Config, np.ndarray, Shapes], Iterator[tuple[np.ndarray, int]]]
    num_features: Callable[[Config], tuple[int, int]]


def _layout_of(config: Config) -> _Layout:
    return _LAYOUTS[layout_of_type(config["model_type"])]


def _tiles_as_inputs(config: Config, pixels: np.ndarray, shapes: Shapes) -> Iterator[dict[str, np.ndarray]]:
    mask = np.ones((1, 1, *pixels.shape[2:]), dtype=bool)
    for tile in pixels:
        yield {"pixel_values": tile[None, None], "pixel_attention_mask": mask}


def _tiles(config: Config, pixels: np.ndarray, shapes: Shapes) -> Iterator[tuple[np.ndarray, int]]:
    for tile in pixels:
        yield tile, _features_of_a_tile(config)[0]


def _features_of_a_tile(config: Config) -> tuple[int, int]:
    vision = config["vision_config"]
    num_features = (vision["image_size"] // vision["patch_size"] // config["scale_factor"]) ** 2
    return num_features, num_features


def _patches_of_each(pixels: np.ndarray, shapes: Shapes) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    start = 0
    for rows, columns in shapes:
        yield pixels[start : start + rows * columns], (rows, columns)
        start += rows * columns


def _pictures_as_inputs(config: Config, pixels: np.ndarray, shapes: Shapes) -> Iterator[dict[str, np.ndarray]]:
    for patches, shape in _patches_of_each(pixels, shapes):
        yield stock_patches([patches], [shape], config["vision_config"]["temporal_patch_size"])


def _pictures(config: Config, pixels: np.ndarray, shapes: Shapes) -> Iterator[tuple[np.ndarray, int]]:
    merge = config["vision_config"]["spatial_merge_size"]
    for patches, shape in _patches_of_each(pixels, shapes):
        yield whole_picture(patches, shape, merge), len(patches) // merge**2


def _features_of_a_picture(config: Config) -> tuple[int, int]:
    vision = config["vision_config"]
    return 1, MOST_PIXELS // (vision["patch_size"] * vision["spatial_merge_size"]) ** 2


_LAYOUTS = {
    "smolvlm": _Layout(_tiles_as_inputs, _tiles, _features_of_a_tile),
    "qwen3_vl": _Layout(_pictures_as_inputs, _pictures, _features_of_a_picture),
}
