"""Turning attention heads so that a rotation by position, which the encoder never knew, disturbs them as little as it can.

What a head computes of two patches is q.k, and that does not change when q is multiplied by T and k by the inverse of T's transpose. Of
all such changes of basis one lays the dimensions out by how much they matter: the bilinear form of a head, with the layer norm before it
and its biases, has a singular value decomposition, in whose basis q and k are both scaled by the roots of the singular values. Those that
matter most are put where the rotation turns slowest: within a picture they hardly move. No weight is trained, and no picture is needed.

Rotary positions are RoFormer's (arXiv 2104.09864) in two axes: pairs (j, j + d/2), the first half of them for rows, the others for columns.
"""

import torch
from torch import nn
from torch.nn import functional

from smvl.layouts.qwen3_vl.stock_patches import merge_order
from smvl.layouts.qwen3_vl.tower import encode_patches, use_packed_vision
from smvl.layouts.smolvlm.vision_tower import encode_tiles

_NUM_PICTURES = 8


@torch.no_grad()
def align_to_rotation(visual: nn.Module) -> None:
    """Change the query and key weights of every head of the encoder in place."""
    order = _slowest_first(visual.rotary_pos_emb.inv_freq)
    for block in visual.blocks:
        qkv, heads, norm = block.attn.qkv, block.attn.num_heads, block.norm1
        weight = qkv.weight.double().unflatten(0, (3, heads, -1))  # (3, heads, d, width)
        bias = qkv.bias.double().unflatten(0, (3, heads, -1))
        for head in range(heads):
            query, key = (_folded(weight[kind, head], bias[kind, head], norm) for kind in (0, 1))
            for kind, turn in enumerate(_turns(query, key)):
                weight[kind, head][order], bias[kind, head][order] = turn @ weight[kind, head], turn @ bias[kind, head]
        qkv.weight.copy_(weight.flatten(0, 2))
        qkv.bias.copy_(bias.flatten())


def _folded(weight: torch.Tensor, bias: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    """(d, width + 1): the map of a head from what the norm has normalised, and 1, with the norm's own scale and bias."""
    scale, shift = norm.weight.double(), norm.bias.double()
    return torch.cat([weight * scale, (bias + weight @ shift).unsqueeze(1)], dim=1)


def _turns(query: torch.Tensor, key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The changes of basis (d, d) of queries and keys; the first dimension is then the one that matters most."""
    of_query, of_key = (torch.linalg.qr(form.T).R for form in (query, key))  # form = R^T Q^T
    left, values, right = torch.linalg.svd(of_query @ of_key.T)
    roots = values.sqrt().unsqueeze(1)
    return roots * (left.T @ torch.linalg.pinv(of_query.T)), roots * (right @ torch.linalg.pinv(of_key.T))


def _slowest_first(frequencies: torch.Tensor) -> torch.Tensor:
    """The dimensions of a head, those first whose pair turns slowest. `frequencies`: (d / 4,), for rows and for columns alike."""
    of_pairs = torch.cat([frequencies, frequencies])
    pairs = torch.argsort(of_pairs, stable=True)
    return torch.stack([pairs, pairs + len(of_pairs)], dim=1).flatten()


@torch.no_grad()
def rotation_error(visual: nn.Module, tower: nn.Module) -> float:
    """How far the encoder's features are from those of the SigLIP encoder that it was made of, as a share of their size.

    Over a few drawn pictures of one tile: soft colours with some noise, always the same.
    """
    side, merge = tower.embeddings.num_patches_per_side, visual.config.spatial_merge_size
    if side % merge:
        return float("nan")
    patch, weight = visual.config.patch_size, visual.patch_embed.proj.weight
    generator = torch.Generator().manual_seed(0)
    soft = functional.interpolate(torch.randn(_NUM_PICTURES, 3, 4, 4, generator=generator), size=(side * patch,) * 2, mode="bicubic")
    tiles = (soft + 0.1 * torch.randn(soft.shape, generator=generator)).clamp(-1, 1).to(weight.device, weight.dtype)
    order = torch.from_numpy(merge_order(side, side, merge))
    cut = tiles.unflatten(3, (side, patch)).unflatten(2, (side, patch)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)[:, order]
    use_packed_vision(visual)
    found = visual.merger.norm(encode_patches(visual, cut.flatten(0, 1), [(side, side)] * _NUM_PICTURES)[0]).float()
    expected = encode_tiles(tower, tiles)[:, order].flatten(0, 1).float()
    return ((found - expected).norm() / expected.norm()).item()
