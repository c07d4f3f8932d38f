"""LoRA and QLoRA steps in the full-size shapes: samples a second, and peak memory against its forecast.

python -m benchmarks.gpu adapters --out OUT --work WORK
"""

import importlib.util
from dataclasses import replace

from benchmarks.gpu.step import Step
from benchmarks.gpu.throughput import measure
from benchmarks.throughput_side import OurSide
from smvl.config import LoraConfig
from smvl.train.prepare import quieten


def main(step: Step) -> None:
    quieten()
    base = step.recipe if step.tiny else replace(step.recipe, num_samples=96, warm_up_steps=12)
    step.add("lora", measure(OurSide, replace(base, lora=LoraConfig(rank=16)), "finetune", step))
    if importlib.util.find_spec("bitsandbytes") is None or step.device.type != "cuda":
        step.add("qlora", {"left_out": "it needs a card and bitsandbytes"})
        return
    step.add("qlora", measure(OurSide, replace(base, lora=LoraConfig(rank=16, quantize="nf4")), "finetune", step))
