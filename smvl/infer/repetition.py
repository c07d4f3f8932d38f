"""When an answer repeats itself without end, as small models do.

A penalty on repeated tokens would break tables and lists, which repeat themselves by nature (several projects tried both).
So nothing is discouraged: what is written is watched, and stopped once it has said the same for long enough to be sure.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

LONGEST_UNIT = 512
"""Tokens of what may be repeated."""
SURE_AFTER = 60
"""Tokens beyond the second time that something is said, which make a loop of it."""
MOST_EQUAL_ROWS = 128
"""Rows of a table, cells, or items of a list that may be equal one after another."""

_CELL_ENDS = ("|", "\t", "&", "</td>", "</tr>", "</li>", "\\\\")
_ITEM = re.compile(r"\s*([-*+•·]|\d+[.、)])")


class RepetitionWatch:
    """Sees an answer's tokens one after another.

    For every length up to `LONGEST_UNIT` it is counted how many of the latest tokens equal those that stand so far before them; a loop is
    where that is the whole unit and `SURE_AFTER` tokens more. What stands in a table or list may be repeated `MOST_EQUAL_ROWS` times.

    Args:
        decode: ids to text.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]):
        self._decode = decode
        self._ids: list[int] = []
        self._latest = np.full(LONGEST_UNIT, -1, dtype=np.int64)
        """The latest token last."""
        self._equal = np.zeros(LONGEST_UNIT, dtype=np.int64)
        """At `LONGEST_UNIT - n`: how many of the latest tokens equal the token n before them."""
        self._sure = SURE_AFTER + np.arange(LONGEST_UNIT, 0, -1)

    def sees_loop(self, token: int) -> bool:
        """Whether the answer is a loop once `token` is written."""
        self._equal = np.where(self._latest == token, self._equal + 1, 0)
        self._latest[:-1] = self._latest[1:]
        self._latest[-1] = token
        self._ids.append(token)
        if not (self._equal >= self._sure).any():
            return False
        length = LONGEST_UNIT - int(np.flatnonzero(self._equal >= self._sure)[-1])  # the shortest
        repeated = int(self._equal[LONGEST_UNIT - length]) // length + 1
        return repeated > MOST_EQUAL_ROWS or not self._is_listing(length)

    def _is_listing(self, length: int) -> bool:
        """Whether a unit of so many tokens, the latest, is a row, a cell or an item."""
        unit = self._decode(self._ids[-3 * length :])  # one line of it is whole
        if any(end in unit for end in _CELL_ENDS):
            return True
        whole_lines = unit.splitlines()[1:-1]
        if whole_lines and all(_ITEM.match(line) or not line.strip() for line in whole_lines):
            return True
        return "," in unit and _stands_in_list(self._decode(self._ids), unit)


def until_loop(pieces: Sequence[str]) -> list[str]:
    """What would be written of an answer, given as the texts of its tokens."""
    numbers = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    texts = list(numbers)
    watch = RepetitionWatch(lambda ids: "".join(texts[number] for number in ids))
    end = next((place for place, piece in enumerate(pieces, 1) if watch.sees_loop(numbers[piece])), len(pieces))
    return list(pieces[:end])


def _stands_in_list(text: str, unit: str) -> bool:
    """Whether a bracket of JSON is open where a text ends, and its latest `unit` is more than the inside of a string."""
    outside = re.sub(r'"(\\.|[^"\\])*("|$)', lambda found: "" if found[2] else '"', text)
    return outside.count("[") > outside.count("]") and ('"' in unit or not outside.endswith('"'))
