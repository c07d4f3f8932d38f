"""Pictures as llama.cpp has to be given them, so that it sees the tiles that the model was trained on.

Left to itself, llama.cpp (b10257) keeps a picture's proportions and frames it in black until it fills whole tiles; SmolVLM's processor, and
so this project, stretches it. It also ignores the rotation that a camera notes, and transparency. A picture that fills whole tiles
already is passed on as it is.
"""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, Keys
from PIL import Image
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from smvl.layouts.smolvlm.tiles import cut_tiles, plan_grid
from smvl.processing.images import read_image

RESAMPLE_KEY = "smvl.vision.resample"
"""In a projector's file: the filter by which pictures were scaled in training, as Pillow numbers it. llama.cpp does not read it."""


def read_image_processor(vision: str | Path) -> SmolVLMImageProcessorPil:
    """The image processor that a projector's file describes.

    Raises:
        ValueError: the file is no projector that `export_gguf` wrote.
    """
    fields = GGUFReader(vision).fields
    missing = [key for key in (Keys.ClipVision.IMAGE_SIZE, Keys.ClipVision.PREPROC_IMAGE_SIZE, RESAMPLE_KEY) if key not in fields]
    if missing:
        raise ValueError(f"{vision} does not say its {missing[0]}. Export the projector again with smvl.export.")

    def value(key: str) -> Any:
        return fields[key].contents()

    return SmolVLMImageProcessorPil(
        image_mean=value(Keys.ClipVision.IMAGE_MEAN),
        image_std=value(Keys.ClipVision.IMAGE_STD),
        resample=value(RESAMPLE_KEY),
        do_image_splitting=True,
        size={"longest_edge": value(Keys.ClipVision.PREPROC_IMAGE_SIZE)},
        max_image_size={"longest_edge": value(Keys.ClipVision.IMAGE_SIZE)},
    )


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
