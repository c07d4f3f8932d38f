"""A checkpoint as the two files that llama.cpp reads: the text model, and the vision encoder with the projector. Beside them stands what
this package's engine reads, so that the folder is a model of it too (`smvl.infer.gguf_folder`).

    files = export_gguf("output/demo", "output/demo-gguf", bits=8)
    llama-mtmd-cli -m output/demo-gguf/demo-Q8_0.gguf --mmproj output/demo-gguf/mmproj-demo-F16.gguf --image a.jpg -p 图中有什么?
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.export.checkpoint import Weights, open_checkpoint
from smvl.export.gguf.quantization import K_QUANTS, find_kind, find_quantizer, quantize_file
from smvl.export.gguf.text_model import write_text_model
from smvl.export.gguf.vision_projector import VISION_FORMS, write_vision_projector
from smvl.export.settings import COPIED_FILES, PRESET_FILE, SETTINGS_FILES, check_copied_files, write_manifest, write_settings
from smvl.infer.gguf_folder import FORMAT

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GGUFFiles:
    """What an export wrote."""

    text: Path
    vision: Path

    @property
    def size(self) -> int:
        """Of both files, in bytes."""
        return self.text.stat().st_size + self.vision.stat().st_size


def export_gguf(
    checkpoint_folder: str | Path,
    out_folder: str | Path,
    *,
    bits: int | None = None,
    kind: str | None = None,
    name: str | None = None,
) -> GGUFFiles:
    """Write `<name>-<kind>.gguf`, `mmproj-<name>-F16.gguf` and the files beside them; `llama-server.ini` where llama.cpp must be told more.

    Several kinds may share a folder, and then all but the first file; the engine takes the kind that was written last.

    The markers carry the names that llama.cpp looks up; ids, weights and template are the checkpoint's.

    Args:
        bits: 4 (Q4_0), 8 (Q8_0), 16 (F16, which is the default) or 32 (F32) of the text model.
        kind: the same by llama.cpp's name, or one of its K-quants, for which its `llama-quantize` must be installed.
        name: by default that of the checkpoint's folder.

    Raises:
        ValueError: there is no such kind, the checkpoint is damaged, or llama.cpp could not run it as it is; see `smvl.export.gguf`.
    """
    kind = find_kind(bits, kind)
    if kind in K_QUANTS:
        find_quantizer()
    checkpoint = open_checkpoint(checkpoint_folder)
    check_copied_files(checkpoint)
    weights = Weights(checkpoint.folder)
    name = name or checkpoint.folder.resolve().name
    folder = Path(out_folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = GGUFFiles(text=folder / f"{name}-{kind}.gguf", vision=folder / f"mmproj-{name}-F16.gguf")
    if kind in K_QUANTS:
        whole = folder / f"{name}-F16.gguf.whole"
        write_text_model(checkpoint, weights, whole, name=name, kind="F16")
        try:
            quantize_file(whole, files.text, kind)
        finally:
            whole.unlink()
    else:
        write_text_model(checkpoint, weights, files.text, name=name, kind=kind)
    write_vision_projector(checkpoint, weights, files.vision, name=name)
    write_settings(checkpoint, folder)
    _write_preset(files, VISION_FORMS[checkpoint.layout].server_options(checkpoint), name)
    written = [files.text, files.vision, *(folder / file for file in (*SETTINGS_FILES, *COPIED_FILES))]
    facts = {"format": FORMAT, "kind": kind, "text": files.text.name, "vision": files.vision.name}
    write_manifest(checkpoint, folder, written, facts, packages=("gguf",))
    for file in (files.text, files.vision):
        logger.info("%s: %.1f MB.", file, file.stat().st_size / 1e6)
    return files


def _write_preset(files: GGUFFiles, options: Mapping[str, Any], name: str) -> None:
    """Write options that a GGUF file cannot hold where `llama-server --models-preset` reads them; paths are relative to where that runs."""
    if not options:
        return
    lines = {"model": files.text.name, "mmproj": files.vision.name, **options, "load-on-startup": "true"}
    content = [f"[{name}]", *(f"{key} = {value}" for key, value in lines.items())]
    path = files.text.with_name(PRESET_FILE)
    path.write_text("version = 1\n\n" + "\n".join(content) + "\n", encoding="utf-8")
    logger.info("llama.cpp must be told how large pictures are: (cd %s; llama-server --models-preset %s)", path.parent, PRESET_FILE)
