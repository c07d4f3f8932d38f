"""A table as a picture. Its proportions follow from its cells, its size from the picture's."""

from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.page import Colour, Page
from smvl.scenes.tables.drawing import CELL_MARGIN, draw_table, width_of_text
from smvl.scenes.tables.look import Look, draw_look

LEAST = 11.6
"""Pixels of the letters in cells."""
_EDGE = 1.0
"""Around the table, in sizes of a letter."""
_TITLE = 1.35
"""Size of the title's letters by that of the cells'."""
_SHEET_NAMES = "ABCDEFGHIJ"
SHEET_LABELS = frozenset((*_SHEET_NAMES, *map(str, range(1, 20))))


def paint_table(contents: Contents, longest_edge: int) -> tuple[dict[str, Any], Page]:
    """(table, page)."""
    look = draw_look(contents)
    room = longest_edge / LEAST - 2 * _EDGE - (2 if look.sheet else 0)
    table = draw_table(contents, room)
    grid = _Grid(contents, longest_edge, table, look)
    grid.paint()
    return table, grid.page


class _Grid:
    """Places of rows and columns on a page.

    Args:
        table: what `draw_table` gives.
    """

    def __init__(self, contents: Contents, longest_edge: int, table: dict[str, Any], look: Look):
        self._table, self._look = table, look
        lines = [table["columns"], *table["rows"], *filter(None, [table["total"]])]
        self._lines = lines
        title = width_of_text(table["title"]) * _TITLE + 1
        widths = [max(map(width_of_text, cells)) + CELL_MARGIN for cells in zip(*lines)]
        stretch = max(1.0, title / sum(widths), contents.random.uniform(0.8, 1.25))
        stretch = max(1.0, min(stretch, (longest_edge / LEAST - 2 * _EDGE - 2) / sum(widths)))
        widths = [width * stretch for width in widths]
        margin = 2.0 if look.sheet else 0.0  # numbers at the left, letters above
        title_height = {"merged": look.row * 1.2}.get(look.title, 2.6) if table["title"] else 0.0
        width = sum(widths) + 2 * _EDGE + margin
        height = look.row * len(lines) + title_height + 2 * _EDGE + (1.6 if look.sheet else 0)
        self._pixels = pixels = longest_edge / max(width, height)
        self.page = Page(contents, (max(1, round(width * pixels)), max(1, round(height * pixels))), look.ground)
        self._left, self._top = (_EDGE + margin) * pixels, _EDGE * pixels + (1.6 * pixels if look.sheet else 0)
        self._title_height, self._row = title_height * pixels, look.row * pixels
        self._xs = [self._left]
        for each in widths:
            self._xs.append(self._xs[-1] + each * pixels)
        self._head = self._top + self._title_height
        self._bottom = self._head + self._row * len(lines)

    def paint(self) -> None:
        if self._look.sheet:
            self._paint_sheet()
        self._paint_grounds()
        self._paint_rules()
        if self._table["title"]:
            self._write_title()
        for row, cells in enumerate(self._lines):
            for column, cell in enumerate(cells):
                self._write_cell(row, column, cell)

    def _y(self, row: int) -> float:
        """Upper edge of a line of cells; 0 is the headings."""
        return self._head + self._row * row

    def _write_title(self) -> None:
        title, pixels = self._table["title"], self._pixels * _TITLE
        size = self.page.fit(title, "heavy", pixels, self._xs[-1] - self._left)
        y = self._top + self._title_height * 0.48
        ink = self._look.ink
        if self._look.title == "left":
            self.page.write((self._left, y), title, "heavy", size, fill=ink, anchor="lm")
        else:
            self.page.write(((self._left + self._xs[-1]) / 2, y), title, "heavy", size, fill=ink, anchor="mm")

    def _write_cell(self, row: int, column: int, cell: str) -> None:
        height = self._spanned(row, column)
        if not cell or not height:
            return
        left, right = self._xs[column], self._xs[column + 1]
        y, gap = self._y(row) + self._row * height / 2, self._pixels * 0.45
        style = "heavy" if row == 0 and self._look.style != "brush" else self._look.style
        size = self.page.fit(cell, style, self._pixels, right - left - gap)
        fill = self._look.head_ink if row == 0 else self._look.ink
        number = self._table["columns"][column] in self._table["numbers"]
        if self._look.middle:
            self.page.write(((left + right) / 2, y), cell, style, size, fill=fill, anchor="mm")
        elif number:
            self.page.write((right - gap, y), cell, style, size, fill=fill, anchor="rm")
        else:
            self.page.write((left + gap, y), cell, style, size, fill=fill, anchor="lm")

    def _spanned(self, row: int, column: int) -> int:
        """Over how many rows a cell goes: 0 where the one above goes over it."""
        if row == 0 or self._table["columns"][column] != self._table["group"]:
            return 1
        cells = [line[column] for line in self._lines]
        return 0 if cells[row] == cells[row - 1] else cells.count(cells[row])

    def _paint_grounds(self) -> None:
        pen, look, right = self.page.pen, self._look, self._xs[-1]
        if look.stripe and not self._table["group"]:
            for row in range(2, len(self._lines), 2):
                pen.rectangle((self._left, self._y(row), right, self._y(row + 1)), fill=look.stripe)
        if look.head:
            pen.rectangle((self._left, self._y(0), right, self._y(1)), fill=look.head)

    def _paint_rules(self) -> None:
        look, right = self._look, self._xs[-1]
        start = self._top if look.title == "merged" and self._table["title"] else self._head
        if look.rules == "three":
            heavy = max(2, round(self._pixels / 8))
            for y, width in ((self._head, heavy), (self._y(1), 1), (self._bottom, heavy)):
                self.page.pen.line((self._left, y, right, y), fill=look.rule, width=width)
        if look.rules in ("full", "outer"):
            self.page.pen.rectangle((self._left, start, right, self._bottom), outline=look.rule)
            self.page.pen.line((self._left, self._head, right, self._head), fill=look.rule)
        if look.rules in ("full", "horizontal"):
            for row in range(1, len(self._lines) + (look.rules == "horizontal")):
                self._rule_below(row, look.rule)
        if look.rules == "full":
            for x in self._xs[1:-1]:
                self.page.pen.line((x, self._head, x, self._bottom), fill=look.rule)

    def _rule_below(self, row: int, rule: Colour) -> None:
        """A rule above a line of cells, but not through a merged one."""
        group = self._table["group"]
        inside = bool(group) and row < len(self._lines) and self._spanned(row, 0) == 0
        self.page.pen.line((self._xs[1 if inside else 0], self._y(row), self._xs[-1], self._y(row)), fill=rule)

    def _paint_sheet(self) -> None:
        """Letters above the columns and numbers beside the rows, on grey."""
        page, pixels, grey = self.page, self._pixels, (232, 233, 236)
        band = self._left - pixels * 2
        page.pen.rectangle((band, self._top - pixels * 1.6, self._xs[-1], self._top), fill=grey, outline=self._look.rule)
        page.pen.rectangle((band, self._top - pixels * 1.6, self._left, self._bottom), fill=grey, outline=self._look.rule)
        for column, (left, right) in enumerate(zip(self._xs, self._xs[1:])):
            page.write(((left + right) / 2, self._top - pixels * 0.8), _SHEET_NAMES[column], "sans", pixels, fill=(90, 90, 96), anchor="mm")
        ys = [self._top] if self._table["title"] else []
        ys += [self._y(row) for row in range(len(self._lines))]
        for number, (top, bottom) in enumerate(zip(ys, [*ys[1:], self._bottom]), start=1):
            page.write(((band + self._left) / 2, (top + bottom) / 2), str(number), "sans", pixels, fill=(90, 90, 96), anchor="mm")
