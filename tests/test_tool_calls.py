"""Calls of tools: what a model writes becomes calls that fit their functions, and a choice of tools holds.

python -m pytest tests/test_tool_calls.py
"""

import json
from typing import Any

import pytest

from smvl.infer.engine import Engine
from smvl.infer.form.form import Form
from smvl.infer.request import Request
from smvl.infer.tool_calls import ToolCall, read_functions, split_calls
from tests.test_engine import ask, picture, save_small_checkpoint, write_for
from tests.test_form import accepts


def tool(name: str, *, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": "?", "parameters": parameters}}


PRICE = tool(
    "update_price", required=("商品", "单价"), 商品={"enum": ["苹果", "牛奶"]}, 单价={"type": "integer", "minimum": 0, "maximum": 99}
)
LOOK = tool("look")
TOOLS = [PRICE, LOOK]
CALL = '<tool_call>\n{"name": "update_price", "arguments": {"商品": "苹果", "单价": 3}}\n</tool_call>'
LOOKED = '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>'


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.from_folder(save_small_checkpoint(tmp_path_factory.mktemp("tools")), device="cpu")


def form(choice: str = "auto", own: Form | None = None, tools: Any = TOOLS) -> Form:
    from smvl.infer.form.tools import calling_form

    return calling_form(read_functions(tools), choice, own)


# ---- what is read out of an answer ----------------------------------------------------------------------------------------------


def test_text_and_calls_are_told_apart() -> None:
    functions = read_functions(TOOLS)
    price = ToolCall("update_price", {"商品": "苹果", "单价": 3})
    assert split_calls(f"我来改价。\n{CALL}\n{LOOKED}", functions) == ("我来改价。", (price, ToolCall("look", {})))
    assert split_calls("没有调用。", functions) == ("没有调用。", ())
    assert split_calls(CALL.removesuffix("\n</tool_call>"), functions) == ("", (price,))
    assert price.as_message() == {"type": "function", "function": {"name": "update_price", "arguments": {"商品": "苹果", "单价": 3}}}


@pytest.mark.parametrize(
    "written, said",
    [
        ('{"name": "delete", "arguments": {}}', "there is no function delete; there are update_price, look"),
        ('{"name": "update_price", "arguments": {"商品": "苹果"}}', "update_price: '单价' is a required property"),
        ('{"name": "update_price", "arguments": {"商品": "苹果", "单价": "3"}}', "单价: '3' is not of type 'integer'"),
        ('{"name": "update_price", "arguments": {"商品": "梨", "单价": 3}}', "商品: '梨' is not one of"),
        ('{"name": "look", "arguments": [1]}', "expected {"),
        ('{"name": "look", "argu', "the call is no JSON"),
        ("[]", "expected {"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(written: str, said: str) -> None:
    _, [call] = split_calls(f"<tool_call>\n{written}\n</tool_call>", read_functions(TOOLS))
    assert said in call.error


@pytest.mark.parametrize(
    "tools, said",
    [
        ([{"type": "function"}], "tool 0 is"),
        ([LOOK, LOOK], "tool 1 is called look, as another one is"),
        ([{"name": "a", "parameters": {"type": "string"}}], "the parameters of a are"),
    ],
)
def test_tools_that_are_none_are_refused(tools: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_functions(tools)


# ---- what a model is held to ----------------------------------------------------------------------------------------------------


def test_behind_an_opened_call_the_form_holds() -> None:
    for whole in (CALL, f"好的。\n{CALL}", f"{CALL}\n{LOOKED}", "没有。", ""):
        assert accepts(form(), whole)
    for wrong in (
        "<tool_call>你好",
        CALL.replace("苹果", "梨"),
        CALL.replace("update_price", "delete"),
        CALL.replace("3", '"3"'),
        f"{CALL}好",
    ):
        assert not accepts(form(), wrong)
    assert accepts(form(), f"<think>\n看图\n</think>\n\n{CALL}", thinking=True)


def test_a_choice_of_tools_holds() -> None:
    assert [accepts(form("required"), text) for text in (CALL, f"{CALL}\n{LOOKED}", "没有。", "")] == [True, True, False, False]
    assert [accepts(form("look"), text) for text in (LOOKED, CALL, "没有。", f"{LOOKED}\n{LOOKED}")] == [True, False, False, False]
    assert [accepts(form("none"), text) for text in ("没有。", CALL)] == [True, False]


def test_an_answer_has_its_own_form_or_is_a_call() -> None:
    own = Form.json_schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    assert [accepts(form("auto", own), text) for text in ('{"a":1}', CALL, "没有。")] == [True, True, False]
    assert [accepts(form("none", own), text) for text in ('{"a":1}', CALL)] == [True, False]
    assert [accepts(form("auto", own), f"<think>\n看\n</think>\n\n{text}", thinking=True) for text in ('{"a":1}', CALL)] == [True, True]


def test_arguments_that_no_grammar_holds_are_checked_once_they_are_written() -> None:
    unique = tool("tag", required=("names",), names={"type": "array", "items": {"type": "string"}, "uniqueItems": True})
    twice = '<tool_call>\n{"name": "tag", "arguments": {"names": ["a", "a"]}}\n</tool_call>'
    assert accepts(form("required", tools=[unique]), twice)
    _, [call] = split_calls(twice, read_functions([unique]))
    assert "non-unique" in call.error


@pytest.mark.parametrize("choice, names", [("required", {"update_price", "look"}), ("look", {"look"}), ("update_price", {"update_price"})])
def test_a_model_that_knows_nothing_calls_what_it_must(engine: Engine, choice: str, names: set[str]) -> None:
    requests = [ask(f"第{number}张图?", picture("red"), tools=TOOLS, tool_choice=choice) for number in range(5)]
    for answer in engine.answer(requests, max_new_tokens=96):
        assert answer.tool_calls and answer.text == ""
        assert {call.name for call in answer.tool_calls} <= names
        assert not [call.error for call in answer.tool_calls if call.error] or answer.finish != "stop"


def test_with_none_it_calls_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in engine.answer([ask(f"{number}?", tools=TOOLS, tool_choice="none") for number in range(5)], max_new_tokens=24):
        assert not answer.tool_calls and "<tool_call>" not in answer.text


def test_calls_are_no_part_of_the_text_whole_or_in_pieces(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("", "我来改价,\n请稍等。"):
        written = f"{said}\n{CALL}" if said else CALL
        write_for(engine, monkeypatch, f"{written}<|im_end|>")
        [answer] = engine.answer([ask("改价", tools=TOOLS)])
        assert (answer.text, answer.tool_calls) == (said, (ToolCall("update_price", {"商品": "苹果", "单价": 3}),))
        write_for(engine, monkeypatch, f"{written}<|im_end|>")
        stream = engine.stream(ask("改价", tools=TOOLS))
        assert "".join(piece.text for piece in stream) == said == stream.answer.text
        assert stream.answer.tool_calls == answer.tool_calls


def test_without_tools_an_answer_is_left_as_it_is(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    write_for(engine, monkeypatch, f"{CALL}<|im_end|>")
    [answer] = engine.answer([ask("改价")])
    assert (answer.text, answer.tool_calls) == (CALL, ())


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"tool_choice": "required"}, "tool_choice is required, but the request has no tools"),
        ({"tools": TOOLS, "tool_choice": "delete"}, "tool_choice is delete; expected one of auto, none, required, update_price, look"),
        ({"tools": TOOLS, "tool_choice": None}, "tool_choice is .*; expected auto, none, required, or the name of a tool"),
        ({"tools": [{"a": 1}]}, "tool 0 is"),
    ],
)
def test_a_request_that_chooses_wrongly_is_refused_at_once(engine: Engine, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        engine.answer([ask("?", **fields)])


def test_the_calls_of_an_answer_go_back_into_the_conversation(engine: Engine) -> None:
    """As the chat template writes them, which is what they were read from."""
    _, calls = split_calls(f"{CALL}\n{LOOKED}", read_functions(TOOLS))
    messages = [
        {"role": "user", "content": "改价"},
        {"role": "assistant", "content": "", "tool_calls": [call.as_message() for call in calls]},
        {"role": "tool", "content": json.dumps({"ok": True})},
        {"role": "user", "content": "好了吗?"},
    ]
    shown = engine.processor.tokenizer.decode(engine.lay_out(Request(messages, tools=TOOLS)).input_ids)
    assert f"<|im_start|>assistant\n{CALL}\n{LOOKED}<|im_end|>" in shown
