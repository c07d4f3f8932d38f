"""The whole way to a nano, in the minutes given.

    python -m nano OUT --minutes 170                        # from nothing
    python -m nano OUT --minutes 8 --start models/nano      # goes on from a nano

Tower and text half are pretrained side by side, which takes half of the time; then they are joined by a connector that is fitted in closed
form, aligned and finetuned as configs/nano.yaml has it, with as many steps as a short trial says that the rest of the time allows. OUT
receives `vision/` and `text/`, the two donors, `connector/`, and `model/`."""

import argparse
import contextlib
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from nano.domain import CONFIG, add_kinds
from nano.fit_connector import NUM_PAGES
from nano.parts import CONNECTOR, MODEL, TEXT, VISION, write_parts

logger = logging.getLogger("nano")

ROOT = Path(__file__).parent.parent
PRETRAINING, OVERHEAD = 0.55, 1.0
"""Share of the minutes, and minutes of it that go to starting programs and to reports."""
ALIGN, SPARE = 0.08, 0.15
"""Shares of what is left after it and after what a trial took to start: for the first stage, and for checkpoints and scores."""
ENDING = 30.0
"""Seconds for the least that is measured at the end, and for writing what came of it."""
TRIAL_STEPS, LEAST_STEPS = 12, 4
CONNECTOR_PAGES, LEAST_PAGES = 20, 40
"""A minute, on a CPU, where drawing and seeing them takes five seconds of it. A card has time for as many as help."""
NO_EVALUATION = "evaluation.heldout=null"
IN_TRIAL = (NO_EVALUATION, "evaluation.max_samples=2", "sight.stop_when_blind=null", "tracking.mode=disabled") + tuple(
    f"stages.{stage}.trainer.{key}" for stage in range(2) for key in ("eval_strategy=no", "eval_steps=null", "logging_steps=1")
)
NUM_REPORTS, SHORTEST_REPORT = 12, 30
"""Of a pretraining, and seconds between two at least."""
POLL, BETWEEN_PARTS = 0.1, 60


@dataclass(frozen=True)
class Settings:
    out: Path
    minutes: float
    kinds: tuple[str, ...]
    fonts: Path | None
    start: Path | None
    parts: Path | None
    device: str
    seed: int

    @property
    def on_card(self) -> bool:
        return self.device.startswith("cuda")


