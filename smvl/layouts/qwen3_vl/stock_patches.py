"""Patches in the form in which the stock model and its exports take them."""

from collections.abc import Sequence

import numpy as np


def stock_patches(pictures: Sequence[np.ndarray], shapes: Sequence[tuple[int, int]], frames: int) -> dict[str, np.ndarray]:
    """Pictures (patches, 3, side, side) as the stock model takes them: patches of `frames` equal frames in rows, and the grids."""
    rows = [np.repeat(patches[:, :, None], frames, axis=2).reshape(len(patches), -1) for patches in pictures]
    return {"pixel_values": np.concatenate(rows), "image_grid_thw": np.array([[1, *shape] for shape in shapes], dtype=np.int64)}
