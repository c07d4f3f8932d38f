"""A run that is killed again and again ends with the weights of an unbroken one, byte for byte.

    python -m benchmarks.kills                      # 20 kills
    python -m benchmarks.kills --kills 6 --seed 1 --workers 1

A tiny run of two stages (packing, gradient accumulation, parts that begin to learn later, one checkpoint kept) goes through once.
Then it is run again and killed: two kills of three come at any moment of the training, the third while a checkpoint or a
finished model is being written. Each time it is resumed. A run that ends before its kill is compared, and a new one is begun.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from smvl.train.checkpoint import COMPLETE
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
STAGES = ("align", "finetune")
NUM_STEPS = {"align": 12, "finetune": 14}
LONGEST_RUN = 300.0
"""Seconds after which a run counts as hanging."""
POLL = 0.0005
LONGEST_DELAY = 0.06
"""Seconds from the first sight of a save to the kill, at most: about what a save takes."""


@dataclass(frozen=True)
class Kill:
    """When to kill: `after` seconds of training, or, where `save` is given, `delay` seconds into the so-manyth save."""

    after: float
    save: int | None = None
    delay: float = 0.0
    stage: str = STAGES[0]
    """The stage that must have begun."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    random_moments = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="smvl-kills-"))
    started = time.monotonic()
    config = write_long_run(folder, workers=options.workers)
    duration = run_unbroken(config, folder / "unbroken")
    print(f"unbroken: {duration:.1f} s of training, {sum(NUM_STEPS.values())} steps in two stages")
    num_kills = num_ends = 0
    killed = folder / "killed"
    while num_kills < options.kills:
        kill = draw_kill(random_moments, num_kills, duration / 4, STAGES[2 * num_kills // options.kills])
        process = start(config, killed)
        if not wait_and_kill(process, killed, kill):
            num_ends += 1
            if not is_same(process, folder / "unbroken", killed):
                return 1
            shutil.rmtree(killed)
            continue
        num_kills += 1
        print(f"kill {num_kills:2}: {describe(killed)}", flush=True)
    process = start(config, killed)
    process.communicate(timeout=LONGEST_RUN)
    if not is_same(process, folder / "unbroken", killed):
        return 1
    print(f"{num_kills} kills, {num_ends + 1} finished runs, every weight as in the unbroken run; {time.monotonic() - started:.0f} s")
    shutil.rmtree(folder)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill a run at random moments and compare what it ends with.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--workers", type=int, default=0, help="data.workers of the run")
    return parser.parse_args(arguments)


# ---- the run ---------------------------------------------------------------------------------------------------------------------


def write_long_run(folder: Path, *, workers: int) -> Path:
    """The tests' tiny run with more steps; every step of `align` and every other of `finetune` is saved."""
    path = write_run(folder)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["data"]["workers"] = workers
    config["evaluation"]["generate"] = False
    for stage, save_steps in zip(config["stages"], (1, 2)):
        stage["trainer"] |= {"max_steps": NUM_STEPS[stage["name"]], "save_steps": save_steps, "save_total_limit": 1}
    config["stages"][0]["trainer"]["eval_steps"] = 6
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return path


def start(config: Path, output: Path) -> subprocess.Popen:
    """Begin the run, or go on with it."""
    resume = ["--resume"] if (output / "config.yaml").exists() else []
    return subprocess.Popen(
        [sys.executable, "train.py", str(config), f"output_dir={output}", *resume],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=(output.parent / "errors.txt").open("w"),
        text=True,
    )


def run_unbroken(config: Path, output: Path) -> float:
    """Seconds from the first save to the end."""
    process = start(config, output)
    wait_for_training(process, output)
    began = time.monotonic()
    process.communicate(timeout=LONGEST_RUN)
    if process.returncode:
        raise SystemExit(f"the unbroken run failed:\n{errors(output)}")
    return time.monotonic() - began


# ---- killing it ------------------------------------------------------------------------------------------------------------------


def draw_kill(random_moments: random.Random, number: int, longest: float, stage: str) -> Kill:
    """Two of three at any moment within `longest` seconds from the start of training, the third in a save; from `stage` on."""
    if number % 3 < 2:
        return Kill(after=random_moments.uniform(0, longest), stage=stage)
    return Kill(after=0, save=random_moments.randint(1, 3), delay=random_moments.uniform(0, LONGEST_DELAY), stage=stage)


def wait_and_kill(process: subprocess.Popen, output: Path, kill: Kill) -> bool:
    """Whether the process was killed; False where it ended before."""
    wait_for_training(process, output)
    wait(process, lambda: (output / kill.stage).is_dir())
    if kill.save is None:
        wait(process, lambda: False, seconds=kill.after)
    for _ in range(kill.save or 0):
        wait(process, lambda: not being_written(output))
        wait(process, lambda: being_written(output))
    wait(process, lambda: False, seconds=kill.delay)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return True


def wait_for_training(process: subprocess.Popen, output: Path) -> None:
    """Until the run has said what memory it needs: everything before is start-up."""
    wait(process, lambda: "Peak memory forecast" in errors(output))


def wait(process: subprocess.Popen, is_so, *, seconds: float = LONGEST_RUN) -> None:
    """Until something is so, the process has ended or time is up."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end and not is_so():
        time.sleep(POLL)


def errors(output: Path) -> str:
    return (output.parent / "errors.txt").read_text(encoding="utf-8", errors="replace")


# ---- what is on the disk ---------------------------------------------------------------------------------------------------------


def being_written(output: Path) -> list[Path]:
    """What is written or deleted at this moment: checkpoints that are not complete, a model or a file under its first name."""
    checkpoints = [path for path in output.glob("*/checkpoint-*") if not (path / COMPLETE).exists()]
    return [*checkpoints, *output.glob("*/model.partial"), *output.glob("*.partial")]


def describe(output: Path) -> str:
    """Where the kill hit."""
    started = [stage for stage in STAGES if (output / stage).is_dir()]
    if not started:
        return "before the first save"
    complete = [path.name.rsplit("-", 1)[1] for path in (output / started[-1]).glob("checkpoint-*") if (path / COMPLETE).exists()]
    reached = f"stage {started[-1]}, last complete step {max(map(int, complete), default=0)} of {NUM_STEPS[started[-1]]}"
    if (output / started[-1] / "model").is_dir():
        reached = f"stage {started[-1]}, its model is written"
    written = "; ".join(f"{path.relative_to(output)} with {_num_files(path)} files" for path in being_written(output))
    return f"{reached}, {f'in a save: {written}' if written else 'not in a save'}"


def _num_files(path: Path) -> int:
    return len(list(path.iterdir())) if path.is_dir() else 1


def is_same(process: subprocess.Popen, unbroken: Path, killed: Path) -> bool:
    """Whether the run ended well and with the weights of the unbroken one; says so if not."""
    if process.returncode:
        print(f"the resumed run failed with {process.returncode}:\n{errors(killed)}")
        return False
    weights = [Path("model.safetensors"), *(Path(stage, "model/model.safetensors") for stage in STAGES)]
    different = [str(path) for path in weights if (unbroken / path).read_bytes() != (killed / path).read_bytes()]
    leftovers = [str(path) for path in (*being_written(killed), *killed.glob("*/checkpoint-*"))]
    print(f"a killed run ended: {f'{different} differ from the unbroken run' if different else 'the same weights, byte for byte'}")
    if leftovers:
        print(f"left behind: {', '.join(leftovers)}")
    return not different and not leftovers


if __name__ == "__main__":
    sys.exit(main())
