"""What an agent does, a line of JSON for each event, written as it happens: a run that is killed leaves what it did."""

import hashlib
import json
import re
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from smvl.processing.data_url import is_data_url

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{256,}={0,2}|(?:[A-Za-z0-9+/]{60,76}\r?\n){3,}[A-Za-z0-9+/]*={0,2}")
"""On one line, or in the lines of a letter."""


class Transcript:
    """A file of JSON Lines to which runs are added.

    Raises:
        ValueError: the file cannot be written.
    """

    def __init__(self, path: str | PathLike[str]):
        self._file = _open(Path(path))

    def __enter__(self) -> "Transcript":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __call__(self, event: dict[str, Any]) -> None:
        line = {"time": datetime.now().astimezone().isoformat(timespec="milliseconds"), **_without_base64(event)}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()


def picture_name(source: Any, picture: Image.Image) -> str:
    """A picture in words: its path where it has one, else a digest of its pixels and its size."""
    if isinstance(source, PathLike) or (isinstance(source, str) and not is_data_url(source)):
        return str(source)
    digest = hashlib.sha256(picture.tobytes()).hexdigest()
    return f"sha256:{digest} {picture.width}x{picture.height}"


def _open(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ValueError(f"the transcript {path} cannot be written ({error.strerror}). Give another file.") from error


def _without_base64(value: Any) -> Any:
    if isinstance(value, str):
        return _BASE64.sub(lambda found: f"({len(found[0])} characters of base64)", value)
    if isinstance(value, dict):
        return {key: _without_base64(each) for key, each in value.items()}
    return [_without_base64(each) for each in value] if isinstance(value, list) else value
