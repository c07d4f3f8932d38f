"""A stage's `trainer` keys become Hugging Face's TrainingArguments; smvl adds only what it must own."""

import dataclasses
import difflib
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments
from transformers.utils import is_bitsandbytes_available

from smvl.config import Config, ConfigError, StageConfig
from smvl.packing.packs import Pack, PackSampler
from smvl.strict_yaml import describe, shorten, shown_key
from smvl.train.processes import has_card
from smvl.trainer_keys import (
    BITSANDBYTES_OPTIMIZERS,
    DURATION_KEYS,
    OTHER_OPTIMIZERS,
    REFUSED_TRAINER_KEYS,
    SCHEDULES,
    USED_TRAINER_KEYS,
)

logger = logging.getLogger(__name__)

SAVE_TOTAL_LIMIT = "save_total_limit"
"""Kept from the Trainer, which would delete a good checkpoint before the new one is complete."""
_NOT_PASSED = (*DURATION_KEYS, SAVE_TOTAL_LIMIT)

_STRATEGIES = {
    "eval_strategy": ("no", "evaluated", ("eval_steps", "eval_delay")),
    "save_strategy": ("steps", "saved", ("save_steps", "save_total_limit")),
    "logging_strategy": ("steps", "logged", ("logging_steps",)),
}
"""Each with its default, what is done by it, and the keys that say when and how."""

_MAX_COUNTED_ROWS, _NUM_SAMPLED_ROWS = 20_000, 2_000
"""Rows of an epoch up to which its packs are counted, and rows that stand for a longer one: seconds, not minutes, before the first step."""


def check_trainer_keys(config: Config) -> None:
    """Raise `ConfigError` for a `trainer` key that TrainingArguments does not have, and for keys that are right only alone."""
    known = {field.name for field in dataclasses.fields(TrainingArguments)}
    for number, stage in enumerate(config.stages):
        where = f"stages.{number}.trainer"
        for key in stage.trainer:
            if key not in known:
                near = difflib.get_close_matches(shown_key(key), sorted(known), n=1)
                hint = f"; did you mean {near[0]}?" if near else "."
                raise ConfigError(f"{where}.{shown_key(key)}: TrainingArguments has no such key{hint}")
            if key not in USED_TRAINER_KEYS and key not in REFUSED_TRAINER_KEYS:
                raise ConfigError(f"{where}.{key}: this version of smvl does not know what it would do; take it out.")
        given = [key for key in DURATION_KEYS if key in stage.trainer]
        if len(given) != 1:
            raise ConfigError(f"{where}: found {' and '.join(given) or 'no duration'}; give either max_steps or num_train_epochs.")
        for key, conflict in _conflicts(stage.trainer, config):
            raise ConfigError(f"{where}.{key}: {conflict}")


def _conflicts(trainer: Mapping[str, Any], config: Config) -> Iterator[tuple[str, str]]:
    """Keys that do nothing or break beside others, or on this machine, and what to do."""
    if trainer.get("eval_strategy", "no") != "no" and config.evaluation.heldout is None:
        yield "eval_strategy", "there is nothing to evaluate on; set evaluation.heldout, or eval_strategy: no."
    yield from _strategy_conflicts(trainer)
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        if trainer.get(f"{name}_kwargs") is not None and not trainer.get(name):
            yield f"{name}_kwargs", f"nothing is computed again without {name}: true; add it, or take {name}_kwargs out."
    if {"activation_checkpointing", "gradient_checkpointing"} <= trainer.keys():
        yield "gradient_checkpointing", "it is the older name of activation_checkpointing, which is given too; take it out."
    if trainer.get("dataloader_prefetch_factor") is not None and config.data.workers == 0:
        yield "dataloader_prefetch_factor", "there are no workers that could fetch ahead; set data.workers, or take it out."
    if trainer.get("tf32") and not torch.cuda.is_available():
        yield "tf32", "found true, but there is no CUDA card; take it out."
    yield from _schedule_conflicts(trainer)
    yield from _optimizer_conflicts(trainer)


