"""Codes for machines: EAN-13 with its bars, and squares that look like a QR code and say nothing."""

import random

import numpy
from barcode.ean import EAN13
from PIL import Image

from smvl.scenes.contents import Contents
from smvl.scenes.page import INK, Colour, Page

_MODULES = 95
"""Bars and gaps of an EAN-13, in units of the thinnest."""
_FINDER = numpy.array([[max(abs(x), abs(y)) != 2 for x in range(-3, 4)] for y in range(-3, 4)])


def draw_barcode(contents: Contents) -> str:
    """13 digits with a right check digit, of China's prefixes."""

    def make(generator: random.Random) -> str:
        return EAN13(f"69{generator.randrange(0, 10)}{generator.randrange(10**9):09d}").get_fullcode()

    return contents.text(make)


def paint_bars(page: Page, place: tuple[float, float], code: str, width: float, height: float, *, fill: Colour = INK) -> None:
    """The bars of an EAN-13 without its digits.

    Args:
        place: left and top in pixels.
        width: at least 95 pixels make bars that can be told apart; narrower ones blur.
    """
    (bars,) = EAN13(code[:-1]).build()
    module = width / _MODULES
    left, top = place
    for index, bar in enumerate(bars):
        if bar == "1":
            start = left + index * module
            page.pen.rectangle((round(start), top, max(round(start), round(start + module) - 1), top + height), fill=fill)


def paint_square_code(page: Page, place: tuple[float, float], side: float, generator: random.Random, *, fill: Colour = INK) -> None:
    """A square of 25 x 25 modules with three finders, else random: the look of a QR code without its text."""
    modules = numpy.array([generator.getrandbits(1) for _ in range(625)], dtype=bool).reshape(25, 25)
    for y, x in ((0, 0), (0, 18), (18, 0)):
        modules[max(0, y - 1) : y + 8, max(0, x - 1) : x + 8] = False
        modules[y : y + 7, x : x + 7] = _FINDER
    pixels = max(25, round(side))
    mask = Image.fromarray(modules).resize((pixels, pixels), Image.Resampling.NEAREST)
    page.pen.bitmap((round(place[0]), round(place[1])), mask, fill=fill)
