"""The settings by which an image processor turns bytes into what the vision encoder sees, and which values of them can be.

With a wrong one nothing fails: the model sees other colours than it was trained on, and answers worse.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

PIXEL_SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "image_mean": (lambda value: _are_three(value), "three numbers"),
    "image_std": (lambda value: _are_three(value, above=0), "three numbers above 0"),
    "rescale_factor": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "resample": (lambda value: _is_number(value) and value in range(6), "0 to 5, one of Pillow's filters"),
}
"""What a vision donor was trained with; the tiles are this project's."""
_SWITCHES = ("do_rescale", "do_normalize")


def check_pixel_settings(settings: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a setting, of those that are given, by which no pixel can be scaled."""
    for name in PIXEL_SETTINGS.keys() & settings.keys():
        is_right, expected = PIXEL_SETTINGS[name]
        if not is_right(settings[name]):
            raise ValueError(f"the image processor's {name} is {settings[name]!r}; expected {expected}.")


def check_pixel_scale(image_processor: SmolVLMImageProcessorPil) -> None:
    """Raise `ValueError` unless it scales pixels, and by numbers that can be."""
    check_pixel_settings({name: getattr(image_processor, name) for name in PIXEL_SETTINGS})
    for name in _SWITCHES:
        if getattr(image_processor, name) is not True:
            raise ValueError(f"the image processor's {name} is {getattr(image_processor, name)!r}; expected true, as in training.")


def _are_three(value: Any, *, above: float = -math.inf) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 3 and all(_is_number(entry) and entry > above for entry in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
