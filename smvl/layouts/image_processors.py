"""Making the image processor of a layout: of a model folder, or for a vision encoder of which only its sides need be known."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from transformers.image_processing_base import ImageProcessingMixin
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from smvl.layouts.qwen3_vl.patches import FRAMES, MERGE
from smvl.layouts.settings import LAYOUT_KEYS


@dataclass(frozen=True)
class EncoderSides:
    """What of a vision encoder decides how pictures are cut, in pixels."""

    tile: int
    """Side of the square that it was trained on."""
    patch: int
    features: int = 0
    """Of one tile, after pixel shuffle."""


def make_image_processor(layout: str, encoder: EncoderSides, pixel_settings: Mapping[str, Any], image: Mapping[str, int | None]) -> Any:
    """The stock image processor.

    Args:
        pixel_settings: mean, deviation and filter that the encoder was trained with.
        image: as `smvl.assemble.splice` takes it; the layout's own values where it says nothing.
    """
    return _MAKERS[layout](encoder, pixel_settings, image)


def assumed_image_processor(layout: str, image: Mapping[str, int | None]) -> Any:
    """The same where no encoder is at hand: of the size that the settings are for."""
    return make_image_processor(layout, EncoderSides(image.get("tile") or ASSUMED_TILE, ASSUMED_PATCH), {}, image)


ASSUMED_TILE, ASSUMED_PATCH = 512, 16


_CLASSES = {
    "SmolVLMImageProcessor": SmolVLMImageProcessorPil,
    "Idefics3ImageProcessor": SmolVLMImageProcessorPil,  # the same settings and pixels
    "Qwen2VLImageProcessor": Qwen2VLImageProcessorPil,
}
"""By the names of the stock classes; which of their backends a folder was saved with makes no difference here."""


def read_image_processor(folder: str | PathLike[str]) -> Any:
    """The stock image processor of a model folder, in the class that works with PIL and numpy alone, whatever else is installed.

    Raises:
        OSError: the folder has no settings of one.
        ValueError: it is of a kind that no layout has.
    """
    settings, _ = ImageProcessingMixin.get_image_processor_dict(folder, local_files_only=True)
    settings = dict(settings)
    kind = settings.pop("image_processor_type", None)
    name = kind.removesuffix("Fast").removesuffix("Pil") if isinstance(kind, str) else None
    if name not in _CLASSES:
        raise ValueError(f"the image_processor_type is {kind!r}; expected one of {', '.join(_CLASSES)}. Restore preprocessor_config.json.")
    return _CLASSES[name](**settings)


def _of_tiles(encoder: EncoderSides, pixel_settings: Mapping[str, Any], image: Mapping[str, int | None]) -> SmolVLMImageProcessorPil:
    size = {"longest_edge": image.get("longest_edge") or 2 * encoder.tile}
    return SmolVLMImageProcessorPil(**pixel_settings, do_image_splitting=True, size=size, max_image_size={"longest_edge": encoder.tile})


def _of_patches(encoder: EncoderSides, pixel_settings: Mapping[str, Any], image: Mapping[str, int | None]) -> Qwen2VLImageProcessorPil:
    settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, **pixel_settings}  # SigLIP's, where its folder says nothing
    least, most = (image.get(name) or default for name, default in LAYOUT_KEYS["qwen3_vl"].image.items())
    size = {"shortest_edge": max(least, (encoder.patch * MERGE) ** 2), "longest_edge": most}
    return Qwen2VLImageProcessorPil(**settings, size=size, patch_size=encoder.patch, merge_size=MERGE, temporal_patch_size=FRAMES)


_MAKERS = {"smolvlm": _of_tiles, "qwen3_vl": _of_patches}
