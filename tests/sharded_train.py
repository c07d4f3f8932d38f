"""train.py with FSDP2 on CPUs, as configs/accelerate/fsdp2.yaml asks for it on cards.

    python -m torch.distributed.run --standalone --nproc_per_node 2 -m tests.sharded_train run.yaml

torch shards on CPUs as it does on cards; only accelerate leaves FSDP out where there is no card, and smvl refuses it. Both are told here
that it is meant. `SMVL_TEST_LOG` and `SMVL_TEST_STOP` are those of logged_train.py.
"""

import os
import sys
from pathlib import Path
from typing import Any

from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from accelerate.utils.launch import prepare_multi_gpu_env
from transformers import Trainer

import train
from smvl.train import prepare
from tests.logged_train import note_batches

CONFIGS = Path(__file__).parent.parent / "configs/accelerate"

_init = AcceleratorState.__init__


def launch_environment(config: Path) -> dict[str, str]:
    """What `accelerate launch --config_file` would put into the environment of a process."""
    options = launch_command_parser().parse_args(["--config_file", str(config), "train.py"])
    options, _, _ = _validate_launch_command(options)
    return prepare_multi_gpu_env(options)


def shard_on_cpus() -> None:
    environment = launch_environment(CONFIGS / "fsdp2.yaml")
    os.environ.update({name: value for name, value in environment.items() if name.startswith("FSDP_") or name == "ACCELERATE_USE_FSDP"})
    AcceleratorState.__init__ = _init_with_fsdp
    prepare.check_launch = lambda config: None


def _init_with_fsdp(state: AcceleratorState, *arguments: Any, **options: Any) -> None:
    _init(state, *arguments, **options)
    plugin = options.get("fsdp_plugin")
    if plugin is not None and state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, plugin
        if state.mixed_precision != "no":
            plugin.set_mixed_precision(state.mixed_precision)


if __name__ == "__main__":
    shard_on_cpus()
    if "SMVL_TEST_LOG" in os.environ:
        Trainer.get_batch_samples = note_batches
    sys.exit(train.main())
