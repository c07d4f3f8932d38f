"""The plain recipe as published against ours: same donors, same samples, same samples a step, each in a process of its own.

    python -m benchmarks.train_throughput --preset cpu                    # two cores, minutes
    python -m benchmarks.train_throughput --preset full                   # a card: the full-size model's shapes, random weights
    python -m benchmarks.train_throughput --preset cpu --sides layouts    # ours in both layouts, at one resolution
    python -m benchmarks.train_throughput --preset full --stage finetune --sides ours --longest-edge 1024 --workers 14

The plain recipe (benchmarks/plain_recipe.py) pads to max_length, collates in the training process, makes logits at all positions, and
attends eagerly. Ours is smvl's own training loop. Before they train, both measure the loss of the same samples with the same weights; where
these differ, the figures are not of the same work, and the exit status is 1. `--sides layouts` sets our
loop in layout smolvlm beside the same donors spliced into qwen3_vl, with pictures of as many pixels.

Rows of the table
    samples a second       and real tokens: those of samples, without padding
    padding                share of the places that the model computes
    peak memory            of the training process; on a card, what torch has allocated there (and reserved from the driver)
    wait for data          share of the time
    FLOPs utilization      arithmetic that the samples need (smvl/train/flops.py), as a share of what the card could do
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

if not __package__:  # run by its path, not with -m
    sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.throughput_presets import PRESETS, STAGES, Preset
from benchmarks.throughput_side import NUM_COMPARED, SIDES, run_side
from smvl.train.prepare import quieten

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "GOMP_SPINCOUNT": "3000", "TOKENIZERS_PARALLELISM": "false"}
"""Of both sides' processes where it is not set: what train.py sets."""
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Between the losses per token of both sides."""
SPEED_AIMS = {"cpu": 4, "full": 6}
"""At least so many times the plain recipe's samples a second."""
MEMORY_SHARE_AIMS = {"cpu": 0.5}
"""At most this share of the plain recipe's peak."""
MEMORY_AIMS = {("full", "align"): 16e9, ("full", "finetune"): 22e9}
"""At most so many bytes on the card."""
GROUPS = {"both": ["plain", "ours"], "layouts": ["ours", "native"]}
"""Of sides that are set beside each other."""
KILLED = (-9, 137)
"""How a process ends that took more memory than the machine has."""

Figures = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    preset = adapt(PRESETS[options.preset], options)
    if options.side:
        run_side(options.side, preset, options.stage, options.folder)
        return 0
    if preset.on_card and not torch.cuda.is_available():
        print("benchmarks/train_throughput.py: there is no card here, which --preset full needs; try --preset cpu.", file=sys.stderr)
        return 1
    quieten()
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        preset.write(Path(folder))
        return max(compare(preset, stage, Path(folder), options) for stage in preset.stages)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--stage", choices=[*STAGES, "both"], help="align: the projector learns; finetune: the last text layers too")
    parser.add_argument("--sides", choices=[*SIDES, *GROUPS], default="both")
    parser.add_argument("--samples", type=int, help="samples that each side trains on while it is timed")
    parser.add_argument("--repeats", type=int, help="runs of each side, in turn; medians are shown")
    parser.add_argument("--workers", type=int, help="data.workers of our side; the plain recipe has none")
    parser.add_argument("--longest-edge", type=int, help="data.image.longest_edge of both sides")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def adapt(preset: Preset, options: argparse.Namespace) -> Preset:
    """The preset with what was asked for in its place."""
    asked = dict(num_samples=options.samples, repeats=options.repeats, workers=options.workers, longest_edge=options.longest_edge)
    stages = {None: preset.stages, "both": STAGES}.get(options.stage, (options.stage,))
    return replace(preset, stages=stages, **{name: value for name, value in asked.items() if value is not None})


# ---- one stage -----------------------------------------------------------------------------------------------------------------------


def compare(preset: Preset, stage: str, folder: Path, options: argparse.Namespace) -> int:
    """Measure both sides of one stage and print them; the exit status."""
    sides = GROUPS.get(options.sides, [options.sides])
    runs: dict[str, list[Figures]] = {side: [] for side in sides}
    for _ in range(preset.repeats):
        for side in sides:
            runs[side].append(measure(side, preset, stage, folder, options))
    found = {side: median(figures) for side, figures in runs.items()}
    print(f"\n{stage}: {', '.join(preset.learning_parts(stage))} learn; longest_edge {preset.longest_edge}, {preset.max_length} tokens")
    print(f"{'':38}" + "".join(f"{side:>14}" for side in sides) + (f"{'ratio':>9}" if len(sides) == 2 else ""))
    for name, show in ROWS:
        print_row(name, [show(found[side]) for side in sides], has_ratio=name in WITH_RATIO)
    measured = {side: figures for side, figures in found.items() if "out_of_memory" not in figures}
    print_time(measured)
    print_aims(measured, options.preset, stage)
    if measured.keys() != {"plain", "ours"}:
        return 0  # one side alone, or two layouts, whose models are not the same
    return check_losses(measured["plain"], measured["ours"], TOLERANCE[preset.dtype])


