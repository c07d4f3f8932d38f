"""Paragraphs in which some pieces are filled in: underlined, in another ink, or written with a brush."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from smvl.scenes.fonts import Face, Style, load_font
from smvl.scenes.page import INK, Colour, Page
from smvl.scenes.pieces import one_run
from smvl.scenes.wrapping import NOT_FIRST, NOT_LAST

_TOKEN = re.compile(rf"[{re.escape(NOT_LAST)}]*(?:[A-Za-z0-9]+(?:[.\-%][A-Za-z0-9]*)*|.)", re.DOTALL)
"""What stays together: a number, a word, or a character, with an opening bracket before it."""


@dataclass(frozen=True)
class Pen:
    """How one sort of pieces is written."""

    style: Style
    fill: Colour = INK
    underlined: bool = False


_REFERENCE = 50
"""Pixels at which advances are measured, once for each character of a face; a size's own differ by less than a pixel."""


@cache
def _advances(face: Face) -> dict[str, float]:
    """Of the characters that were measured so far, in sizes of a letter."""
    return {}


@lru_cache(maxsize=4096)
def _measured(face: Face, text: str) -> tuple[tuple[str, float], ...]:
    """What stays together in a text, each with its width in sizes of a letter."""
    known = _advances(face)
    for character in set(text) - known.keys():
        known[character] = load_font(face, _REFERENCE).getlength(character) / _REFERENCE
    return tuple((token, sum(known[character] for character in token)) for token in _TOKEN.findall(text))


def estimate_width(page: Page, text: str, style: Style, pixels: float) -> float:
    """Of a run of text, in pixels; much faster than measuring it at each size."""
    return sum(width for _, width in _measured(page.face(style, text), text)) * pixels


def write_filled(
    page: Page,
    place: tuple[float, float],
    pieces: Sequence[tuple[str, bool]],
    pixels: float,
    width: float,
    pens: tuple[Pen, Pen],
    *,
    leading: float = 1.6,
    indent: float = 0.0,
) -> float:
    """Write a paragraph as one run. Returns the height where the next line would begin.

    Args:
        place: left and top, in pixels.
        pieces: each with whether it is filled in.
        pens: for what is printed and for what is filled in.
        indent: of the first line, in pixels.
    """
    left, y = place
    with one_run(page, "".join(text for text, _ in pieces)):
        for number, line in enumerate(break_lines(measure_pieces(page, pieces, pens), pixels, width, indent)):
            x = left + (indent if number == 0 else 0)
            for text, filled in line:
                x = _write_piece(page, (x, y + pixels * 1.05), text, pixels, pens[filled], pens[False].fill)
            y += pixels * leading
    return y


def _write_piece(page: Page, place: tuple[float, float], text: str, pixels: float, pen: Pen, rule: Colour) -> float:
    """Returns where the next piece begins."""
    x, y = place
    page.write(place, text, pen.style, pixels, fill=pen.fill, anchor="ls")
    end = x + page.measure(text, pen.style, pixels)[0]
    if pen.underlined:
        page.pen.line((x, y + pixels * 0.2, end, y + pixels * 0.2), fill=rule)
    return end


@dataclass(frozen=True)
class Token:
    """What stays together in a line."""

    text: str
    filled: bool
    width: float
    """In sizes of a letter."""
    needed: float
    """With the closing punctuation behind it, which may not begin a line."""


def measure_pieces(page: Page, pieces: Sequence[tuple[str, bool]], pens: tuple[Pen, Pen]) -> list[Token]:
    measured = [(text, filled, width) for piece, filled in pieces for text, width in _measured(page.face(pens[filled].style, piece), piece)]
    tokens, behind = [], 0.0
    for text, filled, width in reversed(measured):
        tokens.append(Token(text, filled, width, width + behind))
        behind = width + behind if text in NOT_FIRST else 0.0
    return tokens[::-1]


def break_lines(tokens: Sequence[Token], pixels: float, width: float, indent: float) -> list[list[tuple[str, bool]]]:
    """Lines of (text, whether it is filled in)."""
    lines: list[list[tuple[str, bool]]] = [[]]
    x, room = indent / pixels, width / pixels - 0.4
    for token in tokens:
        if x + token.needed > room and lines[-1] and token.text not in NOT_FIRST:
            lines.append([])
            x = 0.0
        line = lines[-1]
        if line and line[-1][1] == token.filled:
            line[-1] = (line[-1][0] + token.text, token.filled)
        else:
            line.append((token.text, token.filled))
        x += token.width
    return lines
