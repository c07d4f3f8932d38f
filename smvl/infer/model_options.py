"""The options of commands that say which model answers, and how it is opened."""

import argparse
import os
from typing import TYPE_CHECKING

from smvl.environment import set_environment
from smvl.program import say

if TYPE_CHECKING:
    from smvl.infer.engine import Engine


def add_model_options(parser: argparse.ArgumentParser, *, most_tokens: int) -> None:
    parser.add_argument("--model", required=True, metavar="DIR", help="a checkpoint or an export, such as output/demo")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ... (default: %(default)s)")
    parser.add_argument("--budget", metavar="SIZE", help="memory that the process may take, such as 1GB: chooses form, tiles and context")
    parser.add_argument("--max-new-tokens", type=int, default=most_tokens, metavar="N", help="longest answer (default: %(default)s)")


def open_engine(options: argparse.Namespace) -> "Engine":
    """The model that the options name.

    Raises:
        ValueError: it cannot be loaded, or the budget is too small.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers is imported
    set_environment()
    from smvl.infer.budget.plan import plan_budget
    from smvl.infer.without_torch import is_export, without_torch

    if options.budget is not None and options.device not in ("auto", "cpu"):
        raise ValueError("--budget is for the CPU. Leave --device out.")
    plan = None if options.budget is None else plan_budget(options.model, options.budget)
    if plan is not None:
        say(plan.table())
    if is_export(options.model if plan is None else plan.form.folder):
        without_torch()
    from transformers.utils import logging as transformers_logging

    from smvl.infer.engine import Engine

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    return Engine.from_folder(options.model, device=options.device) if plan is None else Engine.from_plan(plan)
