"""The peak memory of code that is never run: tensors without storage pass through it, and their sizes are summed while they live.

torch's own torch.distributed._tools.mem_tracker does this too, and more: it names what each byte is for, by hooks on every module. Only
the sum is needed here, and operators of several allocations (`_STEPS_OF`) would be one to it.
"""

import copy
import gc
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from smvl.train.heap import HeapReplay
from smvl.train.nf4 import is_quantized

CARD_BLOCK = 512
"""Bytes in whose multiples torch allocates on a card."""


class MemoryMeter(TorchDispatchMode):
    """Counts the bytes of all tensors that are made while it is on, until they are freed.

    Args:
        block: sizes are rounded up to its multiples.
        heap: told of every tensor too.
    """

    def __init__(self, block: int = 1, heap: HeapReplay | None = None):
        super().__init__()
        self.now = self.peak = 0
        self.heap = heap
        self._block = block
        self._living: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, operator: Any, types: Any, arguments: tuple = (), options: dict[str, Any] | None = None) -> Any:
        steps = _STEPS_OF.get(operator)
        if steps is not None:
            with self:
                return steps(*arguments, **(options or {}))
        outputs = operator(*arguments, **(options or {}))
        for output in outputs if isinstance(outputs, (tuple, list)) else (outputs,):
            if isinstance(output, torch.Tensor):
                self._count(output.untyped_storage())
        return outputs

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._living:
            return
        size = -(-storage.nbytes() // self._block) * self._block

        def forget(_: Any) -> None:
            del self._living[key]
            self.now -= size

        self._living[key] = weakref.ref(storage, forget)
        self.now += size
        self.peak = max(self.peak, self.now)
        if self.heap is not None:
            self.heap.hold(storage, size)


@contextmanager
def fake_run(device: torch.device) -> Iterator[MemoryMeter]:
    """Within, tensors have sizes but no storage, and the meter counts them as `device` would hold them."""
    meter = MemoryMeter(CARD_BLOCK) if device.type == "cuda" else MemoryMeter(heap=HeapReplay())
    gc.collect()
    gc.freeze()  # many small objects are made: without this, the collector would walk through all modules again and again
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), meter:
            yield meter
    finally:
        gc.unfreeze()


def fake_copy(model: nn.Module, learning: Mapping[int, Any], device: torch.device, dtype: torch.dtype | None = None) -> nn.Module:
    """The model with fake weights on `device`; called within `fake_run`.

    Args:
        learning: what learns, by the `id` of the parameter; it is float32.
        dtype: of the other floating point weights; None leaves them as they are.
    """
    copies: dict[int, Any] = {}
    for parameter in model.parameters():
        learns = id(parameter) in learning
        weights = _fake_weight(parameter, torch.float32 if learns else dtype, device)
        copies[id(parameter)] = nn.Parameter(weights, requires_grad=learns)
    for buffer in model.buffers():
        copies[id(buffer)] = torch.empty(buffer.shape, dtype=buffer.dtype, device=device)
    for module in model.modules():
        if is_quantized(module):
            copies[id(module)] = _unquantized(module, device)
    copied = copy.deepcopy(model, copies)
    for module in copied.modules():
        module._compiled_call_impl = None  # compiled code would be made for fake tensors
    return copied


def _fake_weight(parameter: nn.Parameter, dtype: torch.dtype | None, device: torch.device) -> torch.Tensor:
    dtype = dtype if dtype is not None and parameter.is_floating_point() else parameter.dtype
    return torch.empty(parameter.shape, dtype=dtype, device=device)


def _unquantized(module: nn.Module, device: torch.device) -> nn.Linear:
    """A plain layer in the place of a four-bit one, whose kernels know no fake tensors."""
    linear = nn.Linear(module.in_features, module.out_features, bias=module.bias is not None, device=device, dtype=torch.bfloat16)
    return linear.requires_grad_(False)


def bytes_saved_by_quantizing(model: nn.Module) -> int:
    """What `fake_copy` holds more than the model, because four-bit layers are bfloat16 there."""
    quantized = [module for module in model.modules() if is_quantized(module)]
    return sum(2 * module.in_features * module.out_features - module.weight.nbytes for module in quantized)


def _opaque_operators() -> dict[Any, Callable[..., Any]]:
    """Operators that make more than their outputs, with the Python function that they hide: it is walked through instead."""
    if not hasattr(functional, "linear_cross_entropy"):
        return {}
    from torch.nn.modules import linear_cross_entropy

    definition = linear_cross_entropy._linear_cross_entropy_batch_chunked
    return {definition._opoverload: definition._init_fn}


_STEPS_OF = _opaque_operators()
