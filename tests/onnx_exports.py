"""Small ONNX exports for tests. Tracing takes seconds, so a graph is traced once for each float type and taken from there again."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx_ir
import pytest
import torch
from transformers import PreTrainedModel

import smvl
from smvl.assemble import load_checkpoint
from smvl.export.onnx import folder as onnx_export
from smvl.export.onnx.graph import Graph
from smvl.export.onnx.tracing import trace
from smvl.model.saving import save_model
from tests.donors import SPLICE, let_taps_speak, save_text_donor, save_vision_donor

_traced: dict[tuple[str, str, torch.dtype], onnx_ir.Model] = {}


def save_small_checkpoint(folder: Path, layout: str = "smolvlm", *, kind: str = "qwen3") -> Path:
    """A spliced checkpoint of small donors; the seeds are such that its answers vary from prompt to prompt."""
    text, vision = save_text_donor(folder / "text", kind=kind, tied=False, seed=2), save_vision_donor(folder / "vision", seed=2)
    model, processor = smvl.splice(vision=vision, text=text, **SPLICE[layout])
    let_taps_speak(model)
    save_model(model, folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


def load_model(checkpoint: Path) -> PreTrainedModel:
    return load_checkpoint(checkpoint)[0]


@contextmanager
def traced_once(layout: str) -> Iterator[None]:
    """Within it, exports of `save_small_checkpoint` in one layout share what was traced."""

    def trace_once(graph: Graph) -> onnx_ir.Model:
        key = (layout, graph.name, next(graph.module.parameters()).dtype)
        if key not in _traced:
            _traced[key] = trace(graph)
        return _traced[key].clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "trace", trace_once)
        patch.setattr(logging.getLogger("torch.__trace"), "propagate", False)  # else pytest collects a record of every operator
        yield


def export_small(checkpoint: Path, out: Path, bits: int) -> Path:
    with traced_once(json.loads((checkpoint / "config.json").read_text())["model_type"]):
        return onnx_export.export_onnx(checkpoint, out, bits=bits)
