"""JSON Lines: one object a line. Only where the lines begin is held in memory, 8 bytes each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from smvl.data.json_text import parse_json
from smvl.data.sources.text_files import check_text_file, decode_row

_BLOCK_BYTES = 1 << 24
_BLANK = b" \t\r\n"
_IS_BLANK = np.zeros(256, dtype=bool)
_IS_BLANK[list(_BLANK)] = True


class JsonLines:
    """Random access to the lines of a file that are not blank."""

    columns = None

    def __init__(self, file: Path, name: str):
        check_text_file(file)
        self.file, self.name, self.folder, self.files = file, name, file.parent, [file]
        self._offsets = line_offsets(file)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, row: int) -> Any:
        with self.file.open("rb") as lines:
            lines.seek(self._offsets[row])
            return parse_row(lines.readline())


def parse_row(text: bytes) -> Any:
    """The value of a row; raises `SampleError` when it is not JSON in UTF-8."""
    return parse_json(decode_row(text), "broken JSON", "this is", allows_nan=True)


def line_offsets(file: Path, *, block_bytes: int = _BLOCK_BYTES) -> np.ndarray:
    """Where each line begins that is not blank, in bytes: (lines,) int64."""
    found = [np.zeros(0, dtype=np.int64)]
    for position, block in _whole_lines(file, block_bytes):
        content = np.frombuffer(block, dtype=np.uint8)
        starts = np.concatenate([[0], np.flatnonzero(content[:-1] == ord("\n")) + 1])
        kept = np.ones(len(starts), dtype=bool)
        for line in np.flatnonzero(_IS_BLANK[content[starts]]):  # the few lines that begin with a blank may hold nothing else
            end = starts[line + 1] if line + 1 < len(starts) else len(block)
            kept[line] = bool(block[starts[line] : end].strip(_BLANK))
        found.append(starts[kept] + position)
    return np.concatenate(found)


def _whole_lines(file: Path, block_bytes: int) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of stretches of the file that end where a line ends."""
    position, rest = 0, b""
    with file.open("rb") as content:
        while block := content.read(block_bytes):
            block = rest + block
            end = block.rfind(b"\n") + 1
            if end:
                yield position, block[:end]
            position, rest = position + end, block[end:]
    if rest:
        yield position, rest
