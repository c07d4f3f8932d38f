"""What stands in a row and is read by nobody, by its place: `score`, `messages[].name`, `messages[].content[].caption`."""

from collections.abc import Collection, Iterator
from typing import Any

from smvl.data.sources.layouts import RowLayout, has_turns
from smvl.data.sources.listed_images import image_column
from smvl.data.sources.turns import TOOL_KEYS, keys_read, keys_read_in_part
from smvl.data.sources.values import is_empty, list_of_column

SYSTEM_COLUMNS = ("system", "system_prompt")
_READ_IN_ROWS = ("id", *SYSTEM_COLUMNS, *TOOL_KEYS)
"""Columns that are read beside those of a layout."""
_LONGEST_NAME = 100
_READ_IN_PAIRS = ("user", "assistant", "source")
"""Keys of an entry of `texts`."""


def unused_keys(row: dict[str, Any], layout: RowLayout) -> dict[str, list[Any]]:
    """Filled columns of a row that was read, and filled keys of its turns and parts, that were not; with all that stands there."""
    found: dict[str, list[Any]] = {}
    for place, value in _unused(row, layout):
        found.setdefault(place, []).append(value)
    return found


def _unused(row: dict[str, Any], layout: RowLayout) -> Iterator[tuple[str, Any]]:
    column = image_column(row)
    task = "task" if isinstance(row.get("task"), str) else None
    yield from _left(row, {*layout.columns, *layout.beside, *_READ_IN_ROWS, task, column}, "")
    for conversation in layout.columns:
        if conversation == column or (layout.name == "pair" and not has_turns(row[layout.columns[0]])):
            continue
        for turn in list_of_column(row, conversation):
            yield from _left(turn, _READ_IN_PAIRS if layout.name == "texts" else keys_read(turn), f"{conversation}[].")
            yield from _unused_in_parts(turn, f"{conversation}[].")


def _unused_in_parts(turn: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    for key in ("content", "value"):
        if isinstance(turn.get(key), (list, tuple)):
            for part in (part for part in turn[key] if isinstance(part, dict)):
                yield from _left(part, keys_read_in_part(part), f"{place}{key}[].")


def _left(holder: dict[str, Any], read: Collection[Any], place: str) -> Iterator[tuple[str, Any]]:
    return ((f"{place}{key}"[:_LONGEST_NAME], value) for key, value in holder.items() if key not in read and not is_empty(value))