def pretrain(settings: Settings) -> None:
    """Both halves at the same time, each with half of the cores.

    Raises:
        RuntimeError: one of them failed; its own message stands above.
    """
    minutes = max(0.2, settings.minutes * PRETRAINING - OVERHEAD)
    cores = os.cpu_count() or 2
    common = ["--minutes", str(minutes), "--seed", str(settings.seed), "--device", settings.device]
    common += [*_kinds_option(settings), "--report", str(max(SHORTEST_REPORT, 60 * minutes / NUM_REPORTS))]
    common += ["--start", str(settings.start)] if settings.start else []
    vision = ["--fonts", str(settings.fonts)] if settings.fonts else []
    vision += ["--batch", "96", "--workers", str(max(1, cores * 5 // 8))] if settings.on_card else []
    text = ["--batch", "16000", "--workers", str(max(1, cores // 4))] if settings.on_card else []
    delivered = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, cores // 2))}
    running = [
        subprocess.Popen([sys.executable, "-m", f"nano.{program}", str(settings.out / name), *common, *own], cwd=ROOT, env=environment)
        for name, program, own in ((VISION, "pretrain_vision", vision), (TEXT, "pretrain_text", text))
    ]
    try:
        while any(process.poll() is None for process in running):
            if any(process.poll() for process in running):
                break
            time.sleep(1)
            if settings.parts and time.monotonic() - delivered > BETWEEN_PARTS and all(map(Path.exists, _donors(settings))):
                deliver(settings)
                delivered = time.monotonic()
        failed = [process.args[2] for process in running if process.poll()]
    finally:
        for process in running:
            process.terminate()
            process.wait()
    if failed:
        raise RuntimeError(f"{' and '.join(failed)} did not end well; what it said stands above")


def _donors(settings: Settings) -> list[Path]:
    return [settings.out / name / "model.safetensors" for name in (VISION, TEXT)]


def fit_connector(settings: Settings) -> None:
    """What joins both halves, in closed form.

    Raises:
        RuntimeError: it failed; its own message stands above.
    """
    folders = [str(settings.out / name) for name in (VISION, TEXT, CONNECTOR)]
    command = [sys.executable, "-m", "nano.fit_connector", *folders, "--device", settings.device]
    command += ["--workers", str(max(1, (os.cpu_count() or 2) - 2))]
    command += [] if settings.on_card else ["--num", str(int(min(NUM_PAGES, max(LEAST_PAGES, CONNECTOR_PAGES * settings.minutes))))]
    if subprocess.run([*command, *_kinds_option(settings)], cwd=ROOT).returncode:
        raise RuntimeError("nano.fit_connector did not end well; what it said stands above")


def _kinds_option(settings: Settings) -> list[str]:
    return ["--kinds", ",".join(settings.kinds)] if settings.kinds else []


def finetune(settings: Settings, deadline: float) -> None:
    """Splice and train until the deadline, in seconds of the monotonic clock.

    Raises:
        RuntimeError: training failed; its own message stands above.
    """
    trial = try_steps(settings)
    remaining = deadline - time.monotonic() - trial.starting - ENDING
    left, spare = remaining * (1 - SPARE), remaining * SPARE
    shares = (ALIGN, 1 - ALIGN)
    steps = [max(LEAST_STEPS, int(left * share / each)) for share, each in zip(shares, trial.seconds)]
    logger.info("%.0f s to start, %.0f s for %d and %d steps of %.2f and %.2f s", trial.starting, left, *steps, *trial.seconds)
    overrides = [f"stages.{stage}.trainer.eval_steps={max(2, steps[stage] // 2)}" for stage in range(2)]
    overrides += [f"evaluation.{key}={int(min(most, max(8, spare)))}" for key, most in (("max_samples", 48), ("max_scored", 400))]
    overrides.append("sight.stop_when_blind=null")  # a short run ends before it sees, and is gone on from
    if find_spec("swanlab") is None:
        overrides.append("tracking.mode=disabled")
    if subprocess.run(train_command(settings, settings.out / MODEL, steps, overrides), cwd=ROOT).returncode:
        raise RuntimeError("train.py did not end well; what it said stands above")


@dataclass(frozen=True)
class Trial:
    """What training a little showed."""

    seconds: list[float]
    """Of a step of each stage."""
    starting: float
    """Seconds that were not spent in steps: for loading, forecasts, the first batches and saving."""


def try_steps(settings: Settings) -> Trial:
    """Train a little.

    Raises:
        RuntimeError: training failed; its own message stands above.
    """
    folder, steps = settings.out / "trial", {"align": TRIAL_STEPS // 2, "finetune": TRIAL_STEPS}
    shutil.rmtree(folder, ignore_errors=True)
    begun = time.monotonic()
    running = subprocess.Popen(train_command(settings, folder, list(steps.values()), IN_TRIAL), cwd=ROOT)
    logged: dict[str, list[dict]] = {}
    while running.poll() is None:
        for state in folder.glob("*/checkpoint-*/trainer_state.json"):  # a finished stage keeps none
            with contextlib.suppress(OSError, ValueError):  # being written, or deleted
                history = json.loads(state.read_text(encoding="utf-8"))["log_history"]
                logged[state.parent.parent.name] = max(logged.get(state.parent.parent.name, []), history, key=len)
        time.sleep(POLL)
    if running.returncode or len(logged) < len(steps):
        raise RuntimeError("the trial of a few steps did not end well; what it said stands above")
    spent = time.monotonic() - begun
    shutil.rmtree(folder)
    seconds = [seconds_of_step(logged[stage], count) for stage, count in steps.items()]
    return Trial(seconds, max(0.0, spent - sum(each * count for each, count in zip(seconds, steps.values()))))


def seconds_of_step(history: Sequence[dict], num_steps: int) -> float:
    """From Trainer's log of each step: mean of both halves' medians, as the tower joins in the second; the first of each warms up."""
    halves: tuple[list[float], list[float]] = ([], [])
    for entry in history:
        if spent := [value for key, value in entry.items() if key.startswith("seconds/")]:
            halves[entry["step"] > num_steps // 2].append(sum(spent))
    return statistics.mean(statistics.median(half[1:] or half) for half in halves if half)


def train_command(settings: Settings, folder: Path, steps: Sequence[int], overrides: Sequence[str]) -> list[str]:
    """One run of configs/nano.yaml."""
    own = [f"model.{key}={settings.out / name}" for key, name in (("vision", VISION), ("text", TEXT), ("projector_from", CONNECTOR))]
    own += [f"output_dir={folder}"]
    for stage, count in enumerate(steps):
        own += [f"stages.{stage}.trainer.max_steps={count}", f"stages.{stage}.trainer.save_steps={max(1, count // 4)}"]
        if settings.on_card:
            own += [f"stages.{stage}.trainer.per_device_train_batch_size=16"]
    if settings.on_card:
        own += [f"data.workers={max(1, (os.cpu_count() or 2) - 2)}"]
    return [sys.executable, "train.py", str(CONFIG), *own, *kinds_of(settings, overrides), *overrides]


def kinds_of(settings: Settings, overrides: Sequence[str]) -> list[str]:
    """Overrides that leave only the kinds asked for; none where they are the recipe's."""
    if not settings.kinds:
        return []
    kinds = json.dumps(dict.fromkeys(settings.kinds, 1))
    keys = [f"stages.{stage}.mixture.0.scenes.kinds" for stage in range(2)]
    keys += [] if NO_EVALUATION in overrides else ["evaluation.heldout.scenes.kinds"]
    return [f"{key}={kinds}" for key in keys]


def deliver(settings: Settings) -> None:
    if settings.parts:
        write_parts(settings.out, settings.parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True, help="for everything")
    add_kinds(parser)
    parser.add_argument("--fonts", type=Path, help="folder with fonts for the tower, in train/ and heldout/")
    parser.add_argument("--start", type=Path, help="folder of a nano to go on from")
    parser.add_argument("--parts", type=Path, help="folder that receives what there is after each step, in files of at most 15 MB")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    settings = Settings(**vars(parser.parse_args()))
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    deadline = time.monotonic() + 60 * settings.minutes
    if (settings.out / MODEL).exists():
        logger.error("%s holds a model already; give another OUT, with --start %s to go on from it", settings.out, settings.out / MODEL)
        return 1
    try:
        pretrain(settings)
        deliver(settings)
        fit_connector(settings)
        finetune(settings, deadline)
        deliver(settings)
    except (RuntimeError, ValueError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
