"""What a batch leaves on the disk, and how one that was stopped goes on.

answers.jsonl                  an answer a line; or answers.csv
answers.jsonl.broken.jsonl     pictures that could not be read, with the reason
answers.jsonl.batch.json       what was asked, so that nothing else is added
answers.jsonl.lock             while a batch is going on
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.batch.lines_file import CsvTable, JsonLines, LinesFile
from smvl.batch.pictures import Broken, Picture
from smvl.file_lock import LockedError, holding
from smvl.processing.image_files import PICTURE_ENDINGS, image_name
from smvl.settings_files import read_object
from smvl.strict_yaml import shorten
from smvl.whole_file import write_atomically

MODEL, MODEL_FOLDER = "model_sha256", "model"
"""Keys of what was asked: the model's identity, and where it lies, which may change."""
_ANSWER_KEYS, _BROKEN_KEYS = ("image", "finish", "folder"), ("image", "rule", "reason", "folder")
"""By which a row is known again and counted."""


@dataclass(frozen=True)
class Paths:
    """The files of a batch."""

    answers: Path

    @property
    def broken(self) -> Path:
        return self._beside("broken.jsonl")

    @property
    def asked(self) -> Path:
        return self._beside("batch.json")

    @property
    def lock(self) -> Path:
        return self._beside("lock")

    def __iter__(self) -> Iterator[Path]:
        return iter((self.answers, self.broken, self.asked, self.lock))

    def _beside(self, ending: str) -> Path:
        return self.answers.with_name(f"{self.answers.name}.{ending}")


def paths_of(out: str) -> Paths:
    """Raises `ValueError` for a name that no file of answers can have."""
    path = Path(os.path.realpath(out)) if os.path.islink(out) else Path(out)  # two names of one file have one lock
    shown = image_name(path)
    if path.suffix.lower() in PICTURE_ENDINGS:
        raise ValueError(f"--out {shown} has the name of a picture. Give one that ends in .jsonl or .csv.")
    if not path.name or path.is_dir() or (path.exists() and not path.is_file()):
        raise ValueError(f"--out {shown} is no file. Give one that ends in .jsonl or .csv.")
    if not path.parent.is_dir():
        raise ValueError(f"--out {shown}: there is no folder {image_name(path.parent)}. Make it first.")
    return Paths(path)


class Results:
    """The answers and the broken pictures of a batch, those of earlier runs included."""

    def __init__(self, answers: LinesFile, broken: LinesFile):
        self._answers, self._broken = answers, broken
        self.answered = {_picture(row).key for row in answers.rows}
        self.broken = {_picture(row).key: Broken(_picture(row), row["rule"], row["reason"]) for row in broken.rows}
        self.finishes = Counter(row["finish"] for row in answers.rows)

    def add_answers(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._answers.add(rows)
        self.answered.update(_picture(row).key for row in rows)
        self.finishes.update(row["finish"] for row in rows)

    def add_broken(self, broken: Broken) -> None:
        if broken.picture.key not in self.broken:
            row = {"image": broken.picture.name, "rule": broken.rule, "reason": broken.reason, "folder": broken.picture.folder}
            self._broken.add([row])
            self.broken[broken.picture.key] = broken


@contextmanager
def open_results(paths: Paths, asked: Mapping[str, Any], columns: Sequence[str], *, again: bool) -> Iterator[Results]:
    """The files of a batch, read and ready to be added to.

    Args:
        asked: by what answers are decided.
        columns: of a CSV file.
        again: whether the pictures that were broken are tried once more.

    Raises:
        ValueError: another process writes there, or something else was asked, or was not written by a batch.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(holding(paths.lock))
        except LockedError:
            shown = image_name(paths.answers)
            raise ValueError(f"another batch is being written to {shown}. Wait for its end, or give another --out.") from None
        begins_anew = _check_asked(paths, asked)
        form = CsvTable(columns) if paths.answers.suffix.lower() == ".csv" else JsonLines(_ANSWER_KEYS)
        answers = stack.enter_context(closing(LinesFile(paths.answers, form)))
        broken = stack.enter_context(closing(LinesFile(paths.broken, JsonLines(_BROKEN_KEYS))))
        if begins_anew or again:
            broken.clear()
        try:
            yield Results(answers, broken)
        finally:
            if answers.is_empty and broken.is_empty:
                paths.asked.unlink(missing_ok=True)  # nothing is there that it tells of


def _check_asked(paths: Paths, asked: Mapping[str, Any]) -> bool:
    """Write down what is asked where nothing was answered yet, and return whether it is new; compare it where something was."""
    before = read_object(paths.asked) if paths.asked.exists() else None
    has_answers = paths.answers.exists() and paths.answers.stat().st_size > 0
    shown = image_name(paths.answers)
    if has_answers and before is None:
        raise ValueError(f"{shown} is there, and no batch wrote it (there is no {paths.asked.name}). Give another --out.")
    changed = [] if before is None else _changes(before, asked)
    if has_answers and changed:
        raise ValueError(f"{shown} holds answers to something else: {'; '.join(changed)}. Ask the same, or give another --out.")
    if before is None or changed:
        text = json.dumps(asked, ensure_ascii=False, indent=2) + "\n"
        write_atomically(paths.asked, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    return before is None or bool(changed)


def _changes(before: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What differs, each with its old and its new value."""
    names = [name for name in {**before, **asked} if name != MODEL_FOLDER and _text(before, name) != _text(asked, name)]
    return [f"{MODEL_FOLDER if name == MODEL else name}: {_shown(before, name)} -> {_shown(asked, name)}" for name in names]


def _text(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values.get(name))  # in which the order of keys counts, as it does in a schema


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name == MODEL:
        return f"{values.get(MODEL_FOLDER)} ({str(values.get(name))[:12]})"
    return "none" if values.get(name) is None else shorten(values[name])


def _picture(row: Mapping[str, Any]) -> Picture:
    return Picture(row["folder"], row["image"])
