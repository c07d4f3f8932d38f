"""Why train.py and infer.py set GOMP_SPINCOUNT=3000: small layers on all cores, alone and beside other busy processes.

    python -m benchmarks.thread_waiting
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

WORK = """
import sys, time, torch
layers = torch.nn.Sequential(*[torch.nn.Linear(192, 192) for _ in range(20)])
inputs = torch.randn(500, 192)
layers(inputs).sum().backward()
seconds = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    layers(inputs).sum().backward()
    seconds.append(time.perf_counter() - began)
print(sorted(seconds)[len(seconds) // 2])
"""


WAYS = {"default": {}, "GOMP_SPINCOUNT=3000": {"GOMP_SPINCOUNT": "3000"}, "PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"}}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="of each run")
    options = parser.parse_args(arguments)
    print(f"{f'milliseconds a step, median of {options.runs} runs':40}" + "".join(f"{name:>22}" for name in WAYS))
    for name, num_busy in (("alone", 0), ("beside as many busy processes", os.cpu_count() or 1)):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num_busy)]
        try:
            seconds = [median_seconds(changes, options.runs, options.steps) for changes in WAYS.values()]
            print(f"{name:40}" + "".join(f"{median * 1e3:22.1f}" for median in seconds), flush=True)
        finally:
            for process in busy:
                process.kill()


def median_seconds(changes: dict[str, str], num_runs: int, num_steps: int) -> float:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))} | changes
    command = [sys.executable, "-c", WORK, str(num_steps)]
    return statistics.median(
        float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout) for _ in range(num_runs)
    )


if __name__ == "__main__":
    main()
