"""Pictures as llama.cpp has to be given them, so that it sees the pixels that the model was trained on.

Left to itself, llama.cpp (b10257) keeps a picture's proportions and frames it in black until it fills whole tiles; SmolVLM's processor, and
so this project, stretches it. Pictures of native resolution it scales by a filter and within limits of its own. It also ignores the
rotation that a camera notes, and transparency. A picture that has the right size already is passed on as it is.
"""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, Keys
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from smvl.export.gguf.tensors import NUM_FRAMES
from smvl.export.gguf.vision_form import RESAMPLE_KEY
from smvl.layouts.find import pictures_of
from smvl.layouts.qwen3_vl.patches import fewest_and_most_tokens
from smvl.layouts.smolvlm.tiles import cut_tiles, plan_grid
from smvl.processing.images import read_image

ImageProcessor = SmolVLMImageProcessorPil | Qwen2VLImageProcessorPil


def read_image_processor(vision: str | Path) -> ImageProcessor:
    """The image processor that a projector's file describes.

    Raises:
        ValueError: the file is no projector that `export_gguf` wrote.
    """
    fields = GGUFReader(vision).fields
    has_patches = Keys.ClipVision.IMAGE_MAX_PIXELS in fields
    size_key = Keys.ClipVision.IMAGE_MIN_PIXELS if has_patches else Keys.ClipVision.PREPROC_IMAGE_SIZE
    missing = [key for key in (Keys.ClipVision.IMAGE_SIZE, size_key, RESAMPLE_KEY) if key not in fields]
    if missing:
        raise ValueError(f"{vision} does not say its {missing[0]}. Export the projector again with smvl.export.")

    def value(key: str) -> Any:
        return fields[key].contents()

    if has_patches:
        return Qwen2VLImageProcessorPil(
            image_mean=value(Keys.ClipVision.IMAGE_MEAN),
            image_std=value(Keys.ClipVision.IMAGE_STD),
            resample=value(RESAMPLE_KEY),
            size={"shortest_edge": value(size_key), "longest_edge": value(Keys.ClipVision.IMAGE_MAX_PIXELS)},
            patch_size=value(Keys.ClipVision.PATCH_SIZE),
            merge_size=value(Keys.ClipVision.SPATIAL_MERGE_SIZE),
            temporal_patch_size=NUM_FRAMES,
        )
    return SmolVLMImageProcessorPil(
        image_mean=value(Keys.ClipVision.IMAGE_MEAN),
        image_std=value(Keys.ClipVision.IMAGE_STD),
        resample=value(RESAMPLE_KEY),
        do_image_splitting=True,
        size={"longest_edge": value(Keys.ClipVision.PREPROC_IMAGE_SIZE)},
        max_image_size={"longest_edge": value(Keys.ClipVision.IMAGE_SIZE)},
    )


def fit(source: Any, image_processor: ImageProcessor) -> Image.Image:
    """The picture as large as the model is shown it.

    Args:
        source: what `read_image` reads.
    """
    if isinstance(image_processor, SmolVLMImageProcessorPil):
        return fit_to_tiles(source, image_processor)
    image, pictures = read_image(source), pictures_of(image_processor, None)
    return pictures.scale(image, pictures.plan(image.height, image.width))


def token_limits(image_processor: ImageProcessor) -> dict[str, int]:
    """Options of llama.cpp by which a picture that `fit` made is seen as it is; none where there are tiles."""
    if isinstance(image_processor, SmolVLMImageProcessorPil):
        return {}
    limits = fewest_and_most_tokens(image_processor.size, image_processor.patch_size * image_processor.merge_size)
    return dict(zip(("image_min_tokens", "image_max_tokens"), limits))


def fit_to_tiles(source: Any, image_processor: SmolVLMImageProcessorPil) -> Image.Image:
    """The picture that its tiles make together, each of them as in training, to the last bit.

    Args:
        source: what `read_image` reads.
    """
    image = read_image(source)
    grid = plan_grid(image.height, image.width, image_processor, image_processor.size["longest_edge"])
    tiles = cut_tiles(image, image_processor, grid)[: grid.rows * grid.columns]  # without the view of the whole
    shape = (1, 3, 1, 1)
    mean, deviation = (np.float32(getattr(image_processor, name)).reshape(shape) for name in ("image_mean", "image_std"))
    values = np.rint((tiles * deviation + mean) * 255).astype(np.uint8)  # (rows * columns, 3, tile, tile)
    side = values.shape[-1]
    rows = values.reshape(grid.rows, grid.columns, 3, side, side).transpose(0, 3, 1, 4, 2)
    return Image.fromarray(rows.reshape(grid.rows * side, grid.columns * side, 3))
