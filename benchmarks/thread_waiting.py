"""Why train.py and infer.py set GOMP_SPINCOUNT=3000: small layers on all cores, alone and beside other busy processes.

    python benchmarks/thread_waiting.py
"""

import os
import statistics
import subprocess
import sys

WORK = """
import time, torch
layers = torch.nn.Sequential(*[torch.nn.Linear(192, 192) for _ in range(20)])
inputs = torch.randn(500, 192)
layers(inputs).sum().backward()
seconds = []
for _ in range(20):
    began = time.perf_counter()
    layers(inputs).sum().backward()
    seconds.append(time.perf_counter() - began)
print(sorted(seconds)[len(seconds) // 2])
"""


WAYS = {"default": {}, "GOMP_SPINCOUNT=3000": {"GOMP_SPINCOUNT": "3000"}, "PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"}}


def main() -> None:
    print(f"{'milliseconds a step, median of 3 runs':40}" + "".join(f"{name:>22}" for name in WAYS))
    for name, num_busy in (("alone", 0), ("beside as many busy processes", os.cpu_count() or 1)):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num_busy)]
        try:
            print(f"{name:40}" + "".join(f"{median_seconds(changes) * 1e3:22.1f}" for changes in WAYS.values()), flush=True)
        finally:
            for process in busy:
                process.kill()


def median_seconds(changes: dict[str, str]) -> float:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))} | changes
    command = [sys.executable, "-c", WORK]
    return statistics.median(
        float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout) for _ in range(3)
    )


if __name__ == "__main__":
    main()
