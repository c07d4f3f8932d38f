"""Tiles of each row, from the sizes of its images. At the end and here alone, since planning tiles loads transformers."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from smvl.config import ImageConfig
from smvl.doctor.ledger import Ledger

if TYPE_CHECKING:
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil


def tiles_of_rows(ledger: Ledger, source: int, settings: "ImageConfig | SmolVLMImageProcessorPil") -> Counter[int]:
    """How many usable rows of a source have so many tiles at the finest resolution."""
    places = ledger.places([source])
    mine = np.isin(ledger.image_rows, places)
    if not mine.any():
        return Counter({0: len(places)}) if len(places) else Counter()
    sizes, which = np.unique(ledger.image_sizes[mine], axis=0, return_inverse=True)
    tiles = _tiles_of_sizes(sizes.tolist(), settings)[which.reshape(-1)]
    start = int(ledger.starts[source])
    of_rows = np.bincount(ledger.image_rows[mine] - start, weights=tiles, minlength=len(ledger.rows[source]))
    values, counts = np.unique(of_rows[places - start].astype(np.int64), return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist())))


def _tiles_of_sizes(sizes: Sequence[tuple[int, int]], settings: "ImageConfig | SmolVLMImageProcessorPil") -> np.ndarray:
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    from smvl.processing.tiles import plan_grid

    if isinstance(settings, ImageConfig):
        tile, longest_edge = {"longest_edge": settings.tile}, {"longest_edge": settings.longest_edge}
        settings = SmolVLMImageProcessorPil(do_image_splitting=True, size=longest_edge, max_image_size=tile)
    finest = settings.size["longest_edge"]
    return np.array([plan_grid(height, width, settings, finest).num_tiles for height, width in sizes])
