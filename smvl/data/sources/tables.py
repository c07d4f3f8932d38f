"""Tables by way of the `datasets` library: parquet, arrow, and what `save_to_disk` writes. Images stay bytes until a worker needs them.

Parquet is turned once into arrow in the cache of `datasets`, for arrow alone can be read row by row; that takes its size on the disk again.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.values import without_nulls
from smvl.processing.file_kinds import NUM_BYTES, PARQUET, kind_of


class Table:
    """Random access to the rows of one `datasets.Dataset`."""

    def __init__(self, dataset: Any, name: str, folder: Path, files: Sequence[Path] = ()):
        self.name, self.folder, self.columns = name, folder, list(dataset.column_names)
        self.files = list(files) or [Path(entry["filename"]) for entry in dataset.cache_files]
        self._rows, self._features = dataset.with_format("arrow"), undecoded(dataset.features)  # a cast would copy the whole table

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        try:
            content = self._features.decode_example(self._rows[row].to_pylist()[0])
        except UnicodeDecodeError as error:
            raise SampleError("text encoding", f"a column of text holds what is not UTF-8 ({error})") from error
        except (ValueError, ArithmeticError) as error:  # a date of the year 300,000, for one
            raise SampleError("row form", f"a column holds what cannot be read ({error})") from error
        return {column: without_nulls(value) for column, value in content.items()}


def undecoded(features: Any) -> Any:
    """`datasets.Features` whose images come as `{"bytes", "path"}`, wherever they stand."""
    import datasets

    def convert(feature: Any) -> Any:
        if isinstance(feature, datasets.Image):
            return datasets.Image(decode=False)
        if isinstance(feature, (datasets.List, datasets.LargeList)):
            return type(feature)(convert(feature.feature))
        if isinstance(feature, dict):
            return {key: convert(value) for key, value in feature.items()}
        return feature

    return datasets.Features({name: convert(feature) for name, feature in features.items()})


@dataclass(frozen=True)
class _Shard:
    """A parquet file, as its end describes it."""

    file: Path
    types: dict[str, Any]
    """Of its columns."""
    num_rows: int


def open_parquet(files: Sequence[Path], name: str, folder: Path, *, num_rows: int | None = None) -> list[Table]:
    """Parquet files of the same columns: one table, or several where a column has another type from some file on. Empty files are none.

    Args:
        num_rows: how many to take, from the first on; None takes all.

    Raises:
        ValueError: a file is not parquet, or has a type that cannot be read, or the files have different columns.
    """
    shards = _shards(files)
    runs = [[shard.file for shard in run] for _, run in itertools.groupby(shards, key=lambda shard: shard.types)]
    tables = []
    for run in runs:
        dataset = _load(run)
        if num_rows is not None:
            dataset = dataset.select(range(min(num_rows, len(dataset))))
            num_rows -= len(dataset)
        tables.append(Table(dataset, name if len(runs) == 1 else f"{name}/{run[0].name}", folder, run))
    return tables


def _shards(files: Sequence[Path]) -> list[_Shard]:
    """Those that have rows: an empty one may have no columns either."""
    shards = [shard for shard in map(_shard, files) if shard.num_rows]
    for shard in shards:
        first = shards[0]
        if sorted(shard.types) != sorted(first.types):
            raise ValueError(
                f"{shard.file} has the columns {list(shard.types)}, but {first.file} beside it has {list(first.types)}; give each its own "
                "entry in the mixture."
            )
    return shards


def _shard(file: Path) -> _Shard:
    """Look at the end of a file, where parquet says what it holds: `datasets` would not name the file."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            return _Shard(file, dict(zip(schema.names, schema.types)), opened.metadata.num_rows)
    except (OSError, pyarrow.ArrowException) as error:
        with file.open("rb") as content:
            kind = kind_of(content.read(NUM_BYTES))
        advice = f"It is {kind.name}. {kind.advice}" if kind not in (None, PARQUET) else "Download it again."
        raise ValueError(f"{file}: this is not a whole parquet file ({error}). {advice}") from error


def _load(files: Sequence[Path]) -> Any:
    """The `datasets.Dataset` of some files of the same types."""
    import datasets

    try:
        return datasets.load_dataset("parquet", data_files=[str(file) for file in files], split="train")
    except (ValueError, TypeError, NotImplementedError, datasets.exceptions.DatasetsError) as error:
        where = f"{files[0]}{f' to {files[-1].name}' if len(files) > 1 else ''}"
        found = " ".join(str(error.__cause__ or error).split())
        raise ValueError(f"{where}: this table cannot be read ({found}). Write it again without that column.") from error


def open_arrow(file: Path, name: str) -> Table:
    """One .arrow file. Raises `ValueError` when it is none."""
    import datasets
    import pyarrow

    try:
        return Table(datasets.Dataset.from_file(str(file)), name, file.parent, [file])
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise ValueError(f"{file}: this is not a whole arrow file ({error}). Write it again, or download it again.") from error


def open_saved(folder: Path, name: str) -> Table:
    """A folder that `save_to_disk` has written. Raises `ValueError` when some of it is missing."""
    import datasets

    try:
        return Table(datasets.load_from_disk(str(folder)), name, folder)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder}: this is not a whole folder of save_to_disk ({error}). Save it again.") from error
