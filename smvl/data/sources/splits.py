"""Which split a file belongs to, by its name, as `datasets` tells them: train-00000-of-00001.parquet, data/test.jsonl."""

import logging
import re
from collections.abc import Sequence
from pathlib import PurePath

logger = logging.getLogger(__name__)

_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


def split_of(path: PurePath) -> str | None:
    """The split that the name of a file, or of a folder above it, speaks of; None where none does. The file's own name comes first."""
    for part in reversed(path.parts):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in _NAMES:
                return _NAMES[word]
    return None


def check_split_of_file(file: PurePath, split: str) -> None:
    """Raise `ValueError` where a split other than training data is asked for of one file, whose name tells of none or of another."""
    wanted = _NAMES.get(split.lower(), split)
    if wanted not in ("train", split_of(PurePath(file.name))):
        raise ValueError(f"{file} is one file, and `split: {split}` chooses among several. Leave `split` out, or give the folder.")


def files_of_split(files: Sequence[PurePath], split: str, where: str) -> list[PurePath]:
    """Those of `files` that belong to a split; a file that names none is training data.

    Args:
        files: paths below the data folder, whose own name says nothing.
        where: names the data in messages.

    Raises:
        ValueError: none does.
    """
    wanted = _NAMES.get(split.lower(), split)
    splits = {file: split_of(file) or "train" for file in files}
    chosen = [file for file in files if splits[file] == wanted]
    others = sorted(set(splits.values()) - {wanted})
    if not chosen:
        raise ValueError(f"{where}: no file belongs to the split {split!r}; found {', '.join(others)}. Set `split`, or give the file.")
    if others:
        logger.info("%s: reading the split %s; left aside: %s.", where, split, ", ".join(others))
    return chosen
