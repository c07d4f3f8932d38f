"""torch's kernel for variable lengths exists on a card alone; this stands in for it on a CPU: the same arguments, the same attention."""

from collections.abc import Iterator

import torch

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def varlen_attn(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = True,
) -> torch.Tensor:
    """(L, heads, head size) each, as `torch.nn.attention.varlen.varlen_attn` takes them. Causal within samples, not within pictures."""
    assert window_size in ((-1, 0), (-1, -1)) and cu_seq_q is cu_seq_k and cu_seq_q.dtype == torch.int32 and enable_gqa
    return _forwards(query, key, value, cu_seq_q, max_q, max_k, scale, window_size == (-1, 0))


@torch.library.custom_op("smvl_tests::varlen", mutates_args={})
def _forwards(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    max_q: int,
    max_k: int,
    scale: float | None,
    is_causal: bool,
) -> torch.Tensor:
    assert max_q == max_k == bounds.diff().max()
    pieces = [_weights(q, k, scale, is_causal) @ v for q, k, v in _samples(bounds, query, key, value)]
    return torch.cat(pieces, dim=1).transpose(0, 1).contiguous()


@torch.library.custom_op("smvl_tests::varlen_backward", mutates_args={})
def _backwards(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    scale: float | None,
    is_causal: bool,
) -> Three:
    factor = _scale(query, scale)
    found = []
    for wanted, q, k, v in _samples(bounds, gradient, query, key, value):
        weights = _weights(q, k, scale, is_causal)
        of_weights = wanted @ v.mT
        of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True))
        found.append((of_scores @ k * factor, of_scores.mT @ q * factor, weights.mT @ wanted))
    of_query, of_key, of_value = (torch.cat(parts, dim=1).transpose(0, 1) for parts in zip(*found))  # (L, query heads, head size)
    group = (key.shape[1], -1)
    return of_query.contiguous(), of_key.unflatten(1, group).sum(2), of_value.unflatten(1, group).sum(2)


@_forwards.register_fake
def _(query, key, value, bounds, max_q, max_k, scale, is_causal):
    return torch.empty(query.shape, dtype=query.dtype)


@_backwards.register_fake
def _(gradient, query, key, value, bounds, scale, is_causal):
    return tuple(torch.empty(tensor.shape, dtype=tensor.dtype) for tensor in (query, key, value))


def _keep(ctx, inputs, output):
    query, key, value, bounds, _, _, ctx.scale, ctx.is_causal = inputs
    ctx.save_for_backward(query, key, value, bounds)


def _go_back(ctx, gradient):
    return (*_backwards(gradient, *ctx.saved_tensors, ctx.scale, ctx.is_causal), None, None, None, None, None)


_forwards.register_autograd(_go_back, setup_context=_keep)


def _samples(bounds: torch.Tensor, *tensors: torch.Tensor) -> Iterator[list[torch.Tensor]]:
    """Each sample's (query heads, tokens, head size) of every tensor; a head of keys serves several of queries."""
    heads = tensors[0].shape[1]
    spread = [tensor.repeat_interleave(heads // tensor.shape[1], dim=1).transpose(0, 1) for tensor in tensors]
    for first, last in zip(bounds.tolist(), bounds.tolist()[1:]):
        yield [tensor[:, first:last] for tensor in spread]


def _weights(query: torch.Tensor, key: torch.Tensor, scale: float | None, is_causal: bool) -> torch.Tensor:
    scores = query @ key.mT * _scale(query, scale)
    return scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1) & is_causal, -torch.inf).softmax(-1)


def _scale(query: torch.Tensor, scale: float | None) -> float:
    return query.shape[-1] ** -0.5 if scale is None else scale
