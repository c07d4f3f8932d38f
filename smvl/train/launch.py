"""Ways of launching a run: those that cannot be trained with are refused, and one that starts too few processes is mended."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smvl.layouts.settings import ANSWERS
from smvl.train.processes import has_card, shards_model, uses_deepspeed

if TYPE_CHECKING:
    from smvl.config import Config


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
        if stage.objective != ANSWERS:
            raise ValueError(f"stage {stage.name}: objective {stage.objective} is not supported together with FSDP2. Use ddp.yaml.")
        if stage.lora is not None and stage.lora.quantize is not None:
            raise ValueError(f"stage {stage.name}: lora.quantize is not supported together with FSDP2. Set it to null, or use ddp.yaml.")


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
