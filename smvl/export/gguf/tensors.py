"""Writing the tensors of a GGUF file one by one, a slice of rows at a time: a full embedding never stands in memory as float32."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quant_shape_to_byte_shape, quantize

from smvl.export.checkpoint import ExportError, Weights

_ENTRIES_AT_ONCE = 1 << 22
"""Numbers that are converted together: 16 MB as float32."""
_MOST_NAMED = 3
NUM_FRAMES = 2
"""That llama.cpp knows of a patch."""


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor on its way from a checkpoint into a GGUF file."""

    source: str
    """Its name in the checkpoint."""
    name: str
    """Its name in the file."""
    shape: tuple[int, ...]
    """In the file."""
    type: GGMLQuantizationType
    frame: int | None = None
    """Which of the frames that a convolution of five axes has is kept under this name; it is cut into two of four."""

    @property
    def source_shape(self) -> tuple[int, ...]:
        """In the checkpoint."""
        return self.shape if self.frame is None else (*self.shape[:2], NUM_FRAMES, *self.shape[2:])

    @property
    def byte_shape(self) -> tuple[int, ...]:
        """Of the array of its bytes."""
        return quant_shape_to_byte_shape(self.shape, self.type)


def check_planned(plan: Sequence[PlannedTensor], weights: Weights, prefixes: Iterable[str], folder: Path) -> None:
    """Raise `ExportError` unless the checkpoint has exactly the planned tensors below `prefixes`, in their shapes."""
    found = {name for name in weights.names if name.startswith(tuple(prefixes))}
    planned = {tensor.source: tensor for tensor in plan}
    missing, unknown = sorted(planned.keys() - found), sorted(found - planned.keys())
    reshaped = sorted(
        f"{name} is {weights.shape(name)}, not {planned[name].source_shape}"
        for name in found & planned.keys()
        if weights.shape(name) != planned[name].source_shape
    )
    if missing or unknown or reshaped:
        raise ExportError(
            f"the weights in {folder} do not match its config.json: missing {_named(missing)}, unknown {_named(unknown)}, of another shape "
            f"{_named(reshaped)}. Take the weights and config.json of one checkpoint; llama.cpp has no place for other tensors."
        )


def write_tensors(writer: GGUFWriter, path: Path, plan: Sequence[PlannedTensor], weights: Weights) -> None:
    """Write a GGUF file whose settings are in `writer`; it appears under its name only when it is whole."""
    for tensor in plan:
        size = prod(tensor.byte_shape)
        writer.add_tensor_info(tensor.name, tensor.byte_shape, np.dtype(np.uint8), size, raw_dtype=tensor.type)
    partial = path.with_name(f"{path.name}.partial")
    try:
        writer.write_header_to_file(partial)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in plan:
            writer.write_tensor_data(_converted(tensor, weights))
        writer.close()
    except BaseException:
        writer.close()
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


def _converted(tensor: PlannedTensor, weights: Weights) -> np.ndarray:
    """The bytes of a tensor in its type."""
    converted = np.empty(tensor.byte_shape, dtype=np.uint8)
    step = max(1, _ENTRIES_AT_ONCE // max(1, prod(tensor.shape[1:])))
    for start in range(0, tensor.shape[0], step):
        rows = weights.rows(tensor.source, start, start + step)
        if tensor.frame is not None:
            rows = rows[:, :, tensor.frame]
        if not np.isfinite(rows).all():
            raise ExportError(f"{tensor.source} holds entries that are not numbers. Take an earlier checkpoint.")
        if tensor.type == GGMLQuantizationType.F16 and np.abs(rows).max(initial=0) > np.finfo(np.float16).max:
            raise ExportError(f"{tensor.source} holds entries beyond float16's range. Export as BF16, F32 or Q8_0.")
        converted.reshape(tensor.shape[0], -1)[start : start + step] = (
            np.ascontiguousarray(quantize(rows, tensor.type)).view(np.uint8).reshape(len(rows), -1)
        )
    return converted


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more if names else "none"
