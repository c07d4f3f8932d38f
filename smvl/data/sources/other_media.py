"""Video and sound in a row, which are not read: a row that is about them is refused, and not learned as words alone."""

import re
from typing import Any

from smvl.data.rules import SampleError

_NAMED = re.compile(r"(^|[_.])(video|audio|sound|speech)s?(_(path|file|url|byte)s?)?$", re.IGNORECASE)
_PATH = re.compile(r"[^\n]{1,4000}\.(mp4|avi|mov|mkv|webm|flv|wav|mp3|flac|m4a|ogg|opus)", re.IGNORECASE)


def check_no_other_media(unread: dict[str, list[Any]]) -> None:
    """Raise `SampleError` when video or sound stands among the columns of a row, or the keys of its turns, that nobody reads."""
    for column, values in unread.items():
        is_named = _NAMED.search(column) is not None and any(isinstance(value, (str, bytes, list, tuple, dict)) for value in values)
        if is_named or any(_is_path(value[0] if isinstance(value, (list, tuple)) and value else value) for value in values):
            raise SampleError("content part", f"the column {column} is filled; expected text and images, other media are not read")


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and _PATH.fullmatch(value.strip()) is not None
