"""Functions that a model may call, and calls of them, in OpenAI's form."""

from collections.abc import Mapping
from typing import Any


def describe_function(name: str, description: str, parameters: Mapping[str, tuple[str, str]], required: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of a function.

    Args:
        parameters: name -> (JSON type, description).
    """
    properties = {key: {"type": kind, "description": meaning} for key, (kind, meaning) in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def call_function(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A call; `arguments` is an object, not its text."""
    return {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}
