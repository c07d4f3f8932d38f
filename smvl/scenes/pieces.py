"""Text that is written in several pieces and counts as one run: a price with small cents.

[Contract] Pieces of two splits may be alike, the wholes are not; so a page writes down the whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from smvl.scenes.fonts import Style
from smvl.scenes.page import INK, Box, Colour, Page


@contextmanager
def one_run(page: Page, text: str) -> Iterator[None]:
    """Whatever is written inside counts as one run of this text, in the box around all of it."""
    start = len(page.texts)
    yield
    boxes = page.boxes[start:]
    lefts, tops, rights, bottoms = zip(*boxes)
    page.texts[start:] = [text]
    page.boxes[start:] = [(min(lefts), min(tops), max(rights), max(bottoms))]


def write_price(
    page: Page,
    position: tuple[float, float],
    amount: str,
    pixels: float,
    *,
    style: Style = "heavy",
    sign: str = "¥",
    align: str = "left",
    small: float = 0.5,
    fill: Colour = INK,
) -> Box:
    """Write a price with its sign before it, smaller, and its cents smaller too. Returns the box of all of it.

    Args:
        position: the baseline; where it begins (`left`), its middle (`middle`) or where it ends (`right`).
        sign: written before the amount; the run on the page is the amount alone.
        small: size of sign and cents as a share of `pixels`.
    """
    yuan, _, cents = amount.partition(".")
    pieces = [(sign, pixels * small), (yuan, pixels), ("." + cents if cents else "", pixels * small)]
    pieces = [(text, size) for text, size in pieces if text]
    widths = [page.measure(text, style, size)[0] for text, size in pieces]
    x, y = position
    x -= sum(widths) * {"left": 0.0, "middle": 0.5, "right": 1.0}[align]
    with one_run(page, amount):
        for (text, size), width in zip(pieces, widths):
            page.write((x, y), text, style, size, fill=fill, anchor="ls")
            x += width
    return page.boxes[-1]
