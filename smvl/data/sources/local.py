"""Finding rows on this machine: which files of a path hold data, and what each is.

a.jsonl                 one object a line (.ndjson too)
a.json                  one list of rows; or one object a line, as some data sets name it
a.csv, a.tsv            a table as text, whose first line names the columns; beside other data it is taken for a description of it
a.parquet, a.arrow      tables
folder/                 all of these below it, of one kind; the parquet files of one folder are one table
folder/state.json       what `save_to_disk` has written; folder/dataset_dict.json: the same, one folder a split
"""

import itertools
import json
import logging
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePath

from smvl.data.sources.cauldron import SUBSETS, describe_unknown, leave_out_broken, refuse_broken
from smvl.data.sources.csv_rows import CsvRows
from smvl.data.sources.json_lines import JsonLines
from smvl.data.sources.json_list import JsonList
from smvl.data.sources.splits import check_split_of_file, files_of_split
from smvl.data.sources.storage import Rows, Storage
from smvl.data.sources.tables import open_arrow, open_parquet, open_saved
from smvl.data.sources.text_files import check_text_file

logger = logging.getLogger(__name__)

SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
_TEXT = {"jsonl": JsonLines, "json": JsonList, "csv": CsvRows}
"""What reads the files of each kind of text."""
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"
_DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json")
_PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip")
_HOW = "Download the data (download_resource.sh), or mend the path."

Found = list[tuple[Path, str]]


def open_local(path: Path, subsets: Sequence[str], split: str, *, kinds: Collection[str], is_cauldron: bool) -> Storage:
    """Open what lies at `path`.

    Args:
        subsets: folders below `path`; none means all of it.
        split: what to read where the names of files tell of several.
        kinds: kinds of storage that may be read.
        is_cauldron: refuse The Cauldron's broken subsets, and leave them out where none is named.

    Raises:
        ValueError: there is no data of these kinds, or data of several kinds, or a file cannot be read as what it is.
    """
    check_local(path, subsets, is_cauldron=is_cauldron)
    if path.is_file():
        check_split_of_file(path, split)
        return _storage([(path, _kind_of(path))], path.parent, str(path), kinds)
    skipped: set[str] = set()
    if is_cauldron and not subsets:
        names = _folders_in(path)
        skipped = set(names) - set(leave_out_broken(names, str(path)))
    found = [entry for folder in [path / subset for subset in subsets] or [path] for entry in _data_below(folder, split, skipped)]
    return _storage(found, path, str(path), kinds)


def check_local(path: Path, subsets: Sequence[str], *, is_cauldron: bool) -> None:
    """Raise `ValueError` when there is nothing at `path`, or a subset is not there, is known to be broken, or lies in another."""
    if not os.path.exists(path):  # which knows that no path has a name of 300 characters, where Path.exists raises
        raise ValueError(f"there is no data in {path}. {_HOW}")
    if not path.is_dir():
        _check_is_file(path)
    if is_cauldron:
        refuse_broken([*subsets, path.name], str(path))
    for subset in subsets:
        if not (path / subset).is_dir():
            names = {*(_folders_in(path) if path.is_dir() else ()), *(SUBSETS if is_cauldron else ())}
            raise ValueError(f"{path}: {describe_unknown(subset, names - {subset})}. {_HOW}")
    _check_apart(path, subsets)


def _check_apart(path: Path, subsets: Sequence[str]) -> None:
    """Raise `ValueError` when rows would be read twice: a subset is another one by another name, or lies in another one."""
    folders = {subset: (path / subset).resolve() for subset in subsets}
    for inner, outer in itertools.permutations(folders, 2):
        if folders[inner].is_relative_to(folders[outer]):
            raise ValueError(f"{path}: the subset {inner} is the folder {outer}, or lies in it: rows would be read twice. Take one out.")


