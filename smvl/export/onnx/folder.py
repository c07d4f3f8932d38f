"""A checkpoint as an ONNX folder that transformers.js, onnxruntime and this package's engine read:

    export_onnx("output/demo", "output/demo-onnx", bits=4)
"""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import onnx_ir
import torch

from smvl.assemble import load_checkpoint
from smvl.export.checkpoint import Checkpoint, ExportError, open_checkpoint
from smvl.export.onnx.graph import Graph
from smvl.export.onnx.graphs import graphs_of
from smvl.export.onnx.quantization import format_for, quantize
from smvl.export.onnx.tracing import trace
from smvl.export.settings import check_copied_files, write_manifest, write_settings
from smvl.infer.onnx_folder import FORMAT, SUFFIXES, graph_file

TRANSFORMERS_JS_TYPES = {32: "fp32", 16: "fp16", 8: "q8", 4: "q4"}
"""What transformers.js calls them (its `dtype`)."""
_INLINE_BYTES = 1024
"""Tensors up to this size stand in the graph's own file."""
_PACKAGES = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")

logger = logging.getLogger(__name__)


def export_onnx(checkpoint_folder: str | Path, out_folder: str | Path, *, bits: int) -> Path:
    """Write the three graphs of a checkpoint, and every file that is read beside them; the folder appears when it is whole.

    Args:
        bits: 32 and 16 for floating point, 8 or 4 for the text model's weights in blocks; the vision encoder's are then in 8
            (see `quantization.format_for`).

    Raises:
        ExportError: the checkpoint is not whole or of another kind, `bits` is another number, or the out folder is in use.
        ValueError: the checkpoint cannot be loaded, or its text model's attention is of a kind that onnxruntime's operator does not have.
    """
    if bits not in SUFFIXES:
        raise ExportError(f"bits is {bits}; an ONNX export has {', '.join(map(str, SUFFIXES))}.")
    out = Path(out_folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is in use. Give another folder, or delete it.")
    checkpoint = open_checkpoint(checkpoint_folder)
    check_copied_files(checkpoint)
    model, _ = load_checkpoint(checkpoint.folder, dtype=torch.float16 if bits == 16 else torch.float32)
    graphs = graphs_of(model)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(checkpoint, graphs, partial, bits)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if out.exists():
        out.rmdir()
    os.replace(partial, out)
    return out


def _write(checkpoint: Checkpoint, graphs: list[Graph], folder: Path, bits: int) -> None:
    (folder / "onnx").mkdir(parents=True)
    for graph in graphs:
        traced = trace(graph)
        weights = format_for(graph.name, bits)
        if weights is not None:
            quantize(traced, weights)
        _save(traced, folder / graph_file(graph.name, bits))
    write_settings(checkpoint, folder, _transformers_js_settings(folder, bits))
    written = [path for path in folder.rglob("*") if path.is_file()]
    write_manifest(checkpoint, folder, written, {"format": FORMAT, "bits": bits}, _PACKAGES)


def _save(model: onnx_ir.Model, path: Path) -> None:
    """Write a graph, and its weights in a file beside it that a runtime maps instead of reading it."""
    onnx_ir.save(model, path, external_data=_weights_of(path).name, size_threshold_bytes=_INLINE_BYTES)
    logger.info("%s: %.1f MB.", path.name, (path.stat().st_size + _weights_of(path).stat().st_size) / 1e6)


def _weights_of(path: Path) -> Path:
    return path.with_name(f"{path.name}_data")  # as transformers.js looks for it


def _transformers_js_settings(folder: Path, bits: int) -> dict[str, Any]:
    """What transformers.js looks up in config.json."""
    graphs = sorted(path.name for path in (folder / "onnx").glob("*.onnx"))
    settings = {"dtype": TRANSFORMERS_JS_TYPES[bits], "use_external_data_format": dict.fromkeys(graphs, 1)}
    return {"transformers.js_config": settings}
