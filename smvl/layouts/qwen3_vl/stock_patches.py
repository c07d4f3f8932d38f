"""Patches in the order and the form in which the stock model and its exports take them. Nothing here needs torch or transformers."""

from collections.abc import Sequence

import numpy as np

MOST_PIXELS = 1 << 26
"""That one picture may be shown with: 64 million."""


def merge_order(rows: int, columns: int, merge: int) -> np.ndarray:
    """(rows * columns,): of the patches of a picture counted row by row, which comes next: square after square of merged ones."""
    places = np.arange(rows * columns).reshape(rows // merge, merge, columns // merge, merge)
    return places.transpose(0, 2, 1, 3).ravel()


def stock_patches(pictures: Sequence[np.ndarray], shapes: Sequence[tuple[int, int]], frames: int) -> dict[str, np.ndarray]:
    """Pictures (patches, 3, side, side) as the stock model takes them: patches of `frames` equal frames in rows, and the grids."""
    rows = [np.repeat(patches[:, :, None], frames, axis=2).reshape(len(patches), -1) for patches in pictures]
    return {"pixel_values": np.concatenate(rows), "image_grid_thw": np.array([[1, *shape] for shape in shapes], dtype=np.int64)}


def whole_picture(patches: np.ndarray, shape: tuple[int, int], merge: int) -> np.ndarray:
    """(3, height, width) of the patches (rows * columns, 3, side, side) of one picture, in the order in which they are merged."""
    rows, columns = shape
    ordered = np.empty_like(patches)
    ordered[merge_order(rows, columns, merge)] = patches
    side = patches.shape[-1]
    return ordered.reshape(rows, columns, 3, side, side).transpose(2, 0, 3, 1, 4).reshape(3, rows * side, columns * side)
