"""Is a sound model ever called blind? The demo's align stage with one seed after another, and what sight said at each evaluation.

    python -m benchmarks.sight_seeds              # 20 seeds, two at a time: about half an hour on two cores
    python -m benchmarks.sight_seeds --seeds 2 stages.0.trainer.max_steps=100    # any key of the demo's YAML

The seed decides the new weights and the order of the data; pictures are drawn once. Exit status 1 if a run was ended for blindness, or
if sight was still called nil in the second half of a stage.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smvl.config import Config

ROOT = Path(__file__).parent.parent
UNSAVED = tuple(f"stages.0.trainer.{setting}" for setting in ("save_strategy=no", "save_steps=null", "save_total_limit=null"))
FASTER = ("tracking.mode=disabled", "stages.0.trainer.eval_steps=50", *UNSAVED)


def demo_config(overrides: Sequence[str]) -> "Config":
    from smvl.config import load_config

    return load_config(ROOT / "configs/demo.yaml", [*FASTER, *overrides])


def run_seed(seed: int, overrides: Sequence[str]) -> list[dict[str, float]] | None:
    """Train the demo's first stage and return its evaluations; each has step, gap, standard error and whether it was called nil.

    None where the run was ended for blindness.
    """
    from smvl.train import evaluation
    from smvl.train.interruption import Interruption
    from smvl.train.prepare import prepare
    from smvl.train.run import Run
    from smvl.train.sight import BlindError

    seen: list[dict[str, float]] = []
    plain = evaluation._stop_when_blind

    def note(report, step, must_see_from) -> None:
        sight = report.all
        seen.append({"step": step, "gap": sight.gap, "error": sight.standard_error, "nil": sight.is_nil, "cut_off": sight.is_cut_off})
        plain(report, step, must_see_from)

    evaluation._stop_when_blind = note
    with tempfile.TemporaryDirectory() as folder:
        config = demo_config([*overrides, f"seed={seed}", f"output_dir={folder}/run", "data.scenes=null"])
        config = dataclasses.replace(config, stages=config.stages[:1])
        with prepare(config, resume=False) as run_folder:
            try:
                Run(config, run_folder, Interruption()).train_stage(config.stages[0])
            except BlindError:
                return None
    return seen


def draw_demo_data(overrides: Sequence[str]) -> None:
    from smvl.train.prepare import draw_scenes

    draw_scenes(demo_config(overrides))


def start_seed(seed: int, threads: int, overrides: Sequence[str]) -> list[dict[str, float]] | None:
    """`run_seed` in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.sight_seeds", "--seed", str(seed), *overrides]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"seed {seed} failed with status {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def describe(seed: int, seen: list[dict[str, float]] | None) -> str:
    if seen is None:
        return f"seed {seed:3}  ENDED"
    gaps = "  ".join(f"{entry['step']}: {entry['gap']:+.3f} ± {entry['error']:.3f}{' nil' if entry['nil'] else ''}" for entry in seen)
    return f"seed {seed:3}  {gaps}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time; the cores are shared between them")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="any key of configs/demo.yaml, dotted")
    options = parser.parse_intermixed_args(arguments)
    if options.seed is not None:
        print(json.dumps(run_seed(options.seed, options.overrides)))
        return 0
    draw_demo_data(options.overrides)
    half = demo_config(options.overrides).stages[0].trainer["max_steps"] / 2
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    faults = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for seed, seen in enumerate(pool.map(lambda seed: start_seed(seed, threads, options.overrides), range(options.seeds))):
            print(describe(seed, seen), flush=True)
            faults += seen is None or any(entry["cut_off"] or (entry["nil"] and entry["step"] >= half) for entry in seen)
    print(f"{options.seeds - faults} of {options.seeds} runs were never called blind.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
