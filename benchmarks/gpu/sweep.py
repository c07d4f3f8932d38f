"""What is fastest: a small sweep around train.yaml's finetune stage, one key at a time, and the best line.

python -m benchmarks.gpu sweep --out OUT --work WORK
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.gpu.step import Step
from benchmarks.gpu.throughput import measure
from benchmarks.throughput_presets import Preset
from benchmarks.throughput_side import OurSide
from smvl.train.prepare import quieten

STAGE = "finetune"
TIMED_PACKS, WARM_UP_PACKS = 48, 32
"""At least; whole optimizer steps of every line."""
SAMPLES_PER_PACK = 6
"""About, at train.yaml's resolution."""


def main(step: Step) -> None:
    quieten()
    for name, preset in lines(step):
        step.add(name, measure(OurSide, preset, STAGE, step, quickly=True))
    rates = {name: found["samples_per_second"] for name, found in step.results.items() if "samples_per_second" in found}
    best = max(rates, key=rates.__getitem__)
    step.add("best", {"line": best, "samples_per_second": rates[best]})


def lines(step: Step) -> Iterator[tuple[str, Preset]]:
    """The lines of the sweep, the most telling first."""
    base = step.recipe

    def line(packs: int = 2, batches: int = 1, **changes) -> Preset:
        trainer = {"gradient_accumulation_steps": batches, **changes.pop("trainer", {})}
        changed = replace(base, packs_per_batch=packs, trainer=trainer, **changes)
        if step.tiny:
            return changed
        steps = max(1, WARM_UP_PACKS // changed.packs_per_step)
        return replace(changed, warm_up_steps=steps, num_samples=TIMED_PACKS * SAMPLES_PER_PACK)

    yield "packs 4", line(4)
    yield "packs 16", line(16)
    yield "packs 4, compile", line(4, compile=True)
    yield "packs 2", line(2)
    yield "packs 8", line(8)
    yield "packs 2 x 8, as in train.yaml", line(2, 8)
    yield "packs 4, workers 4", line(4, workers=0 if step.tiny else 4)
    yield "packs 4, workers 8", line(4, workers=0 if step.tiny else 8)
    yield "packs 4, float32 weights", line(4, weights="float32")
    yield "packs 4, checkpointing", line(4, trainer={"gradient_checkpointing": True})
    if importlib.util.find_spec("flash_attn") is not None:
        yield "packs 4, flash_attention_2", line(4, attention="flash_attention_2")
