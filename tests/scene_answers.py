"""What the answers about a scene are held to: JSON to the schema that its question states, tables, formulas, calls of tools."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_CHINESE_TYPES = {"字符串": "string", "数字": "number", "整数": "integer", "数组": "array"}
_PYTHON_TYPES = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def check_json(question: str, answer: str) -> None:
    """The answer is one JSON object, and has the keys and types that the question states in whichever of its ways."""
    value = json.loads(answer)
    if "JSON Schema：" in question:
        schema, _ = json.JSONDecoder().raw_decode(question.partition("JSON Schema：")[2])
        check_schema(value, schema)
    elif "格式：" in question:
        template, _ = json.JSONDecoder().raw_decode(question.partition("格式：")[2])
        check_template(value, template, "填null" in question)
    else:
        for key in keys_of(value):
            assert f"{key}（" in question, (key, question)


def check_schema(value: Any, schema: Mapping[str, Any]) -> None:
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    assert any(has_type(value, name) for name in types), (value, schema)
    if "enum" in schema:
        assert value in schema["enum"], (value, schema)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value) <= set(properties), (value, schema)
        for key, part in value.items():
            check_schema(part, properties[key])
    if isinstance(value, list):
        for part in value:
            check_schema(part, schema["items"])


def check_template(value: Any, template: Any, may_be_null: bool) -> None:
    """A template has the name of a type in each place, and one element in each list."""
    if isinstance(template, dict):
        assert list(value) == list(template)
        for key in template:
            check_template(value[key], template[key], may_be_null)
    elif isinstance(template, list):
        assert isinstance(value, list)
        for part in value:
            check_template(part, template[0], may_be_null)
    else:
        assert (value is None and may_be_null) or has_type(value, _CHINESE_TYPES[template]), (value, template)


def has_type(value: Any, name: str) -> bool:
    return isinstance(value, _PYTHON_TYPES[name]) and not (isinstance(value, bool) and name in ("number", "integer"))


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values())) if value else set()
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def check_markdown(answer: str) -> None:
    """A table: a header, a rule, and rows, all of as many columns."""
    rows = [read_row(line) for line in answer.split("\n")]
    assert len(rows) >= 3, answer
    assert len(set(map(len, rows))) == 1, answer
    assert all(re.fullmatch(r":?-{3,}:?", cell) for cell in rows[1]), answer


def read_row(line: str) -> list[str]:
    assert line.startswith("|") and line.endswith("|"), line
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line[1:-1])]


def check_latex(answer: str) -> None:
    """Every formula, one a line, is one that matplotlib's parser of LaTeX can set; it has no `cases`, so each of theirs is set alone."""
    from matplotlib.mathtext import MathTextParser

    for formula in answer.split("\n"):
        assert formula.count("{") == formula.count("}") and "$" not in formula, answer
        assert formula.count(r"\begin{cases}") == formula.count(r"\end{cases}"), answer
        before, begun, rest = formula.partition(r"\begin{cases}")
        cases, _, after = rest.partition(r"\end{cases}")
        for part in [before, *cases.split(r"\\"), after] if begun else [formula]:
            MathTextParser("path").parse(f"${part}$" if part else "")


def check_calls(tools: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]) -> None:
    """Each call names a tool that is there and has arguments as its schema wants them."""
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    assert calls and len(schemas) == len(tools)
    for call in calls:
        assert call["type"] == "function" and set(call["function"]) == {"name", "arguments"}
        check_schema(call["function"]["arguments"], schemas[call["function"]["name"]])
