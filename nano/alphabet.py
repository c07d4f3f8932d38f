"""The characters that nano knows: what its tower names and its tokenizer keeps whole."""

import string
from functools import cache

from smvl.scenes.fonts import common_characters

PUNCTUATION = "，。：；！？、（）《》“”‘’【】「」〔〕—…·～￥¥×÷±≤≥°℃℉Ω㎡①②③④⑤⑥⑦⑧⑨⑩→↑↓←√△□○●★☆※"
SIGNS = "".join(character for character in string.printable if character.isprintable() and character != " ")
"""ASCII that leaves ink."""


@cache
def alphabet() -> str:
    """Every character that leaves ink, each once: ASCII, punctuation and symbols, then the common characters."""
    return SIGNS + PUNCTUATION + common_characters()
