"""A run goes on with another number of processes: every pack once, none lost."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import yaml

from smvl.config import load_config
from smvl.data.encode import Encoder
from smvl.data.mixture import open_mixture
from smvl.data.packing import PackedDataset, PackSampler
from smvl.data.quarantine import Quarantine
from smvl.processing.processing_smvl import SmVLMProcessor
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
SAVED, STOPPED, MAX_STEPS = 4, 5, 7
"""The step of the last checkpoint, the step at which the run is broken off, and the steps of the stage."""


def run_stage(config: Path, log: Path, *options: str, processes: int, stop: int | None = None) -> None:
    """Train in so many processes; `stop` ends them at that step, as a kill would."""
    log.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SMVL_TEST_LOG": str(log)}
    if stop is not None:
        environment["SMVL_TEST_STOP"] = str(stop)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)] if processes > 1 else []
    command = [sys.executable, *launcher, "-m", "tests.logged_train", str(config), *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    assert (done.returncode == 0) == (stop is None), done.stderr


def packs_in(log: Path, steps: range) -> list[list[str]]:
    """The packs that were trained on in these steps, in the order of the stream: processes take them in turn."""
    entries = [json.loads(line) for file in log.iterdir() for line in file.read_text(encoding="utf-8").splitlines()]
    chosen = [entry for entry in entries if entry["step"] in steps]
    return [entry["ids"] for entry in sorted(chosen, key=lambda entry: (entry["step"], entry["number"], entry["process"]))]


def first_packs(config_path: Path, checkpoint: Path, number: int) -> list[list[str]]:
    """What the stream begins with."""
    config = load_config(config_path)
    encoder = Encoder(SmVLMProcessor.from_pretrained(checkpoint), config.data.max_length, config.data.max_tiles)
    mixture = open_mixture(config.stages[0], seed=config.seed)
    options = {"max_length": config.data.max_length, "packing": config.data.packing, "look_ahead": config.data.look_ahead}
    sampler = PackSampler(mixture, encoder, seed=config.seed, quarantine=Quarantine(None, 1.0), **options)
    dataset = PackedDataset(mixture, encoder)
    return [[f"{sample.source}/{sample.id}" for sample in dataset[pack]] for pack in islice(sampler, number)]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_run_resumed_with_another_number_of_processes_trains_on_every_pack_once(tmp_path, before, after):
    overrides = [
        "evaluation.generate=false",
        "stages.0.trainer.eval_strategy=no",
        f"stages.0.trainer.max_steps={MAX_STEPS}",
        f"stages.0.trainer.save_steps={SAVED}",
        "stages.0.trainer.gradient_accumulation_steps=2",
    ]
    config = write_one_stage(write_run(tmp_path))
    run_stage(config, tmp_path / "first", *overrides, processes=before, stop=STOPPED)
    run_stage(config, tmp_path / "second", *overrides, "--resume", processes=after)
    trained = packs_in(tmp_path / "first", range(SAVED)) + packs_in(tmp_path / "second", range(SAVED, MAX_STEPS))
    assert len(trained) == 2 * (before * SAVED + after * (MAX_STEPS - SAVED))
    assert trained == first_packs(tmp_path / "out/config.yaml", tmp_path / "out", len(trained))


def write_one_stage(path: Path) -> Path:
    """The run without its second stage."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["stages"] = config["stages"][:1]
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return path
