"""A needle among pages: of several pictures one holds what is asked for, at more pages than were trained on, with and without `model.rope`.

    python train.py configs/demo.yaml
    python -m benchmarks.needle --model output/demo                  # about ten minutes on two cores
    python -m benchmarks.needle --model output/demo --steps 0        # as the checkpoint is, without training
    python -m benchmarks.needle --model output/demo-qwen3-vl

Pages are pictures with coloured shapes, and one of them is a sign; the question is what is written. The signs asked for are held out: no
training has shown their texts. Ways: the text model's own rotation; `theta` raised as SmolVLM did, from 10,000 to 273,000; `yarn` with
the smallest whole factor whose positions reach the longest prompt, of the 256 tokens that the demo's text donor was trained on. Each way
is asked as the checkpoint is, then after a stage in which seven tenths of the tokens (`long`) are of conversations with 3 to 8 pages, the
rest of the demo's own short ones.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RAISE, TRAINED_LENGTH = 27.3, 256
"""Of the base: SmolVLM's; and of the demo's text donor, in tokens."""
LONG_SHARE, FEWEST_PAGES = 0.7, 3
"""Of the tokens of the stage that are of long samples, and of their pages."""
WAYS = ("own", "theta", "yarn")
NUM_TRAINED = 1200
RATE = 6e-4
MAX_ANSWER = 8
"""Tokens: a sign has four characters at most."""


# ---- questions -------------------------------------------------------------------------------------------------------------------


def draw_needle(generator: random.Random, split: str, num_pages: int) -> Any:
    """A scene of one sign among pages of shapes, anywhere."""
    from smvl.demo_scenes import shapes, writing
    from smvl.demo_scenes.picture import Scene, Turn

    def draw_page() -> Any:
        kind = generator.randrange(3)
        return shapes.draw_pair(generator, kind == 1) if kind < 2 else shapes.draw_many(generator)

    sign = writing.draw_sign(generator, split)
    pages = [draw_page() for _ in range(num_pages - 1)]
    pages.insert(generator.randrange(num_pages), sign)
    return Scene("needle", (Turn("图中写着什么?", writing.text_of(sign), tuple(pages)),))


def write_needles(folder: Path, name: str, split: str, counts: Sequence[int]) -> Path:
    """One conversation for each number of pages, as JSON Lines."""
    from smvl.demo_scenes.draw import write_scenes

    (folder / "images").mkdir(parents=True, exist_ok=True)
    generator = random.Random(name)
    write_scenes(folder, name, [draw_needle(generator, split, count) for count in counts])
    return folder / f"{name}.jsonl"


def read_samples(path: Path) -> list[Any]:
    from smvl.config import SourceConfig
    from smvl.source_registry import open_source

    source = open_source(SourceConfig(source="jsonl", path=str(path)))
    return [source[row] for row in range(len(source))]


# ---- asking ----------------------------------------------------------------------------------------------------------------------


def lengths(processor: Any, path: Path) -> list[tuple[int, int]]:
    """Tokens and positions of each sample of a file, answer included."""
    from smvl.packing.encode import Encoder

    encoder = Encoder(processor, None)
    laid_out = [encoder.lay_out(sample) for sample in read_samples(path)]
    return [(len(row.input_ids), int(processor.positions(row)[-3:].max()) + 1) for row in laid_out]


def exact_match(model: Any, processor: Any, path: Path) -> float:
    from smvl.eval.exact_match import grade
    from smvl.infer.engine import Engine
    from smvl.infer.torch_model import TorchModel

    engine = Engine(TorchModel(model), processor)
    graded = grade(engine, read_samples(path), images="right", max_new_tokens=MAX_ANSWER, batch_size=4)
    return sum(each.correct for each in graded) / len(graded)


def load_with(folder: Path, rope: Mapping[str, Any] | None) -> tuple[Any, Any]:
    import torch

    from smvl.assemble import load_checkpoint
    from smvl.model.rope import change_rope

    model, processor = load_checkpoint(folder, dtype=torch.float32)
    if rope is not None:
        change_rope(model, **rope)
    return model, processor


def ask(folder: Path, rope: Mapping[str, Any] | None, files: Sequence[Path]) -> list[float]:
    """Exact match on each file."""
    model, processor = load_with(folder, rope)
    return [exact_match(model, processor, path) for path in files]


# ---- training --------------------------------------------------------------------------------------------------------------------


def recipe(model: Path, rope: Mapping[str, Any] | None, short: Path, pages: Path, steps: int, tokens: Sequence[int]) -> dict[str, Any]:
    """A stage on short conversations and on long ones, from a checkpoint on.

    Args:
        tokens: of each conversation with pages.
    """
    trainer = {"max_steps": steps, "per_device_train_batch_size": 1, "learning_rate": RATE, "lr_scheduler_type": "cosine"}
    trainer |= {"warmup_steps": 0.1, "logging_steps": 25, "save_strategy": "no"}
    stage = {
        "name": "long",
        "mixture": [{"source": "jsonl", "path": str(short)}, {"source": "jsonl", "path": str(pages)}],
        "mix_by": "tokens",
        "long": {"tokens": min(tokens), "share": LONG_SHARE},
        "train": ["connector", "markers", "text"],
        "trainer": trainer,
    }
    return {
        "model": {"checkpoint": str(model), "rope": dict(rope) if rope else None},
        "data": {"max_length": max(tokens), "workers": 0},
        "stages": [stage],
        "sight": {"stop_when_blind": None},
        "tracking": {"mode": "disabled"},
    }


def train(tree: Mapping[str, Any], folder: Path, threads: int) -> Path:
    """Run a recipe in a process of its own; the folder of its model."""
    folder.mkdir(parents=True)
    config = folder / "long.yaml"
    config.write_text(json.dumps({**tree, "output_dir": str(folder / "run")}), encoding="utf-8")  # JSON is YAML
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run([sys.executable, "train.py", str(config)], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"training failed with status {done.returncode}:\n{done.stderr[-3000:]}")
    return folder / "run"


# ---- the table -------------------------------------------------------------------------------------------------------------------


def ways_of(tokens: int, positions: int, theta: float) -> dict[str, dict[str, Any] | None]:
    """By name what `model.rope` says, for prompts of so many, and a text model with this base."""
    factor = max(2, -(-(positions + MAX_ANSWER) // TRAINED_LENGTH))
    length = max(tokens + MAX_ANSWER, TRAINED_LENGTH)
    stretched = {"yarn": float(factor), "trained_length": TRAINED_LENGTH}
    return {
        "own": None,
        "theta": {"theta": theta * RAISE},
        "yarn": stretched if positions == tokens else {**stretched, "length": length},
    }


def describe(rope: Mapping[str, Any] | None) -> str:
    return "own rotation" if rope is None else f"theta {rope['theta']:,.0f}" if "theta" in rope else f"yarn {rope['yarn']:g}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint of the demo")
    parser.add_argument("--short", type=Path, default=Path("data/demo/finetune.jsonl"), help="the stage's short conversations")
    parser.add_argument("--pages", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="pages of the questions")
    parser.add_argument("--trained-pages", type=int, default=8, help="most pages of a conversation that is trained on")
    parser.add_argument("--questions", type=int, default=40, help="for each number of pages")
    parser.add_argument("--steps", type=int, default=300, help="of training; 0 only asks")
    parser.add_argument("--seed", type=int, default=42, help="of the stage")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="rotations")
    parser.add_argument("--jobs", type=int, default=2, help="ways at a time; the cores are shared between them")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        print(compare(options, Path(name)))
    return 0


def compare(options: argparse.Namespace, folder: Path) -> str:
    from smvl.processing.processing_smvl import SmVLMProcessor

    processor = SmVLMProcessor.from_pretrained(options.model)
    files = [write_needles(folder, f"asked-{count}", "heldout", [count] * options.questions) for count in options.pages]
    trained_on = range(min(FEWEST_PAGES, options.trained_pages), options.trained_pages + 1)
    num_trained = min(NUM_TRAINED, max(1, 4 * options.steps))
    pages = write_needles(folder, "trained", "train", [trained_on[number % len(trained_on)] for number in range(num_trained)])
    trained_tokens = [tokens for tokens, _ in lengths(processor, pages)]
    sizes = [max(lengths(processor, path)) for path in files]
    text = json.loads((options.model / "config.json").read_text(encoding="utf-8"))["text_config"]
    ways = ways_of(*max(sizes), text["rope_theta"])
    threads = max(1, (os.cpu_count() or 1) // options.jobs)

    def train_way(way: str) -> Path:
        tree = recipe(options.model.resolve(), ways[way], options.short.resolve(), pages, options.steps, trained_tokens)
        return train({**tree, "seed": options.seed}, folder / way, threads)

    found = {way: [(f"{describe(ways[way])}, not trained", ask(options.model, ways[way], files))] for way in options.ways}
    if options.steps:
        with ThreadPoolExecutor(options.jobs) as pool:
            models = list(pool.map(train_way, options.ways))
        for way, model in zip(options.ways, models):
            name = f"{describe(ways[way])}, {options.steps} steps of up to {options.trained_pages} pages"
            found[way].append((name, ask(model, None, files)))
    return table(options.pages, sizes, [row for way in options.ways for row in found[way]])


def table(pages: Sequence[int], sizes: Sequence[tuple[int, int]], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    cells = [["exact match by pages", *map(str, pages)], ["---"] * (len(pages) + 1)]
    cells.append(["tokens", *(f"{tokens:,}" for tokens, _ in sizes)])
    cells.append(["positions", *(f"{positions:,}" for _, positions in sizes)])
    cells += [[name, *(f"{value:.3f}" for value in values)] for name, values in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


if __name__ == "__main__":
    sys.exit(main())
