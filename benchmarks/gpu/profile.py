"""Two finetune steps under torch.profiler: the twenty longest kernels, so that the next reader knows what to speed up.

python -m benchmarks.gpu profile --out OUT --work WORK
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.step import Step
from benchmarks.throughput_side import OurSide
from smvl.packing.packs import PackedDataset
from smvl.train.packed_model import BATCH_KEYS
from smvl.train.prepare import quieten

NUM_STEPS, WARM_UP_STEPS, NUM_LONGEST = 2, 3, 20
NAME_LENGTH = 110
GROUPS = {
    "matrix products": ("gemm", "cutlass", "nvjet", "xmma", "mm", "addmm", "linear", "conv", "implicit"),
    "attention": ("flash", "fmha", "attention", "softmax"),
    "norms and reductions": ("norm", "reduce", "mean", "sum"),
    "copies and casts": ("memcpy", "memset", "copy", "cat", "fill"),
    "optimizer": ("multi_tensor", "adam", "foreach"),
    "elementwise": ("elementwise", "mul", "add", "gelu", "silu", "triton", "vectorized"),
}


def main(step: Step) -> None:
    quieten()
    forward, finish = prepare(step)

    def train_step() -> None:
        finish(forward())

    for _ in range(WARM_UP_STEPS):
        train_step()
    wall = time_steps(train_step, step.device)
    step.add("phases", time_phases(forward, step.device))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if step.device.type == "cuda" else [])]
    with profile(activities=activities) as profiler:
        for _ in range(NUM_STEPS):
            train_step()
        synchronize(step.device)
    kernels = read_kernels(profiler, step.device)
    busy = sum(kernel["milliseconds"] for kernel in kernels) / NUM_STEPS
    step.add(
        "two steps",
        {
            "milliseconds_a_step": 1000 * wall,
            "kernel_milliseconds_a_step": busy,
            "busy_share": busy / (1000 * wall),
            "kernels_a_step": sum(kernel["calls"] for kernel in kernels) / NUM_STEPS,
        },
    )
    step.add("groups", shares_of_groups(kernels))
    step.add("longest", kernels[:NUM_LONGEST])
    print_kernels(kernels[:NUM_LONGEST])


def prepare(step: Step) -> tuple[Callable[[], torch.Tensor], Callable[[torch.Tensor], None]]:
    """Forward pass and the rest of one optimizer step on one batch of train.yaml's finetune stage, without the Trainer around it."""
    side = OurSide(step.recipe, "finetune", step.donors())
    plan, _ = side.plan
    plan.freeze(side.model, 0)
    side.packed.train()
    dataset, packs = PackedDataset(side.mixture, side.encoder), side.schedule.warm_up[: step.recipe.packs_per_batch]
    batch = side.to_device(side.collator()([dataset[pack] for pack in packs]))
    inputs = {key: batch[key] for key in BATCH_KEYS if key in batch}
    optimizer = torch.optim.AdamW([parameter for part in plan.parts for parameter in part.parameters], fused=True)

    def forward() -> torch.Tensor:
        with torch.autocast(side.device.type, torch.bfloat16, enabled=step.preset.on_card):
            return side.packed(**inputs)

    def finish(loss: torch.Tensor) -> None:
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return forward, finish


def time_phases(forward: Callable[[], torch.Tensor], device: torch.device) -> dict[str, float]:
    """Milliseconds in which the processor launches a pass, and in which it then waits for the card: no wait means it is the slower one."""
    synchronize(device)
    moments = [time.perf_counter()]
    loss = forward()
    moments.append(time.perf_counter())
    synchronize(device)
    moments.append(time.perf_counter())
    loss.backward()
    moments.append(time.perf_counter())
    synchronize(device)
    moments.append(time.perf_counter())
    names = ("forward_launch", "forward_wait", "backward_launch", "backward_wait")
    return {f"{name}_milliseconds": 1000 * (end - start) for name, start, end in zip(names, moments, moments[1:])}


def time_steps(train_step: Callable[[], None], device: torch.device, *, repeats: int = 5) -> float:
    """Seconds of a step on the clock, without a profiler."""
    synchronize(device)
    began = time.perf_counter()
    for _ in range(repeats):
        train_step()
    synchronize(device)
    return (time.perf_counter() - began) / repeats


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def read_kernels(profiler: profile, device: torch.device) -> list[dict[str, Any]]:
    """Kernels by name with their time and number, the longest first; on a CPU operators, with the time of those within them left out."""
    kernels = []
    for event in profiler.key_averages():
        is_kernel = event.device_type == torch.autograd.DeviceType.CUDA
        if is_kernel != (device.type == "cuda"):
            continue
        microseconds = event.self_device_time_total if is_kernel else event.self_cpu_time_total
        kernels.append({"name": event.key[:NAME_LENGTH], "milliseconds": microseconds / 1000, "calls": event.count})
    return sorted(kernels, key=lambda kernel: -kernel["milliseconds"])


def shares_of_groups(kernels: list[dict[str, Any]]) -> dict[str, float]:
    """Share of the kernels' time by what their names say they do."""
    total, shares = sum(kernel["milliseconds"] for kernel in kernels), defaultdict(float)
    for kernel in kernels:
        name = kernel["name"].lower()
        group = next((group for group, words in GROUPS.items() if any(word in name for word in words)), "other")
        shares[group] += kernel["milliseconds"] / max(total, 1e-9)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def print_kernels(kernels: list[dict[str, Any]]) -> None:
    for kernel in kernels:
        print(f"    {kernel['milliseconds'] / NUM_STEPS:9.3f} ms a step {kernel['calls'] // NUM_STEPS:6} calls  {kernel['name']}")
