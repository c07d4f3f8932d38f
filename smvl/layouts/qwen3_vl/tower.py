"""Qwen3-VL's vision encoder on pictures of any size, end to end in one sequence: what transformers' own forward pass gives, in less time.

transformers works places and bounds out on the device for every batch and waits for them; here they are known from the pictures' shapes,
and kept for shapes that come again. Attention is within each picture (smvl/model/packed_attention.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from smvl.layouts.modules import Shapes
from smvl.layouts.qwen3_vl.stock_patches import merge_order
from smvl.model.packed_attention import attend_in_pictures, attend_in_pictures_at_once, pictures_at_once

HEADS_EXPECTED = "Expected as many to each, a multiple of 4, as they turn in two axes. Restore config.json."
_KEPT_SHAPES = 512


@dataclass(frozen=True)
class PictureBounds:
    """Where pictures begin in a sequence of their patches; in the place of transformers' `cu_seqlens`."""

    lengths: list[int]
    bounds: torch.Tensor
    """(pictures + 1,) int32, on the device."""
    longest: int
    at_once: bool


def encode_patches(tower: nn.Module, pixels: torch.Tensor, shapes: Shapes) -> list[torch.Tensor]:
    """Patches (P, 3, side, side) of pictures of `shapes` to the states (P, width) of the last layer, and of each that DeepStack taps."""
    merge, device = tower.config.spatial_merge_size, pixels.device
    known = [_places(*shape, tower.num_grid_per_side, merge) for shape in shapes]
    indices, weights, places = (torch.from_numpy(np.concatenate(parts)).to(device) for parts in zip(*known))
    hidden = embed_patches(tower, pixels)
    hidden = hidden + (tower.pos_embed(indices) * weights.unsqueeze(-1)).sum(1).to(hidden.dtype)
    rotation = tower.rotary_pos_emb(hidden, places)
    lengths = [rows * columns for rows, columns in shapes]
    starts = torch.tensor([0, *lengths]).cumsum(0).to(device, torch.int32)
    bounds = PictureBounds(lengths, starts, max(lengths), pictures_at_once(hidden))
    tapped = []
    for number, block in enumerate(tower.blocks):
        hidden = block(hidden, cu_seqlens=bounds, position_embeddings=rotation)
        if number in tower.deepstack_visual_indexes:
            tapped.append(hidden)
    return [hidden, *tapped]


def embed_patches(tower: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """(P, width) of patches (P, 3, side, side): the convolution over two frames that are the same picture is one product."""
    convolution = tower.patch_embed.proj
    weight = convolution.weight.float().sum(2).to(convolution.weight.dtype)  # (width, 3, side, side)
    return functional.linear(pixels.flatten(1), weight.flatten(1), convolution.bias)


@lru_cache(_KEPT_SHAPES)
def _places(rows: int, columns: int, side: int, merge: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each patch of a picture, in the order in which squares of them are merged: between which four rows of a table of side * side
    positions it lies, how much it takes of each (patches, 4), and its row and column (patches, 2). Bilinear, corners on corners."""
    row, column = np.divmod(merge_order(rows, columns, merge), columns)
    above, down = _between(row, rows, side)
    left, right = _between(column, columns, side)
    corners = [(vertical, horizontal) for vertical in (0, 1) for horizontal in (0, 1)]
    indices = [np.minimum(above + down_one, side - 1) * side + np.minimum(left + right_one, side - 1) for down_one, right_one in corners]
    weights = [(down if down_one else 1 - down) * (right if right_one else 1 - right) for down_one, right_one in corners]
    return np.stack(indices, 1), np.stack(weights, 1), np.stack([row, column], 1)


def _between(place: np.ndarray, count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The row of the table at or before each place of `count`, and how far it is to the next, 0 to 1; in float32, as in transformers."""
    exact = place.astype(np.float32) * np.float32(side - 1) / np.float32(max(count - 1, 1))
    return exact.astype(np.int64), exact - np.floor(exact)


def use_packed_vision(tower: nn.Module) -> None:
    """Let the tower's attention take `PictureBounds`; called by others it is transformers' own."""
    for block in tower.blocks:
        block.attn.forward = MethodType(_attend, block.attn)


def _attend(
    attention: nn.Module, hidden_states: torch.Tensor, cu_seqlens: Any, position_embeddings: Any = None, **options: Any
) -> torch.Tensor:
    if not isinstance(cu_seqlens, PictureBounds):
        return type(attention).forward(attention, hidden_states, cu_seqlens=cu_seqlens, position_embeddings=position_embeddings, **options)
    query, key, value = attention.qkv(hidden_states).unflatten(-1, (3, attention.num_heads, -1)).unbind(1)  # (P, heads, head size)
    query, key = _rotate(query, *position_embeddings), _rotate(key, *position_embeddings)
    if cu_seqlens.at_once:
        attended = attend_in_pictures_at_once(query, key, value, cu_seqlens.bounds, cu_seqlens.longest, attention.scaling)
    else:
        attended = attend_in_pictures(query, key, value, cu_seqlens.lengths, attention.scaling)
    return attention.proj(attended.flatten(1))


def _rotate(states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """(P, heads, head size), in float32 as transformers does it."""
    exact = states.float()
    first, second = exact.chunk(2, dim=-1)
    turned = exact * cosine.unsqueeze(-2).float() + torch.cat([-second, first], dim=-1) * sine.unsqueeze(-2).float()
    return turned.to(states.dtype)


def shapes_of(num_patches: int, merge: int, most: int = 32) -> Sequence[tuple[int, int]]:
    """Pictures of at most `most` * `most` patches that have so many together, rounded up to whole squares of merged ones."""
    left, shapes = -(-num_patches // merge**2) * merge, []  # in rows of `merge`, each `merge` patches wide
    while left > 0:
        columns = min(left, most * most // merge)
        shapes.append((merge, columns))
        left -= columns
    return shapes
