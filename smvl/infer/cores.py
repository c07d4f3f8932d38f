"""How many threads of a runtime are of use to one process."""

import os
from pathlib import Path


def usable_cores() -> int:
    """Cores that this process may run on; two threads of one core count once, where the system tells them apart."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    siblings = (Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list") for number in os.sched_getaffinity(0))
    return len({path.read_text(encoding="ascii") if path.exists() else path for path in siblings})
