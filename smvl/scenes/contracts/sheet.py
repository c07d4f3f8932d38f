"""A page of a contract: title, parties, clauses, signatures, as large as the page allows."""

from collections.abc import Callable, Iterator
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.contracts.agreement import PREAMBLES, Agreement, draw_agreement
from smvl.scenes.contracts.filling import Token, break_lines, estimate_width, measure_pieces, write_filled
from smvl.scenes.contracts.look import NUMERALS, Look, draw_look
from smvl.scenes.contracts.sorts import SORTS
from smvl.scenes.fonts import Style
from smvl.scenes.page import INK, Page
from smvl.scenes.pieces import one_run
from smvl.scenes.seal import RED, paint_seal

LEAST = 11.6
"""Pixels of the letters."""
_LARGEST = 0.036
"""Size of the letters, as a share of the longest edge."""
_LEADING = 1.6
_MARGIN = 0.06
"""Of the page's shorter side."""
_SEAL = "合同专用章"
_WORDS = (
    "合同编号：",
    "签订日期：",
    "签订地点：",
    "日期：",
    "电话：",
    "地址：",
    "代表人：",
    "甲方（盖章）：",
    "乙方（盖章）：",
    "甲方（签字）：",
    "乙方（签字）：",
)
LABELS = frozenset(
    (*_WORDS, *PREAMBLES, *(f"{side}（{party}）：" for sort in SORTS for side, party in (("甲方", sort.first), ("乙方", sort.second))))
    + tuple(sort.title for sort in SORTS)
    + tuple(clause.heading for sort in SORTS for clause in sort.clauses)
    + tuple(f"第{numeral}条" for numeral in NUMERALS)
    + tuple(f"{numeral}、" for numeral in NUMERALS)
    + tuple(f"{number}." for number in range(1, 11))
    + tuple(f"第{page}页　共{pages}页" for pages in range(1, 9) for page in range(1, pages + 1))
)

Part = tuple[float, Callable[[float], None]]
"""How high it is in pixels, and what paints it at a height."""


def paint_contract(contents: Contents, longest_edge: int) -> tuple[dict[str, Any], Page]:
    """(facts, page)."""
    look = draw_look(contents, longest_edge)
    size = (round(longest_edge * min(1.0, look.ratio)), round(longest_edge * min(1.0, 1 / look.ratio)))
    agreement = draw_agreement(contents, contents.random.randint(3, 8))
    sheet = _Sheet(contents, size, agreement, look)
    while not sheet.fits(LEAST):
        if not agreement.shrink():
            raise ValueError(f"no page of {size[0]} x {size[1]} pixels has room for a {agreement.sort.title}; expected 384 pixels or more.")
    sheet.paint()
    return agreement.facts(sheet.numbers, headings=look.headings != "none"), sheet.page


