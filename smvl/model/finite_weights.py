"""Weights that are no numbers: a model that holds one answers nothing but noise, and says nothing of it."""

import math
from collections.abc import Iterable

import torch

_TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


class NotFiniteError(ValueError):
    """A tensor with NaN or infinite numbers; the message names it."""


def check_finite(tensors: Iterable[tuple[str, torch.Tensor]], where: str) -> None:
    """Raise `NotFiniteError` for the first tensor that holds a NaN or an infinite number. A gigabyte takes a tenth of a second."""
    for name, tensor in tensors:
        if tensor.dtype not in _TYPES or not tensor.numel() or tensor.is_meta:
            continue
        is_plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)  # torchao's are of classes of their own, which compare nothing
        bounds = (tensor.detach() if is_plain else tensor.dequantize()).aminmax()
        if not all(math.isfinite(bound) for bound in map(float, bounds)):
            raise NotFiniteError(
                f"{where} holds numbers that are none (NaN or infinite) in {name}, and would answer nothing sensible. Download the folder "
                "again, or take an earlier checkpoint."
            )
