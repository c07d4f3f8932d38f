"""Choices of a question that stand in columns of their own: where the question does not show them, the answer is a guess."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

from smvl.data.json_text import parse_json
from smvl.data.message_checks import text_of
from smvl.data.rules import SampleError
from smvl.data.sources.values import is_empty, whole_number

_LIST = re.compile(
    r"((answer|question|mc|multiple|possible)[_ ]?)?(choices|options)([_ ]?(list|texts?|values?))?|multiple_choice", re.IGNORECASE
)
_ONE = re.compile(r"[A-J]|op[a-e]|(answer_)?(choice|option)[_ ]?([a-j]|\d{1,2})", re.IGNORECASE)
"""A column for each choice."""
_LETTER = re.compile(r"[A-Za-z]|\d{1,2}|(choice|option)_?([a-z]|\d{1,2})", re.IGNORECASE)
_WORD_KEYS = ("text", "content", "value", "option", "choice", "answer")
_LONGEST = 100_000
"""Characters of a list as Python text that is read."""


def check_choices_are_shown(unread: dict[str, list[Any]], messages: Sequence[dict[str, Any]]) -> None:
    """Raise `SampleError` when columns that nobody reads hold choices, and what is asked does not hold their words."""
    lists = [(column, choice) for column, values in unread.items() if _LIST.fullmatch(column) for choice in _choices(values[0])]
    single = [
        (column, values[0]) for column, values in unread.items() if _ONE.fullmatch(column) and isinstance(values[0], (str, int, float))
    ]
    offered = [*lists, *(single if len(single) > 1 else ())]
    if not offered:
        return
    asked = _plain("\n".join(text_of(message) for message in messages if message["role"] != "assistant"))
    if missing := next(((column, choice) for column, choice in offered if _plain(choice) not in asked), None):
        column, choice = missing
        reason = f"the row has choices that are not in the question ({column}: {str(choice)[:40]!r}); write them into it"
        raise SampleError("unread words", reason)


def _plain(text: Any) -> str:
    return " ".join(str(whole_number(text)).lower().split())


def _choices(value: Any) -> Iterator[Any]:
    """The words of a list of choices, of an object of them by their letters, or of either as text."""
    value = _parsed(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        named = [value[key] for key in _WORD_KEYS if key in value]
        value = list(value.values()) if all(_LETTER.fullmatch(str(key)) for key in value) else named
    for entry in value if isinstance(value, (list, tuple)) else ():
        if isinstance(entry, (list, tuple, dict)):
            yield from _choices(entry)
        elif not is_empty(entry):
            yield entry


def _parsed(text: str) -> Any:
    """The list or object that a text holds as JSON, or as Python prints one; else its parts, where it has several."""
    if not text.lstrip().startswith(("[", "{")):
        return _parts(text)
    try:
        return parse_json(text, "row form", "the choices are")
    except SampleError:
        pass
    try:
        return ast.literal_eval(text.strip()) if len(text) < _LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _parts(text)


def _parts(text: str) -> list[str]:
    parts = re.split(r"[\n|;,]", text.strip())
    return parts if len(parts) > 1 else []
