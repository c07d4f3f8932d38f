"""The forecast of peak memory against the peak of real training, on several configurations, each in processes of its own.

    python -m benchmarks.memory_forecast                    # all
    python -m benchmarks.memory_forecast --only align bf16  # some
    python -m benchmarks.memory_forecast --steps 1          # shorter

Forecast: smvl/train/memory_forecast.py in a process that trains nothing. Measured: `train.py` on the same configuration for some steps,
as resident memory of that process (VmHWM), or on a card what torch has allocated there. The exit status is 1 where they differ by more
than a tenth.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.donors import TextShape, VisionShape, save_text_donor, save_vision_donor
from benchmarks.photographs import read_texts, write_samples

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "GOMP_SPINCOUNT": "3000", "TOKENIZERS_PARALLELISM": "false"}
TOLERANCE = 0.1
NUM_SAMPLES = 96


@dataclass(frozen=True)
class Case:
    """A configuration of one stage."""

    text: TextShape
    vision: VisionShape
    train: list[str]
    trainer: dict[str, Any]
    max_length: int = 960
    longest_edge: int = 384
    model: dict[str, Any] = field(default_factory=dict)
    stage: dict[str, Any] = field(default_factory=dict)


SMALL_VISION = VisionShape(tile=96, patch=6, scale_factor=2, width=192, layers=4, heads=3, inner_width=768)
WIDE_VISION = VisionShape(tile=192, patch=8, scale_factor=3, width=384, layers=6, heads=6, inner_width=1536)
CASES = {
    "align": Case(
        text=TextShape(vocabulary=32_768, width=512, layers=8, heads=8, key_heads=4, head_size=64, inner_width=1536),
        vision=WIDE_VISION,
        train=["connector", "markers"],
        trainer={"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
        max_length=1152,
    ),
    "finetune": Case(
        text=TextShape(vocabulary=16_384, width=512, layers=10, heads=8, key_heads=4, head_size=64, inner_width=1536),
        vision=SMALL_VISION,
        train=["connector", "markers", "text", "vision"],
        trainer={"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2},
    ),
    "checkpointing": Case(
        text=TextShape(vocabulary=16_384, width=512, layers=10, heads=8, key_heads=4, head_size=64, inner_width=1536),
        vision=SMALL_VISION,
        train=["connector", "markers"],
        stage={"unfreeze": [{"at": 0.6, "add": ["text"]}]},
        trainer={"per_device_train_batch_size": 2, "gradient_checkpointing": True},
        max_length=3712,
    ),
    "vocabulary": Case(
        text=TextShape(vocabulary=151_936, width=256, layers=4, heads=4, key_heads=2, head_size=64, inner_width=768),
        vision=SMALL_VISION,
        train=["connector", "embeddings"],
        trainer={"per_device_train_batch_size": 2},
    ),
    "bf16": Case(
        text=TextShape(vocabulary=65_536, width=512, layers=8, heads=8, key_heads=4, head_size=64, inner_width=1536),
        vision=SMALL_VISION,
        train=["connector", "markers", "text.layers[-4:]"],
        trainer={"per_device_train_batch_size": 2, "bf16": True},
        model={"dtype": "bfloat16"},
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--steps", type=int, default=3, help="of training")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--config", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(SIDES[options.side](options.config)))
        return 0
    print(f"torch {torch.__version__} on {torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'}")
    print(f"{'':14}{'forecast, MB':>14}{'measured, MB':>14}{'error':>8}{'process, MB':>13}{'seconds':>9}", flush=True)
    errors = []
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            config = write(CASES[name], Path(folder), num_steps=options.steps)
            predicted, measured = measure("forecast", config), measure("train", config)
        errors.append(abs(predicted["peak"] / measured["peak"] - 1))
        numbers = f"{predicted['peak'] / 1e6:14,.0f}{measured['peak'] / 1e6:14,.0f}{predicted['peak'] / measured['peak'] - 1:8.1%}"
        print(f"{name:14}{numbers}{predicted['process'] / 1e6:13,.0f}{predicted['seconds']:9.1f}", flush=True)
    return int(max(errors) > TOLERANCE)


def write(case: Case, folder: Path, *, num_steps: int) -> Path:
    """Donors, data and the YAML of one case."""
    samples = write_samples(folder / "data", NUM_SAMPLES, size=(640, 480))
    save_text_donor(folder / "text", case.text, read_texts(samples), dtype=torch.float32)
    save_vision_donor(folder / "vision", case.vision, dtype=torch.float32)
    trainer = {"learning_rate": 1e-4, "max_steps": num_steps, "save_strategy": "no", "logging_steps": 1, **case.trainer}
    mixture = [{"source": "jsonl", "path": str(samples)}]
    config = {
        "model": {"vision": str(folder / "vision"), "text": str(folder / "text"), **case.model},
        "data": {
            "max_length": case.max_length,
            "image": {"tile": case.vision.tile, "longest_edge": case.longest_edge},
            "workers": 0,
        },
        "stages": [{"name": "stage", "mixture": mixture, "train": case.train, "trainer": trainer, **case.stage}],
        "evaluation": {"max_samples": 2},
        "sight": {"stop_when_blind": None},
        "tracking": {"mode": "disabled"},
        "output_dir": str(folder / "out"),
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def measure(side: str, config: Path) -> dict[str, float]:
    """The figures of one side, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory_forecast", "--side", side, "--config", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=ENVIRONMENT | os.environ)
    if done.returncode:
        raise SystemExit(f"{side} ended with status {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def forecast_side(path: str) -> dict[str, float]:
    """What a dry run forecasts."""
    import time

    from smvl.config import load_config
    from smvl.train.dry_run import StageForecast, load_model
    from smvl.train.prepare import prepare_checks

    config = load_config(path)
    prepare_checks(config)
    memory = StageForecast(config, config.stages[0], *load_model(config), budget=None).memory()
    began = time.perf_counter()
    forecast = memory.forecast()
    peak = forecast.tensors if memory.device.type == "cuda" else forecast.peak
    return {"peak": peak, "process": forecast.process, "seconds": time.perf_counter() - began}


def train_side(path: str) -> dict[str, float]:
    """The peak of a real run."""
    import train

    if train.main([path]):
        raise SystemExit(1)
    if torch.cuda.is_available():
        return {"peak": torch.cuda.max_memory_allocated()}
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return {"peak": 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))}


SIDES = {"forecast": forecast_side, "train": train_side}

if __name__ == "__main__":
    sys.exit(main())
