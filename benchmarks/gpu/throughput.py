"""Full size, both stages, in bfloat16: samples and tokens a second, utilization, memory against its forecast; the plain recipe beside it.

    python -m benchmarks.gpu throughput --out OUT --work WORK

Random weights of the real shapes and drawn photographs; what is compared, benchmarks/train_throughput.py says. `recipe` is ours at
train.yaml's resolution, where a picture of 640 x 480 pixels takes 5 tiles; at the plain recipe's it takes 13.
"""

import gc
import traceback
from dataclasses import replace
from typing import Any

import torch

from benchmarks.gpu.step import Step
from benchmarks.throughput_presets import Preset
from benchmarks.throughput_side import OurSide, PlainSide, Side
from smvl.train.prepare import quieten

NUM_PLAIN = 24
"""Samples that the plain recipe is timed on."""


def main(step: Step) -> None:
    quieten()
    ours, plain = step.preset, replace(step.preset, num_samples=min(NUM_PLAIN, step.preset.num_samples))
    if not step.tiny:
        ours = replace(ours, workers=step.recipe.workers, warm_up_steps=12, num_samples=128)
    for stage in ("finetune", "align"):
        step.add(f"{stage}/recipe", measure(OurSide, step.recipe, stage, step))
        step.add(f"{stage}/plain", measure(PlainSide, plain, stage, step))
        step.add(f"{stage}/ours", measure(OurSide, ours, stage, step))
        step.add(f"{stage}/ratio", ratio(*(step.results[f"{stage}/{side}"] for side in ("ours", "plain"))))


def measure(side: type[Side], preset: Preset, stage: str, step: Step, *, quickly: bool = False) -> dict[str, Any]:
    """The figures of one side. One that fails must not cost the others their time: it is written down, and the step fails at its end."""
    release()
    try:
        return side(preset, stage, step.donors()).measure(quickly=quickly)
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    except Exception as error:
        traceback.print_exc()
        step.failed = True
        return {"failed": f"{type(error).__name__}: {error}"[:500]}


def release() -> None:
    """Give back what the side before has held, so that a peak is its own."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def ratio(ours: dict[str, Any], plain: dict[str, Any]) -> dict[str, float]:
    """Ours by the plain recipe's, and how far the losses of the same samples are apart."""
    if "samples_per_second" not in ours or "samples_per_second" not in plain:
        return {}
    return {
        "samples_per_second": ours["samples_per_second"] / plain["samples_per_second"],
        "peak": ours["peak"] / plain["peak"],
        "loss_difference": abs(ours["loss"] - plain["loss"]),
    }
