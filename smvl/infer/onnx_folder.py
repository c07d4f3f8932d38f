"""An ONNX export on the disk: which files make it up, and whether they are the ones that were written.

    export.json                           the manifest: format, bits, where it came from, size and SHA-256 of each file
    config.json, generation_config.json   the model's, as its checkpoint has them
    preprocessor_config.json, processor_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja
    onnx/{embed_tokens,vision_encoder,decoder_model_merged}{suffix}.onnx, and beside each its weights in .onnx_data

The layout is the one that transformers.js reads; only the manifest is this project's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.infer.manifest import MANIFEST_FILE, ExportFolderError, check_files, format_of, read_json, verify_files

FORMAT = "qwen3-smvl onnx 1"
SUFFIXES = {32: "", 16: "_fp16", 8: "_quantized", 4: "_q4"}
"""Of the graphs' names, by bits: those by which transformers.js finds them."""
EMBED_TOKENS, VISION_ENCODER, DECODER = "embed_tokens", "vision_encoder", "decoder_model_merged"

OnnxFolderError = ExportFolderError


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

    def weights(self, name: str) -> Path:
        """The file of a graph's weights."""
        return self.path / f"{graph_file(name, self.bits)}_data"


def is_onnx_folder(folder: str | Path) -> bool:
    """Whether a folder says of itself that it is an ONNX export, whole or not."""
    return format_of(folder).startswith("qwen3-smvl onnx")


def graph_file(name: str, bits: int) -> str:
    """Where a graph stands in an export."""
    return f"onnx/{name}{SUFFIXES[bits]}.onnx"


def open_onnx_folder(folder: str | Path) -> OnnxFolder:
    """Check an export's files against its manifest, weights by their size alone, and read its settings.

    Raises:
        OnnxFolderError: a file is missing, cut short, or another one than was written; the message names it.
    """
    path = Path(folder)
    manifest = check_files(path, FORMAT)
    if manifest.get("bits") not in SUFFIXES:
        raise OnnxFolderError(f"{path / MANIFEST_FILE}: bits is {manifest.get('bits')!r}; expected one of {', '.join(map(str, SUFFIXES))}.")
    return OnnxFolder(
        path=path,
        bits=manifest["bits"],
        config=read_json(path / "config.json"),
        generation_config=read_json(path / "generation_config.json"),
    )


def verify_onnx_folder(folder: str | Path) -> None:
    """Check every byte of an export.

    Raises:
        OnnxFolderError: as `open_onnx_folder`.
    """
    verify_files(Path(folder), FORMAT)
