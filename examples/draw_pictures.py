"""Draws pictures for the four examples, of the side that the demo's training has not seen, and writes down what stands on them.

    python -m examples.draw_pictures data/uses --pictures 5        # sums-00.png, ..., and truth.json
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.demo_scenes.documents import draw_dial, draw_price_tag, draw_receipt
from smvl.demo_scenes.paint import paint
from smvl.demo_scenes.uses import draw_sheet, draw_sum
from smvl.demo_scenes.words import HELDOUT


@dataclass(frozen=True)
class Case:
    """A picture, and what stands on it."""

    picture: Any
    truth: Any


def draw_study(generator: random.Random) -> Case:
    left, right, below, picture = draw_sum(generator, HELDOUT)
    first, second, both, whole = (rf"\frac{{{above}}}{{{below}}}" for above in (left, right, f"{left}+{right}", left + right))
    return Case(paint(picture), f"{first}+{second}={both}={whole}")


def draw_gauge(generator: random.Random) -> Case:
    value, picture = draw_dial(generator)
    return Case(paint(picture), value)


def draw_inspection(generator: random.Random) -> Case:
    rows, picture = draw_sheet(generator, HELDOUT)
    return Case(paint(picture), rows)


def draw_expense(generator: random.Random) -> Case:
    good, price, total, picture = draw_receipt(generator, HELDOUT)
    return Case(paint(picture), (good, int(price), int(total), f"{good}{price}元,一共{total}元"))


def draw_tag(generator: random.Random) -> Case:
    name, price, picture = draw_price_tag(generator, HELDOUT)
    return Case(paint(picture), (name, int(price.removesuffix("元"))))


KINDS: dict[str, Callable[[random.Random], Case]] = {
    "sums": draw_study,
    "gauges": draw_gauge,
    "sheets": draw_inspection,
    "receipts": draw_expense,
    "tags": draw_tag,
}


def draw_cases(kind: str, number: int) -> list[Case]:
    """The same cases every time; tags are of products that differ, so that each has one price in a stock."""
    generator, cases, names = random.Random(kind), [], set()
    while len(cases) < number:
        case = KINDS[kind](generator)
        name = case.truth[0] if kind == "tags" else len(cases)
        if name not in names:
            names.add(name)
            cases.append(case)
    return cases


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--pictures", type=int, default=5, help="of each kind")
    options = parser.parse_args(arguments)
    if options.folder.exists():
        parser.error(f"{options.folder} is there already. Name a new folder.")
    options.folder.mkdir(parents=True)
    truth = {}
    for kind in KINDS:
        for place, case in enumerate(draw_cases(kind, options.pictures)):
            name = f"{kind}-{place:02d}.png"
            case.picture.save(options.folder / name)
            truth[name] = case.truth
    (options.folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(truth)} pictures in {options.folder}, and what stands on them in truth.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
