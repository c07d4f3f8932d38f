"""Calls of functions in an answer: what may be called, what was, and whether it was called rightly.

Qwen3 writes `<tool_call>\\n{"name": ..., "arguments": {...}}\\n</tool_call>`, behind any text, one call after another.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smvl.strict_yaml import shorten

OPENING, CLOSING = "<tool_call>", "</tool_call>"
_CALL = re.compile(rf"{OPENING}(.*?)(?:{CLOSING}|$)", re.DOTALL)


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called."""

    name: str
    arguments: dict[str, Any]
    error: str | None = None
    """What is wrong with it, for the model to read; such a call must not be carried out."""

    def as_message(self) -> dict[str, Any]:
        """As it stands in the `tool_calls` of an assistant's message."""
        return {"type": "function", "function": {"name": self.name, "arguments": self.arguments}}


def read_functions(tools: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each function's arguments, by name.

    Args:
        tools: as OpenAI writes them, `{"type": "function", "function": {"name": ..., "parameters": ...}}`, or the inner mapping alone.

    Raises:
        ValueError: a tool has no name, or two have the same, or the parameters are no schema of an object.
    """
    functions: dict[str, dict[str, Any]] = {}
    for index, tool in enumerate(tools):
        function = tool.get("function", tool)
        name = function.get("name") if isinstance(function, Mapping) else None
        if not isinstance(name, str) or not name:
            raise ValueError(f'tool {index} is {shorten(tool)}; expected {{"type": "function", "function": {{"name": ...}}}}.')
        if name in functions:
            raise ValueError(f"tool {index} is called {name}, as another one is; a call could mean either.")
        parameters = function.get("parameters") or {}
        if not isinstance(parameters, Mapping) or parameters.get("type", "object") != "object":
            raise ValueError(f"the parameters of {name} are {shorten(parameters)}; expected the JSON schema of an object.")
        functions[name] = {"type": "object", "properties": {}, **parameters}
    return functions


def split_calls(text: str, functions: Mapping[str, Mapping[str, Any]]) -> tuple[str, tuple[ToolCall, ...]]:
    """What an answer says before its calls, and the calls, each checked against the schema of its function."""
    said, opening, calls = text.partition(OPENING)
    if not opening:
        return text, ()
    return said.rstrip("\n"), tuple(_read_call(written, functions) for written in _CALL.findall(opening + calls))


def write_call(function: Mapping[str, Any]) -> str:
    """A call, of which name and arguments are given, as Qwen3 writes it."""
    call = {"name": function["name"], "arguments": function["arguments"]}
    return f"{OPENING}\n{json.dumps(call, ensure_ascii=False)}\n{CLOSING}"


def _read_call(written: str, functions: Mapping[str, Mapping[str, Any]]) -> ToolCall:
    try:
        call = json.loads(written)
    except ValueError as error:
        return ToolCall("", {}, f"the call is no JSON ({error}): {shorten(written.strip())}")
    name, arguments = (call.get("name"), call.get("arguments", {})) if isinstance(call, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return ToolCall("", {}, f'the call is {shorten(call)}; expected {{"name": ..., "arguments": {{...}}}}')
    return ToolCall(name, arguments, _error_of(name, arguments, functions))


def _error_of(name: str, arguments: dict[str, Any], functions: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with a call in plain words; None for one that is right."""
    if name not in functions:
        return f"there is no function {name}; there are {', '.join(functions)}"
    try:
        from jsonschema import Draft202012Validator
    except ImportError as error:
        raise ValueError(f"checking the arguments of calls needs jsonschema ({error}). Install it: pip install jsonschema") from error
    wrong = sorted(Draft202012Validator(functions[name]).iter_errors(arguments), key=lambda each: str(each.absolute_path))
    return "; ".join(f"{'.'.join(map(str, each.absolute_path)) or name}: {each.message}" for each in wrong[:4]) or None
