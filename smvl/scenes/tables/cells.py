"""Finding cells in what was drawn."""

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]
"""{"sort", "title", "who", "key", "columns", "numbers", "summed", "group", "rows", "total"} as `draw_table` has it."""


def rows_by_key(facts: Facts) -> dict[str, list[str]]:
    """Rows by their keys."""
    place = facts["columns"].index(facts["key"])
    return {row[place]: row for row in facts["rows"]}


def other_columns(facts: Facts) -> list[str]:
    """Columns besides the key."""
    return [name for name in facts["columns"] if name != facts["key"]]


def cell_of(facts: Facts, key: str, column: str) -> str:
    return rows_by_key(facts)[key][facts["columns"].index(column)]
