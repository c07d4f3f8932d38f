"""`smvl train`, and train.py: from the command line to a run and its report."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from smvl.environment import set_environment

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is ever fetched while training
set_environment()

from smvl.config import Config, load_config
from smvl.program import say
from smvl.train.helper_processes import start_helpers, use_worker_server
from smvl.train.interruption import Interrupted, Interruption
from smvl.train.launch import start_all_processes
from smvl.train.processes import is_first_process


def main(arguments: Sequence[str]) -> int:
    """The whole process is a training: its workers come from a server."""
    use_worker_server()
    return execute(arguments, name="smvl train", restart=("-m", "smvl", "train"))


def execute(arguments: Sequence[str], *, name: str, restart: Sequence[str]) -> int:
    """Train as the command line says.

    Args:
        name: the command, before its messages.
        restart: what Python is given to run this command again, before the arguments.

    Returns:
        Exit status: 0, 1 for what the user can mend, 128 and the number of the signal after one.
    """
    options = parse(arguments, name)
    config = None
    try:
        with Interruption() as interruption:
            start_all_processes([*restart, *arguments])
            config = load_config(options.config, options.overrides)
            start_helpers(workers=config.data.workers > 0)
            if options.dry_run:
                from smvl.train.dry_run import dry_run

                dry_run(config, budget=options.memory_budget, recipe=options.config)
            else:
                run(config, resume=options.resume, interruption=interruption, recipe=options.config)
    except ValueError as error:  # the user's mistakes; anything else is ours and keeps its traceback
        say(f"{name}: {error}")
        return 1
    except Interrupted as interrupted:
        if is_first_process():
            say(f"{name}: stopped by {interrupted}. {'' if options.dry_run else way_on(config)}")
        return interrupted.status
    return 0


def parse(arguments: Sequence[str], name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=name, description="Train a small vision-language model in stages.")
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
    from smvl.train.run_record import logging_to

    with prepare(config, resume=resume, recipe=recipe) as folder, logging_to(folder if is_first_process() else None):
        training = Run(config, folder, interruption)
        with training.tracker:
            training.score_before()
            for stage in config.stages:
                training.train_stage(stage)
            results = training.score()
        report(training, results)


def way_on(config: Config | None) -> str:
    """How a run goes on that a signal has ended."""
    from smvl.train.checkpoint import last_state

    state = last_state(Path(config.output_dir), [stage.name for stage in config.stages]) if config else None
    return f"Last state: {state or 'none was saved yet'}. The same command with --resume goes on."
