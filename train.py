"""Train a small vision-language model in stages.

    python train.py configs/demo.yaml                                 # no GPU, no downloads, minutes
    python train.py train.yaml                                        # the real recipe, one card
    accelerate launch --num_processes 8 train.py train.yaml           # several cards
    python train.py train.yaml stages.0.trainer.max_steps=20          # any key of the YAML
    python train.py train.yaml --resume                               # go on after a kill
    python train.py train.yaml --dry-run                              # what it will do, and whether it fits; writes nothing
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is ever fetched while training
if "OMP_WAIT_POLICY" not in os.environ:  # threads that spin long while they wait take the cores from those that work
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the worker processes are the parallelism

from smvl.config import Config, load_config
from smvl.program import run_program, say
from smvl.train.interruption import Interrupted, Interruption
from smvl.train.processes import is_first_process, start_all_processes, start_helpers, use_worker_server


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 for what the user can mend, 128 and the number of the signal after one."""
    options = parse(arguments)
    return run_program("train.py", lambda: execute(options), way_on="go on with --resume")


def execute(options: argparse.Namespace) -> int:
    config = None
    try:
        with Interruption() as interruption:
            start_all_processes(__file__, sys.argv[1:])
            config = load_config(options.config, options.overrides)
            start_helpers(workers=config.data.workers > 0)
            if options.dry_run:
                from smvl.train.dry_run import dry_run

                dry_run(config, budget=options.memory_budget, recipe=options.config)
            else:
                run(config, resume=options.resume, interruption=interruption, recipe=options.config)
    except ValueError as error:  # the user's mistakes; anything else is ours and keeps its traceback
        say(f"train.py: {error}")
        return 1
    except Interrupted as interrupted:
        if is_first_process():
            say(f"train.py: stopped by {interrupted}. {'' if options.dry_run else way_on(config)}")
        return interrupted.status
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small vision-language model in stages.")
    parser.add_argument("config", help="YAML file, for example configs/demo.yaml or train.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="any key of the YAML, dotted: stages.0.trainer.max_steps=20")
    parser.add_argument("--resume", action="store_true", help="go on with the run in output_dir")
    parser.add_argument("--dry-run", action="store_true", help="show samples, packs, memory and time of the run; train and write nothing")
    parser.add_argument("--memory-budget", type=float, metavar="GB", help="with --dry-run: memory to plan for, in place of this machine's")
    options = parser.parse_intermixed_args(arguments)
    if options.memory_budget is not None and not options.dry_run:
        parser.error("--memory-budget goes with --dry-run; a run checks the memory that there is")
    if options.resume and options.dry_run:
        parser.error("--dry-run looks at a whole run; leave --resume out")
    return options


def run(config: Config, *, resume: bool, interruption: Interruption, recipe: str | None = None) -> None:
    from smvl.train.prepare import prepare
    from smvl.train.report import report
    from smvl.train.run import Run

    with prepare(config, resume=resume, recipe=recipe) as folder:
        training = Run(config, folder, interruption)
        with training.tracker:
            for stage in config.stages:
                training.train_stage(stage)
            results = training.score()
        report(training, results)


def way_on(config: Config | None) -> str:
    """How a run goes on that a signal has ended."""
    from smvl.train.checkpoint import last_state

    state = last_state(Path(config.output_dir), [stage.name for stage in config.stages]) if config else None
    return f"Last state: {state or 'none was saved yet'}. The same command with --resume goes on."


if __name__ == "__main__":
    use_worker_server()
    sys.exit(main())
