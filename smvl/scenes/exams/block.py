"""A question on a sheet: heading, number, score, stem and options, measured before it is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smvl.scenes.exams.flow import Flow
from smvl.scenes.exams.item import LETTERS, Item
from smvl.scenes.exams.typesetter import Formula
from smvl.scenes.fonts import Style
from smvl.scenes.page import Box, Colour, Page

PLAIN_NUMBERS = tuple(f"{number}．" for number in range(1, 31))
BRACKETED_NUMBERS = tuple(f"（{number}）" for number in range(1, 31))


def score_text(score: int) -> str:
    return f"（{score}分）"


@dataclass(frozen=True)
class Hand:
    """How a page is written on."""

    page: Page
    style: Style
    ink: Colour
    pixels: float
    """The size of the text."""


@dataclass(frozen=True)
class Numbered:
    """A question with its place on the sheet."""

    number: int
    item: Item
    score: int | None
    heading: str = ""
    """What stands above it, where it opens a section."""
    bracketed: bool = False
    """Whether its number stands in brackets."""
    score_shown: bool = True
    """Whether the score stands at the question; else the heading says it."""

    def facts(self, box: Box) -> dict[str, Any]:
        item = self.item
        return {
            "number": self.number, "form": item.form, "stem": item.stem, "options": list(item.options), "score": self.score,
            "answer": item.answer, "heading": self.heading, "box": list(box),
        }  # fmt: skip


class Block:
    """A question, laid out in a column of a width."""

    def __init__(self, hand: Hand, numbered: Numbered, formulas: Mapping[str, Formula], width: float):
        self._hand, self._numbered = hand, numbered
        page, style, pixels = hand.page, hand.style, hand.pixels
        number = (BRACKETED_NUMBERS if numbered.bracketed else PLAIN_NUMBERS)[numbered.number - 1]
        self._before = [number] + ([score_text(numbered.score)] if numbered.score and numbered.score_shown else [])
        self._indent = page.measure("".join(self._before), style, pixels)[0]
        hang = page.measure(number, style, pixels)[0] - self._indent
        self._stem = Flow(page, numbered.item.stem, formulas, style, pixels, width - self._indent, hang=hang)
        self._label_width = page.measure("D．", style, pixels)[0]
        inner = width - pixels - self._label_width
        self._options = [Flow(page, option, formulas, style, pixels, inner) for option in numbered.item.options]
        widest = max((option.width for option in self._options), default=0.0) + self._label_width
        self._per_row = next((count for count in (4, 2) if widest + pixels < (width - pixels) / count), 1)
        self._pitch = (width - pixels) / self._per_row
        self._heading_height = pixels * 2.0 if numbered.heading else 0.0

    @property
    def height(self) -> float:
        return self._heading_height + self._stem.height + sum(map(_row_height, self._rows))

    @property
    def _rows(self) -> list[list[tuple[str, Flow]]]:
        labelled = list(zip(LETTERS, self._options))
        return [labelled[start : start + self._per_row] for start in range(0, len(labelled), self._per_row)]

    def draw(self, left: float, top: float) -> Box:
        """Returns the box around it, its number included."""
        hand, page, pixels = self._hand, self._hand.page, self._hand.pixels
        if self._numbered.heading:
            page.write((left, top + pixels * 0.9), self._numbered.heading, "heavy", pixels, fill=hand.ink, anchor="lm")
        y, x = top + self._heading_height, left
        for run in self._before:
            page.write((x, y + self._stem.first_baseline), run, hand.style, pixels, fill=hand.ink, anchor="ls")
            x += page.measure(run, hand.style, pixels)[0]
        boxes = [self._stem.draw(left + self._indent, y, hand.ink)]
        y += self._stem.height
        for row in self._rows:
            boxes += self._draw_row(row, left + pixels, y)
            y += _row_height(row)
        lefts, tops, rights, bottoms = zip(*boxes)
        page.texts.append(self._numbered.item.text)
        page.boxes.append((min(lefts), min(tops), max(rights), max(bottoms)))
        return round(left), min(tops), max(rights), max(bottoms)

    def _draw_row(self, row: list[tuple[str, Flow]], left: float, top: float) -> list[Box]:
        """Options beside each other, on one baseline."""
        hand = self._hand
        baseline, boxes = top + max(option.first_baseline for _, option in row), []
        font = hand.page.font(hand.style, hand.pixels, LETTERS + "．")
        for index, (letter, option) in enumerate(row):
            x = left + index * self._pitch
            hand.page.pen.text((x, baseline), f"{letter}．", font=font, fill=hand.ink, anchor="ls")
            boxes.append(option.draw(x + self._label_width, baseline - option.first_baseline, hand.ink))
        return boxes


def _row_height(row: list[tuple[str, Flow]]) -> float:
    above = max(option.first_baseline for _, option in row)
    return above + max(option.height - option.first_baseline for _, option in row)
