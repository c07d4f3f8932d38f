"""What stands beside the weights of an export that this package's engine reads: settings, the processor's files, and the manifest."""

import json
import shutil
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from smvl.export.checkpoint import Checkpoint, ExportError, weight_files
from smvl.infer.manifest import MANIFEST_FILE, file_sha256

SETTINGS_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
"""Written anew, with the markers under the names that other runtimes look up."""
COPIED_FILES = ("generation_config.json", "preprocessor_config.json", "processor_config.json")
PRESET_FILE = "llama-server.ini"
"""Of a GGUF export, where llama.cpp must be told more than its files hold. It may be changed, so no manifest has it."""


def check_copied_files(checkpoint: Checkpoint) -> None:
    """Raise `ExportError` where the checkpoint lacks a file that is copied."""
    missing = [name for name in COPIED_FILES if not (checkpoint.folder / name).is_file()]
    if missing:
        raise ExportError(f"{checkpoint.folder} has no {missing[0]}. Expected a whole checkpoint, as train.py writes it.")


def write_settings(checkpoint: Checkpoint, folder: Path, additions: Mapping[str, Any] | None = None) -> None:
    """Write `SETTINGS_FILES` and `COPIED_FILES`.

    Args:
        additions: to config.json.
    """
    write_json(folder / "config.json", {**checkpoint.config, **(additions or {})})
    write_json(folder / "tokenizer.json", checkpoint.tokenizer)
    write_json(folder / "tokenizer_config.json", {**checkpoint.tokenizer_config, "chat_template": checkpoint.chat_template})
    (folder / "chat_template.jinja").write_text(checkpoint.chat_template, encoding="utf-8")
    for name in COPIED_FILES:
        shutil.copyfile(checkpoint.folder / name, folder / name)


def write_manifest(
    checkpoint: Checkpoint, folder: Path, files: Iterable[Path], facts: Mapping[str, Any], packages: Iterable[str] = ()
) -> None:
    """Write `export.json`; last, because a folder without it is no export.

    Args:
        files: those that make up the export, below `folder`.
        facts: what its reader needs to know first, its `format` among them.
        packages: whose versions are noted.
    """
    source = {path.name: file_sha256(path) for path in weight_files(checkpoint.folder)}
    content = {
        **facts,
        "source": {"checkpoint": checkpoint.folder.resolve().name, "weights_sha256": source},
        "packages": {name: metadata.version(name) for name in packages},
        "files": {
            path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": file_sha256(path)} for path in sorted(files)
        },
    }
    write_json(folder / MANIFEST_FILE, content)


def write_json(path: Path, content: Any) -> None:
    """Indented, for a reader."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
