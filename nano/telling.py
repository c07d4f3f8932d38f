"""Drawn scenes told as places instead of pixels: what nano's text half learns to read before it has eyes.

A page is told as a tower that hardly ever errs would name it: for each token of a tile, which characters stand in its four patches. So
the text half learns to find a field and to read it off a page, from characters that lie several to a token, and no pixel is drawn. It
begins with strips of a page: on whole ones it would not find out where to look (README.md)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nano.geometry import MERGED, PATCH, SIDE, SLOTS, TILE
from nano.pages import draw_number
from nano.views import draw_photograph, map_points
from smvl.scenes.scene import Drawing

NAMES = MERGED * MERGED * SLOTS
"""Characters that a token can tell."""
NOTHING = -1

_LEAST_SIZE, _NARROW = 0.95, (0.4, 0.6)
"""Of a strip's type, in patches, and the width of a digit as a share of it, from font to font: up to three stand in a patch."""
ERRORS = 0.01
"""Share of the characters that are told wrongly or left out: no tower is perfect."""


@dataclass(frozen=True)
class Strip:
    """A piece of a page with some lines of text, as wide as a tile."""

    lines: tuple[str, ...]
    names: np.ndarray
    """(tokens, NAMES)"""


def draw_strip(ids: dict[str, int], texts: Sequence[str], generator: random.Random, level: float) -> Strip:
    """Lines of texts that stand on scenes and of characters and digits by chance, which cannot be guessed.

    Args:
        level: 0 for a line or two near the upper left corner of a low strip, 1 for lines anywhere on half a page; the strips of a level
            are as hard as it or easier.
    """
    ease = level * generator.random() ** 0.5
    height = MERGED * (2 + round(generator.uniform(0, 6 * ease)))
    characters, lines, marks = list(ids), [], []
    slope = generator.uniform(-0.03, 0.03)
    y = generator.uniform(0, 1.2 + ease * (height - 4) / 2) + max(0.0, -slope * SIDE)
    while True:
        size, narrow = generator.uniform(_LEAST_SIZE, 1.7), generator.uniform(*_NARROW)
        y += size / 2
        if y + max(0.0, slope * SIDE) >= height or (lines and generator.random() < 0.2):
            break
        x, written = generator.uniform(0, 5 + ease * (SIDE / 2 - 5)), ""
        for character in _draw_line(characters, texts, generator):
            width = size * (1.0 if ord(character) > 0xFF else narrow)
            if x + width > SIDE:
                break
            marks.append((character, x + width / 2, y + slope * x))
            written, x = written + character, x + width
        if written:
            lines.append(written)
        y += size / 2 + generator.uniform(0.1, 0.8 + ease)
    return Strip(tuple(lines), merge(_name(marks, ids, height)))


def _draw_line(characters: Sequence[str], texts: Sequence[str], generator: random.Random) -> str:
    line = ""
    while not line or generator.random() < 0.5:
        sort = generator.random()
        if sort < 0.4:
            line += draw_number(generator)
        elif sort < 0.7:
            line += "".join(generator.choices(characters, k=generator.randint(2, 6)))
        else:
            line += generator.choice(texts)
    return "".join(character for character in line if not character.isspace())


def tell(drawing: Drawing, ids: dict[str, int], generator: random.Random) -> np.ndarray:
    """(TOKENS, NAMES), int64: ids of the characters in each token's patches and slots, or `NOTHING`."""
    places = map_points(draw_photograph(drawing.image.size, TILE, generator), [(mark.x, mark.y) for mark in drawing.marks]) / PATCH
    others = list(ids)
    marks = []
    for mark, (x, y) in zip(drawing.marks, places):
        wrong = generator.random() < ERRORS
        if not wrong or generator.random() < 0.5:
            marks.append((generator.choice(others) if wrong else mark.character, x, y))
    return merge(_name(marks, ids, SIDE))


def _name(marks: Sequence[tuple[str, float, float]], ids: dict[str, int], height: int) -> np.ndarray:
    """(height, SIDE, SLOTS): from characters at x and y, in patches; what does not fit into its patch is not told."""
    told = np.full((height, SIDE, SLOTS), NOTHING, dtype=np.int64)
    filled = np.zeros((height, SIDE), dtype=np.int64)
    for character, x, y in sorted(marks, key=lambda mark: mark[1]):
        column, row = int(x // 1), int(y // 1)
        if 0 <= column < SIDE and 0 <= row < height and filled[row, column] < SLOTS:
            told[row, column, filled[row, column]] = ids.get(character, NOTHING)
            filled[row, column] += 1
    return told


def merge(patches: np.ndarray) -> np.ndarray:
    """Patches to tokens: (rows, SIDE, n) to (tokens, MERGED * MERGED * n), row by row, as pixel shuffle does it."""
    rows = len(patches) // MERGED
    blocks = patches.reshape(rows, MERGED, SIDE // MERGED, MERGED, -1)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(rows * SIDE // MERGED, -1)


def tell_in_words(texts: Sequence[str]) -> str:
    """The page's texts as lines."""
    return "\n".join(texts) + "\n"
