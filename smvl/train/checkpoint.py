"""The run folder: what is written where, so that a run can be resumed, loaded anywhere, and traced back to what made it.

    output_dir/
      config.yaml            the resolved configuration, written before anything loads
      align/                 a stage
        checkpoint-20/       a state to resume from: a stock checkpoint with optimizer, schedule and random state
        model/               the finished stage, a stock checkpoint; it is there or it is whole
      finetune/ ...
      config.json, model.safetensors, ...   the last stage's checkpoint: what `from_pretrained(output_dir)` loads
      provenance.json        packages, data, stages
      quarantine.jsonl       rows that could not be used
      results.json           held-out scores
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from smvl.config import Config, SourceConfig, dump_config

CONFIG_FILE = "config.yaml"
PROVENANCE_FILE = "provenance.json"
RESULTS_FILE = "results.json"

_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "pillow", "numpy", "safetensors")
_FINGERPRINT_BYTES = 1 << 20


class RunFolderError(ValueError):
    """A run folder that cannot be used as asked."""


def claim_run_folder(config: Config, *, resume: bool) -> Path:
    """Make the run folder and write the resolved configuration into it. A folder with a configuration and nothing else was never used.

    Raises:
        RunFolderError: the folder is used and the run does not resume, or it was begun with another configuration.
    """
    folder = Path(config.output_dir)
    recorded = folder / CONFIG_FILE
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; output_dir must be a folder.")
    if folder.is_dir() and any(path.name != CONFIG_FILE for path in folder.iterdir()):
        if not resume:
            raise RunFolderError(
                f"the run folder {folder} is in use. Add --resume to go on with that run, give another output_dir, or delete the folder."
            )
        if not recorded.exists():
            raise RunFolderError(f"{folder} is not the folder of a run: it has no {CONFIG_FILE}. Give another output_dir.")
        _check_same(recorded.read_text(encoding="utf-8"), dump_config(config), folder)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(recorded, dump_config(config))
    return folder


def _check_same(recorded: str, wanted: str, folder: Path) -> None:
    before, now = recorded.splitlines(), wanted.splitlines()
    changed = [f"{old.strip()} -> {new.strip()}" for old, new in zip(before, now) if old != new]
    if changed or len(before) != len(now):
        raise RunFolderError(
            f"the run in {folder} was begun with another configuration ({'; '.join(changed[:3]) or 'keys were added or removed'}). "
            f"Resume it with the same one, or give another output_dir."
        )


def write_folder_atomically(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder that appears under its name only when it is whole."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial)
    os.replace(partial, folder)


def write_atomically(path: Path, text: str) -> None:
    """Write a small file that is never seen half-written."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that people can read, atomically."""
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def publish(stage_model: Path, run_folder: Path) -> None:
    """Put the files of a finished checkpoint at the top of the run folder, weights first and config.json last.

    A folder without config.json is loaded by nobody, so a kill in between leaves no half checkpoint. Files are linked where the file
    system can, so that the weights are on the disk once.
    """
    files = sorted(stage_model.iterdir(), key=lambda path: path.name == "config.json")
    (run_folder / "config.json").unlink(missing_ok=True)
    for file in files:
        partial = run_folder / f"{file.name}.partial"
        partial.unlink(missing_ok=True)
        try:
            os.link(file, partial)
        except OSError:
            shutil.copy2(file, partial)
        os.replace(partial, run_folder / file.name)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def fingerprints(config: Config) -> dict[str, str]:
    """The fingerprint of each source that some stage trains on, by its path."""
    return {source.path: fingerprint(source) for stage in config.stages for source in stage.mixture}


def fingerprint(source: SourceConfig) -> str:
    """SHA-256 over the names, sizes, first and last megabyte of a source's files, in the order of their names."""
    root = Path(source.path)
    roots = [root / subset for subset in source.subsets] or [root]
    files = sorted(file for part in roots for file in ([part] if part.is_file() else part.rglob("*")) if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(root.parent)} {size}\n".encode())
        with file.open("rb") as content:
            digest.update(content.read(_FINGERPRINT_BYTES))
            content.seek(max(size - _FINGERPRINT_BYTES, 0))
            digest.update(content.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()
