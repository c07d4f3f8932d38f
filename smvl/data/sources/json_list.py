"""A .json file that holds one list of rows, as LLaVA's does: found by a scan, so that it is never in memory as a whole.

The scan looks only at what gives a list its structure: strings, brackets and commas. A row that is broken inside is found when it is
read, and costs nothing but itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from smvl.data.sources.json_lines import parse_row

_BLOCK_BYTES = 1 << 22
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"


class JsonList:
    """Random access to the entries of a list. Where each begins and ends is held in memory, 16 bytes each.

    Raises:
        ValueError: the file does not hold one list from its first byte to its last.
    """

    columns = None

    def __init__(self, file: Path, name: str):
        self.file, self.name, self.folder, self.files = file, name, file.parent, [file]
        self._spans = entry_spans(file)

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
    borders, depth, is_closed = [], 0, False
    for position, token in _structure(file, block_bytes):
        if is_closed:
            raise ValueError(f"{file}: something follows the end of the list at byte {position}; expected one list and nothing else.")
        if token in _OPENING:
            depth += 1
            if depth == 1:
                borders.append(position)
        elif token in _CLOSING:
            depth -= 1
            if depth == 0:
                borders.append(position)
                is_closed = True
        elif token == b"," and depth == 1:
            borders.append(position)
    if not borders:
        raise ValueError(f"{file}: there is no list of rows in this file; expected [...], or one object a line.")
    if not is_closed:
        raise ValueError(f"{file}: the list is not closed ({depth} brackets are open at its end); the file may have been cut short.")
    return _spans(file, np.asarray(borders, dtype=np.int64))


def _spans(file: Path, borders: np.ndarray) -> np.ndarray:
    spans = np.stack([borders[:-1] + 1, borders[1:]], axis=1)
    with file.open("rb") as content:
        content.seek(spans[-1, 0])
        last_is_blank = not content.read(spans[-1, 1] - spans[-1, 0]).strip()
    return spans[:-1] if last_is_blank else spans  # an empty list, or a comma behind its last entry


def _structure(file: Path, block_bytes: int) -> Iterator[tuple[int, bytes]]:
    """(offset, byte) of every bracket and comma outside of strings."""
    offset, rest = 0, b""
    with file.open("rb") as content:
        while block := content.read(max(block_bytes, len(rest))):  # a string longer than a block is not scanned too often
            block, end = rest + block, None
            for found in _STRUCTURE.finditer(block):
                token = found[0]
                if token == b'"':  # the string goes on behind this block
                    end = found.start()
                    break
                if len(token) == 1:
                    yield offset + found.start(), token
            end = len(block) if end is None else end
            offset, rest = offset + end, block[end:]
    if rest:
        raise ValueError(f"{file}: the string that begins at byte {offset} is not closed; the file may have been cut short.")
