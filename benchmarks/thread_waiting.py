"""Why train.py and infer.py set OMP_WAIT_POLICY=PASSIVE: small layers on all cores, alone and beside other busy processes.

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


def main() -> None:
    print(f"{'':30}  {'spinning (default)':>18}  {'PASSIVE':>9}  ratio   (milliseconds a step, median of 3 runs)")
    for name, num_busy in (("alone", 0), ("beside as many busy processes", os.cpu_count() or 1)):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num_busy)]
        try:
            spinning, passive = median_seconds({}), median_seconds({"OMP_WAIT_POLICY": "PASSIVE"})
        finally:
            for process in busy:
                process.kill()
        print(f"{name:30}  {spinning * 1e3:18.1f}  {passive * 1e3:9.1f}  {spinning / passive:4.1f}x")


def median_seconds(changes: dict[str, str]) -> float:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))} | changes
    command = [sys.executable, "-c", WORK]
    return statistics.median(
        float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout) for _ in range(3)
    )


if __name__ == "__main__":
    main()
