"""`source: scenes`: how fast a core draws its rows, and whether training and held-out scenes share a text.

    python -m benchmarks.scene_source                       # 20,000 rows for training, 2,000 held out of each other split
    python -m benchmarks.scene_source --rows 2000 --heldout 200 --processes 8
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from smvl.config import SceneSourceConfig
from smvl.scenes.contents import SPLITS, TRAIN
from smvl.scenes.sample_drawing import encode_sample
from smvl.scenes.source import SceneRows

AT_ONCE = 100
"""Rows that a process draws in one go."""


@dataclass(frozen=True)
class Drawn:
    """Some rows."""

    texts: frozenset[str]
    num_pictures: int
    seconds: float
    """Of one core."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000, help="of the split that is trained on")
    parser.add_argument("--heldout", type=int, default=2_000, help="rows of each other split")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    num_rows = {split: options.rows if split == TRAIN else options.heldout for split in SPLITS}
    with ProcessPoolExecutor(options.processes) as processes:
        drawn = {split: list(processes.map(partial(draw, split, rows), range(0, rows, AT_ONCE))) for split, rows in num_rows.items()}
    texts = {split: frozenset().union(*(part.texts for part in parts)) for split, parts in drawn.items()}
    for split, parts in drawn.items():
        pictures, seconds = sum(part.num_pictures for part in parts), sum(part.seconds for part in parts)
        speed = f"{pictures / seconds:.0f} a second and core"
        print(f"{split}: {num_rows[split]:,} rows, {pictures:,} pictures, {speed}, {len(texts[split]):,} texts")
    shared = {split: len(texts[TRAIN] & texts[split]) for split in SPLITS if split != TRAIN}
    print("texts in common with train: " + ", ".join(f"{split} {count:,}" for split, count in shared.items()))
    return int(any(shared.values()))


def draw(split: str, num_rows: int, first: int) -> Drawn:
    """Draw rows whole, as training does, and note their texts."""
    rows = SceneRows(SceneSourceConfig(rows=num_rows), split, split)
    began, texts, num_pictures = time.process_time(), set(), 0
    for row in range(first, min(first + AT_ONCE, num_rows)):
        scene = rows.draw(row)
        pictures, _ = encode_sample(scene)
        texts |= scene.texts
        num_pictures += len(pictures)
    return Drawn(frozenset(texts), num_pictures, time.process_time() - began)


if __name__ == "__main__":
    sys.exit(main())
