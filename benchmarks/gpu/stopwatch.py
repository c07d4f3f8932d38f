"""Median time of a piece of work on a card or a CPU."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch


def median_seconds(work: Callable[[], Any], device: torch.device, *, repeats: int = 10, warm_up: int = 3) -> float:
    """Seconds of one call; on a card by its own events, so that launching ahead is not counted."""
    for _ in range(warm_up):
        work()
    seconds = []
    for _ in range(repeats):
        if device.type == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            work()
            end.record()
            end.synchronize()
            seconds.append(start.elapsed_time(end) / 1000)
        else:
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
