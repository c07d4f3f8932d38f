"""Simplified and traditional script by OpenCC: the same words in the other characters (Taiwan's forms, no local vocabulary)."""

import functools
import re
from collections.abc import Iterable

from smvl.augment.zh.protection import Span, covered

_ABOUT_SCRIPT = re.compile("[繁简簡][体體]|[汉漢生错錯別别笔筆]字|字[形体體]|[笔筆][画畫划劃顺順]|部首|偏旁|拼音|书法|書法")


@functools.cache
def _converter(name: str):
    import opencc  # only who augments loads it

    return opencc.OpenCC(name)


def to_traditional(text: str) -> str:
    return _converter("s2tw").convert(text)


def to_simplified(text: str) -> str:
    return _converter("tw2s").convert(text)


def is_traditional(text: str) -> bool:
    """Whether more of the characters are traditional than simplified ones; those that both scripts share say nothing."""
    return _num_changed(text, to_simplified(text)) > _num_changed(text, to_traditional(text))


def is_about_script(text: str) -> bool:
    """Whether the text speaks of characters as such (their script, strokes, sound): another script would make it wrong."""
    return _ABOUT_SCRIPT.search(text) is not None


def swap_script(text: str, traditional: bool, keep: Iterable[Span] = ()) -> str:
    """The text in the other script.

    Args:
        traditional: the script to turn to; false is simplified.
        keep: parts that stay as they are.
    """
    convert = to_traditional if traditional else to_simplified
    mask = covered(keep, len(text))
    pieces, start = [], 0
    for match in re.finditer(b"\x00+|\x01+", mask):
        start, end = match.span()
        pieces.append(text[start:end] if mask[start] else convert(text[start:end]))
    return "".join(pieces)


def _num_changed(text: str, other: str) -> int:
    return sum(ours != theirs for ours, theirs in zip(text, other))
