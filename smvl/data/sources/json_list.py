"""A .json file that holds one list of rows, as LLaVA's does: found by a scan, so that it is never in memory as a whole.

The scan looks only at what gives a list its structure: quotes, brackets and commas, a block of the file at a time. A row that is broken
inside is found when it is read, and costs nothing but itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from smvl.data.sources.json_lines import parse_row
from smvl.data.sources.text_files import check_beginning, check_text_file

_BLOCK_BYTES = 1 << 22
_QUOTE, _BACKSLASH = b'"\\'
_IS_STRUCTURE = np.zeros(256, dtype=bool)
_IS_STRUCTURE[list(b"[]{},")] = True
_STEPS = np.zeros(256, dtype=np.int64)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


class JsonList:
    """Random access to the entries of a list. Where each begins and ends is held in memory, 16 bytes each.

    Raises:
        ValueError: the file does not hold one list from its first byte to its last, or is not in UTF-8.
    """

    columns = None

    def __init__(self, file: Path, name: str):
        check_text_file(file)
        self.file, self.name, self.folder, self.files = file, name, file.parent, [file]
        try:
            self._spans = entry_spans(file)
        except ValueError:
            check_beginning(file)  # half a character of GBK looks like a bracket
            raise

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, row: int) -> Any:
        start, end = map(int, self._spans[row])
        with self.file.open("rb") as content:
            content.seek(start)
            return parse_row(content.read(end - start))


def entry_spans(file: Path, *, block_bytes: int = _BLOCK_BYTES) -> np.ndarray:
    """Where each entry of the list begins and ends, in bytes: (entries, 2) int64. An end stands at the comma or bracket behind it.

    Raises:
        ValueError: brackets do not match, or something stands before or behind the list.
    """
    borders, depth, num_quotes, num_lists = [np.zeros(0, dtype=np.int64)], 0, 0, 0
    for offset, block in _blocks(file, block_bytes):
        quotes, marks = _unescaped_quotes(block), np.flatnonzero(_IS_STRUCTURE[block])
        marks = marks[(num_quotes + np.searchsorted(quotes, marks)) % 2 == 0]  # those in strings mean nothing
        steps = _STEPS[block[marks]]
        depths = depth + np.cumsum(steps)
        borders.append(offset + marks[depths == (steps >= 0)])  # the list's own brackets, and the commas between its entries
        depth, num_quotes = int(depths[-1]) if len(depths) else depth, num_quotes + len(quotes)
        num_lists += np.count_nonzero(depths == 0)
    borders = np.concatenate(borders)
    if not len(borders):
        raise ValueError(f"{file}: there is no list of rows in this file; expected [...], or one object a line.")
    if depth or num_quotes % 2:
        raise ValueError(f"{file}: the list is not closed ({depth} brackets are open at its end); the file may have been cut short.")
    _check_alone(file, borders[0], borders[-1], num_lists)
    return _spans(file, borders)


def _blocks(file: Path, block_bytes: int) -> Iterator[tuple[int, np.ndarray]]:
    """(offset, bytes) of one stretch of the file after another. None ends within an escape."""
    offset = 0
    with file.open("rb") as content:
        while block := content.read(block_bytes):
            while block.endswith(b"\\") and (byte := content.read(1)):
                block += byte
            yield offset, np.frombuffer(block, dtype=np.uint8)
            offset += len(block)


def _unescaped_quotes(block: np.ndarray) -> np.ndarray:
    """Where the quotes of a block stand that no backslash escapes: those behind an even number of backslashes."""
    quotes, backslashes = np.flatnonzero(block == _QUOTE), np.flatnonzero(block == _BACKSLASH)
    if not len(backslashes):
        return quotes
    goes_on = np.diff(backslashes) == 1
    firsts, lasts = np.flatnonzero(~np.insert(goes_on, 0, False)), np.flatnonzero(~np.append(goes_on, False))
    is_escaped = np.zeros(len(block) + 1, dtype=bool)
    is_escaped[backslashes[lasts][(lasts - firsts) % 2 == 0] + 1] = True
    return quotes[~is_escaped[quotes]]


def _check_alone(file: Path, start: int, end: int, num_lists: int) -> None:
    with file.open("rb") as content:
        before = content.read(start + 1).removeprefix(b"\xef\xbb\xbf").strip()
        content.seek(end + 1)
        if before != b"[" or content.read().strip() or num_lists != 1:
            raise ValueError(f"{file}: something stands before or behind the list of rows; expected one list, [...], and nothing else.")


def _spans(file: Path, borders: np.ndarray) -> np.ndarray:
    spans = np.stack([borders[:-1] + 1, borders[1:]], axis=1)
    with file.open("rb") as content:
        content.seek(spans[-1, 0])
        last_is_blank = not content.read(spans[-1, 1] - spans[-1, 0]).strip()
    return spans[:-1] if last_is_blank else spans  # an empty list, or a comma behind its last entry
