"""JSON text in a data set: whole rows, and lists or objects that a column keeps as text. A key that stands twice is an error.

Python's own reader would take the last of them and lose the words under the others.
"""

import json
from collections import Counter
from typing import Any

from smvl.data.rules import SampleError


class _DoubledKeyError(ValueError):
    """An object has a key twice; the argument is the key."""


def parse_json(text: str, rule: str, what: str, *, allows_nan: bool = False) -> Any:
    """The value of a text.

    Args:
        rule: what a text breaks that is not JSON, or that is nested too deeply for Python.
        what: begins the messages, as in "the tools are".
        allows_nan: read NaN and Infinity, which pandas writes and JSON does not have.

    Raises:
        SampleError: it is not JSON, or one of its objects has a key twice.
    """
    try:
        return (_LENIENT if allows_nan else _STRICT).decode(text)
    except _DoubledKeyError as error:
        reason = f"{what} JSON with the key {str(error)[:40]!r} twice in one object; keep one of them"
        raise SampleError("broken JSON", reason) from error
    except (ValueError, RecursionError) as error:
        raise SampleError(rule, f"{what} not JSON ({error}): {text[:40]!r}") from error


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _DoubledKeyError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_LENIENT = json.JSONDecoder(object_pairs_hook=_as_object)
_STRICT = json.JSONDecoder(object_pairs_hook=_as_object, parse_constant=_refuse_constant)
