"""The 1,797 handwritten digits of the UCI optical recognition set, and who may see which of them."""

from functools import cache
from pathlib import Path

import numpy
from PIL import Image

from smvl.demo_scenes.words import HELDOUT, TRAIN

SIDE = 8
COLUMNS = 60
NUM_DIGITS = 1797
FULL_INK = 16  # the set counts ink from 0 to 16; on the sheet that is grey 0 to 255, rounded, so it can be undone
SPLIT_SEED = 1797
HELDOUT_SHARE = 0.2
FOLDER = Path(__file__).parent


@cache
def load_digits() -> tuple[numpy.ndarray, numpy.ndarray]:
    """Ink counts (1797, 8, 8) from 0 to 16 and labels (1797,), in the order of the original file."""
    sheet = numpy.asarray(Image.open(FOLDER / "digits.png"))
    rows = sheet.shape[0] // SIDE
    cells = sheet.reshape(rows, SIDE, COLUMNS, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)[:NUM_DIGITS]
    labels = numpy.array([int(label) for label in (FOLDER / "digits.labels.txt").read_text().split()[0]])
    return numpy.rint(cells * (FULL_INK / 255)).astype(numpy.uint8), labels


@cache
def split_digits() -> dict[str, dict[int, tuple[int, ...]]]:
    """Split name -> digit -> indices. The same share of each digit is held out, whatever the demo's own seed."""
    _, labels = load_digits()
    generator = numpy.random.default_rng(SPLIT_SEED)
    split: dict[str, dict[int, tuple[int, ...]]] = {TRAIN: {}, HELDOUT: {}}
    for digit in range(10):
        order = generator.permutation(numpy.flatnonzero(labels == digit))
        num_heldout = round(len(order) * HELDOUT_SHARE)
        split[HELDOUT][digit] = tuple(int(index) for index in order[:num_heldout])
        split[TRAIN][digit] = tuple(int(index) for index in order[num_heldout:])
    return split
