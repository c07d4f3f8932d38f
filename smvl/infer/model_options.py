"""The options that say which model answers, how it is loaded, and how pictures are shown to it; of every command that asks one."""

import argparse
import os
from typing import TYPE_CHECKING

from smvl.environment import set_environment
from smvl.program import say
from smvl.strict_yaml import ConfigError, at_key

if TYPE_CHECKING:
    from smvl.infer.budget.plan import Plan
    from smvl.infer.engine import Engine

LIMITS = {"--longest-edge": "longest_edge", "--max-pixels": "max_pixels", "--max-tiles": "most_tiles"}
"""How images are shown: options, and what `SmVLMProcessor.limit_images` calls them."""


def add_model_options(parser: argparse.ArgumentParser, *, most_tokens: int, required: bool = True) -> None:
    parser.add_argument("--model", required=required, metavar="DIR", help="a checkpoint or an export, such as output/demo")
    parser.add_argument("--max-new-tokens", type=int, default=most_tokens, metavar="N", help="longest answer (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ... (default: %(default)s)")
    dtypes = ("auto", "float32", "bfloat16", "float16")
    parser.add_argument("--dtype", default="auto", choices=dtypes, help="default: %(default)s")
    parser.add_argument("--quantize", choices=("int8", "int4", "fp8"), help="quantize a checkpoint's text layers while loading (torchao)")
    parser.add_argument("--budget", metavar="SIZE", help="memory that the process may take, such as 1GB: chooses form, tiles and context")
    parser.add_argument("--longest-edge", type=int, metavar="PIXELS", help="show images at most so large; whole tiles")
    parser.add_argument("--max-pixels", type=int, metavar="N", help="show an image with at most so many pixels; for layout qwen3_vl")
    parser.add_argument("--max-tiles", type=int, metavar="N", help="show an image as at most so many tiles")


def check_model_options(options: argparse.Namespace) -> None:
    """Raise `ConfigError` for an option that would be refused under another name once the model is loaded, or not at all."""
    from smvl.layouts.smolvlm.image_limits import check_most_tiles

    if not options.model.strip():
        raise ConfigError("--model is empty; expected a path.")
    if options.max_tiles is not None:
        with at_key("--max-tiles"):
            check_most_tiles(options.max_tiles)


def grant(options: argparse.Namespace) -> "Plan | None":
    """What the memory budget allows, shown to the user; None without one. Where the model needs no torch, none is loaded from now on.

    Raises:
        BudgetError: nothing fits; the message is a table.
        ValueError: the model cannot be looked at, or an option is not for a budget.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers is imported
    set_environment()
    from smvl.infer.budget.plan import plan_budget
    from smvl.infer.without_torch import is_export, without_torch

    plan = None
    if options.budget is not None:
        _check_budget_options(options)
        plan = plan_budget(options.model, options.budget, longest_edge=options.longest_edge, most_tiles=options.max_tiles)
        say(plan.table())
    if is_export(options.model if plan is None else plan.form.folder):
        without_torch()  # it must be known before transformers is imported
    return plan


def _check_budget_options(options: argparse.Namespace) -> None:
    if options.max_pixels is not None:
        raise ValueError("--budget is for layouts with tiles. Leave --max-pixels out.")
    if options.device not in ("auto", "cpu") or options.dtype != "auto" or options.quantize:
        raise ValueError("--budget is for the CPU and chooses the form of the model itself. Leave --device, --dtype and --quantize out.")


def load_engine(options: argparse.Namespace, plan: "Plan | None") -> "Engine":
    """The model that the options name, in the form that the budget allows.

    Raises:
        ValueError: it cannot be loaded, or cannot show images so.
    """
    from transformers.utils import logging as transformers_logging

    from smvl.infer.engine import Engine

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if plan is not None:
        return Engine.from_plan(plan)
    engine = Engine.from_folder(options.model, device=options.device, dtype=options.dtype, quantize=options.quantize)
    limits = {"longest_edge": options.longest_edge, "max_pixels": options.max_pixels, "most_tiles": options.max_tiles}
    given = [option for option, name in LIMITS.items() if limits[name] is not None]
    with at_key(" and ".join(given)):
        engine.processor.limit_images(**limits)
    return engine


def open_engine(options: argparse.Namespace) -> "Engine":
    """The model that the options name, within the budget that they name.

    Raises:
        ValueError: it cannot be loaded, or the budget is too small.
    """
    check_model_options(options)
    return load_engine(options, grant(options))
