"""The forms in which a model can be loaded: its checkpoint in some dtype, the exports made of it that lie beside it, and those that could
be made."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from smvl.infer.budget.costs import Costs, Shapes, gguf_costs, onnx_costs, torch_costs
from smvl.infer.gguf_folder import is_gguf_folder, open_gguf_folder
from smvl.infer.manifest import MANIFEST_FILE, file_sha256, read_json
from smvl.infer.onnx_folder import DECODER, VISION_ENCODER, is_onnx_folder, open_onnx_folder
from smvl.settings_files import SettingsFileError, read_object

BITS_OF_DTYPE = {"float32": 32, "bfloat16": 16}
"""Dtypes in which a checkpoint is tried."""


@dataclass(frozen=True)
class Form:
    """One of them, and what it takes of memory."""

    name: str
    runtime: str
    """`torch`, `onnx` or `gguf`."""
    bits: int
    """Of a weight, roughly."""
    costs: Costs
    folder: Path | None = None
    """None for one that cannot be loaded here."""
    dtype: str = "auto"
    """Of a checkpoint."""
    command: str = ""
    """What would make it loadable."""


def forms_of(folder: str | Path) -> list[Form]:
    """Those of a folder that can be loaded here, the most exact first, then those that could be made.

    An export has one form. A checkpoint has those of torch, where it is installed, and the exports of the same weights in the folder and
    beside it.

    Raises:
        ValueError: the folder is neither, or not whole.
    """
    folder = Path(folder)
    if is_onnx_folder(folder) or is_gguf_folder(folder):
        return [_form_of_export(folder)]
    shapes, files = _read_checkpoint(folder)
    tokenizer = (folder / "tokenizer.json").stat().st_size
    exports = [_if_installed(_form_of_export(found)) for found in _exports_of(folder, files)]
    made = {form.name for form in exports}
    forms = [*_torch_forms(folder, shapes, files, tokenizer), *exports]
    forms.sort(key=lambda form: (-form.bits, form.runtime))
    return forms + [form for form in _onnx_forms(folder, shapes, tokenizer) if form.name not in made]


def _torch_forms(folder: Path, shapes: Shapes, files: list[Path], tokenizer: int) -> Iterator[Form]:
    if find_spec("torch") is None:
        return
    file_bytes = sum(path.stat().st_size for path in files)
    for dtype in BITS_OF_DTYPE:
        costs = torch_costs(shapes, dtype=dtype, file_bytes=file_bytes, tokenizer_bytes=tokenizer)
        yield Form(f"torch, {dtype}", "torch", BITS_OF_DTYPE[dtype], costs, folder, dtype)


def _onnx_forms(folder: Path, shapes: Shapes, tokenizer: int) -> Iterator[Form]:
    for bits in (8, 4):
        command = f"python -m smvl export --model {folder} --to onnx --bits {bits} --out {folder}-onnx-{bits}"
        yield Form(f"ONNX, {bits} bits", "onnx", bits, onnx_costs(shapes, bits=bits, tokenizer_bytes=tokenizer), command=command)


def _if_installed(form: Form) -> Form:
    module, package = {"onnx": ("onnxruntime", "onnxruntime"), "gguf": ("llama_cpp", "llama-cpp-python")}[form.runtime]
    return form if find_spec(module) else replace(form, folder=None, command=f"pip install {package}")


def _form_of_export(folder: Path) -> Form:
    if is_gguf_folder(folder):
        gguf = open_gguf_folder(folder)
        costs = gguf_costs(
            Shapes.of(gguf.config),
            text_bytes=gguf.text.stat().st_size,
            vision_bytes=gguf.vision.stat().st_size,
            whole_floats=gguf.kind == "F32",
            tokenizer_bytes=(folder / "tokenizer.json").stat().st_size,
        )
        return Form(f"GGUF, {gguf.kind}", "gguf", int(re.search(r"\d+", gguf.kind)[0]), costs, folder)
    onnx = open_onnx_folder(folder)
    weights = {name: onnx.weights(graph).stat().st_size for name, graph in (("decoder", DECODER), ("vision", VISION_ENCODER))}
    tokenizer = (folder / "tokenizer.json").stat().st_size
    costs = onnx_costs(Shapes.of(onnx.config), bits=onnx.bits, file_bytes=weights, tokenizer_bytes=tokenizer)
    return Form(f"ONNX, {onnx.bits} bits", "onnx", onnx.bits, costs, folder)


def _exports_of(folder: Path, files: list[Path]) -> Iterator[Path]:
    """Exports in a checkpoint's folder and beside it that were made of the same weights."""
    weights: dict[str, str] = {}
    for path in sorted([*folder.glob(f"*/{MANIFEST_FILE}"), *folder.resolve().parent.glob(f"*/{MANIFEST_FILE}")]):
        source = _source(path)
        if source.get("checkpoint") == folder.resolve().name and (is_onnx_folder(path.parent) or is_gguf_folder(path.parent)):
            weights = weights or {file.name: file_sha256(file) for file in files}
            if source.get("weights_sha256") == weights:
                yield path.parent


def _source(manifest: Path) -> dict[str, Any]:
    try:
        source = read_object(manifest).get("source")
    except SettingsFileError:
        return {}
    return source if isinstance(source, dict) else {}


def _read_checkpoint(folder: Path) -> tuple[Shapes, list[Path]]:
    files = sorted(folder.glob("*.safetensors"))
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if missing or not files:
        raise ValueError(f"{folder} has no {missing[0] if missing else 'weights (*.safetensors)'}; expected a checkpoint or an export.")
    path = folder / "config.json"
    return Shapes.of(read_json(path), path), files
