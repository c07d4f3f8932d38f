"""An ONNX export on the disk: which files make it up, and whether they are the ones that were written.

    export.json                           the manifest: format, bits, where it came from, size and SHA-256 of each file
    config.json, generation_config.json   the model's, as its checkpoint has them
    preprocessor_config.json, processor_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja
    onnx/{embed_tokens,vision_encoder,decoder_model_merged}{suffix}.onnx, and beside each its weights in .onnx_data

The layout is the one that transformers.js reads; only the manifest is this project's.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST_FILE = "export.json"
FORMAT = "qwen3-smvl onnx 1"
SUFFIXES = {32: "", 16: "_fp16", 8: "_quantized", 4: "_q4"}
"""Of the graphs' names, by bits: those by which transformers.js finds them."""
EMBED_TOKENS, VISION_ENCODER, DECODER = "embed_tokens", "vision_encoder", "decoder_model_merged"

_EDITABLE = ("generation_config.json",)
"""What may be changed after the export: how answers are chosen and where they end."""
_HASHED_BYTES = 32 << 20
"""Files up to this size are hashed when an export is loaded (20 ms each at most); larger ones, weights, by their size alone."""


class OnnxFolderError(ValueError):
    """An export that is not whole; the message names the file."""


@dataclass(frozen=True)
class OnnxFolder:
    """An export whose files are the ones that were written."""

    path: Path
    bits: int
    config: dict[str, Any]
    generation_config: dict[str, Any]

    def graph(self, name: str) -> Path:
        """The file of `embed_tokens`, `vision_encoder` or `decoder_model_merged`."""
        return self.path / graph_file(name, self.bits)


def is_onnx_folder(folder: str | Path) -> bool:
    """Whether a folder says of itself that it is an ONNX export, whole or not."""
    try:
        return json.loads((Path(folder) / MANIFEST_FILE).read_text(encoding="utf-8"))["format"].startswith("qwen3-smvl onnx")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def graph_file(name: str, bits: int) -> str:
    """Where a graph stands in an export."""
    return f"onnx/{name}{SUFFIXES[bits]}.onnx"


def open_onnx_folder(folder: str | Path) -> OnnxFolder:
    """Check an export's files against its manifest and read its settings.

    Names and sizes are compared for all of them, SHA-256 for all but the weights: `verify_onnx_folder` reads those too.

    Raises:
        OnnxFolderError: a file is missing, cut short, or another one than was written; the message names it.
    """
    path = Path(folder)
    manifest = _read_manifest(path)
    for name, entry in manifest["files"].items():
        _check_size(path / name, entry["size"])
        if entry["size"] <= _HASHED_BYTES and name not in _EDITABLE:
            _check_content(path / name, entry["sha256"])
    return OnnxFolder(
        path=path,
        bits=manifest["bits"],
        config=_read_json(path / "config.json"),
        generation_config=_read_json(path / "generation_config.json"),
    )


def verify_onnx_folder(folder: str | Path) -> None:
    """Check every byte of an export.

    Raises:
        OnnxFolderError: as `open_onnx_folder`.
    """
    path = open_onnx_folder(folder).path
    for name, entry in _read_manifest(path)["files"].items():
        if name not in _EDITABLE:
            _check_content(path / name, entry["sha256"])


def file_sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest = _read_json(folder / MANIFEST_FILE)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise OnnxFolderError(f"{folder / MANIFEST_FILE} is of the format {found}; this version reads {FORMAT!r}. Export the model again.")
    return manifest


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OnnxFolderError(f"{path} cannot be read ({error}). Copy the export again, or export the model again.") from error


def _check_size(path: Path, size: int) -> None:
    if not path.is_file():
        raise OnnxFolderError(f"{path} is missing, and the export is not whole without it. Copy the export again.")
    found = path.stat().st_size
    if found != size and path.name not in _EDITABLE:
        raise OnnxFolderError(
            f"{path} has {found:,} bytes; {size:,} were written. It was cut short or replaced. Copy the export again, or export the model "
            "again."
        )


def _check_content(path: Path, sha256: str) -> None:
    if file_sha256(path) != sha256:
        raise OnnxFolderError(
            f"{path} is not the file that was exported (its SHA-256 differs), so it may not fit the others. Copy the export again, or "
            "export the model again."
        )
