"""The learning rates of a stage over its steps, looked at before the first: transformers' schedules refuse nothing until they are met."""

import torch
from transformers import Trainer, TrainingArguments, get_scheduler

from smvl.strict_yaml import ConfigError, shorten
from smvl.trainer_keys import is_number

MAX_FACTOR = 1 + 1e-6
_NUM_LOOKED_AT = 200
_LEAST_PEAK = 0.5
"""Of the rate that was asked for; a warmup that is longer than the stage comes to less."""


def check_schedule(arguments: TrainingArguments, stage_name: str) -> None:
    """Raise `ConfigError` where the optimizer or the schedule cannot be made, or a rate on the way is none that a step can take."""
    try:
        factors = schedule_factors(arguments)
    except (TypeError, ValueError, KeyError, ArithmeticError, ImportError) as error:  # of optimizers, and of whatever kwargs hold
        raise ConfigError(f"{_schedule_of(arguments, stage_name)} cannot be made: {error}") from error
    for factor in factors:
        if not (is_number(factor) and 0 <= factor <= MAX_FACTOR):
            raise ConfigError(f"{_schedule_of(arguments, stage_name)} multiplies rates by {shorten(factor)}; expected 0 to 1.")
    if max(factors) < _LEAST_PEAK:
        reached = f"never comes above {max(factors):.2g} of the rate" if any(factors) else "leaves every step without a rate"
        raise ConfigError(f"{_schedule_of(arguments, stage_name)} {reached}; give more steps, or less warmup or decay.")


def schedule_factors(arguments: TrainingArguments) -> list[float]:
    """What the rates are multiplied by, in some of the steps and in the last."""
    optimizer_class, options = Trainer.get_optimizer_cls_and_kwargs(arguments)
    scheduler = get_scheduler(
        arguments.lr_scheduler_type,
        optimizer_class([torch.nn.Parameter(torch.zeros(1))], **options),
        num_warmup_steps=arguments.get_warmup_steps(arguments.max_steps),
        num_training_steps=arguments.max_steps,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
    )
    steps = range(0, arguments.max_steps, max(1, arguments.max_steps // _NUM_LOOKED_AT))
    return [scheduler.lr_lambdas[0](step) for step in {*steps, arguments.max_steps - 1}]


def _schedule_of(arguments: TrainingArguments, stage_name: str) -> str:
    kwargs = f" with lr_scheduler_kwargs {shorten(arguments.lr_scheduler_kwargs)}" if arguments.lr_scheduler_kwargs else ""
    warmup, steps = arguments.get_warmup_steps(arguments.max_steps), arguments.max_steps
    return f"stage {stage_name}: trainer.lr_scheduler_type {arguments.lr_scheduler_type.value}{kwargs} ({steps:,} steps, warmup {warmup:,})"
