"""The run folder: what is written where, so that a run can be resumed, loaded anywhere, and traced back to what made it.

    output_dir/
      config.yaml            the resolved configuration, written before anything loads
      run.lock               while a run is going on
      align/                 a stage
        checkpoint-20/       a state to resume from: a stock checkpoint, what learns in full precision (learning.safetensors),
                             optimizer, schedule, random state, and where in the data it stands
        model/               the finished stage, a stock checkpoint; it is there or it is whole
      finetune/ ...
      config.json, model.safetensors, ...   the last stage's checkpoint: what `from_pretrained(output_dir)` loads
      README.md              the model card
      provenance.json        packages, data, stages
      metrics.jsonl, loss.png, log.txt    every figure of the way, the losses as a picture, what was said
      quarantine.jsonl       rows that could not be used
      before.json            held-out scores before the first step, where `evaluation.before` asks for them
      results.json           held-out scores
      answers.jsonl          each answer behind them, with its question and pictures
"""

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from smvl.config import Config, SceneSourceConfig, SourceConfig
from smvl.program import is_disk_full
from smvl.source_registry import is_drawn, open_source, reads_from_hub, source_name
from smvl.whole_file import write_atomically

CONFIG_FILE = "config.yaml"
PROVENANCE_FILE = "provenance.json"
BEFORE_FILE, RESULTS_FILE, ANSWERS_FILE = "before.json", "results.json", "answers.jsonl"
QUARANTINE_FILE = "quarantine.jsonl"

MODEL_FOLDER = "model"
"""A finished stage's checkpoint."""

LEARNING_FILE = "learning.safetensors"
POSITION_FILE = "data_position.json"
"""Where in the data a checkpoint stands."""
COMPLETE = "complete"
"""A file that is written into a checkpoint last: one without it was cut short by a kill. It holds a checksum of each other file."""

_CHECKPOINT = re.compile("checkpoint-(0|[1-9][0-9]*)")
"""The name that Trainer gives one, with its step."""
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "pillow", "numpy", "safetensors")
_FINGERPRINT_BYTES = _BLOCK_BYTES = 1 << 20
_LITTLE_SPACE = 64 << 20

logger = logging.getLogger(__name__)


class RunFolderError(ValueError):
    """A run folder, or something in it, that cannot be used as asked."""


class DiskFullError(ValueError):
    """There was no room for a checkpoint; the message names the last good one."""


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


