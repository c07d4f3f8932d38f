"""One graph of an export, as a module to trace. Inputs and outputs have the names and shapes that transformers.js 4 looks up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx_ir
from torch import nn


@dataclass(frozen=True)
class Graph:
    """A module with what the tracer has to know of it."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    """Examples; tensors that may be of another size are of different sizes here."""
    dynamic_shapes: tuple[Any, ...]
    """For each input the names of the axes whose size varies."""
    input_names: list[str]
    output_names: list[str]
    finish: Callable[[onnx_ir.Model], None] | None = None
    """What is done to the graph once it is traced."""
