"""Text with formulas in it, broken into lines."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from smvl.scenes.exams.item import BLANK_SPACE, split_formulas
from smvl.scenes.exams.typesetter import Formula
from smvl.scenes.fonts import Style
from smvl.scenes.page import Box, Colour, Page
from smvl.scenes.wrapping import NOT_FIRST

_WORD = re.compile(rf"{BLANK_SPACE}|（　　）|[A-Za-z0-9.]+|.", re.DOTALL)
_CLOSING = NOT_FIRST + "．"


@dataclass(frozen=True)
class Atom:
    """What is not broken: a character, a word, a formula, a line to write on."""

    text: str
    width: float
    formula: Formula | None = None

    @property
    def sticks(self) -> bool:
        """Whether it may not begin a line."""
        return self.formula is None and self.text[0] in _CLOSING


@dataclass(frozen=True)
class Line:
    atoms: tuple[tuple[float, Atom], ...]
    """With their places from the left, in pixels."""
    above: float
    below: float

    @property
    def width(self) -> float:
        return self.atoms[-1][0] + self.atoms[-1][1].width


class Flow:
    """A text in lines of at most a width.

    Args:
        text: formulas between dollar signs.
        formulas: their pictures at this size.
        pixels: the size of the text.
        hang: how far all lines but the first are moved to the right, in pixels.
    """

    def __init__(
        self, page: Page, text: str, formulas: Mapping[str, Formula], style: Style, pixels: float, width: float, *, hang: float = 0
    ):
        self._page, self._pixels, self._hang = page, pixels, hang
        self._font = page.font(style, pixels, "".join(piece for piece, is_formula in split_formulas(text) if not is_formula))
        self.lines = self._break(self._atoms(text, formulas), width)

    @property
    def first_baseline(self) -> float:
        """From the top, in pixels."""
        return self.lines[0].above

    @property
    def height(self) -> float:
        return sum(line.above + line.below for line in self.lines)

    @property
    def width(self) -> float:
        """Of the widest line."""
        return max(line.width for line in self.lines)

    def draw(self, left: float, top: float, ink: Colour) -> Box:
        """Draw the lines; returns the box around all of them. What is written is one run for the caller to name."""
        baseline = top
        for line in self.lines:
            baseline += line.above
            self._draw_line(line, left, baseline, ink)
            baseline += line.below
        return round(left), round(top), round(left + self.width), round(baseline)

    def _atoms(self, text: str, formulas: Mapping[str, Formula]) -> list[Atom]:
        gap, atoms = self._pixels * 0.24, []
        for piece, is_formula in split_formulas(text):
            if is_formula:
                atoms.append(Atom(piece, formulas[piece].mask.width + gap, formulas[piece]))
                continue
            for word in _WORD.findall(piece):
                atoms.append(Atom(word, self._pixels * 4 if word == BLANK_SPACE else self._font.getlength(word)))
        return atoms

    def _break(self, atoms: list[Atom], width: float) -> list[Line]:
        lines: list[list[tuple[float, Atom]]] = [[]]
        x = 0.0
        for index, atom in enumerate(atoms):
            needed = atom.width + (atoms[index + 1].width if index + 1 < len(atoms) and atoms[index + 1].sticks else 0)
            if lines[-1] and x + needed > width and not atom.sticks:
                lines.append([])
                x = self._hang
            lines[-1].append((x, atom))
            x += atom.width
        return [self._measure(line) for line in lines]

    def _measure(self, atoms: list[tuple[float, Atom]]) -> Line:
        pictures = [atom.formula for _, atom in atoms if atom.formula]
        above = max([self._pixels * 1.2, *(picture.above + self._pixels * 0.3 for picture in pictures)])
        below = max([self._pixels * 0.5, *(picture.below + self._pixels * 0.3 for picture in pictures)])
        return Line(tuple(atoms), above, below)

    def _draw_line(self, line: Line, left: float, baseline: float, ink: Colour) -> None:
        written, start = "", 0.0
        for x, atom in line.atoms:
            if atom.formula is None and atom.text != BLANK_SPACE:
                start = start if written else x
                written += atom.text
                continue
            self._write(written, left + start, baseline, ink)
            written = ""
            if atom.formula is not None:
                atom.formula.draw(self._page, left + x + self._pixels * 0.12, baseline, ink)
            else:
                y = round(baseline + self._pixels * 0.15)
                self._page.pen.line((left + x, y, left + x + atom.width, y), fill=ink)
        self._write(written, left + start, baseline, ink)

    def _write(self, text: str, x: float, baseline: float, ink: Colour) -> None:
        if text:
            self._page.pen.text((x, baseline), text, font=self._font, fill=ink, anchor="ls")
