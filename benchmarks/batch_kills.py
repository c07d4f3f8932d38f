"""`smvl batch` killed again and again ends with the answers of an unbroken one: every picture once.

    python -m benchmarks.batch_kills                      # 500 pictures, 10 of them broken, 20 kills
    python -m benchmarks.batch_kills --pictures 2000 --kills 50 --seed 1

A small model made on the spot is asked about small pictures, once through. Then the same is begun again, as JSON Lines and as CSV in turn,
and killed, until it comes to its end; what it ends with is compared, and the next one is begun.
"""

import argparse
import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.test_batch import break_ten, draw, num_lines
from tests.test_engine import save_small_checkpoint

ROOT = Path(__file__).parent.parent
OUTS = ("answers.jsonl", "answers.csv")
NUM_BROKEN = 10
POLL = 0.0005


@dataclass(frozen=True)
class Kill:
    """When to kill: so many seconds after so many lines were written."""

    seconds: float
    lines: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    moments, began = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="smvl-batch-kills-") as made:
        folder = Path(made)
        model = save_small_checkpoint(folder)
        draw(folder / "pictures", options.pictures - NUM_BROKEN, names="{:06}.png".format)
        break_ten(folder / "pictures")
        unbroken, duration = run_unbroken(model, folder)
        print(f"unbroken: {len(unbroken)} answers and {NUM_BROKEN} broken pictures in {duration:.1f} s, start included", flush=True)
        num_kills = num_ends = 0
        while True:
            out = folder / OUTS[num_ends % len(OUTS)]
            if run(model, folder, out, draw_kill(moments, num_kills, options, duration) if num_kills < options.kills else None):
                num_kills += 1
                print(f"kill {num_kills:2}: {len(answers(out))} answers in {out.name}", flush=True)
                continue
            num_ends += 1
            if not is_same(out, unbroken):
                return 1
            if num_kills == options.kills:
                break
            for path in folder.glob(f"{out.name}*"):
                path.unlink()
    print(
        f"{num_kills} kills, {num_ends} ends, every picture once and every answer as in the unbroken run; {time.monotonic() - began:.0f} s"
    )
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill smvl batch at random moments and compare what it ends with.")
    parser.add_argument("--pictures", type=int, default=500, help=f"{NUM_BROKEN} of them are broken")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser.parse_args(arguments)


def draw_kill(moments: random.Random, number: int, options: argparse.Namespace, duration: float) -> Kill:
    """One of three at any moment of the start, the others on the way."""
    if number % 3 == 0:
        return Kill(seconds=moments.uniform(0, duration / 2))
    return Kill(lines=moments.randint(1, options.pictures // 2), seconds=moments.uniform(0, 0.05))


def run_unbroken(model: Path, folder: Path) -> tuple[dict[str, str], float]:
    """The answers, and the seconds that it took."""
    began = time.monotonic()
    run(model, folder, folder / "unbroken.jsonl", None)
    return dict(answers(folder / "unbroken.jsonl")), time.monotonic() - began


def run(model: Path, folder: Path, out: Path, kill: Kill | None) -> bool:
    """Whether it was killed; False where it came to its end."""
    command = [sys.executable, "-m", "smvl", "batch", "--model", model, "--device", "cpu", "--images", folder / "pictures"]
    options = ["--question", "图中有什么?", "--max-new-tokens", "4", "--batch-size", "4", "--out", out]
    environment, before = {**os.environ, "OMP_NUM_THREADS": "1"}, num_lines(out)
    process = subprocess.Popen([*map(str, [*command, *options])], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    while kill is not None and process.poll() is None and num_lines(out) < before + kill.lines:
        time.sleep(POLL)
    try:
        said = process.communicate(timeout=kill and kill.seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    if process.returncode != 1:  # broken pictures are told
        raise SystemExit(f"it ended with {process.returncode}:\n{said}")
    return False


def answers(path: Path) -> list[tuple[str, str]]:
    """Pictures and answers, as far as there are whole lines."""
    content = path.read_bytes() if path.exists() else b""
    content = content[: content.rfind(b"\n") + 1]
    if path.suffix == ".csv":
        return [
            (row["image"], row["answer"].removeprefix("'")) for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        ]
    return [(row["image"], row["answer"]) for row in map(json.loads, content.decode("utf-8").split("\n")[:-1])]


def is_same(out: Path, unbroken: dict[str, str]) -> bool:
    """Whether every picture was answered once, and as in the unbroken run; says so if not."""
    found, listed = answers(out), broken_in(out)
    expected = [(image, answer.removeprefix("'") if out.suffix == ".csv" else answer) for image, answer in unbroken.items()]
    if sorted(found) == sorted(expected) and len(listed) == len(set(listed)) == NUM_BROKEN:
        print(f"{out.name} came to its end: {len(found)} answers, each once; {len(listed)} broken pictures, each once")
        return True
    print(f"{out.name} differs: {len(found)} answers to {len(dict(found))} pictures, {len(listed)} broken")
    return False


def broken_in(out: Path) -> list[str]:
    lines = out.with_name(f"{out.name}.broken.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["image"] for line in lines]


if __name__ == "__main__":
    sys.exit(main())
