"""The run folder belongs to one configuration and to one run at a time, and does not lie in the data. What is in it: see checkpoint.py."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smvl.config import Config, dump_config, load_config
from smvl.file_lock import LockedError, holding
from smvl.source_registry import is_drawn
from smvl.train.checkpoint import CONFIG_FILE, QUARANTINE_FILE, RunFolderError, last_state, read_provenance
from smvl.train.same_run import changed_keys
from smvl.whole_file import write_atomically

MOST_SHOWN = 5
"""Changed keys that a refusal names."""
LOCK_FILE = "run.lock"
"""Held by the run that is going on, deleted when it ends."""


@contextmanager
def claim_run_folder(config: Config, *, resume: bool) -> Iterator[Path]:
    """Make the run folder, keep other runs out of it, and write the resolved configuration into it; for one process of a run.

    A folder in which no stage was begun was never used.

    Raises:
        RunFolderError: the folder cannot be made or written, another run is going on in it, it is used and the run does not resume, or it
            was begun with another configuration.
    """
    folder = Path(config.output_dir)
    with _explained(folder):
        if folder.exists() and not folder.is_dir():
            raise RunFolderError(f"{folder} is a file; output_dir must be a folder.")
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _record(config, folder, resume=resume)
        yield folder


def check_output_dir(config: Config) -> None:
    """Raise `RunFolderError` when what the run writes would be read as data, by this run or the next."""
    folder = os.path.realpath(config.output_dir)
    if config.model.checkpoint is not None and folder == os.path.realpath(config.model.checkpoint):
        raise RunFolderError(f"output_dir {config.output_dir} is the checkpoint that the run goes on from. Give another folder.")
    sources = [source for stage in config.stages for source in stage.mixture]
    read = [source.path for source in (*sources, config.evaluation.heldout) if source is not None and not is_drawn(source)]
    drawn = [config.data.scenes.folder] if config.data.scenes else []
    for path in (*read, *drawn):
        data = os.path.realpath(path)
        if folder == data or folder.startswith(os.path.join(data, "")):
            raise RunFolderError(f"output_dir {config.output_dir} lies in {path}, and would be read as data. Give a folder outside.")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        with _explained(folder):
            try:
                stack.enter_context(holding(folder / LOCK_FILE))
            except LockedError:
                raise RunFolderError(f"another run is going on in {folder}. Wait for its end, or give another output_dir.") from None
        yield


def _record(config: Config, folder: Path, *, resume: bool) -> None:
    """Write the configuration into a folder that is new, or compare it with the one that is there."""
    recorded = folder / CONFIG_FILE
    if not any(path.name not in (CONFIG_FILE, LOCK_FILE, QUARANTINE_FILE) for path in folder.iterdir()):
        with _explained(folder):
            (folder / QUARANTINE_FILE).unlink(missing_ok=True)  # what was wrong with the data may be mended
            write_atomically(recorded, dump_config(config))
        return
    if not resume:
        raise RunFolderError(
            f"the run folder {folder} is in use. Add --resume to go on with that run, give another output_dir, or delete the folder."
        )
    if not recorded.exists():
        raise RunFolderError(f"{folder} is not the folder of a run: it has no {CONFIG_FILE}. Give another output_dir.")
    _check_same(recorded, config, folder)
    with _explained(folder):
        write_atomically(recorded, dump_config(config))


def _check_same(recorded: Path, config: Config, folder: Path) -> None:
    try:
        before = load_config(recorded)
    except ValueError as error:
        raise RunFolderError(f"{recorded} cannot be read ({error}). Put it back as it was, or give another output_dir.") from error
    state = last_state(folder, [stage.name for stage in before.stages])
    if changed := changed_keys(before, config, read_provenance(state) if state else {}):
        more = f" and {len(changed) - MOST_SHOWN} more" if len(changed) > MOST_SHOWN else ""
        raise RunFolderError(
            f"the run in {folder} was begun with another configuration ({'; '.join(changed[:MOST_SHOWN])}{more}). "
            f"Resume it with the same one, or give another output_dir."
        )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """What the system refuses, as an error of the user's."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        raise RunFolderError(f"the run folder {folder} cannot be made or written ({reason}). Give another output_dir.") from error
