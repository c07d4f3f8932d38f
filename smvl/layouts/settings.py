"""What a recipe may set for each layout, by the keys of its YAML. It loads nothing, as a configuration is read before all else."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

ANSWERS, VISION_FEATURES = "answers", "vision_features"
Objective = Literal["answers", "vision_features"]
LayoutName = Literal["smolvlm", "qwen3_vl"]


@dataclass(frozen=True)
class LayoutKeys:
    """Keys that one layout has and another has not."""

    model: tuple[str, ...]
    """Of `model`."""
    image: dict[str, Any]
    """Of `data.image`, with their defaults."""
    limit: str
    """Of `data`: how much of pictures one sequence may hold."""
    objectives: tuple[str, ...]
    """Of a stage."""


def layout_with(image_keys: Iterable[str]) -> str:
    """The layout that these keys of `data.image` are for."""
    return next(name for name, keys in LAYOUT_KEYS.items() if keys.image.keys() >= set(image_keys))


LAYOUT_KEYS: dict[str, LayoutKeys] = {
    "smolvlm": LayoutKeys(("projector", "projector_from", "scale_factor"), {"tile": 512, "longest_edge": 1024}, "max_tiles", (ANSWERS,)),
    "qwen3_vl": LayoutKeys(
        ("deepstack", "rotary_alignment"), {"min_pixels": 4096, "max_pixels": 786_432}, "max_patches", (ANSWERS, VISION_FEATURES)
    ),
}
