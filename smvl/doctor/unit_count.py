"""Tiles or patches of each row, from the sizes of its images. At the end and here alone, since planning them loads transformers."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from smvl.doctor.ledger import Ledger
from smvl.layouts.pictures import Pictures


def units_of_rows(ledger: Ledger, source: int, pictures: Pictures | Mapping[str, int]) -> Counter[int]:
    """How many usable rows of a source have so many tiles (or patches) at the finest resolution.

    Args:
        pictures: how they are shown, or the settings of `data.image` for that.
    """
    places = ledger.places([source])
    mine = np.isin(ledger.image_rows, places)
    if not mine.any():
        return Counter({0: len(places)}) if len(places) else Counter()
    sizes, which = np.unique(ledger.image_sizes[mine], axis=0, return_inverse=True)
    units = _units_of_sizes(sizes.tolist(), pictures)[which.reshape(-1)]
    start = int(ledger.starts[source])
    of_rows = np.bincount(ledger.image_rows[mine] - start, weights=units, minlength=len(ledger.rows[source]))
    values, counts = np.unique(of_rows[places - start].astype(np.int64), return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist())))


def _units_of_sizes(sizes: Sequence[tuple[int, int]], pictures: Pictures | Mapping[str, int]) -> np.ndarray:
    if isinstance(pictures, Mapping):
        from smvl.layouts.find import pictures_of
        from smvl.layouts.image_processors import assumed_image_processor
        from smvl.layouts.settings import layout_with

        pictures = pictures_of(assumed_image_processor(layout_with(pictures), pictures), 1)
    return np.array([pictures.plan(height, width).num_units for height, width in sizes])
