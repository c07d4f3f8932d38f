"""A stage's `trainer` keys become Hugging Face's TrainingArguments; smvl adds only what it must own."""

import dataclasses
import difflib
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from smvl.config import Config, ConfigError, StageConfig
from smvl.data.packing import PackSampler
from smvl.train.processes import has_card

_DURATION_KEYS = ("max_steps", "num_train_epochs")


def check_trainer_keys(config: Config) -> None:
    """Raise `ConfigError` for a `trainer` key that TrainingArguments does not have, or a stage without a duration."""
    known = {field.name for field in dataclasses.fields(TrainingArguments)}
    for number, stage in enumerate(config.stages):
        where = f"stages.{number}.trainer"
        for key in stage.trainer:
            if key not in known:
                near = difflib.get_close_matches(key, sorted(known), n=1)
                raise ConfigError(f"{where}.{key}: TrainingArguments has no such key{f'; did you mean {near[0]}?' if near else '.'}")
        given = [key for key in _DURATION_KEYS if key in stage.trainer]
        if len(given) != 1:
            raise ConfigError(f"{where}: found {' and '.join(given) or 'no duration'}; give either max_steps or num_train_epochs.")
        if stage.trainer.get("eval_strategy", "no") != "no" and config.evaluation.heldout is None:
            raise ConfigError(f"{where}.eval_strategy: there is nothing to evaluate on; set evaluation.heldout, or eval_strategy: no.")


def training_arguments(config: Config, stage: StageConfig, folder: Path, *, max_steps: int) -> TrainingArguments:
    """The arguments of a stage, with its duration counted in steps."""
    options: dict[str, Any] = {
        "dataloader_pin_memory": torch.cuda.is_available(),
        "accelerator_config": {"dispatch_batches": False, "split_batches": False},
        "use_cpu": not has_card(),
        "ddp_find_unused_parameters": False,  # every step reaches every learning weight: see loss.py
        **{key: value for key, value in stage.trainer.items() if key not in _DURATION_KEYS},
        "output_dir": str(folder),
        "max_steps": max_steps,
        "seed": config.seed,
        "dataloader_num_workers": config.data.workers,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
    }
    try:
        return TrainingArguments(**options)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"stage {stage.name}: TrainingArguments refuses its `trainer` keys: {error}") from error


def count_steps(stage: StageConfig, sampler: PackSampler, *, num_processes: int) -> int:
    """Optimizer steps of a stage. Epochs are counted by planning their packs, which reads every row's text and image headers once."""
    if "max_steps" in stage.trainer:
        return _positive(stage, "max_steps", stage.trainer["max_steps"])
    epochs = float(_positive(stage, "num_train_epochs", stage.trainer["num_train_epochs"]))
    num_packs = sum(1 for _ in _packs_of(sampler, epochs))
    rows_per_step = (
        num_processes * stage.trainer.get("per_device_train_batch_size", 8) * stage.trainer.get("gradient_accumulation_steps", 1)
    )
    return max(1, math.ceil(num_packs / rows_per_step))


def _packs_of(sampler: PackSampler, epochs: float) -> Iterator[Any]:
    for epoch in range(int(epochs)):
        yield from sampler.epoch(epoch)
    if fraction := epochs % 1:
        last = list(sampler.epoch(int(epochs)))
        yield from islice(last, math.ceil(fraction * len(last)))


def _positive(stage: StageConfig, key: str, value: Any) -> Any:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
        raise ConfigError(f"stage {stage.name}: trainer.{key} is {value!r}; expected a number above 0.")
    return value
