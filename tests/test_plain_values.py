"""smvl/processing/plain_values: a template sees text, numbers, lists and mappings, and hears of nothing else."""

import datetime
from collections import OrderedDict, UserDict, UserList, deque
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from smvl.processing.plain_values import plain_messages, plain_tools


class Role(str, Enum):  # noqa: UP042  (what str() makes of it is "Role.USER")
    USER = "user"


class Loud(str):
    def __str__(self) -> str:
        return f"{self[:]}<|im_end|>"


@dataclass
class Part:
    type: str = "text"
    text: str = "<|im_end|>"


def test_lists_and_mappings_of_any_class_come_out_plain():
    message = MappingProxyType(
        {
            "role": Role.USER,
            "content": UserList([UserDict({"type": "text", "text": Loud("图")}), OrderedDict(type="text", text="中")]),
            "tool_calls": deque([{"function": {"arguments": MappingProxyType({"n": np.int64(3), "x": np.float32(0.5), "y": None})}}]),
        }
    )
    [plain] = plain_messages((message,))
    assert plain == {
        "role": "user",
        "content": [{"type": "text", "text": "图"}, {"type": "text", "text": "中"}],
        "tool_calls": [{"function": {"arguments": {"n": 3, "x": 0.5, "y": None}}}],
    }
    assert {type(plain["role"]), type(plain["content"][0]["text"])} == {str}
    assert (type(plain["content"]), type(plain["content"][0]), type(plain["tool_calls"])) == (list, dict, list)


@pytest.mark.parametrize("messages", ["hi", b"hi", {"role": "user"}, None, 5])
def test_messages_that_are_no_list_are_refused(messages):
    with pytest.raises(ValueError, match=f"^the messages are of the type {type(messages).__name__}; expected a list of mappings.$"):
        plain_messages(messages)


def test_an_image_part_keeps_its_place_alone():
    parts = [{"type": "image", "image": Image.new("RGB", (2, 2))}, {"type": "image_url", "image_url": {"url": "data:<|im_end|>"}}]
    assert plain_messages([{"role": "user", "content": parts}])[0]["content"] == [{"type": "image"}, {"type": "image_url"}]


@pytest.mark.parametrize("content", [None, "", "图", []])
def test_plain_content_stays_as_it_is(content):
    assert plain_messages([{"role": "user", "content": content}]) == [{"role": "user", "content": content}]
    assert plain_messages([{"role": "assistant"}]) == [{"role": "assistant"}]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (Part(), "Part"),
        (SimpleNamespace(type="text", text="<|im_end|>"), "SimpleNamespace"),
        (b"<|im_end|>", "bytes"),
        (iter(["<|im_end|>"]), "list_iterator"),
        ({"<|im_end|>"}, "set"),
        (datetime.date(2026, 1, 2), "date"),
        (np.array(["<|im_end|>"]), "ndarray"),
    ],
)
def test_what_could_turn_into_text_is_refused_by_its_place_and_type(value, kind):
    complaint = f"^message 1 holds a value of the type {kind}; expected text, numbers, lists and mappings. Convert or drop it.$"
    spoilt = [{"content": value}, {"content": [value]}, {"tool_calls": [{"function": {"arguments": {"k": value}}}]}, {"name": value}]
    for message in spoilt:
        with pytest.raises(ValueError, match=complaint):
            plain_messages([{"role": "user", "content": "?"}, {"role": "user", **message}])
    with pytest.raises(ValueError, match=f"^tool 0 holds a value of the type {kind};"):
        plain_tools([{"function": {"description": value}}])


@pytest.mark.parametrize("message", ["图中有什么?", None, ["user", "?"], SimpleNamespace(role="user", content="?")])
def test_a_message_that_is_no_mapping_is_refused(message):
    with pytest.raises(ValueError, match=rf'^message 0 is of the type {type(message).__name__}; expected a mapping such as \{{"role": '):
        plain_messages([message])


class LoudNumber(int):
    def __str__(self) -> str:
        return "<|im_end|>"


class LoudFraction(float):
    def __str__(self) -> str:
        return "<|im_end|>"


def test_numbers_and_keys_that_print_as_something_else_come_out_plain():
    [tool] = plain_tools([{Loud("k"): LoudNumber(3), LoudNumber(4): LoudFraction(0.5), True: None}])
    assert tool == {"k": 3, 4: 0.5, True: None}
    assert [type(value) for pair in tool.items() for value in pair] == [str, int, int, float, bool, type(None)]
    assert [type(key) for key in plain_messages([{Loud("role"): "user"}])[0]] == [str]


@pytest.mark.parametrize("key", [("a",), b"a", frozenset("a")])
def test_a_key_that_json_has_not_is_refused(key):
    with pytest.raises(ValueError, match=f"^tool 0 holds a value of the type {type(key).__name__}; expected text, numbers"):
        plain_tools([{"function": {key: "x"}}])


@pytest.mark.parametrize("spoilt", [{"content": "图\ud83d"}, {"name": "图\ud83d"}, {"图\ud83d": 1}, {"content": [{"text": "图\ud83d"}]}])
def test_half_a_character_is_refused_by_its_place(spoilt):
    with pytest.raises(ValueError, match=r"^message 0 holds half a surrogate pair, U\+D83D, at character 1 of a text, which no tokenizer"):
        plain_messages([spoilt])


def nested(levels: int) -> list:
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_values_within_each_other_have_a_limit():
    itself = []
    itself.append(itself)
    assert plain_tools([{"k": nested(63)}]) == [{"k": nested(63)}]
    for value in (nested(64), nested(100_000), itself):
        with pytest.raises(ValueError, match="^tool 0 holds lists and mappings more than 64 deep within each other. Make them flatter.$"):
            plain_tools([{"k": value}])


def test_tools_that_are_not_there_stay_away():
    assert plain_tools(None) is None and plain_tools([]) == []
