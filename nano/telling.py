"""Drawn scenes told as places instead of pixels: what nano's text half learns to read before it has eyes.

A page is told as a tower that hardly ever errs would name it: for each token of a tile, which characters stand in its four patches. So
the text half learns to find a field and to read it off a page, from characters that lie several to a token, and no pixel is drawn."""

import random
from collections.abc import Sequence

import numpy as np

from nano.geometry import MERGED, PATCH, SIDE, SLOTS, TILE, TOKENS
from nano.views import draw_photograph, map_points
from smvl.data.scenes.scene import Drawing

NAMES = MERGED * MERGED * SLOTS
"""Characters that a token can tell."""
NOTHING = -1

ERRORS = 0.03
"""Share of the characters that are told wrongly or left out: no tower is perfect."""


def tell(drawing: Drawing, ids: dict[str, int], generator: random.Random) -> np.ndarray:
    """(TOKENS, NAMES), int64: ids of the characters in each token's patches and slots, or `NOTHING`."""
    told = np.full((SIDE, SIDE, SLOTS), NOTHING, dtype=np.int64)
    filled = np.zeros((SIDE, SIDE), dtype=np.int64)
    places = map_points(draw_photograph(drawing.image.size, TILE, generator), [(mark.x, mark.y) for mark in drawing.marks])
    others = list(ids.values())
    for place in np.argsort(places[:, 0], kind="stable"):
        column, row = (places[place] // PATCH).astype(int)
        if not (0 <= column < SIDE and 0 <= row < SIDE) or filled[row, column] == SLOTS:
            continue
        own = ids.get(drawing.marks[place].character, NOTHING)
        if generator.random() < ERRORS:
            own = generator.choice((NOTHING, generator.choice(others)))
        told[row, column, filled[row, column]] = own
        filled[row, column] += 1
    return merge(told)


def merge(told: np.ndarray) -> np.ndarray:
    """Patches to tokens: (SIDE, SIDE, SLOTS) to (TOKENS, NAMES), row by row."""
    blocks = told.reshape(SIDE // MERGED, MERGED, SIDE // MERGED, MERGED, SLOTS)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(TOKENS, NAMES)


def tell_in_words(texts: Sequence[str]) -> str:
    """The page's texts as lines."""
    return "\n".join(texts) + "\n"