def write_json(path: Path, content: Any) -> None:
    """Write JSON that people can read, atomically."""
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def write_json_lines(path: Path, rows: Sequence[Any]) -> None:
    """Write a row a line, atomically."""
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


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
    for path in _files_in(folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    seal(folder)
    for checkpoint in checkpoints_in(folder.parent)[: -keep if keep else 0]:
        _remove(checkpoint)


def seal(folder: Path) -> None:
    """Write the checksum of each file of a checkpoint, which says that it is complete."""
    lines = [f"{_checksum(path)} {path.relative_to(folder).as_posix()}\n" for path in _files_in(folder)]
    write_atomically(folder / COMPLETE, "".join(lines))


def check_seal(folder: Path) -> None:
    """Compare a complete checkpoint with the checksums that it was sealed with. In memory a gigabyte takes a fifth of a second.

    Raises:
        RunFolderError: a file is missing or has changed since, or there are no checksums.
    """
    lines = (folder / COMPLETE).read_text(encoding="utf-8", errors="replace").splitlines()
    sealed = dict(line.split(" ", 1)[::-1] for line in lines if " " in line)
    if not sealed:
        raise RunFolderError(f"{folder} cannot be gone on from: {COMPLETE} holds no checksums. {way_around(folder)}")
    for name, checksum in sealed.items():
        found = _checksum(folder / name) if (folder / name).is_file() else None
        if found != checksum:
            problem = "is missing" if found is None else "is not as it was written"
            raise RunFolderError(f"{folder} cannot be gone on from: {name} {problem}. {way_around(folder)}")


def _files_in(checkpoint: Path) -> list[Path]:
    return sorted(path for path in checkpoint.rglob("*") if path.is_file() and path != checkpoint / COMPLETE)


def _checksum(path: Path) -> str:
    """CRC-32, against damage, not against malice."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return f"{checksum:08x}"


def _remove(checkpoint: Path) -> None:
    (checkpoint / COMPLETE).unlink(missing_ok=True)  # cut short while it is deleted, it must not pass for a whole one
    shutil.rmtree(checkpoint)


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a stage, complete or not, oldest first. What people have put beside them, such as `checkpoint-best`, is none."""
    numbered = {path: _CHECKPOINT.fullmatch(path.name) for path in folder.glob("*")}
    found = {path: int(match[1]) for path, match in numbered.items() if match and path.is_dir() and not path.is_symlink()}
    return sorted(found, key=found.get)


def remove_checkpoints(folder: Path) -> None:
    """Delete those of a finished stage."""
    for checkpoint in checkpoints_in(folder):
        _remove(checkpoint)


def finished_stages(run_folder: Path, stages: Sequence[str]) -> list[str]:
    """The stages up to the last that has left a model; earlier ones may have been deleted since, to save room.

    Raises:
        RunFolderError: a stage was begun, and the model that it went on from is gone.
    """
    last = max((number for number, stage in enumerate(stages) if (run_folder / stage / MODEL_FOLDER).is_dir()), default=-1)
    begun = max((number for number, stage in enumerate(stages) if checkpoints_in(run_folder / stage)), default=0)
    if begun > last + 1:
        before = run_folder / stages[begun - 1] / MODEL_FOLDER
        raise RunFolderError(f"stage {stages[begun]} went on from {before}, which is gone. Put it back, or begin a new run.")
    return list(stages[: last + 1])


def last_state(run_folder: Path, stages: Sequence[str]) -> Path | None:
    """From where a run would go on: the newest stage's last checkpoint, or the model of the last finished stage."""
    for stage in reversed(stages):
        model = run_folder / stage / MODEL_FOLDER
        if state := model if model.is_dir() else last_complete_checkpoint(run_folder / stage):
            return state
    return None


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end. Deletes nothing: all processes ask, and one of them may be deleting."""
    complete = [checkpoint for checkpoint in checkpoints_in(folder) if (checkpoint / COMPLETE).exists()]
    return complete[-1] if complete else None


def remove_incomplete_checkpoints(folder: Path) -> None:
    """Delete the checkpoints that a kill cut short; for one process alone."""
    for checkpoint in checkpoints_in(folder):
        if not (checkpoint / COMPLETE).exists():
            logger.warning("%s was cut short while it was written; it is deleted.", checkpoint)
            shutil.rmtree(checkpoint)


def remove_broken(folder: Path, error: Exception) -> None:
    """Delete what an error left of a checkpoint or a model.

    Raises:
        DiskFullError: the error was that the disk is full.
    """
    # torch has an error of its own for it, so the disk is asked too
    is_full = is_disk_full(error) or (folder.parent.is_dir() and shutil.disk_usage(folder.parent).free < _LITTLE_SPACE)
    shutil.rmtree(folder, ignore_errors=True)
    if is_full:
        name = folder.name.removesuffix(".partial")
        raise DiskFullError(
            f"the disk that holds {folder.parent} is full, so {name} could not be written. Last good state: "
            f"{last_complete_checkpoint(folder.parent) or 'none was saved yet'}. Make room, or set a smaller trainer.save_total_limit, "
            "and go on with --resume."
        ) from error


def read_position(checkpoint: Path) -> dict[str, Any]:
    """`step`: the optimizer steps of the stage; `num_packs`: what they took, over all processes; `sampler`: where PackSampler stands."""
    return json.loads((checkpoint / POSITION_FILE).read_text(encoding="utf-8"))


def way_around(checkpoint: Path) -> str:
    """What to do about a checkpoint that is not whole."""
    earlier = [path for path in checkpoints_in(checkpoint.parent) if (path / COMPLETE).exists() and path != checkpoint]
    begin = earlier[-1] if earlier else "the beginning of the stage"
    return f"Put it back as it was, or delete {checkpoint.name}: the run then goes on from {begin}."


# ---- what a checkpoint says of itself --------------------------------------------------------------------------------------------


def read_provenance(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of how it was made.

    Raises:
        RunFolderError: it does not say.
    """
    try:
        return json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{folder / PROVENANCE_FILE} cannot be read ({error}). Put it back as it was, or begin a new run.") from error


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def fingerprints(config: Config) -> dict[str, str]:
    """The fingerprint of each source that some stage trains on, by its path; of scenes, which have none, by their name."""
    return {source.path or source_name(source): fingerprint(source) for stage in config.stages for source in stage.mixture}


def fingerprint(source: SourceConfig) -> str:
    """SHA-256 over the names, sizes, first and last megabyte of a source's files, in the order of their names.

    Of a data set from the hub, the files that it was turned into in the cache; of scenes, all that decides what is drawn.
    """
    if is_drawn(source):
        from smvl.scenes.source import scenes_fingerprint

        return scenes_fingerprint(source.scenes or SceneSourceConfig(), source.split)
    root = Path(source.path)
    roots = [root / subset for subset in source.subsets] or [root]
    files = sorted(file for part in roots for file in ([part] if part.is_file() else part.rglob("*")) if file.is_file())
    if reads_from_hub(source):
        files = sorted(open_source(source).files)
    return files_fingerprint(None if reads_from_hub(source) else root.parent, files)


def files_fingerprint(root: Path | None, files: Sequence[Path]) -> str:
    """SHA-256 over the names (below a root, or alone), sizes, first and last megabyte of files."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name if root is None else file.relative_to(root)} {size}\n".encode())
        with file.open("rb") as content:
            digest.update(content.read(_FINGERPRINT_BYTES))
            content.seek(max(size - _FINGERPRINT_BYTES, 0))
            digest.update(content.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()
