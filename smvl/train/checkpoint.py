"""The run folder: what is written where, so that a run can be resumed, loaded anywhere, and traced back to what made it.

    output_dir/
      config.yaml            the resolved configuration, written before anything loads
      align/                 a stage
        checkpoint-20/       a state to resume from: a stock checkpoint, what learns in full precision (learning.safetensors),
                             optimizer, schedule, random state, and where in the data it stands
        model/               the finished stage, a stock checkpoint; it is there or it is whole
      finetune/ ...
      config.json, model.safetensors, ...   the last stage's checkpoint: what `from_pretrained(output_dir)` loads
      provenance.json        packages, data, stages
      quarantine.jsonl       rows that could not be used
      results.json           held-out scores
"""

import errno
import hashlib
import json
import logging
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from smvl.config import Config, SourceConfig, dump_config
from smvl.data.registry import open_source, reads_from_hub
from smvl.model.saving import save_tensors

CONFIG_FILE = "config.yaml"
PROVENANCE_FILE = "provenance.json"
RESULTS_FILE = "results.json"
QUARANTINE_FILE = "quarantine.jsonl"

LEARNING_FILE = "learning.safetensors"
COMPLETE = "complete"
"""An empty file that is written into a checkpoint last: one without it was cut short by a kill."""

_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "pillow", "numpy", "safetensors")
_FINGERPRINT_BYTES = 1 << 20
_LITTLE_SPACE = 64 << 20

logger = logging.getLogger(__name__)


class RunFolderError(ValueError):
    """A run folder that cannot be used as asked."""


class DiskFullError(ValueError):
    """There was no room for a checkpoint; the message names the last good one."""


def claim_run_folder(config: Config, *, resume: bool) -> Path:
    """Make the run folder and write the resolved configuration into it. A folder in which no stage was begun was never used.

    Raises:
        RunFolderError: the folder is used and the run does not resume, or it was begun with another configuration.
    """
    folder = Path(config.output_dir)
    recorded = folder / CONFIG_FILE
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; output_dir must be a folder.")
    if folder.is_dir() and any(path.name not in (CONFIG_FILE, QUARANTINE_FILE) for path in folder.iterdir()):
        if not resume:
            raise RunFolderError(
                f"the run folder {folder} is in use. Add --resume to go on with that run, give another output_dir, or delete the folder."
            )
        if not recorded.exists():
            raise RunFolderError(f"{folder} is not the folder of a run: it has no {CONFIG_FILE}. Give another output_dir.")
        _check_same(recorded.read_text(encoding="utf-8"), dump_config(config), folder)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / QUARANTINE_FILE).unlink(missing_ok=True)  # what was wrong with the data may be mended
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
    """Let `write` fill a folder that appears under its name only when it is whole.

    Raises:
        DiskFullError: there was no room for it.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        write(partial)
    except Exception as error:  # whatever a full disk makes torch, safetensors and json throw
        remove_broken(partial, error)
        raise
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
        partial.unlink(missing_ok=True)  # it is still there where it was the same file as the one to be replaced


# ---- states to resume from -------------------------------------------------------------------------------------------------------


def complete_checkpoint(folder: Path, *, keep: int | None) -> None:
    """Call a checkpoint complete once it is on the disk, and only then delete the oldest ones beyond `keep`."""
    for path in folder.iterdir():
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    (folder / COMPLETE).touch()
    checkpoints = _checkpoints(folder.parent)
    for checkpoint in checkpoints[: -keep if keep else 0]:
        (checkpoint / COMPLETE).unlink(missing_ok=True)  # cut short while it is deleted, it must not pass for a whole one
        shutil.rmtree(checkpoint)


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end. Deletes nothing: all processes ask, and one of them may be deleting."""
    complete = [checkpoint for checkpoint in _checkpoints(folder) if (checkpoint / COMPLETE).exists()]
    return complete[-1] if complete else None


def remove_incomplete_checkpoints(folder: Path) -> None:
    """Delete the checkpoints that a kill cut short; for one process alone."""
    for checkpoint in _checkpoints(folder):
        if not (checkpoint / COMPLETE).exists():
            logger.warning("%s was cut short while it was written; it is deleted.", checkpoint)
            shutil.rmtree(checkpoint)


def remove_broken(folder: Path, error: Exception) -> None:
    """Delete what an error left of a checkpoint or a model.

    Raises:
        DiskFullError: the error was that the disk is full.
    """
    is_disk_full = _is_disk_full(error, folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    if is_disk_full:
        name = folder.name.removesuffix(".partial")
        raise DiskFullError(
            f"the disk that holds {folder.parent} is full, so {name} could not be written. Last good state: "
            f"{last_complete_checkpoint(folder.parent) or 'none was saved yet'}. Make room, or set a smaller trainer.save_total_limit, "
            "and go on with --resume."
        ) from error


def _is_disk_full(error: Exception, folder: Path) -> bool:
    """torch and safetensors each have an error of their own for it, so the disk is asked too."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left" in str(error) or (folder.is_dir() and shutil.disk_usage(folder).free < _LITTLE_SPACE)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*"), key=lambda path: int(path.name.rsplit("-", 1)[1]))


def save_learning(parameters: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Write what learns, exactly as it is in memory: the model's own file may hold it in a shorter type."""
    save_tensors({name: parameter.detach().contiguous().cpu() for name, parameter in parameters.items()}, folder / LEARNING_FILE)


@torch.no_grad()
def load_learning(parameters: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Put back what `save_learning` wrote. What began to learn later is left as it is.

    Raises:
        RunFolderError: the file holds a parameter that does not learn here, or one of another shape.
    """
    for name, saved in load_file(folder / LEARNING_FILE).items():
        if name not in parameters or parameters[name].shape != saved.shape:
            raise RunFolderError(f"{folder / LEARNING_FILE} holds {name} {tuple(saved.shape)}, which this stage does not train so.")
        parameters[name].copy_(saved)


# ---- what a checkpoint says of itself --------------------------------------------------------------------------------------------


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def fingerprints(config: Config) -> dict[str, str]:
    """The fingerprint of each source that some stage trains on, by its path."""
    return {source.path: fingerprint(source) for stage in config.stages for source in stage.mixture}


def fingerprint(source: SourceConfig) -> str:
    """SHA-256 over the names, sizes, first and last megabyte of a source's files, in the order of their names.

    Of a data set from the hub, the files that it was turned into in the cache.
    """
    root = Path(source.path)
    roots = [root / subset for subset in source.subsets] or [root]
    files = sorted(file for part in roots for file in ([part] if part.is_file() else part.rglob("*")) if file.is_file())
    if reads_from_hub(source):
        files = sorted(open_source(source).files)
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        name = file.name if reads_from_hub(source) else file.relative_to(root.parent)
        digest.update(f"{name} {size}\n".encode())
        with file.open("rb") as content:
            digest.update(content.read(_FINGERPRINT_BYTES))
            content.seek(max(size - _FINGERPRINT_BYTES, 0))
            digest.update(content.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()
