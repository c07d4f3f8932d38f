"""The Cauldron's layout (Laurençon et al., arXiv 2405.02246): parquet with `images` and `texts: [{user, assistant, source}]`.

All images of a row stand before its first question, and all of its turns are used.
"""

from collections.abc import Sequence
from pathlib import Path

from smvl.data.sample import Sample


class Cauldron:
    """Random access to the rows of one or more subsets, each a folder of parquet files below `path` (or `path` itself).

    Raises:
        ValueError: a subset has no parquet file, or no row.
    """

    def __init__(self, path: str | Path, subsets: Sequence[str] = (), *, name: str | None = None):
        import datasets

        path = Path(path)
        self.name = name or path.name
        files = [file for subset in _subset_folders(path, subsets) for file in _parquet_files(subset)]
        self._rows = datasets.load_dataset("parquet", data_files=files, split="train")
        if not len(self._rows):
            raise ValueError(f"{path}: the data set is empty.")
        columns = set(self._rows.column_names)
        if not {"images", "texts"} <= columns:
            raise ValueError(f"{path}: found the columns {sorted(columns)}; The Cauldron's layout has images and texts.")
        # Images stay bytes until a worker needs their pixels.
        self._rows = self._rows.cast_column("images", datasets.List(datasets.Image(decode=False)))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Sample:
        content = self._rows[row]
        images = list(content["images"] or [])
        messages: list[dict] = []
        for turn, text in enumerate(content["texts"] or []):
            question = text["user"] or ""
            parts = [{"type": "image"} for _ in images] + [{"type": "text", "text": question}]
            messages.append({"role": "user", "content": question if turn else parts})
            messages.append({"role": "assistant", "content": text["assistant"] or ""})
        subset = content["texts"][0].get("source") if content["texts"] else None
        return Sample(id=f"{self.name}:{row}", messages=messages, images=images, source=subset or self.name)


def _subset_folders(path: Path, subsets: Sequence[str]) -> list[Path]:
    missing = [subset for subset in subsets if not (path / subset).is_dir()]
    if missing or not path.is_dir():
        raise ValueError(
            f"{path}: there is no folder {', '.join(missing) or path}. Download the data (download_resource.sh) or mend the path."
        )
    return [path / subset for subset in subsets] or [path]


def _parquet_files(folder: Path) -> list[str]:
    files = sorted(map(str, folder.rglob("*.parquet")))
    if not files:
        raise ValueError(f"{folder}: there is no .parquet file here. Download the data (download_resource.sh) or mend the path.")
    return files
