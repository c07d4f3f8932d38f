"""A tool as the loop knows it, whether a Python function or one of an MCP server is behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_CHARACTERS = 4000
"""Of a result's text that a model is shown: small models lose the question behind more."""


class ToolFailure(Exception):
    """A tool that could not do what it was asked; the message is for the model to read."""


@dataclass(frozen=True)
class Result:
    """What a tool gave."""

    text: str
    pictures: tuple[Any, ...] = ()
    """Whatever `read_image` reads."""


@dataclass(frozen=True)
class Tool:
    """Something that a model may call."""

    name: str
    description: dict[str, Any]
    """As the chat template is given it: `{"type": "function", "function": {"name": ..., "description": ..., "parameters": ...}}`."""
    changes: bool
    """Whether a call may change something, so that somebody has to permit it."""
    call: Callable[[dict[str, Any], float], Result]
    """With the arguments and the seconds that are left; raises `ToolFailure`, or whatever a function raises."""
    source: str
    """Where it comes from, in words."""


def shown_text(text: str) -> str:
    """As much of a result as a model is shown, half characters (of a file's name that is no UTF-8) as escapes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    left_out = len(text) - MOST_CHARACTERS
    return text if left_out <= 0 else f"{text[:MOST_CHARACTERS]}\n... ({left_out} more characters were left out)"
