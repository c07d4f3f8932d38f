"""Breaking Chinese text into lines: between any two characters, but for the rules of GB/T 15834 and Latin words.

No line begins with closing punctuation or ends with opening punctuation; words, numbers and a number's unit stay in one piece.
"""

import re
from functools import lru_cache

from PIL import ImageFont

NOT_FIRST = "，。、：；！？）》〉」』】〕”’…—·％℃,.:;!?)]}%"
"""A line does not begin with these."""
NOT_LAST = "（《〈「『【〔“‘([{￥¥$#"
"""A line does not end with these."""

_WORD = r"[A-Za-z0-9]+(?:[.,:/@+\-][A-Za-z0-9]+)*"
_PIECE, _CHARACTER = (
    re.compile(rf"[{re.escape(NOT_LAST)}]*(?:{core})[{re.escape(NOT_FIRST)}]*", re.DOTALL) for core in (rf"{_WORD}|.", ".")
)


def wrap_text(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Lines of at most `width` pixels; joined they are the text again. A piece too wide for a line is cut where it must be."""
    lines, line, taken = [], "", 0.0
    for piece in _pieces(text, font, width):
        advance = sum(_advance(font, character) for character in piece)
        if line and taken + advance > width:
            lines.append(line)
            line, taken = "", 0.0
        line, taken = line + piece, taken + advance
    return [*lines, line] if line else lines


def _pieces(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """What stays together; a word wider than a line comes apart."""
    pieces = []
    for piece in _PIECE.findall(text):
        too_wide = sum(_advance(font, character) for character in piece) > width
        pieces += _CHARACTER.findall(piece) if too_wide else [piece]
    return pieces


@lru_cache(maxsize=100_000)
def _advance(font: ImageFont.FreeTypeFont, character: str) -> float:
    return font.getlength(character)
