"""Train a small vision-language model in stages.

    python train.py configs/demo.yaml                                 # no GPU, no downloads, minutes
    python train.py train.yaml                                        # the real recipe, one card
    accelerate launch --num_processes 8 train.py train.yaml           # several cards
    python train.py train.yaml stages.0.trainer.max_steps=20          # any key of the YAML
    python train.py train.yaml --resume                               # go on after a kill
    python train.py train.yaml --dry-run                              # what it will do, and whether it fits; writes nothing

The way of a run is told in smvl/train/command.py: prepare, each stage, score, report.
"""

import sys
from collections.abc import Sequence

from smvl.program import run_program
from smvl.train.command import execute, use_worker_server


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 for what the user can mend, 128 and the number of the signal after one."""
    given = sys.argv[1:] if arguments is None else arguments
    return run_program("train.py", lambda: execute(given, name="train.py", restart=(__file__,)), way_on="go on with --resume")


if __name__ == "__main__":
    use_worker_server()
    sys.exit(main())
