"""The vision tower on whole tiles: what transformers' own forward pass gives for them, in less time.

transformers works the patches' places out anew for every picture, as fractions of its sides. Every tile here is whole, so they are always
the same; and up to transformers 5.20 the fractions were rounded to the type of the pixels, which in bfloat16 and float16 misplaces patches
wherever a tile is not a power of two of them across (fixed in 5.21).

Its patches come out of a convolution with their width as the outer dimension, and every layer after it reads and adds in that order, with
a stride. Here they are cut and multiplied as rows, so that all that follows lies in memory as it is read.
"""

import torch
from torch import nn
from torch.nn import functional

from smvl.layouts.smolvlm.position_table import read_places


def encode_tiles(tower: nn.Module, tiles: torch.Tensor) -> torch.Tensor:
    """Whole tiles (T, 3, tile, tile) to patch features (T, patches, width). Every patch is real, so attention needs no mask."""
    hidden = embed_patches(tower, tiles) + tower.embeddings.position_embedding(patch_places(tower))
    for layer in tower.encoder.layers:
        hidden = layer(hidden, None)
    return tower.post_layernorm(hidden)


def embed_patches(tower: nn.Module, tiles: torch.Tensor) -> torch.Tensor:
    """(T, patches, width) of tiles (T, 3, tile, tile), row by row: a convolution whose stride is its size is a product."""
    convolution, side = tower.embeddings.patch_embedding, tower.embeddings.num_patches_per_side
    patch = tiles.shape[-1] // side
    rows = tiles.unflatten(3, (side, patch)).unflatten(2, (side, patch)).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    return functional.linear(rows, convolution.weight.flatten(1), convolution.bias)


def patch_places(tower: nn.Module) -> torch.Tensor:
    """(patches,) int64: the row of the position table that each patch of a whole tile takes, counted row by row."""
    side = tower.embeddings.num_patches_per_side
    return read_places(side, side, tower.embeddings.position_embedding.weight.device)
