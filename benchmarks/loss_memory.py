"""Time and memory of the loss: logits of every position, of supervised positions only, and of supervised positions in chunks.

    python -m benchmarks.loss_memory                # two cores: Qwen3's vocabulary, a narrow model
    python -m benchmarks.loss_memory --width 1024   # Qwen3-0.6B's width

Each way runs forwards and backwards in a process of its own, so that the peak is its own: resident memory on a CPU, what torch has
allocated on a card. The head is frozen, as in both stages of train.yaml.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional

from smvl.train.loss import linear_cross_entropy

ROOT = Path(__file__).parent.parent
VOCABULARY = 151_936


def every_position(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """As transformers' own loss does it: all logits, in float32, of which most are then left out."""
    return functional.cross_entropy((hidden @ weight.T).float(), labels, reduction="sum")


def supervised_positions(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    asked = labels != -100
    return functional.cross_entropy((hidden[asked] @ weight.T).float(), labels[asked], reduction="sum")


def in_chunks(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """What smvl trains with."""
    asked = labels != -100
    return linear_cross_entropy(hidden[asked], weight, labels[asked])


WAYS = {"every position": every_position, "supervised positions": supervised_positions, "supervised, in chunks": in_chunks}


def measure(way: str, length: int, supervised: int, width: int, repeats: int) -> dict[str, float]:
    """Median seconds, the memory that the loss adds at its peak in MB, and the loss."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(length, width, generator=generator).to(device).requires_grad_()
    weight = (torch.randn(VOCABULARY, width, generator=generator) * 0.02).to(device)
    labels = torch.randint(VOCABULARY, (length,), generator=generator)
    labels[supervised:] = -100
    labels, seconds = labels.to(device), []
    before = _peak_megabytes()
    for _ in range(repeats):
        start = time.perf_counter()
        loss = WAYS[way](hidden, weight, labels)
        loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "megabytes": _peak_megabytes() - before, "loss": loss.item()}


def _peak_megabytes() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=2048, help="tokens of the packed sequence")
    parser.add_argument("--supervised", type=int, default=400, help="of these, tokens that the loss asks for")
    parser.add_argument("--width", type=int, default=256, help="width of the text model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.way:
        print(json.dumps(measure(options.way, options.length, options.supervised, options.width, options.repeats)))
        return
    print(f"{options.length} tokens, {options.supervised} of them supervised, width {options.width}, vocabulary {VOCABULARY:,}")
    sizes = [f"--{name}={getattr(options, name)}" for name in ("length", "supervised", "width", "repeats")]
    for way in WAYS:
        command = [sys.executable, "-m", "benchmarks.loss_memory", *sizes, "--way", way]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        figures = json.loads(done.stdout)
        print(f"{way:24}{figures['seconds']:8.2f} s  {figures['megabytes']:8.0f} MB more at the peak   loss {figures['loss']:.2f}")


if __name__ == "__main__":
    main()
