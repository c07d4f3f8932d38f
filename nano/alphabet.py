"""The characters that nano knows: what its tower names and its tokenizer keeps whole."""

import string
from functools import cache

PUNCTUATION = "，。：；！？、（）《》“”‘’【】「」〔〕—…·～￥¥×÷±≤≥°℃℉Ω㎡①②③④⑤⑥⑦⑧⑨⑩→↑↓←√△□○●★☆※"
SIGNS = "".join(character for character in string.printable if character.isprintable() and character != " ")
"""ASCII that leaves ink."""


@cache
def first_level() -> str:
    """The 3,755 characters of GB 2312's first level, in its order (by sound)."""
    cells = bytes(byte for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for byte in (row, cell))
    return cells.decode("gb2312", errors="ignore")


@cache
def alphabet() -> str:
    """Every character that leaves ink, each once: ASCII, punctuation and symbols, then the first level."""
    return SIGNS + PUNCTUATION + first_level()
