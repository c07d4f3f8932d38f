"""How rows are stored, apart from how each is laid out: some parts one after another, each with random access to its rows."""

import bisect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Rows(Protocol):
    """One file, or one table of several files."""

    name: str
    """Names it in messages: its path below the source's."""
    folder: Path
    """What the paths of its images start from."""
    columns: Sequence[str] | None
    """Columns that all its rows have; None where each row has its own."""
    files: Sequence[Path]
    """Where it lies on the disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Any:
        """The content of a row; raises `SampleError` when it cannot be read."""
        ...


class Storage:
    """The parts of one source, as one sequence of rows.

    Args:
        kind: what it is stored as: jsonl, json, csv, parquet, arrow or hub.
        root: the data folder: no image may lie outside.
    """

    def __init__(self, kind: str, parts: Sequence[Rows], root: Path):
        self.kind, self.parts, self.root = kind, list(parts), root
        self._ends = list(itertools.accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def part_of(self, row: int) -> tuple[Rows, int]:
        """The part that holds a row, and the row's number in it.

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        number = bisect.bisect_right(self._ends, row)
        return self.parts[number], row - (self._ends[number - 1] if number else 0)