class _Sheet:
    """A page and what goes on it."""

    def __init__(self, contents: Contents, size: tuple[int, int], agreement: Agreement, look: Look):
        self._contents, self._agreement, self._look = contents, agreement, look
        self.page = Page(contents, size, look.ground)
        self._left = min(size) * _MARGIN
        self._width = size[0] - 2 * self._left
        self._bottom = size[1] - self._left
        self._widths: dict[tuple[str, str], float] = {}
        self._measured: dict[tuple[tuple[str, bool], ...], list[Token]] = {}

    @property
    def numbers(self) -> list[str]:
        return self._look.numbers(len(self._agreement.clauses))

    def fits(self, pixels: float) -> bool:
        return self._left * 0.8 + sum(height for height, _ in self._parts(pixels)) <= self._bottom

    def paint(self) -> None:
        """At the largest size that fits; what is left over goes between the parts."""
        pixels = self._largest_size()
        if self._look.frame:
            inset = self._left * 0.4
            corners = (inset, inset, self.page.width - inset, self.page.height - inset)
            self.page.pen.rectangle(corners, outline=self._look.accent)
        parts = list(self._parts(pixels))
        spare = self._bottom - self._left * 0.8 - sum(height for height, _ in parts)
        gap = min(pixels * 0.6, spare / len(parts))
        y = self._left * 0.8
        for height, paint in parts:
            paint(y)
            y += height + gap

    def _largest_size(self) -> float:
        """Halving between the least size, which fits, and the largest that looks well."""
        fitting, too_large = LEAST, max(LEAST, max(self.page.width, self.page.height) * _LARGEST)
        if self.fits(too_large):
            return too_large
        while too_large - fitting > 0.4:
            middle = (fitting + too_large) / 2
            fitting, too_large = (middle, too_large) if self.fits(middle) else (fitting, middle)
        return fitting

    def _parts(self, pixels: float) -> Iterator[Part]:
        agreement = self._agreement
        yield self._title(pixels)
        head = [(f"{key}：", agreement.head[key]) for key in ("合同编号", "签订地点") if key in agreement.head]
        if not agreement.signed:
            head.append(("签订日期：", agreement.head["签订日期"]))
        for label, value in head:
            yield self._pair(label, value, pixels)
        yield from self._parties(pixels)
        if agreement.preamble:
            yield self._paragraph(((agreement.preamble, False),), pixels, indent=2)
        for number, clause in zip(self.numbers, agreement.clauses):
            yield from self._clause(number, clause.heading, clause.pieces, pixels)
        if agreement.signed:
            yield self._signatures(pixels)
        if self._look.folio:
            yield self._folio(pixels)

    def _width_of(self, text: str, style: Style, pixels: float) -> float:
        """Estimated; the same texts are asked for at many sizes."""
        if (text, style) not in self._widths:
            self._widths[text, style] = estimate_width(self.page, text, style, 1)
        return self._widths[text, style] * pixels

    def _title(self, pixels: float) -> Part:
        look, title = self._look, self._agreement.sort.title
        size = pixels * min(1.7, self._width / self._width_of("　".join(title), "heavy", pixels))

        def paint(y: float) -> None:
            middle, x = y + size * 0.8, self.page.width / 2
            if look.title == "band":
                self.page.pen.rectangle((0, 0, self.page.width, y + size * 1.5), fill=look.accent)
                self.page.write((x, middle), title, "heavy", size, fill=(255, 255, 255), anchor="mm")
            elif look.title == "left":
                self.page.write((self._left, middle), title, "heavy", size, fill=look.accent, anchor="lm")
                self.page.pen.line((self._left, y + size * 1.6, self._left + self._width, y + size * 1.6), fill=look.accent, width=2)
            else:
                text = "　".join(title) if look.title == "spaced" else title
                with one_run(self.page, title):
                    self.page.write((x, middle), text, "heavy", size, fill=RED if look.title == "red" else INK, anchor="mm")
                if look.title == "red":
                    line = (self._left, y + size * 1.6, self._left + self._width, y + size * 1.6)
                    self.page.pen.line(line, fill=RED, width=2)

        return size * 1.95, paint

    def _pair(self, label: str, value: str, pixels: float) -> Part:
        """A word of the form and what is filled in behind it, or below it where it does not fit."""
        printed, filled = self._look.printed, self._look.filled
        wide = sum(self._width_of(text, pen.style, pixels) for text, pen in ((label, printed), (value, filled))) > self._width

        def paint(y: float) -> None:
            line = y + pixels * 1.05
            self.page.write((self._left, line), label, printed.style, pixels, fill=printed.fill, anchor="ls")
            x = self._left + (pixels * 2 if wide else self.page.measure(label, printed.style, pixels)[0])
            line += pixels * _LEADING if wide else 0
            box = self.page.write((x, line), value, filled.style, pixels, fill=filled.fill, anchor="ls")
            if filled.underlined:
                self.page.pen.line((x, line + pixels * 0.2, box[2] + pixels, line + pixels * 0.2), fill=printed.fill)

        return pixels * _LEADING * (2 if wide else 1), paint

    def _parties(self, pixels: float) -> Iterator[Part]:
        """Each with what is said of it, in a box or on a tinted ground."""
        agreement = self._agreement
        names = {"甲方": agreement.sort.first, "乙方": agreement.sort.second}
        for side, name in names.items():
            pairs = [(f"{side}（{name}）：", agreement.head[side])]
            pairs += [(f"{key}：", agreement.head[side + key]) for key in ("电话", "地址") if side + key in agreement.head]
            yield self._party([self._pair(label, value, pixels) for label, value in pairs], pixels)

    def _party(self, parts: list[Part], pixels: float) -> Part:
        look = self._look
        around = 0.0 if look.parties == "lines" else pixels * 0.35
        height = sum(height for height, _ in parts) + 2 * around

        def paint(y: float) -> None:
            corners = (self._left - around, y, self._left + self._width + around, y + height - around * 0.4)
            if look.parties == "boxed":
                self.page.pen.rectangle(corners, outline=look.accent)
            elif look.parties == "shaded":
                self.page.pen.rectangle(corners, fill=tuple(value + (255 - value) * 7 // 8 for value in look.accent))
            y += around
            for part_height, paint_part in parts:
                paint_part(y)
                y += part_height

        return height, paint

    def _paragraph(self, pieces: tuple[tuple[str, bool], ...], pixels: float, indent: float) -> Part:
        """Words of a clause; `indent` of the first line is in letters."""
        pens = (self._look.printed, self._look.filled)
        if pieces not in self._measured:
            self._measured[pieces] = measure_pieces(self.page, pieces, pens)
        num_lines = len(break_lines(self._measured[pieces], pixels, self._width, indent * pixels))

        def paint(y: float) -> None:
            place = (self._left, y)
            write_filled(self.page, place, pieces, pixels, self._width, pens, leading=_LEADING, indent=indent * pixels)

        return num_lines * pixels * _LEADING, paint

    def _clause(self, number: str, heading: str, pieces: tuple[tuple[str, bool], ...], pixels: float) -> Iterator[Part]:
        """Its number, its heading above or before its words, and the words."""
        style = "heavy" if self._look.headings != "none" else self._look.style
        runs = [number] if self._look.headings == "none" else [number, heading]
        widths = [self._width_of(run, style, pixels) + pixels * 0.5 for run in runs]

        def paint_runs(y: float) -> None:
            x = self._left
            for run, width in zip(runs, widths):
                self.page.write((x, y + pixels * 1.05), run, style, pixels, fill=self._look.accent, anchor="ls")
                x += width

        if self._look.headings == "above":
            yield pixels * _LEADING, paint_runs
            yield self._paragraph(pieces, pixels, indent=2)
            return
        height, paint_words = self._paragraph(pieces, pixels, indent=sum(widths) / pixels)

        def paint(y: float) -> None:
            paint_runs(y)
            paint_words(y)

        yield height, paint

    def _signatures(self, pixels: float) -> Part:
        """Two columns, each with a seal beside the signer where the party is a company."""
        line, column = pixels * _LEADING, self._width / 2

        def paint(y: float) -> None:
            for place, side in enumerate(("甲方", "乙方")):
                self._sign(side, self._left + place * column, y + line * 1.3, column, line, pixels)

        return line * 4.4, paint

    def _sign(self, side: str, x: float, y: float, column: float, line: float, pixels: float) -> None:
        page, head, printed = self.page, self._agreement.head, self._look.printed
        company = side in self._agreement.companies
        rows = [(f"{side}（{'盖章' if company else '签字'}）：", "" if company else head[side])]
        if company:
            rows.append(("代表人：", head[f"{side}代表"]))
        rows.append(("日期：", head["签订日期"]))
        for row, (label, value) in enumerate(rows):
            page.write((x, y + row * line), label, printed.style, pixels, fill=printed.fill)
            start = page.measure(label, printed.style, pixels)[0]
            if value:
                style = self._look.filled.style if row == len(rows) - 1 else "brush"
                size = page.fit(value, style, pixels, column - start - pixels * 0.5)
                page.write((x + start, y + row * line), value, style, size, fill=self._look.filled.fill)
        written = max(page.measure(label, printed.style, pixels)[0] + page.measure(value, "brush", pixels)[0] for label, value in rows[:2])
        radius = min(line * 1.55, (column - written - pixels * 0.8) / 2)
        if company and radius > pixels * 1.6:
            centre = (x + column - radius - pixels * 0.4, y + line * 1.85 - radius)
            paint_seal(page, centre, radius, head[side], _SEAL, flat=self._look.seal_flat)

    def _folio(self, pixels: float) -> Part:
        generator = self._contents.random
        pages = generator.randint(2, 8)
        text = f"第{1 if not self._agreement.signed else pages}页　共{pages}页"
        return pixels * 1.2, lambda y: self.page.write((self.page.width / 2, self._bottom), text, "sans", LEAST, anchor="md")
