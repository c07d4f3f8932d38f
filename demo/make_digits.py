"""Writes the sheet of handwritten digits that the demo reads, from scikit-learn's copy of the UCI set.

    pip install scikit-learn && python demo/make_digits.py

Needed once, when the project was made: the sheet is committed, and the demo does not need scikit-learn.
"""

import numpy
from PIL import Image
from sklearn.datasets import load_digits as load_uci_digits

from smvl.demo_scenes.digits import COLUMNS, FOLDER, FULL_INK, SIDE


def main() -> None:
    uci = load_uci_digits()
    rows = -(-len(uci.images) // COLUMNS)
    cells = numpy.zeros((rows * COLUMNS, SIDE, SIDE), dtype=numpy.uint8)
    cells[: len(uci.images)] = numpy.rint(uci.images * (255 / FULL_INK))
    sheet = cells.reshape(rows, COLUMNS, SIDE, SIDE).swapaxes(1, 2).reshape(rows * SIDE, COLUMNS * SIDE)
    Image.fromarray(sheet).save(FOLDER / "digits.png", optimize=True)
    (FOLDER / "digits.labels.txt").write_text("".join(str(label) for label in uci.target) + "\n")


if __name__ == "__main__":
    main()
