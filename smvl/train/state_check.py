"""Before a stage goes on from a checkpoint: is all there and whole that it needs to go on as if it had not been broken off.

Trainer leaves out what it does not find, and goes on with a new optimizer, schedule or random state without a word.
"""

import json
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from smvl.train.checkpoint import LEARNING_FILE, POSITION_FILE, PROVENANCE_FILE, RunFolderError, check_seal, way_around
from smvl.train.processes import uses_deepspeed

_POSITION = {"step": int, "num_packs": int, "sampler": dict}
_PROGRESS = {"global_step": int, "max_steps": int, "epoch": (int, float), "log_history": list, "stateful_callbacks": dict}
"""What is read of trainer_state.json."""
_AS_ITS_PARAMETER = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")
"""What optimizers keep in the shape of each parameter. torch believes what it loads: another shape ends the process in the next step."""

logger = logging.getLogger(__name__)


def check_state(checkpoint: Path, *, num_processes: int) -> tuple[int, int]:
    """The optimizer steps and the packs of a stage after which it goes on from a checkpoint.

    Args:
        num_processes: that go on.

    Raises:
        RunFolderError: a file is missing, damaged or of another step; the message names it.
    """
    position = _read(checkpoint, POSITION_FILE, _json)
    state = _read(checkpoint, TRAINER_STATE_NAME, _trainer_state)
    made_by = {"num_processes": 1} | _read(checkpoint, PROVENANCE_FILE, _json)
    _check_keys(checkpoint, PROVENANCE_FILE, made_by, {"num_processes": int})
    _read(checkpoint, LEARNING_FILE, _safetensors)
    optimizer = [] if uses_deepspeed() else [OPTIMIZER_NAME]  # DeepSpeed looks after its own
    for name in (*optimizer, SCHEDULER_NAME, *_random_states(made_by)):
        _read(checkpoint, name, _archive)
    _check_keys(checkpoint, POSITION_FILE, position, _POSITION)
    _check_keys(checkpoint, POSITION_FILE, position["sampler"], {"made_with": dict})
    _check_keys(checkpoint, TRAINER_STATE_NAME, state, _PROGRESS)
    _check_keys(checkpoint, TRAINER_STATE_NAME, state["stateful_callbacks"], {"TrainerControl": dict})
    for name, step in ((POSITION_FILE, position["step"]), (TRAINER_STATE_NAME, state["global_step"])):
        if checkpoint.name != f"{PREFIX_CHECKPOINT_DIR}-{step}":
            raise _error(checkpoint, name, f"is of step {step}")
    check_seal(checkpoint)  # last, as what is found above says more
    if num_processes != (before := made_by["num_processes"]):
        logger.info("%s was written by %d processes; for %d, random states begin anew.", checkpoint, before, num_processes)
    return position["step"], position["num_packs"]


@contextmanager
def restoring(checkpoint: Path, what: str) -> Iterator[None]:
    """Within it a part of a state is put in its place, whose file is whole.

    Raises:
        RunFolderError: it is that of something else, in the words of whoever noticed.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        found = " ".join(str(error).split())
        raise RunFolderError(f"{checkpoint}: its {what} is not that of this stage ({found}). {way_around(checkpoint)}") from error


def check_restored(optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler, step: int) -> None:
    """Raise `ValueError` unless what was loaded into both fits parameters and step."""
    if not optimizer.state and "betas" in optimizer.param_groups[0]:  # Adam and its kin remember something of every step
        raise ValueError("nothing is in it")
    for parameter, state in optimizer.state.items():
        for name in _AS_ITS_PARAMETER:
            if name in state and state[name].shape != parameter.shape:
                raise ValueError(f"{name} is {tuple(state[name].shape)} for a parameter of {tuple(parameter.shape)}")
    if schedule.last_epoch != step:
        raise ValueError(f"the schedule is at step {schedule.last_epoch}")


def _check_keys(checkpoint: Path, name: str, content: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]]) -> None:
    if lacking := [key for key, kind in kinds.items() if not isinstance(content.get(key), kind)]:
        raise _error(checkpoint, name, f"lacks {', '.join(lacking)}, or holds something else there")


def _random_states(made_by: Mapping[str, Any]) -> list[str]:
    """The names that Trainer gives the random state of each process."""
    count = made_by["num_processes"]
    return ["rng_state.pth"] if count == 1 else [f"rng_state_{number}.pth" for number in range(count)]


def _read(checkpoint: Path, name: str, read: Callable[[Path], Any]) -> Any:
    try:
        return read(checkpoint / name)
    except FileNotFoundError:
        raise _error(checkpoint, name, "is missing") from None
    except (OSError, TypeError, ValueError, zipfile.BadZipFile, SafetensorError) as error:
        raise _error(checkpoint, name, f"is damaged ({error})") from error


def _error(checkpoint: Path, name: str, problem: str) -> RunFolderError:
    return RunFolderError(f"{checkpoint} cannot be gone on from: {name} {problem}. {way_around(checkpoint)}")


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"found {type(content).__name__}, expected an object")
    return content


def _trainer_state(path: Path) -> dict[str, Any]:
    TrainerState.load_from_json(str(path))  # refuses keys that it does not know
    return _json(path)


def _safetensors(path: Path) -> None:
    with safe_open(path, framework="pt"):  # compares the size of the file with what its beginning says
        pass


def _archive(path: Path) -> None:
    """What torch.save wrote: a zip file, whose parts have checksums."""
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} is wrong")
