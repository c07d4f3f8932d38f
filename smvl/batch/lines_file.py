"""A file to which lines are added as they come, and of which a kill leaves whole lines and at most one that is not: JSON Lines, or CSV."""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from smvl.processing.image_files import image_name
from smvl.strict_yaml import shorten

Row = Mapping[str, Any]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""How a text begins that a spreadsheet would run, or that was made inert before."""
_LINE_BREAKS = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}
"""Those that many readers end a line with, which JSON lets stand."""


class LinesError(ValueError):
    """A file that holds what was not written into it here."""


class Format(Protocol):
    """How rows are written."""

    head: bytes
    """What the file begins with, before its first row."""

    def line(self, row: Row) -> bytes: ...

    def row(self, line: bytes) -> dict[str, Any]:
        """What a line holds; of CSV texts alone. Raises `ValueError` or `csv.Error` for one that was not written so."""
        ...

    def is_open(self, line: bytes) -> bool:
        """Whether its line break is one within a text, where no text was open before it."""
        ...


class JsonLines:
    """A JSON object a line.

    Args:
        keys: those without which a row is none, and which hold texts.
    """

    head = b""

    def __init__(self, keys: Sequence[str]):
        self._keys = keys

    def line(self, row: Row) -> bytes:
        text = json.dumps(row, ensure_ascii=False).translate(_LINE_BREAKS)
        return text.encode("utf-8", "backslashreplace") + b"\n"  # JSON has the same escapes

    def row(self, line: bytes) -> dict[str, Any]:
        row = json.loads(line)
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in self._keys):
            raise ValueError(f"expected an object with texts as {', '.join(self._keys)}")
        return row

    def is_open(self, line: bytes) -> bool:
        return False


class CsvTable:
    """As spreadsheets read it: in UTF-8, which a mark at its beginning says, and without anything that they would run.

    Args:
        columns: keys of the rows, in their order; a key with a dot is one within the value of the key before it.
    """

    def __init__(self, columns: Sequence[str]):
        self.columns = list(columns)
        self.head = BYTE_ORDER_MARK + _csv_line(map(inert, self.columns))

    def line(self, row: Row) -> bytes:
        return _csv_line(_cell(_value(row, column)) for column in self.columns)

    def row(self, line: bytes) -> dict[str, Any]:
        cells = next(csv.reader(io.StringIO(line.decode("utf-8"), newline=""), strict=True), [])
        if len(cells) != len(self.columns):
            raise ValueError(f"it has {len(cells)} cells; expected {len(self.columns)}")
        return dict(zip(self.columns, map(_as_it_was, cells)))

    def is_open(self, line: bytes) -> bool:
        return line.count(b'"') % 2 == 1


class LinesFile:
    """A file of rows, read and then added to.

    Raises:
        OSError: it cannot be read or written.
        LinesError: it holds what is no row of its format.
    """

    def __init__(self, path: Path, form: Format):
        self.path, self._form = path, form
        self._file = path.open("a+b")
        try:
            self.rows = self._read()
            """Those that were there."""
        except BaseException:
            self._file.close()
            raise

    @property
    def is_empty(self) -> bool:
        return not os.fstat(self._file.fileno()).st_size

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows; with the return they are on the disk."""
        self._file.write((self._form.head if self.is_empty else b"") + b"".join(map(self._form.line, rows)))
        self._file.flush()
        os.fsync(self._file.fileno())

    def clear(self) -> None:
        """Forget what was there."""
        self.rows = []
        self._file.truncate(0)

    def close(self) -> None:
        """Leave it as it is; where nothing is in it, not at all."""
        if self.is_empty:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _read(self) -> list[dict[str, Any]]:
        """The rows that are there; what a kill has left of another one is cut off."""
        self._file.seek(0)
        lines, rest = _split(self._file, self._form)
        begin = 1 if self._form.head else 0
        if lines and begin and lines[0] != self._form.head:
            raise self._error(f"does not begin as it was written: {_shown(lines[0])}")
        rows = [self._row(line, number) for number, line in enumerate(lines[begin:], start=1)]
        if any(_is_row(self._form, line) for line in rest.splitlines(keepends=True)[1:]):
            raise self._error(f"has a quotation mark without its pair behind row {len(rows)}")
        if rest:
            self._file.truncate(sum(map(len, lines)))
        return rows

    def _row(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            return self._form.row(line)
        except (ValueError, csv.Error, RecursionError) as error:
            raise self._error(f"has a row {number} that was not written here ({error}): {_shown(line)}") from error

    def _error(self, found: str) -> LinesError:
        return LinesError(f"{image_name(self.path)} {found}. Put it back as it was, or give another --out.")


def inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _as_it_was(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _csv_line(cells: Iterable[Any]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerow(cells)
    return written.getvalue().encode("utf-8", "backslashreplace")


def _value(row: Row, column: str) -> Any:
    if column in row:
        return row[column]
    name, _, key = column.partition(".")
    return row[name].get(key) if isinstance(row[name], dict) else None


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return inert(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, dict, list)) else value


def _split(file: BinaryIO, form: Format) -> tuple[list[bytes], bytes]:
    """The whole lines of a file, and what is left."""
    whole, parts, is_open = [], [], False
    for line in file:
        parts.append(line)
        is_open ^= form.is_open(line)
        if line.endswith(b"\n") and not is_open:
            whole.append(b"".join(parts))
            parts = []
    return whole, b"".join(parts)


def _is_row(form: Format, line: bytes) -> bool:
    try:
        return bool(form.row(line))
    except (ValueError, csv.Error):
        return False


def _shown(line: bytes) -> str:
    return shorten(line.decode("utf-8", "backslashreplace"))
