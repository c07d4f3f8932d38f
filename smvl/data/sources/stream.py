"""The beginning of a data set that is too large to download: its first rows, written once as parquet and read from there.

    <cache of datasets>/smvl_streams/<owner>___<name>/<subset>-<split>/
      rows-000000000.parquet     the rows from the 0th on; the next file's name says how many
      rows-000001000.parquet
      end                        the stream has no more rows than these

A file appears under its name when it is whole, so a kill costs one file. Whoever wants more rows later goes on where these end, and whoever
wants fewer reads only the first of them. To fetch a newer version of the data set, delete the folder.
"""

import itertools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

MAX_ROWS, MAX_BYTES = 1000, 256 << 20
"""Of one file, which is in memory while it is written."""
_END = "end"


@dataclass(frozen=True)
class StreamFolder:
    """Where the first rows of one stream are kept."""

    folder: Path

    @classmethod
    def of(cls, path: str, subset: str, split: str) -> "StreamFolder":
        """The folder of a data set's subset in the cache of `datasets`."""
        import datasets

        return cls(Path(datasets.config.HF_DATASETS_CACHE, "smvl_streams", path.replace("/", "___"), f"{subset}-{split}"))

    def fill(self, open_stream: Callable[[], Any], num_rows: int) -> list[Path]:
        """Files that hold at least the first `num_rows` rows of a stream, or all that it has; fetches only what is missing.

        Args:
            open_stream: gives a `datasets.IterableDataset`; called only when rows are missing.

        Raises:
            ValueError: the stream has no row.
        """
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self.folder / ".lock")):  # the processes of a run all come here at once
            num_here = self._num_rows()
            if num_here < num_rows and not (self.folder / _END).exists():
                logger.info("Fetching rows %d to %d into %s.", num_here, num_rows, self.folder)
                self._fetch(open_stream(), num_here, num_rows)
        files = self._files()
        if not files:
            raise ValueError(f"{self.folder}: the stream has no row. Look at the data set's card for a split or subset with some.")
        if (num_here := self._num_rows()) < num_rows:
            logger.warning("%s: asked for %d rows, but the data set has only %d.", self.folder, num_rows, num_here)
        return files

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("rows-*.parquet"))

    def _num_rows(self) -> int:
        import pyarrow.parquet

        files = self._files()
        return int(files[-1].stem.split("-")[1]) + pyarrow.parquet.read_metadata(files[-1]).num_rows if files else 0

    def _fetch(self, stream: Any, start: int, stop: int) -> None:
        features = self._features() or stream.features
        rows = itertools.islice(iter(stream.decode(False).skip(start)), stop - start)
        for chunk in _chunks(rows):
            features = self._write(chunk, start, features)
            start += len(chunk)
        if start < stop:
            (self.folder / _END).touch()

    def _features(self) -> Any:
        """The types of the columns of the rows that are here: rows that come later are written alike."""
        import datasets
        import pyarrow.parquet

        files = self._files()
        return datasets.Features.from_arrow_schema(pyarrow.parquet.read_schema(files[0])) if files else None

    def _write(self, rows: list[dict[str, Any]], start: int, features: Any) -> Any:
        """Write one file, images inside; returns the types of its columns."""
        import datasets
        import pyarrow.parquet
        from datasets.table import embed_table_storage

        dataset = datasets.Dataset.from_list(rows, features=features)
        file = self.folder / f"rows-{start:09d}.parquet"
        partial = file.with_suffix(".partial")
        pyarrow.parquet.write_table(embed_table_storage(dataset.with_format("arrow")[:]), partial, row_group_size=100)
        os.replace(partial, file)
        return dataset.features


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk, num_bytes = [], 0
    for row in rows:
        chunk.append(row)
        num_bytes += _num_bytes(row)
        if len(chunk) == MAX_ROWS or num_bytes >= MAX_BYTES:
            yield chunk
            chunk, num_bytes = [], 0
    if chunk:
        yield chunk


def _num_bytes(value: Any) -> int:
    """Bytes of the images and texts in a row, about."""
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_num_bytes, value.values()))
    return sum(map(_num_bytes, value)) if isinstance(value, list) else 8
