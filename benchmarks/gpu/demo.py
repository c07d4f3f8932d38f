"""The demo on a card in bfloat16, end to end with its score; then a short run of it, unbroken and killed and resumed, weight for weight.

    python -m benchmarks.gpu demo --out OUT --work WORK

A card adds some sums in an order of its own, so two runs are alike to the bit only where torch is told to keep one order
(`trainer.full_determinism: true`). Both ways are measured. All of this runs at the same time: it is to be right, not fast.
"""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.gpu.step import Step
from smvl.demo_scenes.draw import MARKER
from smvl.train.checkpoint import last_complete_checkpoint

ROOT = Path(__file__).parent.parent.parent
CONFIG = "configs/demo.yaml"
STAGES = {"align": 20, "finetune": 30}
"""Optimizer steps of the short run."""
SAVE_STEPS = 10
LONGEST = 400
"""Seconds of one process of the short run, at most; on a card the step ends before. A busy CPU takes its time."""
POLL = 0.05


def main(step: Step) -> None:
    data = step.work / "demo-data"
    common = [f"data.scenes.folder={data}", "tracking.mode=disabled", *moved_data(data)]
    if step.tiny:
        common += ["data.scenes.num_align=60", "data.scenes.num_finetune=80", "data.scenes.num_heldout=8"]
    else:
        common += ["data.workers=4", "stages.0.trainer.bf16=true", "stages.1.trainer.bf16=true"]
    ways = {"resumed": []} if step.tiny else {"resumed": [], "resumed, full_determinism": full_determinism()}
    with ThreadPoolExecutor(1 + 2 * len(ways)) as threads:
        demo = threads.submit(train_demo, step, common)
        wait_for(data / MARKER, demo)
        started = {name: start_pair(threads, step.work / f"short-{number}", common, ways[name]) for number, name in enumerate(ways)}
        step.add("demo", demo.result())
        for name, pair in started.items():
            step.add(name, compare(*(run.result() for run in pair)))


def wait_for(path: Path, run: Future) -> None:
    """Until the demo has drawn its data, which the other runs share."""
    while not path.exists() and not run.done():
        time.sleep(POLL)


def moved_data(folder: Path) -> list[str]:
    """Where configs/demo.yaml reads what it has drawn."""
    return [
        f"stages.0.mixture.0.path={folder}/align",
        f"stages.1.mixture.0.path={folder}/finetune.jsonl",
        f"stages.1.mixture.1.path={folder}/text.jsonl",
        f"evaluation.heldout.path={folder}/heldout.jsonl",
    ]


def train_demo(step: Step, options: list[str]) -> dict[str, Any]:
    """The whole demo: seconds with its drawing and scoring, held-out exact match with right and with swapped pictures."""
    folder = step.work / "demo"
    if step.tiny:
        options = [*options, *short_run(folder)[1:], "sight.stop_when_blind=null"]
    began = time.monotonic()
    execute([f"output_dir={folder}", *options], folder.with_suffix(".log"), timeout=None)
    scores = json.loads((folder / "results.json").read_text(encoding="utf-8"))["scores"]
    return {
        "seconds": time.monotonic() - began,
        "exact_match": scores["all"]["exact_match"],
        "exact_match_swapped": scores["all"]["exact_match_swapped"],
        "by_task": scores,
    }


# ---- a kill ----------------------------------------------------------------------------------------------------------------------


def short_run(folder: Path) -> list[str]:
    options = [f"output_dir={folder}", "evaluation.max_samples=8"]
    for number, steps in enumerate(STAGES.values()):
        trainer = f"stages.{number}.trainer"
        options += [f"{trainer}.max_steps={steps}", f"{trainer}.save_steps={SAVE_STEPS}"]
        options += [f"{trainer}.eval_strategy=no", f"{trainer}.eval_steps=null"]
    return options


def full_determinism() -> list[str]:
    return [f"stages.{number}.trainer.full_determinism=true" for number in range(len(STAGES))]


def start_pair(threads: ThreadPoolExecutor, folder: Path, common: list[str], more: list[str]) -> tuple:
    options = [*common, *more, "evaluation.generate=false", "sight.stop_when_blind=null"]
    return threads.submit(run_unbroken, folder / "unbroken", options), threads.submit(run_killed, folder / "killed", options)


def run_unbroken(folder: Path, options: list[str]) -> Path:
    execute([*short_run(folder), *options], folder.with_suffix(".log"))
    return folder


def run_killed(folder: Path, options: list[str]) -> Path:
    """Killed after the first checkpoint of the last stage, then resumed."""
    stage = folder / list(STAGES)[-1]
    log = folder.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            command([*short_run(folder), *options]), cwd=ROOT, env=environment(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + LONGEST
        while last_complete_checkpoint(stage) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"there was no checkpoint in {stage} to kill the run after:\n{last_lines(log)}")
            time.sleep(POLL)
    finally:
        kill_all(process)
    if (stage / "model").exists():
        raise RuntimeError("the run had ended before it was killed")
    execute([*short_run(folder), *options, "--resume"], log)
    return folder


def kill_all(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def execute(options: list[str], log: Path, *, timeout: float | None = LONGEST) -> None:
    """Run train.py; what it says goes into a file, and is shown where it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        done = subprocess.run(command(options), cwd=ROOT, env=environment(), stdout=output, stderr=output, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"train.py ended with status {done.returncode}:\n{last_lines(log)}")


def last_lines(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


def command(options: list[str]) -> list[str]:
    return [sys.executable, "train.py", CONFIG, *options]


def environment() -> dict[str, str]:
    """cuBLAS sums in one order only with a workspace of a fixed size, which it reads when it starts."""
    return {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def compare(unbroken: Path, killed: Path) -> dict[str, Any]:
    """How far the weights of two runs are apart."""
    first, second = (load_file(folder / "model.safetensors") for folder in (unbroken, killed))
    differences = [(first[name].float() - second[name].float()).abs().max().item() for name in first]
    equal = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return {"equal": equal, "largest_difference": max(differences)}