def measure(side: str, preset: Preset, stage: str, folder: Path, options: argparse.Namespace) -> Figures:
    """One run of one side in a process of its own, so that its peak is its own."""
    command = [sys.executable, "-m", "benchmarks.train_throughput", "--side", side, "--folder", str(folder)]
    command += ["--preset", options.preset, "--stage", stage, "--samples", str(preset.num_samples)]
    command += ["--workers", str(preset.workers), "--longest-edge", str(preset.longest_edge)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT | os.environ)
    if done.returncode in KILLED:
        return {"out_of_memory": True}
    if done.returncode:
        raise SystemExit(f"the side {side!r} ended with status {done.returncode}; what it said stands above.")
    return json.loads(done.stdout.splitlines()[-1])


def median(runs: Sequence[Figures]) -> Figures:
    """Each figure's median over runs, and what took the memory if any run had too little."""
    if any("out_of_memory" in figures for figures in runs):
        return {"out_of_memory": True}
    numbers = [name for name, value in runs[0].items() if isinstance(value, (int, float))]
    return {name: statistics.median(figures[name] for figures in runs) for name in numbers} | {"seconds": runs[-1]["seconds"]}


def check_losses(plain: Figures, ours: Figures, tolerance: float) -> int:
    """The exit status: 1 where both sides do not have one loss."""
    difference = abs(plain["loss"] - ours["loss"])
    print(f"loss of {NUM_COMPARED} samples before training: {plain['loss']:.6f} and {ours['loss']:.6f}, difference {difference:.1g}")
    if difference <= tolerance:
        return 0
    print(
        f"benchmarks/train_throughput.py: the losses of the same samples with the same weights differ by {difference:.2g}, which is "
        f"more than {tolerance:g}: the two sides do not train the same thing, and their speeds cannot be compared.",
        file=sys.stderr,
    )
    return 1


# ---- the table -----------------------------------------------------------------------------------------------------------------------


def number(name: str, scale: float = 1.0) -> Callable[[Figures], float | None]:
    return lambda figures: None if figures.get(name) is None else figures[name] * scale


ROWS = [
    ("samples a second", number("samples_per_second")),
    ("real tokens a second", number("tokens_per_second")),
    ("padding, %", number("padding_share", 100)),
    ("packs filled, %", number("fill", 100)),
    ("peak memory, MB", number("peak", 1e-6)),
    ("forecast of it, MB", number("forecast", 1e-6)),
    ("reserved on the card, MB", number("reserved", 1e-6)),
    ("wait for data, %", number("data_wait_share", 100)),
    ("FLOPs utilization, %", number("flops_utilization", 100)),
    ("samples timed", number("samples")),
    ("samples an optimizer step", number("samples_per_step")),
]
WITH_RATIO = ("samples a second", "real tokens a second", "peak memory, MB", "reserved on the card, MB")


def print_row(name: str, values: Sequence[float | None], *, has_ratio: bool) -> None:
    if values == [None] * len(values) and name != "samples a second":
        return
    empty = "out of memory" if name == "samples a second" else "-"
    cells = "".join(f"{empty if value is None else format_number(value):>14}" for value in values)
    ratio = f"{values[1] / values[0]:8.2f}x" if has_ratio and len(values) == 2 and None not in values else ""
    print(f"{name:38}{cells}{ratio}")


def format_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def print_time(found: dict[str, Figures]) -> None:
    """What our side's steps consist of, as its clock has it."""
    if seconds := found.get("ours", {}).get("seconds"):
        shares = ", ".join(f"{name} {spent / sum(seconds.values()):.0%}" for name, spent in seconds.items())
        print(f"time of our last run: {shares}")


def print_aims(found: dict[str, Figures], preset: str, stage: str) -> None:
    """Whether speed and memory are what this project sets out to reach."""
    if found.keys() == {"plain", "ours"} and preset in SPEED_AIMS:
        ratio, aim = found["ours"]["samples_per_second"] / found["plain"]["samples_per_second"], SPEED_AIMS[preset]
        print(f"samples a second: {ratio:.1f} times the plain recipe's; the aim is at least {aim}: {verdict(ratio >= aim)}")
    if found.keys() == {"plain", "ours"} and preset in MEMORY_SHARE_AIMS:
        ratio, aim = found["ours"]["peak"] / found["plain"]["peak"], MEMORY_SHARE_AIMS[preset]
        print(f"peak memory: {ratio:.2f} of the plain recipe's; the aim is at most {aim}: {verdict(ratio <= aim)}")
    if "ours" in found and (preset, stage) in MEMORY_AIMS:
        peak, aim = found["ours"]["peak"], MEMORY_AIMS[preset, stage]
        print(f"peak memory: {peak / 1e9:.1f} GB; the aim is at most {aim / 1e9:g} GB: {verdict(peak <= aim)}")


def verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "missed"


def describe_machine() -> str:
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    return f"torch {torch.__version__} on {where}; load before the start {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
