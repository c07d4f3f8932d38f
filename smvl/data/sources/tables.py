"""Tables by way of the `datasets` library: parquet, arrow, and what `save_to_disk` writes. Images stay bytes until a worker needs them.

Parquet is turned once into arrow in the cache of `datasets`, for arrow alone can be read row by row; that takes its size on the disk again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smvl.data.sources.values import without_nulls


class Table:
    """Random access to the rows of one `datasets.Dataset`."""

    def __init__(self, dataset: Any, name: str, folder: Path, files: Sequence[Path] = ()):
        self.name, self.folder, self.columns = name, folder, list(dataset.column_names)
        self.files = list(files) or [Path(entry["filename"]) for entry in dataset.cache_files]
        self._rows, self._features = dataset.with_format("arrow"), undecoded(dataset.features)  # a cast would copy the whole table

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        content = self._features.decode_example(self._rows[row].to_pylist()[0])
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


def open_parquet(files: Sequence[Path], name: str, folder: Path, *, num_rows: int | None = None) -> Table:
    """Parquet files of the same columns as one table.

    Args:
        num_rows: how many to take, from the first on; None takes all.

    Raises:
        ValueError: a file is not parquet, or the files have different columns.
    """
    import datasets

    _check_parquet(files)
    dataset = datasets.load_dataset("parquet", data_files=[str(file) for file in files], split="train")
    return Table(dataset if num_rows is None else dataset.select(range(min(num_rows, len(dataset)))), name, folder, files)


def _check_parquet(files: Sequence[Path]) -> None:
    """Look at the end of each file, where parquet says what it holds: `datasets` would not name the file."""
    import pyarrow
    import pyarrow.parquet

    columns: dict[Path, list[str]] = {}
    for file in files:
        try:
            columns[file] = pyarrow.parquet.read_schema(file).names
        except (OSError, pyarrow.ArrowInvalid) as error:
            raise ValueError(
                f"{file}: this is not a whole parquet file ({error}). Download it again; a file of a few lines is a Git LFS pointer, "
                "which `git lfs pull` replaces."
            ) from error
        if sorted(columns[file]) != sorted(columns[files[0]]):
            raise ValueError(
                f"{file} has the columns {columns[file]}, but {files[0]} beside it has {columns[files[0]]}; give each its own entry in "
                "the mixture."
            )


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
