"""Calls of functions as a form: behind `<tool_call>` stands the name of a function there is, and arguments by its schema."""

import json
from collections.abc import Mapping
from typing import Any

from smvl.infer.form.closed_schema import close_objects
from smvl.infer.form.form import Form

CHOICES = ("auto", "none", "required")
_AS_WRITTEN = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""As Qwen3's chat template writes a call."""
_ANY_TEXT = "TEXT: /(.|\\n)+/\n"
_ANY_OBJECT = {"type": "object"}


def calling_form(functions: Mapping[str, Mapping[str, Any]], choice: str, form: Form | None) -> Form | None:
    """The form of an answer that may call functions.

    Args:
        functions: the schema of each one's arguments.
        choice: `auto` (text, or `form` where there is one, or calls), `none` (no call), `required` (at least one call), or the name of the
            function that is called once.
        form: of the answer where it is none of calls.

    Raises:
        ValueError: there is no such function.
    """
    if choice not in (*CHOICES, *functions):
        raise ValueError(f"tool_choice is {choice}; expected one of {', '.join([*CHOICES, *functions])}.")
    if choice == "none":
        return form or Form(f"start: TEXT?\n{_ANY_TEXT}")
    called = functions if choice in CHOICES else {choice: functions[choice]}
    calls = _calls(called)
    if choice == "required":
        return Form(f'start: call ("\\n" call)*\n{calls}', is_json=True)
    if choice != "auto":
        return Form(f"start: call\n{calls}", is_json=True)
    if form is None:
        return Form(f'start: TEXT? (call ("\\n" call)*)?\n{calls}{_ANY_TEXT}', is_json=True)
    return Form(form.within(f'start: call ("\\n" call)* | @form\n{calls}'), is_json=form.is_json)


def _calls(functions: Mapping[str, Mapping[str, Any]]) -> str:
    """Lark rules for a call of one of some functions."""
    bodies = [f"{json.dumps(_opening(name))} arguments_{place} {json.dumps('}')}" for place, name in enumerate(functions)]
    schemas = [
        f"arguments_{place}: %json {json.dumps(_held_schema(schema), ensure_ascii=False)}\n"
        for place, schema in enumerate(functions.values())
    ]
    return f'call: <tool_call> "\\n" ({" | ".join(bodies)}) "\\n" </tool_call>\n{"".join(schemas)}'


def _opening(name: str) -> str:
    return f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '


def _held_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema where an answer can be held to it, else any object: the arguments are checked once they are written."""
    held = {**close_objects(dict(schema)), "x-guidance": _AS_WRITTEN}
    try:
        Form(f"start: %json {json.dumps(held, ensure_ascii=False)}")
    except ValueError:
        return {**_ANY_OBJECT, "x-guidance": _AS_WRITTEN}
    return held
