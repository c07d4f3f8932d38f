"""Tokens of a sample, counted by the encoder that training uses. Only this file of the doctor loads torch, and only when asked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from smvl.config import DataConfig, ImageConfig, ModelConfig
from smvl.data.message_checks import text_of
from smvl.data.sample import Sample
from smvl.image_settings import show_images_as
from smvl.layouts.encoder_sides import sides_in
from smvl.layouts.image_processors import ASSUMED_PATCH, EncoderSides
from smvl.layouts.settings import DEFAULT_LAYOUT
from smvl.packing.encode import Encoder
from smvl.processing.build import build_processor
from smvl.processing.processing_smvl import SmVLMProcessor

MOST_COUNTED = 200_000
"""Characters of a sample that are tokenized to count its tokens; each takes the tokenizer up to 600 bytes."""
DEFAULT_FEATURES = 64
"""Features of a tile where no vision donor says it: SmolVLM2's 512-pixel tile."""


@dataclass(frozen=True)
class TokenCount:
    """What a sample costs and what would be done to it."""

    tokens: int
    """Before anything is taken away. Estimated for a sample of more than `MOST_COUNTED` characters, from so many."""
    kept: int
    supervised: int
    """Of those kept."""
    shortened: tuple[str, ...]


class TokenCounter:
    """Counts tokens.

    Args:
        max_length: tokens of the longest sample.
        max_units: tiles or patches of the sample with the most; None sets no limit.
    """

    def __init__(self, processor: SmVLMProcessor, *, max_length: int, max_units: int | None):
        self._whole, self._limited = Encoder(processor, None), Encoder(processor, max_length, max_units)

    def __call__(self, sample: Sample, sizes: Sequence[tuple[int, int]]) -> TokenCount:
        """Raises `SampleError` where training would leave the sample out."""
        laid_out = self._limited.lay_out(sample, sizes)
        tokens = self._tokens_of_whole(sample, sizes) if laid_out.shortened else len(laid_out.input_ids)
        return TokenCount(tokens, len(laid_out.input_ids), laid_out.num_supervised, laid_out.shortened)

    def _tokens_of_whole(self, sample: Sample, sizes: Sequence[tuple[int, int]]) -> int:
        text = "\n".join(map(text_of, sample.messages))
        if len(text) <= MOST_COUNTED:
            return len(self._whole.lay_out(sample, sizes).input_ids)
        of_beginning = self._whole.processor.tokenizer.encode(text[:MOST_COUNTED], add_special_tokens=False)
        return len(of_beginning) * len(text) // MOST_COUNTED


def processor_of_config(model: ModelConfig, data: DataConfig) -> SmVLMProcessor:
    """The processor of a run, without reading any weights.

    Raises:
        ValueError: the tokenizer or the vision donor's config.json cannot be read.
    """
    if model.checkpoint is not None:
        processor = processor_of_folder(model.checkpoint, data)
        show_images_as(processor, data)
        return processor
    try:
        encoder = sides_in(model.vision, model.scale_factor)
    except ValueError as error:
        raise ValueError(f"model.vision: {error}") from error
    return _build(model.text, model.vision, model.layout, data.image or ImageConfig(), encoder)


def processor_of_folder(folder: str | Path, data: DataConfig) -> SmVLMProcessor:
    """The processor of a checkpoint of this project, or of a folder with a tokenizer, then with the tiles of `data`.

    Raises:
        ValueError: there is no such folder, or no tokenizer in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"there is no folder {folder}. Give a checkpoint, or a text model's folder with tokenizer.json.")
    if any((Path(folder) / name).is_file() for name in ("processor_config.json", "preprocessor_config.json")):
        return SmVLMProcessor.from_pretrained(folder)
    image = (data.image or ImageConfig()).of_layout(DEFAULT_LAYOUT)
    return _build(folder, folder, DEFAULT_LAYOUT, image, EncoderSides(image.tile, ASSUMED_PATCH, DEFAULT_FEATURES))


def _build(text: str | Path, vision: str | Path, layout: str, image: ImageConfig, encoder: EncoderSides) -> SmVLMProcessor:
    if image.tile is not None:  # as it is asked for, also where that is not what the encoder reads
        encoder = replace(encoder, tile=image.tile)
    return build_processor(text, vision, encoder, layout=layout, image=asdict(image))[0]
