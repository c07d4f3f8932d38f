"""Attention inside packs: each sample attends to itself alone, and nothing is computed between samples.

The usual way to keep packed samples apart is a block mask over the whole sequence: scores between samples are computed and then thrown
away. Here each sample runs as plain causal attention, without a mask: on a card in half precision all of them in one call of torch's
kernel for variable lengths (FlashAttention 2, Dao, arXiv 2307.08691), elsewhere one after another. The result is that of the block mask
(tests/test_packed_model.py).
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface, SmolVLMForConditionalGeneration
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PACKED = "packed_sdpa"
"""Name of this attention among transformers' own."""

_HALF = (torch.bfloat16, torch.float16)
_CAUSAL = (-1, 0)
"""A window of all that comes before."""
_GROUPED = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}
"""From torch 2.13 on, fewer heads of keys than of queries must be asked for."""


def packed_sdpa_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    sample_lengths: Sequence[int] | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sample of one packed sequence; transformers' own `sdpa` where nothing is said of samples.

    Args:
        query: (1, heads, L, head size).
        key, value: (1, key heads, L, head size).
        attention_mask: not used where samples are given.
        sample_lengths: tokens of each sample, which sum to L; they attend one after another.
        cu_seq_lens_q, max_length_q: where samples begin, with L, (samples + 1,) int32 on the device, and the tokens of the longest, under
            the names that transformers has for FlashAttention's; given instead of `sample_lengths`, they attend at once.

    Returns:
        (1, L, heads, head size), and None for the weights.
    """
    scaling, dropout = options.get("scaling"), options.get("dropout", 0.0)
    if sample_lengths is not None:
        return _attend_by_sample(query, key, value, list(sample_lengths), scaling, dropout), None
    if cu_seq_lens_q is not None:
        return _attend_at_once(query, key, value, cu_seq_lens_q, max_length_q, scaling), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


def sample_options(
    model: SmolVLMForConditionalGeneration, hidden: torch.Tensor, lengths: Sequence[int], bounds: torch.Tensor
) -> dict[str, Any]:
    """What tells packed attention of the samples: all at once on a card in half precision, where there is no dropout to draw."""
    device = hidden.device.type
    compute = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    drops = model.training and getattr(model.config.text_config, "attention_dropout", 0.0)
    if device == "cuda" and compute in _HALF and not drops:
        return {"cu_seq_lens_q": bounds, "max_length_q": max(lengths)}
    return {"sample_lengths": lengths}


def _attend_at_once(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, longest: int, scaling: float | None
) -> torch.Tensor:
    # Norms that learn give float32; autocast does not reach this operator.
    rows = (tensor[0].transpose(0, 1).to(value.dtype) for tensor in (query, key, value))  # (L, heads, head size)
    return varlen_attn(*rows, bounds, bounds, longest, longest, scale=scaling, window_size=_CAUSAL, **_GROUPED).unsqueeze(0)


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


def pictures_at_once(hidden: torch.Tensor) -> bool:
    """Whether pictures attend all in one call of the kernel: on a card in half precision."""
    device = hidden.device.type
    compute = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    return device == "cuda" and compute in _HALF


def attend_in_pictures_at_once(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, longest: int, scaling: float
) -> torch.Tensor:
    """Attention of everything to everything within each of several pictures that lie end to end.

    Args:
        query, key, value: (P, heads, head size).
        bounds, longest: where each picture begins, with P, (pictures + 1,) int32 on the device, and the patches of the largest.

    Returns:
        (P, heads, head size)
    """
    rows = (tensor.to(value.dtype) for tensor in (query, key, value))
    return varlen_attn(*rows, bounds, bounds, longest, longest, scale=scaling)


@torch.compiler.disable(recursive=False)  # as samples: the number of pictures changes with every pack
def attend_in_pictures(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: Sequence[int], scaling: float) -> torch.Tensor:
    """The same, one picture after another, or pictures of one length together; `lengths` are the patches of each, which sum to P."""
    alike = len(set(lengths)) == 1
    cut = _together if alike else _one_by_one
    attended = [
        functional.scaled_dot_product_attention(*(tensor.transpose(1, 2) for tensor in piece), scale=scaling).transpose(1, 2).flatten(0, 1)
        for piece in zip(*(cut(tensor, lengths) for tensor in (query, key, value)))
    ]
    return attended[0] if alike else torch.cat(attended)


def _together(tensor: torch.Tensor, lengths: Sequence[int]) -> list[torch.Tensor]:
    """Pictures of one length as one batch."""
    return [tensor.unflatten(0, (len(lengths), lengths[0]))]


def _one_by_one(tensor: torch.Tensor, lengths: Sequence[int]) -> list[torch.Tensor]:
    return [part.unsqueeze(0) for part in tensor.split(list(lengths))]


AttentionInterface.register(PACKED, packed_sdpa_attention)
AttentionMaskInterface.register(PACKED, sdpa_mask)


def use_packed_attention(model: SmolVLMForConditionalGeneration) -> bool:
    """Let a text model that runs with `sdpa` run with packed attention; False for other attention, which is left as it is."""
    config = model.get_decoder().config
    if config._attn_implementation == "sdpa":
        config._attn_implementation = PACKED
    return config._attn_implementation == PACKED


def use_plain_attention(model: SmolVLMForConditionalGeneration) -> None:
    """Undo `use_packed_attention`."""
    config = model.get_decoder().config
    if config._attn_implementation == PACKED:
        config._attn_implementation = "sdpa"
