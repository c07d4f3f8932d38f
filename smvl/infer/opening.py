"""A folder in, a model and its processor out, in the runtime that the folder is made for."""

from pathlib import Path
from typing import Any

from smvl.infer.backend import Model
from smvl.infer.budget.plan import Plan
from smvl.infer.freed_memory import return_freed_memory
from smvl.infer.gguf_folder import is_gguf_folder, open_gguf_folder
from smvl.infer.onnx_folder import open_onnx_folder
from smvl.infer.without_torch import is_export
from smvl.processing.processing_smvl import SmVLMProcessor


def open_plan(plan: Plan) -> tuple[Model, SmVLMProcessor]:
    """Load what a memory budget grants, with its limits.

    Raises:
        ValueError: as `open_model`.
    """
    form, use = plan.form, plan.use
    if form.runtime == "torch":
        model, processor = _open_checkpoint(form.folder, device="cpu", dtype=form.dtype)
    elif form.runtime == "gguf":
        model, processor = _open_gguf(form.folder, context=use.context, keep_vision=False)
    else:
        model, processor = _open_onnx(form.folder, context=use.context, keep_vision=False, one_at_a_time=use.one_at_a_time)
    processor.limit_images(most_tiles=use.tiles)
    return model, processor


def open_model(
    folder: str | Path, *, device: str = "auto", dtype: str = "auto", attention: str = "sdpa", quantize: str | None = None
) -> tuple[Model, SmVLMProcessor]:
    """Load a checkpoint with torch, an ONNX export with onnxruntime, or a GGUF export with llama.cpp.

    Args:
        device, dtype, attention, quantize: of a checkpoint; see `TorchModel.from_folder`. An export's are fixed: it runs on the CPU, in
            the format that it was written in.

    Raises:
        ValueError: the folder is not whole, what it needs is not installed, or an argument is not for it.
    """
    if not is_export(folder):
        return _open_checkpoint(folder, device=device, dtype=dtype, attention=attention, quantize=quantize)
    name, open_export = ("a GGUF export", _open_gguf) if is_gguf_folder(folder) else ("an ONNX export", _open_onnx)
    if device not in ("auto", "cpu") or dtype != "auto" or quantize:
        raise ValueError(
            f"{folder} is {name}: it runs on the CPU in the format that it was written in. Leave device, dtype and quantize out, "
            "or load the checkpoint that it was made of."
        )
    return open_export(folder)


def _open_checkpoint(folder: str | Path, **options: str | None) -> tuple[Model, SmVLMProcessor]:
    try:
        from smvl.infer.torch_model import TorchModel  # torch is for checkpoints alone
    except ImportError as error:
        raise ValueError(
            f"{folder} is a checkpoint, and loading one needs torch ({error}). Install it: pip install -r requirements.txt; or give an "
            "export, which runs without."
        ) from error
    return TorchModel.from_folder(folder, **options)


def _open_onnx(folder: str | Path, **options: Any) -> tuple[Model, SmVLMProcessor]:
    try:
        from smvl.infer.onnx_model import OnnxModel
    except ImportError as error:
        raise ValueError(
            f"{folder} is an ONNX export, and loading one needs onnxruntime ({error}). Install it: pip install onnxruntime"
        ) from error
    open_onnx_folder(folder)  # a damaged file is refused by its name before anything reads it
    processor = SmVLMProcessor.from_pretrained(folder)
    return_freed_memory()  # of the tokenizer's file
    return OnnxModel(folder, **options), processor


def _open_gguf(folder: str | Path, **options: Any) -> tuple[Model, SmVLMProcessor]:
    try:
        from smvl.infer.llama.model import LlamaModel
    except ImportError as error:
        raise ValueError(
            f"{folder} is a GGUF export, and loading one needs llama.cpp ({error}). Install it: pip install llama-cpp-python (which "
            "compiles llama.cpp: a C++ compiler and CMake must be there)"
        ) from error
    open_gguf_folder(folder)
    processor = SmVLMProcessor.from_pretrained(folder)
    return_freed_memory()
    return LlamaModel(folder, **options), processor
