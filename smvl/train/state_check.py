"""Before a stage goes on from a checkpoint: is all there and whole that it needs to go on as if it had not been broken off.

Trainer leaves out what it does not find, and goes on with a new optimizer, schedule or random state without a word.
"""

import json
import logging
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from smvl.train.checkpoint import LEARNING_FILE, POSITION_FILE, PROVENANCE_FILE, RunFolderError, way_around
from smvl.train.processes import uses_deepspeed

logger = logging.getLogger(__name__)


def check_state(checkpoint: Path, *, num_processes: int) -> tuple[int, int]:
    """The optimizer steps and the packs of a stage after which it goes on from a checkpoint.

    Args:
        num_processes: that go on.

    Raises:
        RunFolderError: a file is missing, damaged or of another step; the message names it.
    """
    position = _read(checkpoint, POSITION_FILE, _json)
    state = _read(checkpoint, TRAINER_STATE_NAME, _json)
    made_by = _read(checkpoint, PROVENANCE_FILE, _json)
    _read(checkpoint, LEARNING_FILE, _safetensors)
    optimizer = [] if uses_deepspeed() else [OPTIMIZER_NAME]  # DeepSpeed looks after its own
    for name in (*optimizer, SCHEDULER_NAME, *_random_states(made_by)):
        _read(checkpoint, name, _archive)
    for name, content, keys in ((POSITION_FILE, position, ("step", "num_packs", "sampler")), (TRAINER_STATE_NAME, state, ("global_step",))):
        if lacking := [key for key in keys if key not in content]:
            raise _error(checkpoint, name, f"lacks {', '.join(lacking)}")
        if checkpoint.name != f"{PREFIX_CHECKPOINT_DIR}-{content[keys[0]]}":
            raise _error(checkpoint, name, f"is of step {content[keys[0]]}")
    if num_processes != (before := made_by.get("num_processes", 1)):
        logger.info("%s was written by %d processes; for %d, random states begin anew.", checkpoint, before, num_processes)
    return position["step"], position["num_packs"]


def _random_states(made_by: Mapping[str, Any]) -> list[str]:
    """The names that Trainer gives the random state of each process."""
    count = made_by.get("num_processes", 1)
    return ["rng_state.pth"] if count == 1 else [f"rng_state_{number}.pth" for number in range(count)]


def _read(checkpoint: Path, name: str, read: Callable[[Path], Any]) -> Any:
    try:
        return read(checkpoint / name)
    except FileNotFoundError:
        raise _error(checkpoint, name, "is missing") from None
    except (OSError, ValueError, zipfile.BadZipFile, SafetensorError) as error:
        raise _error(checkpoint, name, f"is damaged ({error})") from error


def _error(checkpoint: Path, name: str, problem: str) -> RunFolderError:
    return RunFolderError(f"{checkpoint} cannot be gone on from: {name} {problem}. {way_around(checkpoint)}")


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"found {type(content).__name__}, expected an object")
    return content


def _safetensors(path: Path) -> None:
    with safe_open(path, framework="pt"):  # compares the size of the file with what its beginning says
        pass


def _archive(path: Path) -> None:
    """What torch.save wrote: a zip file, whose parts have checksums."""
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} is wrong")
