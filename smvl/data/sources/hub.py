"""Data sets of the Hugging Face hub, by way of the `datasets` library: no code of theirs is run, and offline nothing is fetched.

Training is offline unless HF_HUB_OFFLINE=0 is set; what was fetched once is read from the cache of `datasets` from then on.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smvl.data.sources.cauldron import SUBSETS, describe_unknown, leave_out_broken, refuse_broken
from smvl.data.sources.local import SUFFIXES
from smvl.data.sources.storage import Storage
from smvl.data.sources.stream import StreamFolder
from smvl.data.sources.tables import Table, open_parquet

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FETCH = "HF_HUB_OFFLINE=0 python train.py ..."


def is_hub_id(path: str) -> bool:
    """Whether a path that does not exist reads `owner/name`, and no folder of the owner's name lies here."""
    is_file_name = Path(path).suffix in SUFFIXES
    return _ID.fullmatch(path) is not None and not is_file_name and not os.path.exists(path) and not os.path.exists(Path(path).parent)


def check_hub(path: str, subsets: Sequence[str], *, is_cauldron: bool) -> None:
    """Raise `ValueError` when nothing may be fetched and nothing of this id was fetched before, or a subset cannot be."""
    import datasets

    if _ID.fullmatch(path) is None:
        raise ValueError(f"{path}: this is not the id of a data set on the hub; expected owner/name.")

    if is_cauldron:
        refuse_broken(subsets, path)
        if unknown := [subset for subset in subsets if subset not in SUBSETS]:
            raise ValueError(f"{path}: {describe_unknown(unknown[0], SUBSETS)}.")
    if datasets.config.HF_HUB_OFFLINE and not (_cached(path).exists() or StreamFolder.of(path, "", "").folder.parent.exists()):
        raise ValueError(_not_here(path))


def open_hub(path: str, subsets: Sequence[str], split: str, stream: int | None, *, is_cauldron: bool) -> Storage:
    """Open a data set of the hub.

    Args:
        path: its id, `owner/name`.
        subsets: its configurations; none means all of them.
        stream: rows to take from the beginning of its stream, shared evenly between the subsets; None takes all of it.
        is_cauldron: refuse The Cauldron's broken subsets, and leave them out where none is named.

    Raises:
        ValueError: it is not in the cache and may not be fetched, or there is no such subset or split.
    """
    check_hub(path, subsets, is_cauldron=is_cauldron)
    names = list(subsets) or (leave_out_broken(SUBSETS, path) if is_cauldron else _subsets_of(path))
    if stream is None:
        parts = [Table(_load(path, name, split, streaming=False), f"{path}/{name}", _cache()) for name in names]
    else:
        counts = [stream // len(names) + (number < stream % len(names)) for number in range(len(names))]
        parts = [table for name, count in zip(names, counts) if count for table in _open_stream(path, name, split, count)]
    return Storage("hub", parts, _cache())


def _open_stream(path: str, subset: str, split: str, num_rows: int) -> list[Table]:
    folder = StreamFolder.of(path, subset, split)
    files = folder.fill(lambda: _load(path, subset, split, streaming=True), num_rows)
    return open_parquet(files, f"{path}/{subset}", folder.folder, num_rows=num_rows)


def _cached(path: str) -> Path:
    """Where `datasets` keeps what it has fetched of a data set."""
    import datasets
    from datasets.naming import camelcase_to_snakecase

    owner, name = path.split("/")
    return Path(datasets.config.HF_DATASETS_CACHE, f"{owner}___{camelcase_to_snakecase(name)}")


def _cache() -> Path:
    """Where image files lie that a data set holds as files."""
    import datasets

    return Path(datasets.config.HF_CACHE_HOME)


def _subsets_of(path: str) -> list[str]:
    import datasets

    try:
        return datasets.get_dataset_config_names(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise _explained(error, path) from error


def _load(path: str, subset: str, split: str, *, streaming: bool) -> Any:
    import datasets

    try:
        return datasets.load_dataset(path, subset, split=split, streaming=streaming)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise _explained(error, path) from error


def _explained(error: Exception, path: str) -> ValueError:
    """What `datasets` complains of, with what to do."""
    import datasets

    if isinstance(error, ConnectionError) and datasets.config.HF_HUB_OFFLINE:
        return ValueError(_not_here(path))
    if isinstance(error, (ConnectionError, datasets.exceptions.DatasetNotFoundError)):
        hint = "Check the id and the network; HF_ENDPOINT=https://... names a mirror, `hf auth login` opens data sets that ask for it."
        return ValueError(f"{path}: there is no such folder here, and no such data set could be reached ({error}). {hint}")
    if "script" in str(error):
        hint = "Take a copy of it in parquet (its card may offer refs/convert/parquet), or convert it yourself."
        return ValueError(f"{path}: this data set is loaded by code of its own, which is never run ({error}). {hint}")
    return ValueError(f"{path}: {error}. Look at `subsets` and `split`.")


def _not_here(path: str) -> str:
    return (
        f"{path}: there is no such folder here, and no data set of this id in the cache, and nothing is fetched while HF_HUB_OFFLINE is 1. "
        f"If it is a data set of the hub, fetch it once with {_FETCH}; if it is a folder, mend the path or run download_resource.sh."
    )
