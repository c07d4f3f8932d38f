"""Drawn pictures of photograph size with a question and an answer each, in lengths like those of questions and captions on photographs."""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

OBJECTS = "bus dog table kite train bear bench plate boat clock horse umbrella".split()
COLOURS = "red green blue yellow white black orange purple".split()
PLACES = "on the street|near the water|in the kitchen|under a tree|beside the house|in front of a wall".split("|")
ACTIONS = "standing waiting moving shining resting leaning".split()
CAPTION_SHARE = 0.25
"""Share of samples whose answer is a caption of 2 to 8 clauses; the others answer in a word."""


def write_samples(folder: Path, num_samples: int, *, size: tuple[int, int], seed: int = 0) -> Path:
    """`samples.jsonl` and one PNG for each of its lines; the same for the same seed."""
    (folder / "images").mkdir(parents=True)
    with ProcessPoolExecutor() as processes:
        rows = list(processes.map(_write_sample, repeat(folder), range(num_samples), repeat(size), repeat(seed)))
    path = folder / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _write_sample(folder: Path, number: int, size: tuple[int, int], seed: int) -> dict[str, Any]:
    generator = np.random.default_rng([seed, number])
    image = f"images/{number}.png"
    _draw(generator, size).save(folder / image, compress_level=1)
    question, answer = _ask(generator)
    content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
    return {"id": str(number), "messages": [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]}


def read_texts(path: Path) -> list[str]:
    """Questions and answers of a file of samples."""
    messages = [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]
    return [text for question, answer in messages for text in (question["content"][1]["text"], answer["content"])]


def _ask(generator: np.random.Generator) -> tuple[str, str]:
    if generator.random() < CAPTION_SHARE:
        clauses = [_clause(generator) for _ in range(generator.integers(2, 9))]
        return "Describe the picture.", "There is " + ", and ".join(clauses) + "."
    thing, colour, place = _pick(generator, OBJECTS), _pick(generator, COLOURS), _pick(generator, PLACES)
    asked = [(f"What is the color of the {thing} {place}?", colour), (f"What is {_pick(generator, ACTIONS)} {place}?", thing)]
    return asked[generator.integers(2)]


def _clause(generator: np.random.Generator) -> str:
    return f"a {_pick(generator, COLOURS)} {_pick(generator, OBJECTS)} {_pick(generator, ACTIONS)} {_pick(generator, PLACES)}"


def _pick(generator: np.random.Generator, words: Sequence[str]) -> str:
    return words[generator.integers(len(words))]


def _draw(generator: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Shapes on a ground with grain, upright in one of four: grain makes decoding cost what it costs for a photograph."""
    width, height = size if generator.random() < 0.75 else size[::-1]
    image = Image.new("RGB", (width, height), tuple(generator.integers(0, 256, 3).tolist()))
    canvas = ImageDraw.Draw(image)
    for _ in range(12):
        (left, right), (top, bottom) = (np.sort(generator.integers(0, side, 2)).tolist() for side in (width, height))
        shape = canvas.ellipse if generator.random() < 0.5 else canvas.rectangle
        shape((left, top, right, bottom), fill=tuple(generator.integers(0, 256, 3).tolist()))
    grain = generator.integers(-12, 13, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
