"""Breaking Chinese text into lines: between any two characters, but for the rules of GB/T 15834 and Latin words.

No line begins with closing punctuation or ends with opening punctuation; words, numbers and a number's unit stay in one piece.
"""

import re

from smvl.scenes.fonts import Face
from smvl.scenes.glyphs import text_length

NOT_FIRST = "，。、：；！？）》〉」』】〕”’…—·％℃,.:;!?)]}%"
"""A line does not begin with these."""
NOT_LAST = "（《〈「『【〔“‘([{￥¥$#"
"""A line does not end with these."""

_WORD = r"[A-Za-z0-9]+(?:[.,:/@+\-][A-Za-z0-9]+)*"
_PIECE, _CHARACTER = (
    re.compile(rf"[{re.escape(NOT_LAST)}]*(?:{core})[{re.escape(NOT_FIRST)}]*", re.DOTALL) for core in (rf"{_WORD}|.", ".")
)


def wrap_text(text: str, face: Face, pixels: int, width: float) -> list[str]:
    """Lines of at most `width` pixels; joined they are the text again. A piece too wide for a line is cut where it must be."""
    lines, line, taken = [], "", 0.0
    for piece in _pieces(text, face, pixels, width):
        length = text_length(piece, face, pixels)
        if line and taken + length > width:
            lines.append(line)
            line, taken = "", 0.0
        line, taken = line + piece, taken + length
    return [*lines, line] if line else lines


def _pieces(text: str, face: Face, pixels: int, width: float) -> list[str]:
    """What stays together; a word wider than a line comes apart."""
    pieces = []
    for piece in _PIECE.findall(text):
        pieces += _CHARACTER.findall(piece) if text_length(piece, face, pixels) > width else [piece]
    return pieces