def _folders_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _storage(found: Found, root: Path, where: str, kinds: Collection[str]) -> Storage:
    usable = [(path, kind) for path, kind in found if kind in kinds]
    if not usable:
        others = sorted({kind for _, kind in found})
        instead = f"; found {', '.join(others)}, which `source: auto` reads" if others else ""
        raise ValueError(f"{where}: there is no {' or '.join(sorted(set(kinds) - {'hub'}))} data here{instead}. {_HOW}")
    usable = _without_descriptions(usable, where)
    present = sorted({kind for _, kind in usable})
    if len(present) > 1:
        raise ValueError(f"{where}: there is data of several kinds ({', '.join(present)}); set `source` to one of them, or give one file.")
    storage = Storage(present[0], list(_open(usable, root)), root)
    if not len(storage):
        raise ValueError(f"{where}: the data set is empty; expected at least one row.")
    return storage


def _without_descriptions(usable: Found, where: str) -> Found:
    """Without the .csv files that lie beside data of another kind, such as lists of its images and labels."""
    others = [entry for entry in usable if entry[1] != "csv"]
    if others and len(others) < len(usable):
        names = ", ".join(path.name for path, kind in usable if kind == "csv")
        logger.warning("%s: left aside %s, beside data of another kind; `source: csv` reads them alone.", where, names)
    return others or usable


def _open(found: Found, root: Path) -> Iterator[Rows]:
    tables: dict[Path, list[Path]] = defaultdict(list)
    for path, kind in found:
        if kind == "parquet":
            tables[path.parent].append(path)
        elif path.is_dir():
            yield open_saved(path, _name(path, root))
        elif kind == "arrow":
            yield open_arrow(path, _name(path, root))
        else:
            yield _TEXT[kind](path, _name(path, root))
    for folder, files in tables.items():
        yield from open_parquet(files, _name(files[0] if len(files) == 1 else folder, root), folder)


def _name(path: Path, root: Path) -> str:
    return path.name if path == root else path.relative_to(root).as_posix()


def _data_below(folder: Path, split: str, skipped: Collection[str]) -> Found:
    """Data files and saved folders below `folder` that belong to a split, in the order of their paths."""
    if (folder / _SAVED).exists():
        return [(folder, "arrow")]
    found: dict[PurePath, tuple[Path, str]] = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not (parent == str(folder) and name in skipped))
        if _SAVED in files:
            found[PurePath(parent).relative_to(folder)] = (Path(parent), "arrow")
            folders.clear()
        elif _SAVED_SPLITS not in files:
            paths = [Path(parent, name) for name in files if PurePath(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
            _warn_of_packed(parent, files)
            for path in paths:
                _check_is_file(path)
            found.update({path.relative_to(folder): (path, _kind_of(path)) for path in paths if _holds_rows(path)})
    chosen = files_of_split(sorted(found), split, str(folder)) if found else []
    return [found[path] for path in chosen]


def _warn_of_packed(parent: str, files: Sequence[str]) -> None:
    """Rows that are packed are not read, which must not pass for having none."""
    packed = [name for name in files if PurePath(name).suffix.lower() in _PACKED and SUFFIXES.keys() & set(PurePath(name).suffixes)]
    if packed:
        logger.warning("%s: left aside %s, which must be unpacked to be read.", parent, ", ".join(sorted(packed)))


def _check_is_file(path: Path) -> None:
    """Raise `ValueError` for a pipe or a device, which would be waited for, and for a link that leads nowhere."""
    if not path.is_file():
        raise ValueError(f"{path}: this is no file but a pipe, a device, or a link that leads nowhere. Write a file in its place.")


def _kind_of(path: Path) -> str:
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: data ends in {', '.join(SUFFIXES)}, or is a folder; found {path.suffix or 'no ending'}.")
    return "jsonl" if kind == "json" and _first_line(path).startswith(b"{") else kind


def _holds_rows(path: Path) -> bool:
    """Whether a file in a folder is data: a .json file that holds one object over many lines only describes some."""
    if path.suffix.lower() != ".json":
        return True
    check_text_file(path)
    line = _first_line(path)
    if line.startswith(b"[") or (path.name not in _DESCRIPTIONS and _is_json(line)):
        return True
    logger.info("%s holds neither a list of rows nor one row a line: it is no data.", path)
    return False


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _first_line(path: Path) -> bytes:
    """The first line that is not blank; the beginning of it where it is a list, which may be all in one line."""
    with path.open("rb") as content:
        first = content.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
        if not first.startswith(b"[") and b"\n" not in first:
            first += content.readline()
    return first.partition(b"\n")[0]
