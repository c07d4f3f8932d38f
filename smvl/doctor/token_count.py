"""Tokens of a sample, counted by the encoder that training uses. Only this file of the doctor loads torch, and only when asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smvl.config import DataConfig, ImageConfig, ModelConfig
from smvl.data.message_checks import text_of
from smvl.data.sample import Sample
from smvl.model_folder import read_config
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
        max_tiles: tiles of the sample with the most; None sets no limit.
    """

    def __init__(self, processor: SmVLMProcessor, *, max_length: int, max_tiles: int | None):
        self._whole, self._limited = Encoder(processor, None), Encoder(processor, max_length, max_tiles)

    def __call__(self, sample: Sample, sizes: Sequence[tuple[int, int]]) -> TokenCount:
        """Raises `SampleError` where training would leave the sample out."""
        layout = self._limited.lay_out(sample, sizes)
        tokens = self._tokens_of_whole(sample, sizes) if layout.shortened else len(layout.input_ids)
        return TokenCount(tokens, len(layout.input_ids), layout.num_supervised, layout.shortened)

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
        processor.limit_images(longest_edge=data.image and data.image.longest_edge)
        return processor
    features = features_per_tile(model.vision, model.scale_factor)
    return _build(model.text, model.vision, data, features)


def processor_of_folder(folder: str | Path, data: DataConfig) -> SmVLMProcessor:
    """The processor of a checkpoint of this project, or of a folder with a tokenizer, then with the tiles of `data`.

    Raises:
        ValueError: there is no such folder, or no tokenizer in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"there is no folder {folder}. Give a checkpoint, or a text model's folder with tokenizer.json.")
    if (Path(folder) / "processor_config.json").is_file():
        return SmVLMProcessor.from_pretrained(folder)
    return _build(folder, folder, data, DEFAULT_FEATURES)


def features_per_tile(vision: str | Path, scale_factor: int | None) -> int:
    """Tokens of one tile, from config.json of a vision donor; the same number as the spliced model has (held by a test).

    Raises:
        ValueError: config.json is missing or damaged.
    """
    try:
        config = read_config(vision)
        tower = getattr(config, "vision_config", config)  # a SigLIP tower saved alone is its own configuration
        side = tower.image_size // tower.patch_size
    except (ValueError, AttributeError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"model.vision: {vision}/config.json does not describe a vision encoder ({error}).") from error
    own = getattr(config, "scale_factor", None)
    shuffle = scale_factor or own or next(factor for factor in (4, 3, 2, 1) if side % factor == 0)
    return (side // shuffle) ** 2


def _build(text: str | Path, vision: str | Path, data: DataConfig, features: int) -> SmVLMProcessor:
    image = data.image or ImageConfig()
    return build_processor(text, vision, tile=image.tile, longest_edge=image.longest_edge, image_seq_len=features)[0]
