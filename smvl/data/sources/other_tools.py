"""Tools that stand under a name that is not read: a row whose functions are not shown to the model would teach it to make them up."""

import json
import re
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.tool_calls import read_tools

_NAMED = re.compile(r"(^|[_.])(tool|function|api|plugin)s?($|_)", re.IGNORECASE)


def check_no_other_tools(unread: dict[str, list[Any]]) -> None:
    """Raise `SampleError` when a list of tools stands among the columns of a row, or the keys of its turns, that nobody reads."""
    for column, values in unread.items():
        if _NAMED.search(column) and any(map(_are_tools, values)):
            raise SampleError("tools form", f"{column} holds tools, which are not read from there; expected them in `tools`")


def _are_tools(value: Any) -> bool:
    if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
        return False
    try:
        value = json.loads(value) if isinstance(value, str) else value
        return bool(read_tools([value] if isinstance(value, dict) else value))
    except (ValueError, RecursionError):  # SampleError is one: it is no list of tools
        return False
