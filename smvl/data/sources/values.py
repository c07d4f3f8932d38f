"""Cells of a row: which of them say nothing, and which are text, a list, a number or an id."""

import math
from typing import Any

from smvl.data.json_text import parse_json
from smvl.data.rules import SampleError

_MOST_ENTRIES = 10_000
"""Of a conversation: each message takes four tokens at the least, and Qwen3-0.6B reads 40,960."""
_DEEPEST = 20
"""Within so many lists and objects something stands."""
_NOTHING_AS_JSON = ("", "[]", "{}", "null", '""', "[null]", '[""]')


def is_missing(value: Any) -> bool:
    """Null, or the NaN that pandas writes for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_empty(value: Any, depth: int = 0) -> bool:
    """Null, or a text, a list or an object in which nothing stands, also as JSON text."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, str):
        return len(value) < 16 and value.strip() in _NOTHING_AS_JSON
    if isinstance(value, (list, tuple)):
        return all(is_empty(entry, depth + 1) for entry in value)
    if isinstance(value, dict):
        return all(is_empty(entry, depth + 1) for entry in value.values())
    return is_missing(value)


def id_text(value: Any) -> str | None:
    """An id as text: 7, "7" and the 7.0 that a table makes of it are one; None where there is none, or where it is no id."""
    if is_missing(value) or value == "" or isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return str(whole_number(value))


def whole_number(value: Any) -> Any:
    """7 for the 7.0 that a table makes of it; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def text_of_column(row: dict[str, Any], column: str) -> str:
    """The text in a column; empty where there is none.

    Raises:
        SampleError: it holds something else: a number may be an index just as well as an answer.
    """
    value = row.get(column)
    if is_missing(value):
        return ""
    if not isinstance(value, str):
        raise SampleError("column type", f"the column {column} holds {type(value).__name__} {str(value)[:40]!r}; expected text")
    return value


def list_of_column(row: dict[str, Any], column: str) -> list[Any]:
    """The list in a column, also as JSON text; empty where there is none. Raises `SampleError` when it holds something else."""
    value = row.get(column)
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = parse_json(value, "row form", f"the column {column} holds a list as text that is", allows_nan=True)
    if not isinstance(value, (list, tuple)):
        raise SampleError("row form", f"the column {column} holds {type(value).__name__} {str(value)[:40]!r}; expected a list")
    if len(value) > _MOST_ENTRIES:
        raise SampleError("too long", f"the column {column} holds {len(value):,} entries; expected at most {_MOST_ENTRIES:,}")
    return list(value)


def without_nulls(value: Any) -> Any:
    """The same without keys whose value is null: a table gives every object the keys of all others."""
    if isinstance(value, dict):
        return {key: without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [without_nulls(entry) for entry in value]
    return value
