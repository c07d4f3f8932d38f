"""A strip of lines below each other, as a till prints it: its width follows from its longest line, its size from the picture's."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from smvl.scenes.barcodes import paint_bars, paint_square_code
from smvl.scenes.contents import Contents
from smvl.scenes.fonts import Style
from smvl.scenes.page import INK, Colour, Page

_GAP = 0.7
"""Between two cells of a line, in sizes of its letters."""

Align = Literal["left", "middle", "right"]


@dataclass(frozen=True)
class Cell:
    """Runs of text that follow each other."""

    runs: tuple[str, ...]
    place: float = 0.0
    """Of its left edge, middle or right edge, as a share of the strip's width."""
    align: Align = "left"

    @property
    def text(self) -> str:
        return "".join(self.runs)


@dataclass(frozen=True)
class Line:
    """One line of a strip."""

    cells: tuple[Cell, ...] = ()
    size: float = 1.0
    """Of its letters, as a share of the strip's."""
    style: Style | None = None
    """None for the strip's own."""
    leading: float = 1.42
    """Height in sizes of its letters."""
    rule: Literal["", "dashes", "line", "double", "stars"] = ""
    code: str = ""
    """An EAN-13 whose bars fill the line."""
    square: bool = False
    """A square code in the line's middle."""
    fill: Colour | None = None

    @property
    def text(self) -> str:
        return " ".join(cell.text for cell in self.cells)


def left(*runs: str) -> Cell:
    return Cell(runs)


def middle(*runs: str) -> Cell:
    return Cell(runs, 0.5, "middle")


def right(*runs: str, place: float = 1.0) -> Cell:
    return Cell(runs, place, "right")


def height_of(lines: Sequence[Line]) -> float:
    """In sizes of the strip's letters."""
    return sum(line.size * line.leading for line in lines)


def width_of(lines: Sequence[Line]) -> float:
    """The least width at which no cell touches another, in sizes of the strip's letters."""
    return max((_width_of(line) * line.size for line in lines if line.cells), default=0.0)


def _width_of(line: Line) -> float:
    """Cells are where they are by shares of the width; each must end before the next begins."""
    spans = [(cell.place, *_overhang(cell)) for cell in line.cells]
    needed = max((before + after for _, before, after in spans), default=0.0)
    for place, before, after in spans:
        needed = max(needed, before / place if place else 0.0, after / (1 - place) if place < 1 else 0.0)
    for (place, _, after), (following, before, _) in zip(spans, spans[1:]):
        needed = max(needed, (after + before + _GAP) / (following - place))
    return needed


def _overhang(cell: Cell) -> tuple[float, float]:
    """How far a cell reaches to the left and to the right of its place."""
    width = sum(1.0 if unicodedata.east_asian_width(character) in "WF" else 0.62 for character in cell.text)
    return {"left": (0.0, width), "middle": (width / 2, width / 2), "right": (width, 0.0)}[cell.align]


def paint_lines(
    page: Page,
    contents: Contents,
    place: tuple[float, float],
    width: float,
    lines: Sequence[Line],
    pixels: float,
    style: Style,
    ink: Colour = INK,
) -> float:
    """Write lines into a strip. Returns the height below the last.

    Args:
        place: left and top of the strip, in pixels.
        width: of the strip, in pixels.
        pixels: size of its letters.
    """
    x, y = place
    for line in lines:
        size, height = line.size * pixels, line.size * pixels * line.leading
        if line.rule:
            _paint_rule(page, x, y + height / 2, width, line.rule, ink)
        if line.code:
            paint_bars(page, (x + width * 0.08, y + height * 0.05), line.code, width * 0.84, height * 0.9, fill=ink)
        if line.square:
            paint_square_code(page, (x + width / 2 - height * 0.45, y + height * 0.05), height * 0.9, contents.random, fill=ink)
        for cell in line.cells:
            _write_cell(page, (x + cell.place * width, y + height / 2), cell, line.style or style, size, line.fill or ink)
        y += height
    return y


def _write_cell(page: Page, place: tuple[float, float], cell: Cell, style: Style, pixels: float, fill: Colour) -> None:
    runs = [run for run in cell.runs if run]
    widths = [page.measure(run, style, pixels)[0] for run in runs]
    x = place[0] - sum(widths) * {"left": 0.0, "middle": 0.5, "right": 1.0}[cell.align]
    for run, width in zip(runs, widths):
        page.write((x, place[1]), run, style, pixels, fill=fill, anchor="lm")
        x += width


def _paint_rule(page: Page, x: float, y: float, width: float, rule: str, ink: Colour) -> None:
    if rule in ("line", "double"):
        for offset in (0,) if rule == "line" else (-1.5, 1.5):
            page.pen.line((x, y + offset, x + width, y + offset), fill=ink)
        return
    step, long = (6, 4) if rule == "dashes" else (5, 2)
    for start in range(round(x), round(x + width) - long, step):
        page.pen.line((start, y, start + long, y), fill=ink, width=1 if rule == "dashes" else 2)
