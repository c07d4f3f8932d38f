"""Cross-entropy over a large vocabulary without ever holding all logits.

151,936 logits in float32 are 0.6 MB for each token: 1.2 GB for a pack of 2,048, and as much again for their gradient. So only supervised
positions come here, and they are taken in chunks whose logits are dropped before the next chunk's are made.
"""

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

LOGITS_BYTES = 1 << 27
"""Logits of a chunk take at most this much, counted in float32."""

_TORCH_HAS_IT = hasattr(functional, "linear_cross_entropy")


def linear_cross_entropy(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum of the cross-entropies of `hidden @ weight.T` against `targets`, in float32.

    torch has this from 2.13 on; before, each chunk's logits are computed again in the backward pass.

    Args:
        hidden: (K, D) floating point.
        weight: (V, D) floating point, the output table.
        targets: (K,) int64.
    """
    hidden, weight = _in_compute_type(hidden, weight)
    size = max(1, LOGITS_BYTES // (4 * weight.shape[0]))
    if len(hidden) <= size:
        return _cross_entropy(hidden, weight, targets)
    if _TORCH_HAS_IT:
        options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=size, chunking_method=None)
        return functional.linear_cross_entropy(hidden, weight, targets, reduction="sum", options=options).float()
    chunks = zip(hidden.split(size), targets.split(size))
    return sum(checkpoint(_cross_entropy, part, weight, wanted, use_reentrant=False) for part, wanted in chunks)


def token_losses(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(K,) float32: the cross-entropy of each token, for measuring, without a graph."""
    hidden, weight = _in_compute_type(hidden, weight)
    size = max(1, LOGITS_BYTES // (4 * weight.shape[0]))
    with torch.no_grad():
        chunks = zip(hidden.split(size), targets.split(size))
        losses = [_cross_entropy(part, weight, wanted, reduction="none") for part, wanted in chunks]
    return torch.cat(losses) if losses else hidden.new_zeros(0, dtype=torch.float32)


def _cross_entropy(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, reduction: str = "sum") -> torch.Tensor:
    return functional.cross_entropy(functional.linear(hidden, weight).float(), targets, reduction=reduction)


def _in_compute_type(hidden: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both in the type in which a linear layer would compute: torch's own chunked function is not reached by autocast."""
    device = hidden.device.type
    compute = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    return hidden.to(compute), weight.to(compute)
