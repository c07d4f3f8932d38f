"""A GGUF export on the disk: which files make it up, and whether they are the ones that were written.

    export.json                           the manifest: format, kind, where it came from, size and SHA-256 of each file
    config.json, generation_config.json   the model's, as its checkpoint has them
    preprocessor_config.json, processor_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja
    {name}-{kind}.gguf, mmproj-{name}-F16.gguf   the text model, and the vision encoder with the projector

llama.cpp's own programs need the last two alone; the engine lays out prompts and cuts tiles with the others.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.infer.manifest import MANIFEST_FILE, ExportFolderError, check_files, format_of, read_json, verify_files

FORMAT = "qwen3-smvl gguf 1"


@dataclass(frozen=True)
class GGUFFolder:
    """An export whose files are the ones that were written."""

    path: Path
    kind: str
    """Of the text model, by llama.cpp's name."""
    text: Path
    vision: Path
    config: dict[str, Any]
    generation_config: dict[str, Any]


def is_gguf_folder(folder: str | Path) -> bool:
    """Whether a folder says of itself that it is a GGUF export, whole or not, or holds GGUF files and says nothing."""
    return format_of(folder).startswith("qwen3-smvl gguf") or _is_bare(folder)


def open_gguf_folder(folder: str | Path) -> GGUFFolder:
    """Check an export's files against its manifest, weights by their size alone, and read its settings.

    Raises:
        ExportFolderError: a file is missing, cut short, or another one than was written; the message names it.
    """
    path = Path(folder)
    if _is_bare(path):
        raise ExportFolderError(
            f"{path} holds GGUF files, but no {MANIFEST_FILE}: it is for llama.cpp's own programs alone. Export the checkpoint again with "
            "python -m smvl export --to gguf, which writes the tokenizer and the other files that are read here."
        )
    manifest = check_files(path, FORMAT)
    for key in ("kind", "text", "vision"):
        if not isinstance(manifest.get(key), str):
            raise ExportFolderError(f"{path / MANIFEST_FILE}: {key} is {manifest.get(key)!r}; expected a text. Export the model again.")
    return GGUFFolder(
        path=path,
        kind=manifest["kind"],
        text=path / manifest["text"],
        vision=path / manifest["vision"],
        config=read_json(path / "config.json"),
        generation_config=read_json(path / "generation_config.json"),
    )


def verify_gguf_folder(folder: str | Path) -> None:
    """Check every byte of an export.

    Raises:
        ExportFolderError: as `open_gguf_folder`.
    """
    verify_files(Path(folder), FORMAT)


def _is_bare(folder: str | Path) -> bool:
    """Whether a folder holds GGUF files and no manifest. Anything may be asked of, also a text that is no path."""
    try:
        names = os.listdir(folder)
    except (OSError, ValueError):
        return False
    return MANIFEST_FILE not in names and any(name.endswith(".gguf") for name in names)
