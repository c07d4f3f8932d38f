"""What each part of a layout is worth: the demo's data and steps, trained in every way below, with one seed after another.

    python -m benchmarks.layout_ablation --out scores.jsonl           # eleven ways, five seeds: four hours on two cores
    python -m benchmarks.layout_ablation --out scores.jsonl --seeds 1 --way smolvlm --way qwen3_vl
    python -m benchmarks.layout_ablation --out scores.jsonl --seeds 1 stages.0.trainer.max_steps=20    # any key of the demo's YAML

A run's scores are a line of OUT; called again, it goes on with those that are missing. The table is of all that OUT holds. Differences are
paired by seed; ± is the standard deviation over seeds, the interval Student's at 95%.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from benchmarks.over_seeds import paired, spread

ROOT = Path(__file__).parent.parent
TEXT = '{at: 0.03, add: ["text.layers[-4:]"], lr: 6.0e-4}'
LAST_LAYERS, WHOLE = (f"{{at: 0.06, add: [{parts}], lr: 4.0e-4}}" for parts in ('"vision.layers[-2:]"', "vision"))
DEEPSTACK, UNALIGNED = "model.deepstack=[1, 2, 3]", "model.rotary_alignment=false"


@dataclass(frozen=True)
class Way:
    """One way of training the demo."""

    vision: str | None
    """What of the encoder learns in the last stage; None for nothing."""
    model: tuple[str, ...] = ()
    """Overrides."""
    learns_features: bool = False
    """Whether the encoder first learns native resolution from its donor."""

    @property
    def recipe(self) -> str:
        return "configs/demo_qwen3_vl.yaml" if self.learns_features else "configs/demo.yaml"

    @property
    def overrides(self) -> list[str]:
        steps = [TEXT] if self.vision is None else [TEXT, self.vision]
        return [*self.model, f"stages.{1 + self.learns_features}.unfreeze=[{', '.join(steps)}]"]


QWEN3_VL = "model.layout=qwen3_vl"
WAYS = {
    "smolvlm, tower frozen": Way(None),
    "smolvlm": Way(LAST_LAYERS),
    "smolvlm, whole tower": Way(WHOLE),
    "qwen3_vl, tower frozen, not aligned": Way(None, (QWEN3_VL, UNALIGNED)),
    "qwen3_vl, tower frozen": Way(None, (QWEN3_VL,)),
    "qwen3_vl, not aligned": Way(WHOLE, (QWEN3_VL, UNALIGNED)),
    "qwen3_vl": Way(WHOLE, (QWEN3_VL,)),
    "qwen3_vl, DeepStack": Way(WHOLE, (QWEN3_VL, DEEPSTACK)),
    "qwen3_vl, features first": Way(WHOLE, (), True),
    "qwen3_vl, features first, not aligned": Way(WHOLE, (UNALIGNED,), True),
    "qwen3_vl, features first, DeepStack": Way(WHOLE, (DEEPSTACK,), True),
}
PAIRS = [
    ("smolvlm", "smolvlm, tower frozen"),
    ("smolvlm, whole tower", "smolvlm"),
    ("qwen3_vl, tower frozen", "qwen3_vl, tower frozen, not aligned"),
    ("qwen3_vl", "qwen3_vl, not aligned"),
    ("qwen3_vl", "qwen3_vl, tower frozen"),
    ("qwen3_vl, DeepStack", "qwen3_vl"),
    ("qwen3_vl, features first", "qwen3_vl"),
    ("qwen3_vl, features first", "qwen3_vl, features first, not aligned"),
    ("qwen3_vl, features first, DeepStack", "qwen3_vl, features first"),
    ("qwen3_vl, features first", "smolvlm"),
]
"""Ways that differ in one thing."""

UNSAVED = ("save_strategy=no", "save_steps=null", "save_total_limit=null")


def overrides_of(way: Way, seed: int, output_dir: Path, others: Sequence[str]) -> list[str]:
    """Of the way's recipe: nothing is saved or drawn, and no run is ended because it sees little, which is what is asked."""
    unsaved = [f"stages.{stage}.trainer.{setting}" for stage in range(2 + way.learns_features) for setting in UNSAVED]
    plain = [f"seed={seed}", f"output_dir={output_dir}", "data.scenes=null", "tracking.mode=disabled", "sight.stop_when_blind=null"]
    given = {each.split("=")[0] for each in others}
    return [*others, *(each for each in [*way.overrides, *unsaved, *plain] if each.split("=")[0] not in given)]


