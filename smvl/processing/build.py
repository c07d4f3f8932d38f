"""Making a processor from two donor folders: the text model's tokenizer, with markers, and the vision encoder's image settings."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.image_processing_base import ImageProcessingMixin
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.processing.tokens import END_OF_TEXT, END_OF_TURN, add_missing_tokens
from smvl.settings_files import PROCESSOR_FILES, check_objects, reading

_FEWEST_TOKENS = 256
"""A vocabulary that holds every byte has as many."""
_KEPT_IMAGE_SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "image_mean": (lambda value: _are_three(value), "three numbers"),
    "image_std": (lambda value: _are_three(value, above=0), "three numbers above 0"),
    "rescale_factor": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "resample": (lambda value: type(value) is int and value in range(6), "a number from 0 to 5, one of Pillow's filters"),
}
"""What a vision donor was trained with, and which values can be; the tiles are this project's."""


def build_processor(
    text: str | Path, vision: str | Path, *, tile: int, longest_edge: int, image_seq_len: int
) -> tuple[SmVLMProcessor, list[int]]:
    """A processor for the two donors, and the ids of the tokens that the text donor's tokenizer did not have.

    Args:
        text: folder with the tokenizer.
        vision: folder with `preprocessor_config.json`; without one, SigLIP's own mean and deviation (0.5) are taken.
        tile: side of a tile, the vision encoder's input size, in pixels.
        longest_edge: what an image's longest edge is scaled to, in pixels.
        image_seq_len: features of one tile after pixel shuffle.

    Raises:
        ValueError: the tokenizer is missing or unreadable, or the tile settings cannot be described by markers.
    """
    tokenizer = _load_tokenizer(text)
    with reading(f"no processor can be made of the tokenizer in {text} and the image settings in {vision}", ValueError):
        missing = add_missing_tokens(tokenizer)
        tokenizer.eos_token, tokenizer.pad_token = END_OF_TURN, END_OF_TEXT
        image_processor = SmolVLMImageProcessorPil(
            **_image_settings(vision),
            do_image_splitting=True,
            size={"longest_edge": longest_edge},
            max_image_size={"longest_edge": tile},
        )
        processor = SmVLMProcessor(image_processor, tokenizer, image_seq_len=image_seq_len)
    return processor, tokenizer.convert_tokens_to_ids(missing)


def _load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    expected = "expected tokenizer.json and tokenizer_config.json"
    with reading(f"the tokenizer in {folder} cannot be read ({expected})"):
        check_objects(folder, PROCESSOR_FILES)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not tokenizer.is_fast:
        raise ValueError(f"the tokenizer in {folder} has no tokenizer.json; save it with a fast tokenizer first.")
    if len(tokenizer) < _FEWEST_TOKENS:  # transformers makes an empty one where the files are missing
        raise ValueError(f"the tokenizer in {folder} has {len(tokenizer)} tokens; {expected}. Download the folder again.")
    return tokenizer


def _image_settings(folder: str | Path) -> dict[str, Any]:
    """The vision donor's; empty where it says nothing.

    Raises:
        ValueError: a setting is none that pixels can be scaled with.
    """
    check_objects(folder, PROCESSOR_FILES)
    try:
        settings, _ = ImageProcessingMixin.get_image_processor_dict(folder, local_files_only=True)
    except OSError:
        return {}
    kept = {name: settings[name] for name in _KEPT_IMAGE_SETTINGS if name in settings}
    for name, value in kept.items():
        is_right, expected = _KEPT_IMAGE_SETTINGS[name]
        if not is_right(value):
            raise ValueError(f"{folder}: the image processor's {name} is {value!r}; expected {expected}. Download the folder again.")
    return kept


def _are_three(value: Any, *, above: float = -math.inf) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(_is_number(entry) and entry > above for entry in value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
