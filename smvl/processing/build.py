"""Making a processor from two donor folders: the text model's tokenizer, with markers, and the vision encoder's image settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.image_processing_base import ImageProcessingMixin

from smvl.layouts.find import pictures_of
from smvl.layouts.image_processors import EncoderSides, make_image_processor
from smvl.layouts.tokens import END_OF_TEXT, END_OF_TURN, add_missing_tokens
from smvl.model_folder import refusing_code
from smvl.processing.pixel_settings import PIXEL_SETTINGS, check_pixel_settings
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.settings_files import PROCESSOR_FILES, check_objects, reading


def build_processor(
    text: str | Path, vision: str | Path, encoder: EncoderSides, *, layout: str, image: Mapping[str, int | None]
) -> tuple[SmVLMProcessor, list[int]]:
    """A processor for two donors, and the ids of the tokens that the text donor's tokenizer did not have.

    Args:
        text: folder with the tokenizer.
        vision: folder with `preprocessor_config.json`; without one, SigLIP's own mean and deviation (0.5) are taken.
        layout, image: as `smvl.assemble.splice` takes them.

    Raises:
        ValueError: the tokenizer is missing or unreadable, or pictures cannot be cut by the settings.
    """
    tokenizer = _load_tokenizer(text)
    with reading(f"no processor can be made of the tokenizer in {text} and the image settings in {vision}", ValueError):
        image_processor = make_image_processor(layout, encoder, _pixel_settings(vision), image)
        missing = add_missing_tokens(tokenizer, pictures_of(image_processor, encoder.features).special_tokens)
        tokenizer.eos_token, tokenizer.pad_token = END_OF_TURN, END_OF_TEXT
        processor = SmVLMProcessor(image_processor, tokenizer, image_seq_len=encoder.features)
    return processor, tokenizer.convert_tokens_to_ids(missing)


def _load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    expected = "expected tokenizer.json and tokenizer_config.json"
    with reading(f"the tokenizer in {folder} cannot be read ({expected})"), refusing_code(folder):
        check_objects(folder, PROCESSOR_FILES)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ValueError(f"the tokenizer in {folder} has no tokenizer.json; save it with a fast tokenizer first.")
    if not tokenizer.get_vocab().keys() - tokenizer.get_added_vocab().keys():  # as transformers makes one where files are missing
        raise ValueError(f"the tokenizer in {folder} has {len(tokenizer)} tokens; {expected}. Download the folder again.")
    return tokenizer


def _pixel_settings(folder: str | Path) -> dict[str, Any]:
    """The vision donor's mean, deviation and filter, as far as its `preprocessor_config.json` says them.

    Raises:
        ValueError: a setting is none that pixels can be scaled with.
    """
    check_objects(folder, PROCESSOR_FILES)
    try:
        settings, _ = ImageProcessingMixin.get_image_processor_dict(folder, local_files_only=True)
    except OSError:
        return {}
    kept = {name: settings[name] for name in PIXEL_SETTINGS if name in settings}
    with reading(str(folder)):
        check_pixel_settings(kept)
    return kept
