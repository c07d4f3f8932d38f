"""One step of run.sh in this process: python -m benchmarks.gpu throughput --out OUT --work WORK [--tiny].

Worker processes import this module again, so it imports little; their server is started first, and loads what they need meanwhile.
"""

import argparse
import importlib
import sys
from pathlib import Path

STEPS = ("environment", "throughput", "sweep", "demo", "generation", "adapters", "profile")
WITH_WORKERS = ("throughput", "sweep", "adapters")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="One step of benchmarks/gpu/run.sh.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--work", type=Path, required=True, help="folder that the steps of a run share")
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes, on a CPU")
    options = parser.parse_args()
    if options.step in WITH_WORKERS and not options.tiny:
        from smvl.train.helper_processes import start_helpers, use_worker_server

        use_worker_server()
        start_helpers(workers=True)
    import torch

    from benchmarks.gpu.step import Step

    if not options.tiny and not torch.cuda.is_available():
        parser.error("there is no card here; --tiny shows on a CPU that every step runs")
    options.out.mkdir(parents=True, exist_ok=True)
    step = Step(options.step, options.out, options.work, options.tiny)
    importlib.import_module(f"benchmarks.gpu.{options.step}").main(step)
    step.finish()
    return int(step.failed)


if __name__ == "__main__":
    sys.exit(main())
