"""Python functions as tools: described by their signature and docstring, called with what the model writes."""

import inspect
import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from PIL import Image

from smvl.agent.tool import Result, Tool, ToolFailure

_MARK = "smvl_reads_only"
_HOW = 'Give it type hints, and a docstring with a line for each argument under "Args:".'

Function = TypeVar("Function", bound=Callable[..., Any])


def read_only(function: Function) -> Function:
    """Mark a function that changes nothing, so that an agent need not ask before it calls it."""
    setattr(function, _MARK, True)
    return function


def tool_of(function: Any) -> Tool:
    """A function as a tool.

    Raises:
        ValueError: it is none, or its signature or docstring do not say what it takes.
    """
    if not callable(function) or isinstance(function, type):
        raise ValueError(f"a tool is of the type {type(function).__name__}; expected a Python function.")
    name = getattr(function, "__name__", type(function).__name__)
    if inspect.iscoroutinefunction(function):
        raise ValueError(f"the tool {name} is an async function; expected one that returns its result.")
    from transformers.utils import get_json_schema

    try:
        description = get_json_schema(function)
    except Exception as error:  # of several kinds, none of which is public
        raise ValueError(f"the tool {name} does not say what it takes ({error}). {_HOW}") from error
    description["function"].pop("return", None)  # as Qwen3 was shown tools
    return Tool(name, description, not getattr(function, _MARK, False), partial(_call, function), "a Python function")


def _call(function: Callable[..., Any], arguments: dict[str, Any], seconds: float) -> Result:
    """It runs in the thread of the agent, as whatever it uses may expect, so that nothing can stop it."""
    return result_of(function(**arguments))


def result_of(value: Any) -> Result:
    """Text and pictures of what a function returned: a PIL image, the bytes of a picture, text, what JSON has, or a list of these.

    Raises:
        ToolFailure: it is none of these.
    """
    values = list(value) if isinstance(value, (list, tuple)) and any(map(_is_picture, value)) else [value]
    texts = ["done" if each is None else _text(each) for each in values if not _is_picture(each)]
    return Result("\n".join(texts), tuple(each for each in values if _is_picture(each)))


def _is_picture(value: Any) -> bool:
    return isinstance(value, (Image.Image, bytes))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ToolFailure(f"the result is no JSON ({error})") from error
