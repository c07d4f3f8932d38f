"""What a stage's `trainer` may hold: every field of Hugging Face's TrainingArguments is used, set by smvl itself, or refused.

A key that is used takes the values of its rule, and no other; none is passed on to find out. A key that is refused says what to do
instead. A new release of transformers may have fields that are in no table: such a key is refused when a run starts, and
tests/test_trainer_keys.py names it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from smvl.strict_yaml import ConfigError, describe, shorten

DURATION_KEYS = ("max_steps", "num_train_epochs")
MAX_RATE = 10.0
"""A learning rate above it leaves nothing of the weights that it meets."""


@dataclass(frozen=True)
class Values:
    """The values that a key takes."""

    accepts: Callable[[Any], bool]
    expected: str
    """The same in words."""
    convert: Callable[[Any], Any] = lambda value: value
    """To the type in which a value is handed on: optimizers take 0.0 and refuse 0."""

    def or_null(self) -> "Values":
        return replace(self, accepts=lambda value: value is None or self.accepts(value), expected=f"{self.expected}, or null")


def whole(low: int, high: int) -> Values:
    return Values(lambda value: type(value) is int and low <= value <= high, f"a whole number from {low:,} to {high:,}")


def number(low: float, high: float) -> Values:
    return Values(lambda value: is_number(value) and low <= value <= high, f"a number from {low:g} to {high:g}", float)


def above(low: float, high: float) -> Values:
    return Values(lambda value: is_number(value) and low < value <= high, f"a number above {low:g}, up to {high:g}", float)


def share(high: float) -> Values:
    return Values(lambda value: is_number(value) and 0 <= value < high, f"a number from 0 to below {high:g}", float)


def steps(*, from_zero: bool = False) -> Values:
    """Steps of a stage, counted or as a share of it."""
    low = 0 if from_zero else 1
    is_share = share(1) if from_zero else Values(lambda value: is_number(value) and 0 < value < 1, "")
    return Values(
        lambda value: is_share.accepts(value) or (is_number(value) and value % 1 == 0 and low <= value <= MAX_STEPS),
        f"a whole number of steps from {low} to {MAX_STEPS:,}, or a share of the stage {'from 0' if from_zero else 'above 0'} and below 1",
    )


def one_of(*choices: str) -> Values:
    return Values(lambda value: type(value) is str and value in choices, f"one of {', '.join(choices)}")


def mapping(**keys: Values) -> Values:
    """A mapping of some of `keys`; without any, of keys that something else checks."""

    def accepts(value: Any) -> bool:
        return type(value) is dict and (not keys or all(key in keys and keys[key].accepts(entry) for key, entry in value.items()))

    entries = ", ".join(f"{key} ({values.expected})" for key, values in keys.items())
    return Values(accepts, f"a mapping{f' with {entries}' if keys else ''}")


def is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


MAX_STEPS = 1_000_000_000
FLAG = Values(lambda value: type(value) is bool, "true or false")
CHECKPOINTING = mapping(
    use_reentrant=Values(lambda value: value is False, "false, as with true a part whose input has no gradient learns nothing"),
    preserve_rng_state=Values(lambda value: value is True, "true, as else dropout differs from one pass to the next"),
).or_null()
BITSANDBYTES_OPTIMIZERS = (
    "adamw_bnb_8bit adamw_8bit paged_adamw_32bit paged_adamw_8bit lion_32bit lion_8bit paged_lion_32bit paged_lion_8bit".split()
)
OTHER_OPTIMIZERS = ("adafactor", "sgd", "adagrad", "rmsprop")
"""Which have no use for `adam_beta1` and its like."""

_CYCLES = {"num_cycles": above(0, 10_000)}
_LEAST_RATE = {"min_lr": number(0, MAX_RATE).or_null(), "min_lr_rate": number(0, 1).or_null()}
SCHEDULES: dict[str, dict[str, Values]] = {
    "linear": {},
    "cosine": _CYCLES,
    "cosine_with_restarts": {"num_cycles": whole(1, 10_000)},
    "polynomial": {"lr_end": number(0, MAX_RATE), "power": above(0, 100)},
    "constant": {},
    "constant_with_warmup": {},
    "inverse_sqrt": {"timescale": whole(1, MAX_STEPS).or_null()},
    "cosine_with_min_lr": _CYCLES | _LEAST_RATE,
    "cosine_warmup_with_min_lr": _CYCLES | _LEAST_RATE | {"warmup_lr_rate": number(0, 1).or_null()},
    "warmup_stable_decay": {
        "num_decay_steps": whole(0, MAX_STEPS),
        "num_stable_steps": whole(0, MAX_STEPS).or_null(),
        "warmup_type": one_of("linear", "cosine", "1-sqrt"),
        "decay_type": one_of("linear", "cosine", "1-sqrt"),
        "min_lr_ratio": number(0, 1),
        **_CYCLES,
    },
}
"""Schedules of the learning rate, each with the `lr_scheduler_kwargs` that it takes."""

USED_TRAINER_KEYS: dict[str, Values] = {
    # duration and batches
    "max_steps": whole(1, MAX_STEPS),
    "num_train_epochs": above(0, 10_000),
    "per_device_train_batch_size": whole(1, 10_000),
    "gradient_accumulation_steps": whole(1, 10_000),
    "average_tokens_across_devices": FLAG,
    # rates and optimizer
    "learning_rate": above(0, MAX_RATE),
    "lr_scheduler_type": one_of(*SCHEDULES),
    "lr_scheduler_kwargs": mapping().or_null(),
    "warmup_steps": steps(from_zero=True),
    "optim": one_of("adamw_torch", "adamw_torch_fused", *OTHER_OPTIMIZERS, *BITSANDBYTES_OPTIMIZERS),
    "weight_decay": number(0, 1),
    "adam_beta1": share(1),
    "adam_beta2": share(1),
    "adam_epsilon": above(0, 1),
    "max_grad_norm": number(0, 1e12),
    # precision and memory
    "bf16": FLAG,
    "tf32": FLAG.or_null(),
    "full_determinism": FLAG,
    "activation_checkpointing": FLAG.or_null(),
    "activation_checkpointing_kwargs": CHECKPOINTING,
    "gradient_checkpointing": FLAG.or_null(),
    "gradient_checkpointing_kwargs": CHECKPOINTING,
    "torch_empty_cache_steps": whole(1, MAX_STEPS).or_null(),
    # logging, evaluation, checkpoints
    "logging_strategy": one_of("no", "steps"),
    "logging_steps": steps().or_null(),
    "logging_first_step": FLAG,
    "include_num_input_tokens_seen": Values(lambda value: value in ("no", "all") or type(value) is bool, "true, false, no or all"),
    "log_level": one_of("passive", "debug", "info", "warning", "error", "critical"),
    "log_level_replica": one_of("passive", "debug", "info", "warning", "error", "critical"),
    "eval_strategy": one_of("no", "steps"),
    "eval_steps": steps().or_null(),
    "eval_delay": whole(0, MAX_STEPS).or_null(),
    "save_strategy": one_of("no", "steps"),
    "save_steps": steps().or_null(),
    "save_total_limit": whole(1, 1_000_000).or_null(),
    # data and processes
    "dataloader_pin_memory": FLAG,
    "dataloader_prefetch_factor": whole(1, 10_000).or_null(),
    "ddp_find_unused_parameters": FLAG.or_null(),
    "ddp_bucket_cap_mb": whole(1, 100_000).or_null(),
    "ddp_broadcast_buffers": FLAG.or_null(),
}

OWNED_TRAINER_KEYS = {
    "output_dir": "set `output_dir` at the top level",
    "logging_dir": "set `output_dir` at the top level, logs go below it",
    "seed": "set `seed` at the top level",
    "data_seed": "set `seed` at the top level",
    "dataloader_num_workers": "set `data.workers`",
    "report_to": "set `tracking.mode`",
    "run_name": "set `tracking.project`; a run is named after `output_dir` and the stage's `name`",
    "resume_from_checkpoint": "give `--resume` on the command line of train.py",
    "fsdp": "launch with accelerate and configs/accelerate/fsdp2.yaml",
    "fsdp_config": "launch with accelerate and configs/accelerate/fsdp2.yaml",
    "deepspeed": "launch with accelerate and configs/accelerate/deepspeed_zero2.yaml",
    "remove_unused_columns": "remove it, smvl always keeps its columns",
    "disable_tqdm": "remove it, a run has its own bar",
    "logging_nan_inf_filter": "remove it, a loss that is no number stops the run",
    "ignore_data_skip": "remove it, a resumed run goes on with the pack after the last",
    "eval_on_start": "remove it, whether the model sees is measured before the first step; `sight` says what follows",
    "use_cpu": "remove it, and hide the card: CUDA_VISIBLE_DEVICES= python train.py ...",
    "accelerator_config": "remove it",
    "local_rank": "launch with accelerate",
}
"""What smvl sets itself, with the way to what a user may want of it."""

_COMPILE = "set `model.compile: true`"
_UPLOAD = "a run sends nothing away; upload `output_dir` when it is done"
_LAST_STATE = "each stage goes on from the last state of the one before, so no other is brought back"
_EVALUATION = "held-out samples are measured by smvl; see `evaluation`"
_TRACKING = "curves go to SwanLab; see `tracking`"
_PACKS = "batches are packs; see `data.packing` and the weights of `mixture`"
_LAUNCH = "processes are joined before this is read; set it for accelerate launch"

REFUSED_TRAINER_KEYS: dict[str, tuple[Any, str]] = {
    "label_smoothing_factor": (0.0, "the loss is the plain cross-entropy"),
    "fp16": (False, "its loss scaling makes gradients that are no numbers, at which a run stops; set `bf16: true`"),
    "bf16_full_eval": (False, "evaluation runs in the precision of training"),
    "fp16_full_eval": (False, "evaluation runs in the precision of training"),
    "optim_args": (None, "optimizers run with transformers' settings; AdamW's are `adam_beta1`, `adam_beta2` and `adam_epsilon`"),
    "optim_target_modules": (None, "it is for optimizers that are not offered; `train` and `unfreeze` say what learns"),
    "torch_compile": (False, _COMPILE),
    "torch_compile_backend": (None, _COMPILE),
    "torch_compile_mode": (None, _COMPILE),
    "use_liger_kernel": (False, "smvl has its own loss and norms"),
    "liger_kernel_config": (None, "smvl has its own loss and norms"),
    "use_cache": (False, "training keeps no cache"),
    "neftune_noise_alpha": (None, "images enter among the embeddings, which stay without noise"),
    "auto_find_batch_size": (False, "steps are counted for one batch size; `--dry-run` says which fits"),
    "log_on_each_node": (True, "the first process logs for all"),
    "project": ("huggingface", _TRACKING),
    "trackio_space_id": (None, _TRACKING),
    "trackio_bucket_id": (None, _TRACKING),
    "trackio_static_space_id": (None, _TRACKING),
    "per_device_eval_batch_size": (8, "set `evaluation.batch_size`"),
    "prediction_loss_only": (False, _EVALUATION),
    "eval_do_concat_batches": (True, _EVALUATION),
    "eval_use_gather_object": (False, _EVALUATION),
    "eval_accumulation_steps": (None, _EVALUATION),
    "include_for_metrics": ([], _EVALUATION),
    "batch_eval_metrics": (False, _EVALUATION),
    "label_names": (None, _EVALUATION),
    "do_train": (False, "a stage always trains"),
    "do_eval": (False, "set `eval_strategy: steps`"),
    "do_predict": (False, "set `evaluation.generate: true`"),
    "save_only_model": (False, "without the optimizer's state no run could be resumed"),
    "save_on_each_node": (False, "the first process saves, on a disk that all of them see"),
    "enable_jit_checkpoint": (False, "set `save_on_signal` at the top level"),
    "push_to_hub": (False, _UPLOAD),
    "hub_token": (None, _UPLOAD),
    "hub_private_repo": (None, _UPLOAD),
    "hub_model_id": (None, _UPLOAD),
    "hub_strategy": ("every_save", _UPLOAD),
    "hub_always_push": (False, _UPLOAD),
    "hub_revision": (None, _UPLOAD),
    "load_best_model_at_end": (False, _LAST_STATE),
    "metric_for_best_model": (None, _LAST_STATE),
    "greater_is_better": (None, _LAST_STATE),
    "restore_callback_states_from_checkpoint": (False, "smvl's own callbacks hold no state"),
    "parallelism_config": (None, "launch with accelerate; configs/accelerate/ holds what is supported"),
    "dataloader_drop_last": (False, _PACKS),
    "dataloader_persistent_workers": (False, "workers live as long as their phase"),
    "dataloader_multiprocessing_context": (None, "smvl starts its workers in the way that costs a run least; `data.workers` says how many"),
    "dataloader_in_order": (True, "a run that can be resumed takes its packs in order"),
    "train_sampling_strategy": ("random", _PACKS),
    "length_column_name": ("length", _PACKS),
    "ddp_static_graph": (None, "parts join in the course of a stage"),
    "ddp_backend": (None, _LAUNCH),
    "ddp_timeout": (1800, _LAUNCH),
    "debug": ("", "a gradient that is no number stops the run and names the samples"),
    "skip_memory_metrics": (True, "a forecast of the memory is given before the first step"),
}
"""What would do nothing here or break a run: the default, at which alone a key may stand, and why."""


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for a key that is not the user's, or a value that a key does not take. Unknown keys are left to `train`."""
    for key, value in trainer.items():
        if key in OWNED_TRAINER_KEYS:
            raise ConfigError(f"trainer.{key}: smvl sets this one itself; {OWNED_TRAINER_KEYS[key]}")
        found = shorten(value) if isinstance(value, (list, dict)) else describe(value)
        if key in REFUSED_TRAINER_KEYS:
            default, reason = REFUSED_TRAINER_KEYS[key]
            if value != default or isinstance(value, bool) is not isinstance(default, bool):
                raise ConfigError(f"trainer.{key}: found {found}, but smvl cannot use this one: {reason}; take it out")
        elif key in USED_TRAINER_KEYS and not USED_TRAINER_KEYS[key].accepts(value):
            raise ConfigError(f"trainer.{key}: found {found}, expected {USED_TRAINER_KEYS[key].expected}")