def _strategy_conflicts(trainer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for strategy, (default, done, keys) in _STRATEGIES.items():
        for key in keys if trainer.get(strategy, default) == "no" else ():
            if trainer.get(key) is not None:
                advice = f"add it, or take {key} out. On the command line, {key}=null takes it out."
                yield key, f"nothing is {done} on the way without {strategy}: steps; {advice}"
    steps, delay = trainer.get("max_steps"), trainer.get("eval_delay")
    if steps is not None and delay is not None and delay >= steps:
        yield "eval_delay", f"found {delay}, but the stage has {steps} steps, so that nothing would be evaluated on the way; lower it."


def _schedule_conflicts(trainer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    schedule = trainer.get("lr_scheduler_type", "linear")
    if schedule == "constant" and trainer.get("warmup_steps"):
        yield "warmup_steps", "a constant schedule has no warmup; take lr_scheduler_type: constant_with_warmup, or take it out."
    taken = SCHEDULES[schedule]
    for key, value in (trainer.get("lr_scheduler_kwargs") or {}).items():
        if key not in taken:
            yield "lr_scheduler_kwargs", f"the schedule {schedule} takes {', '.join(taken) or 'none'}; found {shorten(key)}, take it out."
        elif not taken[key].accepts(value):
            yield f"lr_scheduler_kwargs.{key}", f"found {describe(value)}, expected {taken[key].expected}"


def _optimizer_conflicts(trainer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    optimizer = trainer.get("optim", "adamw_torch")
    if optimizer in BITSANDBYTES_OPTIMIZERS and not (torch.cuda.is_available() and is_bitsandbytes_available()):
        yield "optim", f"{optimizer} needs a CUDA card and bitsandbytes (pip install bitsandbytes); take adamw_torch."
    for key in sorted({"adam_beta1", "adam_beta2", "adam_epsilon"} & trainer.keys()):
        if optimizer in OTHER_OPTIMIZERS:
            yield key, f"{optimizer} has no use for it; take it out, or take optim: adamw_torch."


def training_arguments(config: Config, stage: StageConfig, folder: Path, *, max_steps: int) -> TrainingArguments:
    """The arguments of a stage, with its duration counted in steps."""
    options: dict[str, Any] = {
        "dataloader_pin_memory": torch.cuda.is_available(),
        "accelerator_config": {"dispatch_batches": False, "split_batches": False},
        "use_cpu": not has_card(),
        "ddp_find_unused_parameters": False,  # every step reaches every learning weight: see packed_model.py
        **{key: _converted(key, value) for key, value in stage.trainer.items() if value is not None and key not in _NOT_PASSED},
        "output_dir": str(folder),
        "max_steps": max_steps,
        "seed": config.seed,
        "dataloader_num_workers": config.data.workers,
        "remove_unused_columns": False,
        "logging_nan_inf_filter": False,  # health.py stops the run instead of hiding the number
        "ignore_data_skip": True,  # the sampler knows where it stands: see SmVLMTrainer.train
        "report_to": "none",
        "disable_tqdm": True,
    }
    try:
        return TrainingArguments(**options)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"stage {stage.name}: TrainingArguments refuses its `trainer` keys: {error}") from error


def _converted(key: str, value: Any) -> Any:
    return value if key not in USED_TRAINER_KEYS else USED_TRAINER_KEYS[key].convert(value)


def activation_checkpointing(arguments: TrainingArguments) -> dict[str, Any] | None:
    """How activations are computed again in the backward pass; None where they are kept. transformers 5.23 has renamed both keys."""
    name = "activation_checkpointing" if hasattr(arguments, "activation_checkpointing") else "gradient_checkpointing"
    return {"use_reentrant": False, **(getattr(arguments, f"{name}_kwargs") or {})} if getattr(arguments, name) else None


def count_steps(stage: StageConfig, sampler: PackSampler, *, num_processes: int, steps_done: int = 0, packs_done: int = 0) -> int:
    """Optimizer steps of a stage. Epochs are counted in packs, which depend on the seed and not on the number of processes.

    Args:
        steps_done, packs_done: where a resumed stage stands; with another number of processes, what is left takes other steps.
    """
    if "max_steps" in stage.trainer:
        return stage.trainer["max_steps"]
    epochs = float(stage.trainer["num_train_epochs"])
    num_packs = _count_packs(stage, sampler, epochs)
    rows_per_step = (
        num_processes * stage.trainer.get("per_device_train_batch_size", 8) * stage.trainer.get("gradient_accumulation_steps", 1)
    )
    return steps_done + max(0 if steps_done else 1, math.ceil((num_packs - packs_done) / rows_per_step))


def _count_packs(stage: StageConfig, sampler: PackSampler, epochs: float) -> float:
    """Packs of so many epochs: planned where there are few rows, else estimated from rows that the seed has drawn."""
    if len(sampler.mixture) <= _MAX_COUNTED_ROWS:
        counts = [len(packs) for packs in islice(sampler.first_epochs(), math.ceil(epochs))]
        return sum(counts[: int(epochs)]) + math.ceil(epochs % 1 * counts[-1])
    packs = sampler.first_epoch(first_rows=_NUM_SAMPLED_ROWS)  # an epoch is mixed from the start
    num_rows = _rows_of_an_epoch(sampler, packs)
    num_packs = epochs * num_rows * len(packs) / sum(map(len, packs))
    logger.warning(
        "Stage %s: the number of steps is an estimate: %s rows drawn by the seed fill %s packs, so %g epochs of %s rows fill about %s. "
        "Give trainer.max_steps instead of num_train_epochs to fix it.",
        stage.name,
        f"{sum(map(len, packs)):,}",
        f"{len(packs):,}",
        epochs,
        f"{round(num_rows):,}",
        f"{round(num_packs):,}",
    )
    return num_packs


def _rows_of_an_epoch(sampler: PackSampler, packs: Sequence[Pack]) -> float:
    """Rows until the first source is through, if the rows of these packs are like all others."""
    drawn = Counter(key.source for pack in packs for key in pack)
    return min(len(source) / drawn[number] for number, source in enumerate(sampler.mixture.sources) if drawn[number]) * drawn.total()
