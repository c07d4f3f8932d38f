"""FSDP2: the weights of an unsharded run; and the accelerate configurations that ship."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

import train
from smvl.train.launch import check_launch
from tests.sharded_train import CONFIGS, launch_environment
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
STOPPED = 3
"""A step of the second stage, which the first stage does not come to; the last checkpoint before it is at 2, where a phase begins."""


def launch(config: Path, *overrides: str, log: Path | None = None) -> subprocess.CompletedProcess:
    """Train in two processes that each hold a part of every weight; with `log`, up to `STOPPED`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if log is not None:
        log.mkdir()
        environment |= {"SMVL_TEST_LOG": str(log), "SMVL_TEST_STOP": str(STOPPED)}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "tests.sharded_train"]
    command = [sys.executable, *launcher, str(config), *overrides]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)


def test_a_sharded_run_that_is_broken_off_and_resumed_has_the_weights_of_an_unsharded_one(tmp_path):
    """Two stages with an evaluation, and parts that begin to learn later; one process takes with twice the batch what two take."""
    config = write_run(tmp_path)
    shared = ["evaluation.generate=false", f"stages.0.trainer.max_steps={STOPPED}"]
    twice = [f"stages.{stage}.trainer.per_device_train_batch_size=2" for stage in (0, 1)]
    assert train.main([str(config), f"output_dir={tmp_path}/one", *shared, *twice]) == 0
    assert launch(config, *shared, log=tmp_path / "log").returncode != 0
    checkpoint = tmp_path / "out/finetune/checkpoint-2"
    assert (checkpoint / "complete").exists() and not (tmp_path / "out/finetune/model").exists()
    resumed = launch(config, *shared, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    for folder in ("align/model", "finetune/model", "."):
        one, two = (load_file(tmp_path / run / folder / "model.safetensors") for run in ("one", "out"))
        assert one.keys() == two.keys()
        for name in one:
            torch.testing.assert_close(two[name], one[name], atol=1e-4, rtol=0)


# ---- ways to launch --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_accelerate_reads_every_configuration_that_ships(path):
    assert load_config_from_file(str(path)).num_processes > 1
    assert launch_environment(path)["ACCELERATE_MIXED_PRECISION"] == "no"


def test_the_fsdp_configuration_asks_for_what_training_expects():
    environment = launch_environment(CONFIGS / "fsdp2.yaml")
    assert environment["ACCELERATE_USE_FSDP"] == "true" and environment["FSDP_VERSION"] == "2"
    assert environment["FSDP_TRANSFORMER_CLS_TO_WRAP"] == "Qwen3DecoderLayer,SmolVLMEncoderLayer"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "found FSDP_VERSION 1; expected 2"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "DeepSpeed ZeRO-3 takes the embedding apart"),
    ],
)
def test_a_launch_that_cannot_train_is_refused(monkeypatch, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        check_launch(None)


def test_fsdp_without_a_card_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    monkeypatch.setattr("smvl.train.launch.has_card", lambda: False)
    with pytest.raises(ValueError, match="FSDP needs cards"):
        check_launch(None)
