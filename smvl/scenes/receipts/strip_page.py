"""A strip of lines as a picture: thermal paper on a table, or a telephone's screen."""

from collections.abc import Sequence

from smvl.scenes.contents import Contents
from smvl.scenes.page import Colour, Page
from smvl.scenes.receipts.roll import Line, height_of, paint_lines, width_of

LEAST = 11.6
"""Pixels of a strip's letters."""
_EDGES = 1.6
"""Paper beside, above and below the lines, in sizes of a letter."""
_PAPERS: tuple[Colour, ...] = ((255, 255, 255), (252, 250, 244), (246, 246, 250), (255, 250, 232), (240, 246, 240), (250, 238, 240))
_TABLES: tuple[Colour, ...] = ((176, 140, 104), (96, 98, 104), (206, 204, 198), (60, 74, 90), (222, 208, 186), (128, 60, 56))
_SCREENS: tuple[Colour, ...] = ((18, 150, 84), (24, 108, 214), (236, 240, 244), (44, 46, 54))
_INKS: tuple[Colour, ...] = ((28, 28, 32), (40, 40, 60), (70, 66, 72), (52, 44, 110))


def room_of(longest_edge: int) -> float:
    """How many lines of a strip a picture has room for, at the least legible size."""
    return longest_edge / LEAST / 1.42 - 2 * _EDGES


def paint_strip(contents: Contents, longest_edge: int, sort: str, lines: Sequence[Line]) -> Page:
    """The strip fills the picture's height, and its width follows; a short strip stands on a wider table."""
    generator = contents.random
    style = generator.choice(("sans", "sans", "serif"))
    wide = width_of(lines) + generator.uniform(0.5, 2.5)
    width, height = wide + 2 * _EDGES, height_of(lines) + 2 * _EDGES
    table = generator.uniform(0.0, 1.5)  # of which is seen beside the paper, in letters
    pixels = longest_edge / max(width + 2 * table, height + 2 * table)
    size = round((width + 2 * table) * pixels), round((height + 2 * table) * pixels)
    screen = sort == "telephone"
    page = Page(contents, size, generator.choice(_SCREENS if screen else _TABLES))
    paper = (table * pixels, table * pixels, page.width - table * pixels, page.height - table * pixels)
    page.pen.rounded_rectangle(paper, pixels * 1.2 if screen else 0, fill=(255, 255, 255) if screen else generator.choice(_PAPERS))
    if not screen and table > 0.4 and generator.random() < 0.4:
        _tear(page, paper, pixels * 0.4)
    ink = generator.choice(_INKS[:1] if screen else _INKS)
    start = (table + _EDGES) * pixels
    paint_lines(page, contents, (start, start), wide * pixels, lines, pixels, style, ink)
    return page


def _tear(page: Page, paper: tuple[float, float, float, float], tooth: float) -> None:
    """A toothed lower edge."""
    left, _, right, bottom = paper
    table = page.image.getpixel((page.width // 2, page.height - 1))
    x = left
    while x < right:
        page.pen.polygon([(x, bottom + 1), (x + tooth / 2, bottom - tooth), (x + tooth, bottom + 1)], fill=table)
        x += tooth
