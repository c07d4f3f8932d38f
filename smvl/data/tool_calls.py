"""Tools and the calls of them, in one form whatever the data set's own: OpenAI's, with the arguments as an object.

Arguments come as JSON text (OpenAI) or as an object; the chat template writes an object, so equal calls become equal tokens.
"""

import json
from typing import Any

from smvl.data.json_text import parse_json
from smvl.data.rules import SampleError
from smvl.data.sources.values import is_empty

CALL_ID_KEYS = ("tool_call_id", "call_id", "tool_use_id")
"""Under which a result names its call; a call may have its id there too, beside the `id` that is OpenAI's."""


def read_tools(tools: Any) -> list[dict[str, Any]] | None:
    """The functions that may be called as `[{"type": "function", "function": schema}]`; None where there are none.

    Raises:
        SampleError: it is not a list of schemas (also as JSON text), or one has no name.
    """
    tools = _parsed(tools, "tools form", "the tools are") if isinstance(tools, str) else tools
    if not tools:
        return None
    if not isinstance(tools, (list, tuple)):
        raise SampleError(
            "tools form", f"the tools are {type(tools).__name__}; expected a list of function schemas, or such a list as JSON"
        )
    return [_read_tool(tool, number) for number, tool in enumerate(tools)]


def _read_tool(tool: Any, number: int) -> dict[str, Any]:
    schema = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(schema, dict) or not isinstance(schema.get("name"), str):
        raise SampleError("tools form", f'tool {number} is {_shown(tool)}; expected {{"type": "function", "function": {{"name": ...}}}}')
    return {"type": "function", "function": _as_json(schema, "tools form", f"tool {number} is")}


def read_calls(calls: Any, index: int) -> list[dict[str, Any]]:
    """The calls of message `index` as `[{"type": "function", "function": {"name": ..., "arguments": {...}}}]`.

    Args:
        calls: one call or a list of them, or JSON text of either (ShareGPT's `function_call` turns).

    Raises:
        SampleError: a call has no name, or its arguments are not a JSON object.
    """
    return [_read_call(call, index) for call in list_of_calls(calls, index)]


def list_of_calls(calls: Any, index: int) -> list[dict[str, Any]]:
    """The calls of message `index` as they are written; raises `SampleError` when they are not objects."""
    calls = _parsed(calls, "tool call form", f"the tool call of message {index} is") if isinstance(calls, str) else calls
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, (list, tuple)) or not all(isinstance(call, dict) for call in calls):
        raise SampleError("tool call form", f"the tool calls of message {index} are {_shown(calls)}; expected a list of objects")
    return list(calls)


def _read_call(call: dict[str, Any], index: int) -> dict[str, Any]:
    function = call.get("function", call)
    if not isinstance(function, dict):
        raise SampleError("tool call form", f'a tool call of message {index} is {_shown(call)}; expected {{"name": ..., "arguments": ...}}')
    name, arguments = function.get("name"), _arguments_of(function, index)
    if not isinstance(name, str) or not name.strip():
        raise SampleError("tool call name", f"a tool call of message {index} has the name {name!r}; expected the name of a function")
    if isinstance(arguments, str):
        what = f"the arguments that message {index} gives to {name} are"
        arguments = _parsed(arguments, "tool call arguments", what) if arguments.strip() else {}
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise SampleError(
            "tool call arguments", f"the arguments that message {index} gives to {name} are {_shown(arguments)}; expected a JSON object"
        )
    arguments = _as_json(arguments, "tool call arguments", f"the arguments that message {index} gives to {name} are")
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def _arguments_of(function: dict[str, Any], index: int) -> Any:
    """What stands under `arguments`, or under `parameters` where that is empty."""
    given = [function[key] for key in ("arguments", "parameters") if not is_empty(function.get(key))]
    if len(given) > 1 and given[0] != given[1]:
        raise SampleError("unread words", f"a tool call of message {index} has arguments and parameters, which differ; expected arguments")
    return given[0] if given else function.get("arguments", function.get("parameters"))


def _as_json(value: Any, rule: str, what: str) -> Any:
    """The value, if the chat template can write it: a table may hold bytes and dates, and JSON text NaN."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SampleError(rule, f"{what} no JSON ({error}): {_shown(value)}") from error
    return value


def _parsed(text: str, rule: str, what: str) -> Any:
    return parse_json(text, rule, what) if text.strip() else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
