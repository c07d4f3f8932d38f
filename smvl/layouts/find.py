"""Which layout an image processor is for."""

from typing import Any

from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from smvl.layouts.pictures import Pictures
from smvl.layouts.qwen3_vl.patches import PatchPictures
from smvl.layouts.smolvlm.tiles import TilePictures


def pictures_of(image_processor: Any, image_seq_len: int | None) -> Pictures:
    """The rule of the layout whose stock image processor this is.

    Args:
        image_seq_len: features of a tile, where there are tiles.
    """
    if isinstance(image_processor, Qwen2VLImageProcessorPil):
        return PatchPictures(image_processor)
    return TilePictures(image_processor, image_seq_len)
