"""RMS norms as one kernel on a card.

transformers writes an RMS norm out in eight operators, and its backward pass takes a dozen: in a text model of 28 layers that were two of
every five kernels of a training step, each of which reads and writes what the one before has just written. torch has the whole as one
(`torch.nn.functional.rms_norm`). It multiplies by the weight before it rounds where transformers does after it, so in half precision the
two differ in the last bit; in float32 by a rounding error.
"""

from types import MethodType

import torch
from torch import nn
from torch.nn import functional

PLAIN_NORMS = ("LlamaRMSNorm", "MistralRMSNorm", "Phi3RMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "SmolLM3RMSNorm")
"""transformers' classes that compute this and nothing else. Others do: Gemma's adds one to its weight."""


def fuse_norms(model: nn.Module) -> int:
    """Let the RMS norms of a text model run as one kernel where their input is on a card; returns how many do."""
    norms = [module for module in model.modules() if type(module).__name__ in PLAIN_NORMS]
    for norm in norms:
        norm.forward = MethodType(_forward, norm)
    return len(norms)


def fused_rms_norm(hidden: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """hidden (..., D) scaled to a mean square of one, times weight (D,), in the type that both have together."""
    dtype = torch.promote_types(hidden.dtype, weight.dtype)
    with torch.autocast(hidden.device.type, enabled=False):  # it would have a copy in float32
        return functional.rms_norm(hidden.to(dtype), weight.shape, weight.to(dtype), epsilon)


def _forward(norm: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    if not hidden.is_cuda:
        return type(norm).forward(norm, hidden)
    return fused_rms_norm(hidden, norm.weight, norm.variance_epsilon)
