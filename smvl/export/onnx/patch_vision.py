"""The vision encoder of layout `qwen3_vl` as a graph, for pictures of any size. P is the patches of all of them, N the pictures.

Everything that depends on a picture's shape is worked out in the graph, by the rule of `smvl.layouts.qwen3_vl.tower`: where a patch
stands, between which rows of the position table it lies, by how much it is turned, and which patches it may attend to.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from smvl.export.onnx.attention import multi_head_attention
from smvl.export.onnx.graph import Graph
from smvl.export.onnx.one_picture import branch_for_one_picture
from smvl.infer.onnx_folder import VISION_ENCODER


class PatchEncoder(nn.Module):
    """Tower and mergers.

    pixel_values (P, 3 * frames * patch * patch) float32, in the order in which squares of patches are merged, and image_grid_thw (N, 3)
    int64 -> image_features (P / merge ** 2, width * (1 + taps)) float32. What DeepStack adds to the text model's first layers lies behind
    what takes the place of a token's embedding.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.tower = tower = model.model.visual
        self.merge, self.side = tower.config.spatial_merge_size, tower.num_grid_per_side
        # In three axes: a table of two would be stored in few bits like the others.
        self.register_buffer("positions", tower.pos_embed.weight.detach().unflatten(0, (self.side, self.side)), persistent=False)

    def forward(self, pixel_values: torch.Tensor, image_grid_thw: torch.Tensor) -> torch.Tensor:
        frame, rows, columns, row, column = self._places(torch.arange(pixel_values.shape[0]), image_grid_thw)
        convolution = self.tower.patch_embed.proj
        hidden = functional.linear(pixel_values.to(convolution.weight.dtype), convolution.weight.flatten(1), convolution.bias)
        hidden = (hidden + self._position_of(row, rows, column, columns)).unsqueeze(0)  # (1, P, width)
        rotation = self.tower.rotary_pos_emb(hidden, torch.stack([row, column], dim=1))
        is_other = frame.unsqueeze(1) != frame.unsqueeze(0)  # (P, P)
        bias = torch.where(is_other, torch.finfo(hidden.dtype).min, 0.0).to(hidden.dtype)
        features, taps = [], self.tower.deepstack_visual_indexes
        for number, block in enumerate(self.tower.blocks):
            hidden = hidden + _attend(block.attn, block.norm1(hidden), rotation, bias)
            hidden = hidden + block.mlp(block.norm2(hidden))
            if number in taps:
                features.append(_merge(self.tower.deepstack_merger_list[list(taps).index(number)], hidden))
        return torch.cat([_merge(self.tower.merger, hidden), *features], dim=-1).squeeze(0).float()

    def _places(self, patch: torch.Tensor, grids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of each patch, all (P,) int64: where its frame begins, the rows and columns of that, and its own row and column."""
        ends = grids.prod(dim=1).cumsum(0)  # (N,)
        picture = (patch.unsqueeze(1) >= ends.unsqueeze(0)).sum(dim=1)
        before = patch - (ends - grids.prod(dim=1))[picture]
        rows, columns = grids[picture, 1], grids[picture, 2]
        place = before % (rows * columns)
        square, inside = place // self.merge**2, place % self.merge**2
        row = square // (columns // self.merge) * self.merge + inside // self.merge
        column = square % (columns // self.merge) * self.merge + inside % self.merge
        return patch - place, rows, columns, row, column

    def _position_of(self, row: torch.Tensor, rows: torch.Tensor, column: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """(P, width): bilinear between the rows of the table, corners on corners."""
        above, down = self._between(row, rows)
        left, right = self._between(column, columns)
        below, beside = (above + 1).clamp(max=self.side - 1), (left + 1).clamp(max=self.side - 1)
        table = self.positions
        corners = [
            table[above, left] * ((1 - down) * (1 - right)).unsqueeze(1),
            table[above, beside] * ((1 - down) * right).unsqueeze(1),
            table[below, left] * (down * (1 - right)).unsqueeze(1),
            table[below, beside] * (down * right).unsqueeze(1),
        ]
        return sum(corners).to(table.dtype)

    def _between(self, place: torch.Tensor, count: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The row of the table at or before each place of `count`, and how far it is to the next, 0 to 1."""
        exact = place.float() * (self.side - 1) / (count - 1).clamp(min=1).float()
        before = exact.floor()
        return before.to(torch.int64), exact - before


def patch_encoder(model: PreTrainedModel) -> Graph:
    """The graph of a model."""
    config = model.config.vision_config
    merge = config.spatial_merge_size
    grids = torch.tensor([[1, merge, 2 * merge], [1, 3 * merge, merge], [1, merge, merge]])
    pixels = torch.ones(int(grids.prod(dim=1).sum()), config.in_channels * config.temporal_patch_size * config.patch_size**2)
    axes = ({0: "num_patches"}, {0: "num_images"})
    names = ["pixel_values", "image_grid_thw"]
    return Graph(VISION_ENCODER, PatchEncoder(model), (pixels, grids), axes, names, ["image_features"], finish=branch_for_one_picture)


def _attend(attention: nn.Module, hidden: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor], bias: torch.Tensor) -> torch.Tensor:
    query, key, value = attention.qkv(hidden).unflatten(-1, (3, attention.num_heads, -1)).unbind(2)  # (1, P, heads, head size)
    query, key = _rotate(query, *rotation), _rotate(key, *rotation)
    flat = [states.flatten(2) for states in (query, key, value)]
    return attention.proj(multi_head_attention(*flat, num_heads=attention.num_heads, scaling=attention.scaling, bias=bias[None, None]))


def _rotate(states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """(1, P, heads, head size), in float32 as transformers does it."""
    exact = states.float()
    first, second = exact.chunk(2, dim=-1)
    turned = exact * cosine.unsqueeze(-2).float() + torch.cat([-second, first], dim=-1) * sine.unsqueeze(-2).float()
    return turned.to(states.dtype)


def _merge(merger: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """(1, P, width) -> (1, P / merge ** 2, out width): transformers' own, on three axes, in which a product is known as one of weights."""
    joined = merger.hidden_size
    if merger.use_postshuffle_norm:
        states = merger.norm(hidden.reshape(1, -1, joined))
    else:
        states = merger.norm(hidden).reshape(1, -1, joined)
    return merger.linear_fc2(merger.act_fn(merger.linear_fc1(states)))
