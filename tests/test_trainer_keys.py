"""The keys of `trainer`: every one of TrainingArguments is known, what is taken does something, what is not is refused in one line.

python -m pytest tests/test_trainer_keys.py
"""

import dataclasses
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainingArguments
from transformers.utils import logging as transformers_logging

import train
from smvl.config import Config, ConfigError, StageConfig, load_config
from smvl.train.arguments import check_trainer_keys, training_arguments
from smvl.train.schedule import check_schedule
from smvl.train.trainer import SmVLMTrainer
from smvl.trainer_keys import OWNED_TRAINER_KEYS, REFUSED_TRAINER_KEYS, USED_TRAINER_KEYS
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
OF_OTHER_RELEASES = {"logging_dir", "activation_checkpointing", "activation_checkpointing_kwargs"}
"""Keys that some release of transformers does not have: the first was in 4, the others came with 5.23."""
FIELDS = {field.name: field for field in dataclasses.fields(TrainingArguments)}
SMALL = {"max_steps": 3, "per_device_train_batch_size": 1, "learning_rate": 1e-2, "logging_steps": 1, "save_strategy": "no"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Donors and data, and a run of one stage in which a step takes a moment."""
    folder = tmp_path_factory.mktemp("keys")
    source = {"source": "jsonl", "path": str(folder / "data/colours.jsonl")}
    stage = {"name": "only", "mixture": [source], "train": ["connector", "text.layers[-1:]"], "trainer": SMALL}
    write_run(folder).rename(folder / "two_stages.yaml")
    write_run(folder, stages=[stage], evaluation={"heldout": source, "generate": False, "max_samples": 2})
    return folder


def learned(folder: Path, name: str, *overrides: str) -> dict[str, torch.Tensor]:
    """The weights that a run with these overrides ends with."""
    out = folder / name
    assert train.main([str(folder / "run.yaml"), f"output_dir={out}", *overrides]) == 0
    return load_file(out / "model.safetensors")


@pytest.fixture(scope="module")
def plain(folder: Path) -> dict[str, torch.Tensor]:
    return learned(folder, "plain")


# ---- the tables ------------------------------------------------------------------------------------------------------------------


def test_every_field_of_training_arguments_is_in_one_table():
    tables = [set(USED_TRAINER_KEYS), set(OWNED_TRAINER_KEYS), set(REFUSED_TRAINER_KEYS)]
    known = set().union(*tables)
    assert sum(map(len, tables)) == len(known), "a key is in two tables"
    assert FIELDS.keys() - known == set(), "transformers has keys that nobody has looked at yet"
    assert known - FIELDS.keys() <= OF_OTHER_RELEASES, "transformers has these keys no more"


@pytest.mark.parametrize("key", REFUSED_TRAINER_KEYS)
def test_a_key_that_cannot_be_used_stands_at_its_default_or_is_refused(key):
    default, reason = REFUSED_TRAINER_KEYS[key]
    field = FIELDS[key]
    assert default == (field.default if field.default is not dataclasses.MISSING else field.default_factory())
    stage_of(key, default)
    other = not default if isinstance(default, bool) else "other"
    with pytest.raises(ConfigError) as error:
        stage_of(key, other)
    assert str(error.value).startswith(f"trainer.{key}: found ") and reason in str(error.value)


def stage_of(key: str, value: object) -> StageConfig:
    mixture = load_config(ROOT / "configs/demo.yaml").stages[0].mixture
    return StageConfig(name="only", mixture=mixture, train=["connector"], trainer={"max_steps": 3, key: value})


# ---- values ----------------------------------------------------------------------------------------------------------------------

HOSTILE = [None, "", "1", "1e-3", "true", "x", True, False, 0, -1, -0.5, 1.5, 1e30, 10**18 - 1, float("nan"), float("inf"), -float("inf")]
HOSTILE += [[], {}, [1], {"a": 1}]


@pytest.mark.parametrize("key", USED_TRAINER_KEYS)
def test_a_hostile_value_is_refused_in_one_line_that_names_the_key_or_can_be_planned(key, tmp_path):
    num_refused = 0
    for value in HOSTILE:
        try:
            plan(stage_of(key, value), tmp_path)
        except ConfigError as error:
            assert key in str(error) and "\n" not in str(error) and len(str(error)) < 600
            num_refused += 1
    assert num_refused >= len(HOSTILE) / 2


def plan(stage: StageConfig, folder: Path) -> None:
    demo = load_config(ROOT / "configs/demo.yaml")
    config = Config(model=demo.model, stages=[stage], output_dir=str(folder))
    if "num_train_epochs" not in stage.trainer:
        check_trainer_keys(config)
    check_schedule(training_arguments(config, stage, folder, max_steps=3), stage.name)


NUMBER_OF_STEPS = "a whole number of steps from 1 to 1,000,000,000, or a share of the stage above 0 and below 1"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("max_steps='20'", "max_steps: found '20' (text), expected a whole number from 1 to 1,000,000,000"),
        ("max_steps=2.5", "max_steps: found 2.5 (a number), expected a whole number from 1 to 1,000,000,000"),
        ("num_train_epochs=.inf", "num_train_epochs: found inf (a number), expected a number above 0, up to 10000"),
        ("learning_rate=null", "learning_rate: found nothing (null), expected a number above 0, up to 10"),
        ("learning_rate=0", "learning_rate: found 0 (a whole number), expected a number above 0, up to 10"),
        ("learning_rate=1e30", "learning_rate: found 1e+30 (a number), expected a number above 0, up to 10"),
        ("max_grad_norm=.nan", "max_grad_norm: found nan (a number), expected a number from 0 to 1e+12"),
        ("logging_steps=0", f"logging_steps: found 0 (a whole number), expected {NUMBER_OF_STEPS}"),
        ("save_steps=-5", f"save_steps: found -5 (a whole number), expected {NUMBER_OF_STEPS}"),
        ("eval_steps=.nan", f"eval_steps: found nan (a number), expected {NUMBER_OF_STEPS}, or null"),
        ("save_total_limit=0", "save_total_limit: found 0 (a whole number), expected a whole number from 1 to 1,000,000, or null"),
        ("bf16='true'", "bf16: found 'true' (text), expected true or false"),
        ("eval_strategy=epoch", "eval_strategy: found 'epoch' (text), expected one of no, steps"),
        ("eval_strategy=false", "eval_strategy: found false, expected one of no, steps"),
        ("fp16=true", "fp16: found true, but smvl cannot use this one: its loss scaling makes gradients that are no numbers"),
        (
            "load_best_model_at_end=true",
            "load_best_model_at_end: found true, but smvl cannot use this one: each stage goes on",
        ),
        ("label_smoothing_factor=0.1", "label_smoothing_factor: found 0.1 (a number), but smvl cannot use this one: the loss is the plain"),
        ("optim=adamw", "optim: found 'adamw' (text), expected one of adamw_torch, adamw_torch_fused, adafactor, sgd, adagrad, rmsprop,"),
        (
            "gradient_checkpointing_kwargs={use_reentrant: true}",
            "found {'use_reentrant': True}, expected a mapping with use_",
        ),
        ("disable_tqdm=false", "disable_tqdm: smvl sets this one itself; remove it, a run has its own bar"),
    ],
)
def test_a_mistake_in_a_later_stage_is_told_before_anything_is_done(folder, capsys, override, message):
    assert train.main([str(folder / "two_stages.yaml"), f"stages.1.trainer.{override}"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("train.py: stages.1.trainer.") and message in error and error.count("\n") == 1
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["eval_steps=2"], "eval_steps: nothing is evaluated on the way without eval_strategy: steps; add it, or take eval_steps out."),
        (["eval_strategy=no", "eval_steps=2"], "eval_steps: nothing is evaluated on the way without eval_strategy: steps; add it"),
        (["eval_delay=0"], "eval_delay: nothing is evaluated on the way without eval_strategy: steps; add it, or take eval_delay out."),
        (["eval_strategy=steps", "eval_delay=3"], "eval_delay: found 3, but the stage has 3 steps, so that nothing would be evaluated"),
        (["save_total_limit=1"], "save_total_limit: nothing is saved on the way without save_strategy: steps; add it, or take"),
        (["save_steps=2"], "save_steps: nothing is saved on the way without save_strategy: steps; add it, or take save_steps out."),
        (["logging_strategy=no"], "logging_steps: nothing is logged on the way without logging_strategy: steps; add it"),
        (["optim=sgd", "adam_beta1=0.5"], "adam_beta1: sgd has no use for it; take it out, or take optim: adamw_torch."),
        (["lr_scheduler_type=constant", "warmup_steps=2"], "warmup_steps: a constant schedule has no warmup; take lr_scheduler_type: "),
        (["lr_scheduler_type=constant", "lr_scheduler_kwargs={a: 1}"], "lr_scheduler_kwargs: the schedule constant takes none; found 'a'"),
        (["lr_scheduler_kwargs={num_cycles: 2}"], "lr_scheduler_kwargs: the schedule linear takes none; found 'num_cycles', take it out."),
        (["lr_scheduler_type=cosine", "lr_scheduler_kwargs={last_epoch: 3}"], "the schedule cosine takes num_cycles; found 'last_epoch'"),
        (
            ["lr_scheduler_type=cosine", "lr_scheduler_kwargs={num_cycles: two}"],
            "lr_scheduler_kwargs.num_cycles: found 'two' (text), expected a number above 0, up to 10000",
        ),
        (["lr_scheduler_type=polynomial", "lr_scheduler_kwargs={power: .nan}"], "power: found nan (a number), expected a number above 0"),
        (["lr_scheduler_type=cosine_with_min_lr", "lr_scheduler_kwargs={min_lr: -1}"], "min_lr: found -1 (a whole number), expected a"),
        (
            ["lr_scheduler_type=warmup_stable_decay", "lr_scheduler_kwargs={num_decay_steps: 1.5}"],
            "num_decay_steps: found 1.5 (a number), expected a whole number from 0",
        ),
        (["dataloader_prefetch_factor=2"], "dataloader_prefetch_factor: there are no workers that could fetch ahead; set data.workers"),
        (["gradient_checkpointing_kwargs={use_reentrant: false}"], "nothing is computed again without gradient_checkpointing: true"),
        (["push_to_hab=true"], "push_to_hab: TrainingArguments has no such key; did you mean push_to_hub?"),
        (["'a\nb'=1"], r"""trainer."'a\nb'": TrainingArguments has no such key."""),
    ],
)
def test_keys_that_do_nothing_beside_others_are_refused(folder, overrides, message):
    config = load_config(folder / "run.yaml", [f"stages.0.trainer.{override}" for override in overrides])
    with pytest.raises(ConfigError) as error:
        check_trainer_keys(config)
    assert str(error.value).startswith("stages.0.trainer.") and message in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing where there is no card")
@pytest.mark.parametrize(("override", "message"), [("tf32=true", "tf32: found true"), ("optim=adamw_8bit", "adamw_8bit needs a CUDA")])
def test_what_needs_a_card_is_refused_without_one(folder, override, message):
    with pytest.raises(ConfigError, match=message):
        check_trainer_keys(load_config(folder / "run.yaml", [f"stages.0.trainer.{override}"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lr_scheduler_type=warmup_stable_decay"], "(3 steps, warmup 0) cannot be made: get_wsd_schedule() missing 1 required positional"),
        (["lr_scheduler_type=polynomial", "lr_scheduler_kwargs={lr_end: 1}"], "cannot be made: lr_end (1) must be smaller than initial lr"),
        (["lr_scheduler_type=inverse_sqrt", "warmup_steps=900"], "(3 steps, warmup 900) never comes above 0.0022 of the rate; give more"),
        (
            ["lr_scheduler_type=warmup_stable_decay", "lr_scheduler_kwargs={num_decay_steps: 99}"],
            "(3 steps, warmup 0) never comes above 0.0023 of the rate; give more steps, or less warmup or decay.",
        ),
        (["lr_scheduler_type=cosine_with_min_lr", "lr_scheduler_kwargs={min_lr: 1}"], "expected 0 to 1."),
        (
            ["max_steps=1", "warmup_steps=0.03"],
            "linear (1 steps, warmup 1) leaves every step without a rate; give more steps",
        ),
    ],
)
def test_a_schedule_that_breaks_on_the_way_is_refused_before(folder, overrides, message):
    config = load_config(folder / "run.yaml", [f"stages.0.trainer.{override}" for override in overrides])
    arguments = training_arguments(config, config.stages[0], folder / "none", max_steps=config.stages[0].trainer["max_steps"])
    with pytest.raises(ConfigError, match="^stage only: trainer.lr_scheduler_type ") as error:
        check_schedule(arguments, "only")
    assert message in str(error.value) and "\n" not in str(error.value)


# ---- what is taken works ---------------------------------------------------------------------------------------------------------

CHANGES_WHAT_IS_LEARNED = {
    "learning_rate": ["learning_rate=1"],
    "per_device_train_batch_size": ["per_device_train_batch_size=2"],
    "gradient_accumulation_steps": ["gradient_accumulation_steps=2"],
    "max_steps": ["max_steps=2"],
    "warmup_steps": ["warmup_steps=0.5"],
    "weight_decay": ["weight_decay=1"],
    "adam_beta1": ["adam_beta1=0"],
    "adam_beta2": ["adam_beta2=0.5"],
    "adam_epsilon": ["adam_epsilon=1"],
    "max_grad_norm": ["max_grad_norm=1e-9"],
    "bf16": ["bf16=true"],
    **{f"optim {name}": [f"optim={name}"] for name in ("adafactor", "sgd", "adagrad", "rmsprop")},
    **{
        f"lr_scheduler_type {name}": [f"lr_scheduler_type={name}", *options]
        for name, options in {
            "cosine": [],
            "cosine_with_restarts": ["lr_scheduler_kwargs={num_cycles: 3}"],
            "polynomial": ["lr_scheduler_kwargs={power: 2, lr_end: 1e-3}"],
            "constant": [],
            "constant_with_warmup": ["warmup_steps=2"],
            "inverse_sqrt": ["lr_scheduler_kwargs={timescale: 1}"],
            "cosine_with_min_lr": ["lr_scheduler_kwargs={min_lr_rate: 0.1}"],
            "cosine_warmup_with_min_lr": ["lr_scheduler_kwargs={min_lr: 1e-3}"],
            "warmup_stable_decay": ["lr_scheduler_kwargs={num_decay_steps: 1}"],
        }.items()
    },
}
CHANGES_NOTHING_LEARNED = {
    "defaults": ["optim=adamw_torch_fused", "max_grad_norm=1", "lr_scheduler_type=linear", "adam_beta1=0.9", "fp16=false"],
    "checkpointing": ["gradient_checkpointing=true", "gradient_checkpointing_kwargs={use_reentrant: false}"],
    "checkpoints": ["save_strategy=steps", "save_steps=0.4", "save_total_limit=1"],
    "shares of a stage": ["logging_steps=0.5", "eval_strategy=steps", "eval_steps=0.4"],
    "logging": [
        "logging_strategy=no",
        "logging_steps=null",
        "logging_first_step=true",
        "include_num_input_tokens_seen=all",
        "eval_strategy=steps",
        "eval_delay=2",
    ],
    "torch": ["torch_empty_cache_steps=1", "dataloader_pin_memory=false", "average_tokens_across_devices=false", "tf32=null"],
    "determinism": ["full_determinism=true"],
}


@pytest.mark.parametrize("name", CHANGES_WHAT_IS_LEARNED)
def test_a_key_of_the_optimizer_changes_what_is_learned(folder, plain, name):
    weights = learned(folder, name.replace(" ", "-"), *(f"stages.0.trainer.{override}" for override in CHANGES_WHAT_IS_LEARNED[name]))
    changed = {key for key in plain if not torch.equal(weights[key], plain[key])}
    assert "model.connector.modality_projection.proj.weight" in changed and all(torch.isfinite(value).all() for value in weights.values())


def test_adamw_is_the_same_optimizer_under_both_names(folder, plain):
    weights = learned(folder, "adamw", "stages.0.trainer.optim=adamw_torch")
    for key, value in plain.items():
        torch.testing.assert_close(weights[key], value, rtol=1e-3, atol=1e-4)


def test_log_level_is_that_of_transformers(folder):
    level = transformers_logging.get_verbosity()
    try:
        learned(folder, "log", "stages.0.trainer.log_level=critical", "stages.0.trainer.log_level_replica=debug")
        assert transformers_logging.get_verbosity() == logging.CRITICAL
    finally:
        transformers_logging.set_verbosity(level)


def test_tokens_seen_are_logged_when_they_are_asked_for(folder, monkeypatch):
    logged = []
    log = SmVLMTrainer.log
    monkeypatch.setattr(SmVLMTrainer, "log", lambda self, logs, *rest: (log(self, logs, *rest), logged.append(logs)))
    learned(folder, "tokens", "stages.0.trainer.include_num_input_tokens_seen=true", "stages.0.prompts.spaced_share=0")
    assert max(logs.get("num_input_tokens_seen", 0) for logs in logged) == 402


@pytest.mark.parametrize("name", CHANGES_NOTHING_LEARNED)
def test_a_key_of_the_way_changes_nothing_of_what_is_learned(folder, plain, name):
    weights = learned(folder, name.replace(" ", "-"), *(f"stages.0.trainer.{override}" for override in CHANGES_NOTHING_LEARNED[name]))
    assert {key for key in plain if not torch.equal(weights[key], plain[key])} == set()
