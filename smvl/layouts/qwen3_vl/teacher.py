"""What the encoder that was spliced in would have seen, tile by tile: the target from which its successor learns native resolution.

A picture is covered by windows of the size that the old encoder was trained on; the last of a row or column lies against the edge, over the
one before. A side that is shorter than a window is filled up with grey. Each patch takes the features of the window that it lies in.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from smvl.layouts.modules import Shapes
from smvl.layouts.qwen3_vl.stock_patches import merge_order
from smvl.layouts.smolvlm.vision_tower import encode_tiles


class VisionTeacher:
    """Features of the old encoder for the patches of pictures of any size.

    Args:
        tower: as `smvl.model.donors.load_tower` gives it; it does not learn.
        merge: side of the squares in whose order patches come.
    """

    def __init__(self, tower: nn.Module, merge: int):
        self._tower, self._merge = tower.eval().requires_grad_(False), merge

    @torch.no_grad()
    def features(self, pixels: torch.Tensor, shapes: Shapes) -> torch.Tensor:
        """Patches (P, 3, side, side), normalised, to (P, width)."""
        weight = self._tower.embeddings.patch_embedding.weight
        if weight.device != pixels.device:
            self._tower.to(pixels.device)
        cuts = [_Cover(rows, columns, self._tower.embeddings.num_patches_per_side, self._merge) for rows, columns in shapes]
        parts = pixels.to(weight.dtype).split([cut.num_patches for cut in cuts])
        tiles = [cut.tiles(part) for cut, part in zip(cuts, parts)]
        found = encode_tiles(self._tower, torch.cat(tiles)).split(list(map(len, tiles)))
        return torch.cat([cut.by_patch(features) for cut, features in zip(cuts, found)])


class _Cover:
    """Windows of `side` x `side` patches over one picture."""

    def __init__(self, rows: int, columns: int, side: int, merge: int):
        self.num_patches = rows * columns
        order = merge_order(rows, columns, merge)
        row, column = np.divmod(order, columns)  # of each patch, in the order in which they come
        top, left = (np.minimum(place // side * side, max(count - side, 0)) for place, count in ((row, rows), (column, columns)))
        self._windows, number = np.unique(np.stack([top, left], 1), axis=0, return_inverse=True)
        self._place = torch.from_numpy(number.ravel() * side * side + (row - top) * side + (column - left))
        self._raster, self._shape, self._side = torch.from_numpy(np.argsort(order)), (rows, columns), side

    def tiles(self, patches: torch.Tensor) -> torch.Tensor:
        """(windows, 3, side, side) in pixels."""
        rows, columns = self._shape
        picture = patches[self._raster.to(patches.device)].unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
        patch = patches.shape[-1]
        size = self._side * patch
        picture = functional.pad(picture, (0, max(0, size - picture.shape[2]), 0, max(0, size - picture.shape[1])))
        corners = [(top * patch, left * patch) for top, left in self._windows.tolist()]
        return torch.stack([picture[:, top : top + size, left : left + size] for top, left in corners])

    def by_patch(self, features: torch.Tensor) -> torch.Tensor:
        """(windows, patches of one, width) to (patches, width), in the order in which they come."""
        return features.flatten(0, 1)[self._place.to(features.device)]
