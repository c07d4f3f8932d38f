"""Questions that ask for JSON, and say its keys and types in one of the ways that people do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from smvl.scenes.contents import Contents
from smvl.scenes.scene import JSON, Question

Type = Literal["string", "number", "integer", "array"]

_CHINESE_TYPES = {"string": "字符串", "number": "数字", "integer": "整数", "array": "数组"}
_OPENINGS = (
    "请把{subject}整理成JSON。",
    "提取{subject}，用JSON返回。",
    "读取{subject}，输出JSON。",
    "帮我把{subject}转成JSON。",
    "从图中提取{subject}，结果用JSON表示。",
    "识别{subject}，按要求输出JSON。",
    "我要录入系统，请把{subject}写成JSON。",
    "把{subject}结构化成JSON对象。",
)
_ENDINGS = ("", "只输出JSON。", "不要输出其他内容。", "只要JSON，不要解释。")
_NULL = "图中没有的填null。"


@dataclass(frozen=True)
class Entry:
    """One key of an answer."""

    key: str
    type: Type
    value: Any
    """None where the picture does not say; for an array its objects, each a sequence of entries with the same keys."""
    optional: bool = False
    """Whether such a picture may do without it: then null is an answer, whatever this picture says."""


def ask_json(contents: Contents, subject: str, entries: Sequence[Entry]) -> Question:
    """A question for an object with exactly these keys in this order. The answer is compact JSON with Chinese as it is."""
    opening = contents.random.choice(_OPENINGS).format(subject=subject)
    statement = contents.random.choice((_state_keys, _state_template, _state_schema))(entries)
    null = _NULL if _may_be_null(entries) else ""
    answer = json.dumps(_object(entries), ensure_ascii=False, separators=(",", ":"))
    return Question(JSON, opening + statement + null + contents.random.choice(_ENDINGS), answer)


def draw_entries(contents: Contents, entries: Sequence[Entry], least: int = 2) -> list[Entry]:
    """Some of the entries in their order, at least one of them with a value."""
    while True:
        num = contents.random.randint(min(least, len(entries)), len(entries))
        chosen = sorted(contents.random.sample(range(len(entries)), num))
        if any(entries[index].value is not None for index in chosen):
            return [entries[index] for index in chosen]


def _object(entries: Sequence[Entry]) -> dict[str, Any]:
    return {entry.key: [_object(row) for row in entry.value] if entry.type == "array" else entry.value for entry in entries}


def _may_be_null(entries: Sequence[Entry]) -> bool:
    return any(entry.optional or (entry.type == "array" and _may_be_null(entry.value[0])) for entry in entries)


def _state_keys(entries: Sequence[Entry]) -> str:
    """键：品名（字符串）、价格（数字）。"""
    parts = [f"{entry.key}（{_CHINESE_TYPES[entry.type]}）" for entry in entries]
    inner = "".join(f"{entry.key}的每一项：{_state_keys(entry.value[0])[2:]}" for entry in entries if entry.type == "array")
    return f"键：{'、'.join(parts)}。{inner}"


def _state_template(entries: Sequence[Entry]) -> str:
    """格式：{"品名":"字符串","价格":"数字"}。"""
    return f"格式：{json.dumps(_template(entries), ensure_ascii=False, separators=(',', ':'))}。"


def _template(entries: Sequence[Entry]) -> dict[str, Any]:
    return {e.key: [_template(e.value[0])] if e.type == "array" else _CHINESE_TYPES[e.type] for e in entries}


def _state_schema(entries: Sequence[Entry]) -> str:
    return f"JSON Schema：{json.dumps(_schema(entries), ensure_ascii=False, separators=(',', ':'))}。"


def _schema(entries: Sequence[Entry]) -> dict[str, Any]:
    properties = {entry.key: _property(entry) for entry in entries}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _property(entry: Entry) -> dict[str, Any]:
    if entry.type == "array":
        return {"type": "array", "items": _schema(entry.value[0])}
    return {"type": [entry.type, "null"] if entry.optional else entry.type}
