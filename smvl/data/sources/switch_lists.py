"""Switches of the loss that a row lists beside its messages: one for each answer, message or token. They are not read, so it is refused."""

import re
from collections.abc import Sequence
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.loss_switches import as_word
from smvl.data.sources.values import is_missing

_NAMED = re.compile(r"(^|[_.])((un|multi)?mask|loss|weight|train|learn|supervis|ignor|skip|keep)(e?s|ed|e|able|ing)?($|_)", re.IGNORECASE)
_NAMED_LABELS = re.compile(r"((loss|train|turn|message|answer|response|reply|assistant)_)?labels?", re.IGNORECASE)
_OF_TOKENS = re.compile(r"loss|train|(assistant|completion|response|answer|output|target)s?_(tokens?_)?mask", re.IGNORECASE)
_OFF = re.compile(r"(^|_)((no|not)_|ignor|skip)|(^|is_)mask", re.IGNORECASE)
_IGNORED = -100
"""What labels of tokens have where nothing is learned."""


def check_no_switch_lists(unread: dict[str, list[Any]], messages: Sequence[dict[str, Any]]) -> None:
    """Raise `SampleError` for a column that nobody reads and that says of each answer, message or token whether it is learned.

    One that says that all are is let through, and so are numbers of classes under `labels`.
    """
    num_said = sum(message["role"] != "system" for message in messages)
    counts = {num_said, num_said + 1, sum(message["role"] == "assistant" for message in messages)}
    for column, values in unread.items():
        if not _NAMED_LABELS.fullmatch(column) and not _NAMED.search(column):
            continue
        found = next((value for value in values if _switches(column, _numbers(value), counts)), None)
        if found is not None:
            reason = f"{column} is {str(found)[:40]}, which seems to switch the loss of one turn after the other and is not read"
            raise SampleError("message switch", f"{reason}; expected `loss` in the assistant's turns")


def _switches(column: str, numbers: Sequence[float], counts: set[int]) -> bool:
    is_off = _OFF.search(column) is not None or any(number != 1 for number in numbers)
    return bool(numbers) and is_off and _are_switches(column, numbers, counts)


def _are_switches(column: str, numbers: Sequence[float], counts: set[int]) -> bool:
    if _NAMED_LABELS.fullmatch(column):
        return _IGNORED in numbers or (1 < len(numbers) in counts and set(numbers) <= {0, 1})
    return len(numbers) in counts or (_OF_TOKENS.search(column) is not None and set(numbers) <= {0, 1})


def _numbers(value: Any) -> list[float]:
    """The numbers of a list, without its nulls; also as text, `[0, 1]` or `0,1`. Empty where it is anything else."""
    if isinstance(value, str):
        words = re.split(r"[\s,;]+", value.strip().strip("[]()"))
        value = words if len(words) > 1 or value.lstrip().startswith("[") else None
    if not isinstance(value, (list, tuple, dict)):
        return []
    found = [_number(entry) for entry in (value.values() if isinstance(value, dict) else value) if not is_missing(entry)]
    return [] if None in found else found


def _number(entry: Any) -> float | None:
    word = as_word(entry)
    if isinstance(entry, str) and word is None:
        try:
            return float(entry)
        except ValueError:
            return None
    return float(word) if isinstance(word, (bool, int, float)) else None
