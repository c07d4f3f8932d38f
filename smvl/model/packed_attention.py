"""Attention inside packs: each sample attends to itself alone, and nothing is computed between samples.

The usual way to keep packed samples apart is a block mask over the whole sequence: scores between samples are computed and then thrown
away. Here the sequence is cut at the samples' ends, and each piece runs as plain causal attention, without a mask, so that torch can take
its fastest kernel. The result is that of the block mask (tests/test_packing.py).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, SmolVLMForConditionalGeneration
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PACKED = "packed_sdpa"
"""Name of this attention among transformers' own."""


def packed_sdpa_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    sample_lengths: Sequence[int] | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sample of one packed sequence; transformers' own `sdpa` where `sample_lengths` is not given.

    Args:
        query: (1, heads, L, head size).
        key, value: (1, key heads, L, head size).
        attention_mask: not used with `sample_lengths`.
        sample_lengths: tokens of each sample, which sum to L.

    Returns:
        (1, L, heads, head size), and None for the weights.
    """
    if sample_lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return _attend_by_sample(query, key, value, list(sample_lengths), options.get("scaling"), options.get("dropout", 0.0)), None


@torch.compiler.disable(recursive=False)  # the number of samples changes with every pack: compiled code would be made anew each time
def _attend_by_sample(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sample_lengths: list[int], scaling: float | None, dropout: float
) -> torch.Tensor:
    pieces = zip(*(tensor.split(sample_lengths, dim=2) for tensor in (query, key, value)))
    grouped = query.shape[1] != key.shape[1]
    attended = [
        functional.scaled_dot_product_attention(*piece, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped)
        for piece in pieces
    ]
    return torch.cat(attended, dim=2).transpose(1, 2)


AttentionInterface.register(PACKED, packed_sdpa_attention)
AttentionMaskInterface.register(PACKED, sdpa_mask)


def use_packed_attention(model: SmolVLMForConditionalGeneration) -> bool:
    """Let a text model that runs with `sdpa` run with packed attention; False for other attention, which is left as it is."""
    config = model.model.text_model.config
    if config._attn_implementation == "sdpa":
        config._attn_implementation = PACKED
    return config._attn_implementation == PACKED


def use_plain_attention(model: SmolVLMForConditionalGeneration) -> None:
    """Undo `use_packed_attention`."""
    config = model.model.text_model.config
    if config._attn_implementation == PACKED:
        config._attn_implementation = "sdpa"
