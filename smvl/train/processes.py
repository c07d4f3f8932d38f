"""The processes of a run: how many there are, which one this is, and that all that were asked for have started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smvl.train.interruption import SIGNALS

if TYPE_CHECKING:
    from accelerate import PartialState

    from smvl.config import Config

ROOT = Path(__file__).parents[2]
FORK_SERVER = "forkserver"


def has_card() -> bool:
    """Whether there is an accelerator to train on."""
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def process_state() -> PartialState:
    """This process among all. accelerate must be told that there is no card, or it takes each of several CPU processes for the only one."""
    from accelerate import PartialState

    return PartialState(cpu=not has_card())


def is_first_process() -> bool:
    """Whether this process speaks for all, known before anything is loaded."""
    return os.environ.get("RANK", "0") == "0"


def shards_model() -> bool:
    """Whether `accelerate launch` was told to use FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def uses_deepspeed() -> bool:
    """Whether `accelerate launch` was told to use DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true"


def check_launch(config: Config) -> None:
    """Raise `ValueError` for a way of launching that this project cannot train with, before anything is loaded."""
    if uses_deepspeed() and os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3":
        raise ValueError(
            "DeepSpeed ZeRO-3 takes the embedding apart, into which marker rows are written after every step. "
            "Launch with configs/accelerate/fsdp2.yaml, which spreads the weights too, or with deepspeed_zero2.yaml."
        )
    if not shards_model():
        return
    if os.environ.get("FSDP_VERSION") != "2":
        raise ValueError(f"found FSDP_VERSION {os.environ.get('FSDP_VERSION')}; expected 2, as in configs/accelerate/fsdp2.yaml.")
    if not has_card():
        raise ValueError("FSDP needs cards: without one, accelerate leaves it out and says nothing. Launch with torchrun instead.")
    if config.model.compile:
        raise ValueError("model.compile is not supported together with FSDP2. Set model.compile: false.")
    for stage in config.stages:
        if stage.lora is not None and stage.lora.quantize is not None:
            raise ValueError(f"stage {stage.name}: lora.quantize is not supported together with FSDP2. Set it to null, or use ddp.yaml.")


def use_worker_server() -> None:
    """Let worker processes be forked from a small process of their own, where the system has that, and not from this one.

    A fork leaves the memory of the process that forked in pages that both share, and each page that one of them writes to is copied; large
    pages are split for it, and Python writes to whatever it looks at. On a virtual machine with a card, launching a step took twice as
    long once fourteen idle workers had been forked (benchmarks/README.md).
    """
    if FORK_SERVER in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method(FORK_SERVER, force=True)
        multiprocessing.set_forkserver_preload(["smvl.packing.packs"])


def start_helpers(*, workers: bool) -> None:
    """Start multiprocessing's own processes now, so that they ignore the signals that end a run, as workers do (packing/worker_process.py).

    Args:
        workers: whether there will be any; their server, if they have one, loads what they need while this process does.
    """
    if os.name != "posix":
        return
    from multiprocessing import forkserver, resource_tracker

    with _ignored(SIGNALS):
        resource_tracker.ensure_running()
        if workers and multiprocessing.get_start_method() == FORK_SERVER:
            # It looks for modules where it was started, which need not be where this package lies, and leaves out what it does not find.
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            forkserver.ensure_running()


@contextmanager
def _ignored(signals: Sequence[int]) -> Iterator[None]:
    """Within it processes are started that go on ignoring these."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start_all_processes(command: Sequence[str]) -> None:
    """Make `accelerate launch --cpu --num_processes N` start N processes; return where there is nothing to mend.

    Without MPI, accelerate (seen in 1.15) starts a single one and says nothing, so that a run meant for two would train with half the
    batch. It leaves a trace: an address to meet at, which it sets only when several processes were asked for, but no rank. Then this
    process is replaced by torchrun with as many.

    Args:
        command: what Python was given: a script, or -m and a module, and its arguments.
    """
    if not _is_lone_process_of_several():
        return
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(_asked_processes())]
    os.execv(sys.executable, [*launcher, *command])


def _is_lone_process_of_several() -> bool:
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true")
    ranks = ("RANK", "WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
    return on_cpu and "MASTER_ADDR" in os.environ and not any(name in os.environ for name in ranks)


def _asked_processes() -> int:
    """Read `--num_processes` from the command line of the accelerate that started this process, with accelerate's own parser."""
    import psutil
    from accelerate.commands.launch import launch_command_parser

    command = psutil.Process().parent().cmdline()
    starts = [index for index, word in enumerate(command) if word == "launch" or Path(word).name in ("accelerate-launch", "launch.py")]
    starts += [index for index, word in enumerate(command) if word == "accelerate.commands.launch"]
    options = launch_command_parser().parse_known_args(command[min(starts) + 1 :])[0] if starts else None
    if options is None or not options.num_processes:
        raise ValueError(
            "accelerate starts only one process with --cpu unless MPI is used, and how many were asked for cannot be seen. "
            "Start them with: torchrun --nproc_per_node N train.py CONFIG.yaml"
        )
    return options.num_processes
