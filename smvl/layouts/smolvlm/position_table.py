"""Position tables of the vision tower that every arithmetic reads alike.

transformers finds a patch's row as a fraction of the tile's side, sorted into as many equal boxes as the table has rows a side. Up to
transformers 5.20, and so in vLLM 0.32 and 0.33, the fractions are rounded to the type of the pixels first, and in half precision some fall
into the box of their neighbour: with 6 patches a side, which a tile of 48 pixels has, but not with 32. In a table of more rows the
fractions lie apart from the edges of their boxes, and every type finds the same ones; the rows between them are never read.
"""

import torch
from torch import nn
from transformers import SmolVLMForConditionalGeneration

_TYPES = (torch.float32, torch.bfloat16, torch.float16)


def read_places(patches: int, rows: int, device: torch.device | None = None) -> torch.Tensor:
    """(patches * patches,) int64: the row of a table of `rows * rows` that transformers reads for each patch of a tile, row by row.

    This is its arithmetic in float32. Where the number of patches makes it round awry in a table of as many rows (25, say, or 31; not 14,
    16, 24, 27 or 32), the result is awry too, as a stock class that loads the checkpoint reads the table in this way.
    """
    along = _boxes(patches, rows, device=device)
    return (along[:, None] * rows + along[None, :]).flatten()


def table_side(patches: int) -> int:
    """The fewest rows a side, at least `patches`, with which each patch has a row of its own and every floating point type finds it."""
    return next(rows for rows in range(patches, 4 * patches + 4) if _is_read_alike(patches, rows))


def spread(table: torch.Tensor, patches: int, rows: int) -> torch.Tensor:
    """A table (patches * patches, width) laid into one of (rows * rows, width), zeros between."""
    wide = table.new_zeros(rows * rows, table.shape[1])
    wide[read_places(patches, rows)] = table[read_places(patches, patches)]
    return wide


def gather(table: torch.Tensor, patches: int) -> torch.Tensor:
    """What `spread` was given: (patches * patches, width) of a table of more rows, in the order in which patches are read."""
    return table[read_places(patches, round(len(table) ** 0.5))]


def narrow_positions(model: SmolVLMForConditionalGeneration, tile: int) -> None:
    """Give the tower of a loaded model a table of as many rows as a tile of so many pixels has patches, where it is wider."""
    tower, vision = model.model.vision_model, model.config.vision_config
    patches = tile // vision.patch_size
    if tile == vision.image_size:
        return
    table = gather(tower.embeddings.position_embedding.weight.detach(), patches)
    tower.embeddings.position_embedding = nn.Embedding.from_pretrained(table, freeze=False)
    tower.embeddings.num_patches_per_side, tower.embeddings.image_size = patches, tile
    tower.embeddings.num_patches = tower.embeddings.num_positions = len(table)
    for config in (vision, tower.config):
        config.image_size = tile


def _is_read_alike(patches: int, rows: int) -> bool:
    found = _boxes(patches, rows)
    return found.unique().numel() == patches and all(torch.equal(found, _boxes(patches, rows, dtype)) for dtype in _TYPES)


def _boxes(patches: int, rows: int, dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> torch.Tensor:
    """(patches,) int64: for each patch along a side, the row along a side of the table."""
    edges = torch.arange(1 / rows, 1.0, 1 / rows, device=device)
    fractions = (torch.arange(patches, dtype=torch.float32, device=device) * (1 / patches)).clamp(max=1.0 - 1e-6).to(dtype)
    return torch.bucketize(fractions, edges, right=True)
