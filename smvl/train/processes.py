"""The processes of a run: how many there are, and which one this is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState


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
