"""CSV and TSV: a table as text, whose first line names the columns (RFC 4180). Every cell is text; a list in one is JSON text."""

import csv
import io
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smvl.data.rules import SampleError
from smvl.data.sources.text_files import check_text_file, decode_row

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_HOW = "Put cells that hold a comma, a quote or a line break between quotes, and double the quotes in them"

csv.field_size_limit(sys.maxsize)  # of all readers of the process: a cell may hold a picture


class CsvRows:
    """Random access to the rows below the first. Where each begins is held in memory, 8 bytes each.

    Raises:
        ValueError: the file is no table: a quote in it is not closed, or two of its columns have the same name.
    """

    def __init__(self, file: Path, name: str):
        check_text_file(file)
        self.file, self.name, self.folder, self.files = file, name, file.parent, [file]
        self._offsets = np.fromiter(self._scan(), dtype=np.int64)
        self.columns = self._read_columns()

    def __len__(self) -> int:
        return len(self._offsets) - 2  # the first is the line of names, the last the end of the file

    def __getitem__(self, row: int) -> dict[str, Any]:
        cells = self._cells(row + 1)
        if len(cells) != len(self.columns):
            found = f"the row has {len(cells)} cells, but the first line names {len(self.columns)} columns"
            raise SampleError("row form", f"{found}. {_HOW}")
        return dict(zip(self.columns, cells))

    def _scan(self) -> Iterator[int]:
        """Where each row begins that is not blank, and where the last ends. Within quotes a row may have several lines."""
        with self.file.open("rb") as content:
            start, num_rows = len(BOM_UTF8) if content.read(len(BOM_UTF8)) == BOM_UTF8 else 0, 0
            content.seek(start)
            lines = (line.decode("latin-1") for line in iter(content.readline, b""))  # all that parts cells is ASCII
            for is_row, is_closed in self._rows(lines):
                if not is_closed:
                    raise ValueError(f"{self.file}: a quote in row {num_rows} is never closed, and the file ends within it. {_HOW}.")
                if is_row:
                    yield start
                start, num_rows = content.tell(), num_rows + is_row
            yield start

    def _rows(self, lines: Iterator[str]) -> Iterator[tuple[bool, bool]]:
        """Of one row after another (is it not blank, does it end); a broken one breaks only itself."""
        reader = self._reader(lines)
        while True:
            try:
                yield bool(next(reader)), True
            except StopIteration:
                return
            except csv.Error as error:
                yield True, "end of data" not in str(error)
                reader = self._reader(lines)

    def _reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=_DELIMITERS[self.file.suffix.lower()], strict=True)

    def _cells(self, number: int) -> list[str]:
        start, end = map(int, self._offsets[number : number + 2])
        with self.file.open("rb") as content:
            content.seek(start)
            text = decode_row(content.read(end - start))
        try:
            return next(cells for cells in self._reader(io.StringIO(text, newline="\n")) if cells)
        except csv.Error as error:
            raise SampleError("row form", f"the row is no CSV ({error}). {_HOW}") from error

    def _read_columns(self) -> Sequence[str]:
        if len(self._offsets) < 2:
            raise ValueError(f"{self.file}: the data set is empty; expected a line with the names of the columns, and rows.")
        try:
            names = [name.strip() for name in self._cells(0)]
        except SampleError as error:
            raise ValueError(f"{self.file}: {error}.") from error
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{self.file}: several columns are named {', '.join(map(repr, repeated))}; give each a name of its own.")
        return names