def read_scores(out: Path) -> dict[tuple[str, int], dict[str, float]]:
    """What `out` holds, by way and seed."""
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    return {(line.pop("way"), line.pop("seed")): line for line in map(json.loads, lines)}


def score(name: str, seed: int, threads: int, others: Sequence[str]) -> dict[str, float]:
    """One run: exact match on held-out questions, with their pictures and with others'."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        command = [sys.executable, "train.py", WAYS[name].recipe, *overrides_of(WAYS[name], seed, folder, others)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}, seed {seed}, failed with status {done.returncode}:\n{done.stderr[-3000:]}")
        scores = json.loads((folder / "results.json").read_text(encoding="utf-8"))["scores"]["all"]
    found = {key: round(scores[key], 4) for key in ("exact_match", "exact_match_swapped")}
    print(f"{name}, seed {seed}: {found['exact_match']:.3f}, swapped {found['exact_match_swapped']:.3f}", file=sys.stderr, flush=True)
    return found


def score_missing(asked: Sequence[tuple[str, int]], out: Path, jobs: int, others: Sequence[str]) -> None:
    """Adds to `out`, as soon as a run ends."""
    held, writing = read_scores(out), Lock()
    threads = max(1, (os.cpu_count() or 1) // jobs)

    def add(name: str, seed: int) -> None:
        line = json.dumps({"way": name, "seed": seed, **score(name, seed, threads, others)})
        with writing, out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda each: add(*each), [each for each in asked if each not in held]))


def table(scores: Mapping[tuple[str, int], Mapping[str, float]]) -> str:
    """Rows are ways, then differences."""
    found = {way: {seed: held for (name, seed), held in sorted(scores.items()) if name == way} for way in WAYS}
    lines = ["| held-out exact match | pictures | swapped | seeds |", "| --- | --- | --- | --- |"]
    for name, runs in found.items():
        if runs:
            right, swapped = ([run[key] for run in runs.values()] for key in ("exact_match", "exact_match_swapped"))
            lines.append(f"| {name} | {spread(right)} | {spread(swapped)} | {len(runs)} |")
    lines += ["", "| difference | mean (95% interval) | seeds |", "| --- | --- | --- |"]
    for name, control in PAIRS:
        both = sorted(set(found[name]) & set(found[control]))
        if both:
            differences = [found[name][seed]["exact_match"] - found[control][seed]["exact_match"] for seed in both]
            lines.append(f"| {name} - {control} | {paired(differences)} | {len(both)} |")
    return "\n".join(lines)


def draw_demo_data(others: Sequence[str]) -> None:
    from smvl.config import load_config
    from smvl.train.prepare import draw_scenes

    draw_scenes(load_config(ROOT / "configs/demo.yaml", list(others)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="where scores are kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time; the cores are shared between them")
    parser.add_argument("--way", action="append", choices=list(WAYS), metavar="NAME", help="one of the table's rows; may be given again")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="any key of configs/demo.yaml, dotted")
    options = parser.parse_intermixed_args(arguments)
    draw_demo_data(options.overrides)
    asked = [(name, seed) for seed in range(options.seeds) for name in options.way or WAYS]
    score_missing(asked, options.out, options.jobs, options.overrides)
    print(table(read_scores(options.out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
