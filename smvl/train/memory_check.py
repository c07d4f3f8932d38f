"""How much memory there is, and a refusal of a stage that cannot fit in it."""

import logging
from pathlib import Path

import psutil
import torch

from smvl.train.memory_forecast import CONTEXT_BYTES, MemoryForecast, StageMemory, gigabytes

logger = logging.getLogger(__name__)


class MemoryPlanError(ValueError):
    """A stage that needs more memory than there is; the message names the keys that would help."""


def memory_budget(device: torch.device, num_processes: int = 1) -> int:
    """Bytes that this process can have: of the card what nobody else has taken, else its share of the machine or of its cgroup."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return min(total, free + torch.cuda.memory_reserved(device) + CONTEXT_BYTES)
    own = psutil.Process().memory_info().rss
    available = psutil.virtual_memory().available
    if (left := _cgroup_bytes_left()) is not None:
        available = min(available, left)
    return own + max(0, available) // num_processes


def _cgroup_bytes_left() -> int | None:
    """What the control group of this process may still take, files in cache not counted; None without a limit."""
    folder = Path("/sys/fs/cgroup")
    names = ("memory.max", "memory.current", "memory.stat")
    if not (folder / names[0]).exists():  # version 1
        folder, names = folder / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    if not (folder / names[0]).exists():
        return None
    limit, used, statistics = ((folder / name).read_text(encoding="utf-8").strip() for name in names)
    if not limit.isdigit():  # "max"
        return None
    cached = dict(line.split() for line in statistics.splitlines()).get("inactive_file", 0)
    return int(limit) - int(used) + int(cached)


def check_memory(memory: StageMemory, budget: int) -> MemoryForecast:
    """Log the forecast.

    Raises:
        MemoryPlanError: it is over the budget.
    """
    forecast = memory.forecast()
    logger.info("Stage %s. Peak memory forecast: %s of %s.", memory.plan.name, gigabytes(forecast.peak), gigabytes(budget))
    if forecast.peak > budget:
        raise MemoryPlanError(_refusal(memory, forecast, budget))
    return forecast


def _refusal(memory: StageMemory, forecast: MemoryForecast, budget: int) -> str:
    """What is missing, and what each change alone would give; then all of them, for where none is enough."""
    tried = [(keys, changed.forecast().peak) for keys, changed in memory.cheaper()]
    fitting = [keys for keys, peak in tried if peak <= budget]
    lines = [f"  {keys}: {gigabytes(peak)}{', which fits' if peak <= budget else ''}" for keys, peak in tried]
    advice = f"Set {fitting[0]}." if fitting else "None of these alone is enough: take several, or a smaller model, or a larger machine."
    return "\n".join(
        [
            f"stage {memory.plan.name} needs {gigabytes(forecast.peak)} of memory at its peak, but there are {gigabytes(budget)}. {advice}",
            f"Now {forecast.describe()}. Forecast with a change:",
            *lines,
        ]
    )
