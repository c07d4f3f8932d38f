"""smvl/data/sample and what it checks by: a conversation that cannot be learned from names the rule that it breaks."""

import pytest

from smvl.data.message_checks import check_texts
from smvl.data.sample import MAX_CHARACTERS, MAX_ID, Sample, SampleError
from smvl.data.tool_calls import read_calls, read_tools

USER, ASSISTANT = {"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}
IMAGE_QUESTION = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}
RESULT = {"role": "tool", "content": "4"}


def make(messages, images=(), **options) -> Sample:
    return Sample(**{"id": "1", "messages": messages, "images": list(images), "source": "test", **options})


def call(name="add", arguments=None) -> dict:
    return {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": name, "arguments": arguments or {}}}]}


@pytest.mark.parametrize(
    ("messages", "images", "rule"),
    [
        ([], [], "no messages"),
        ([USER], [], "no answer"),
        ([ASSISTANT], [], "no question"),
        ([USER, {"role": "bot", "content": "!"}], [], "unknown role"),
        ([USER, {"content": "!"}], [], "message form"),
        ([USER, {"role": "assistant", "content": "  "}], [], "empty answer"),
        ([{"role": "user", "content": "\n"}, ASSISTANT], [], "empty question"),
        ([USER, ASSISTANT, {"role": "system", "content": "s"}, ASSISTANT], [], "system position"),
        ([ASSISTANT, USER, ASSISTANT], [], "turn order"),
        ([USER, ASSISTANT, ASSISTANT], [], "turn order"),
        ([IMAGE_QUESTION, ASSISTANT], [], "image count"),
        ([USER, ASSISTANT], ["a.png"], "image count"),
        ([USER, {"role": "assistant", "content": [{"type": "image"}]}], ["a.png"], "image in answer"),
        ([{"role": "user", "content": [{"type": "video"}]}, ASSISTANT], [], "content part"),
        ([{"role": "user", "content": 3}, ASSISTANT], [], "content form"),
        ([USER, call(name="")], [], "tool call name"),
        ([USER, call(arguments="{1}")], [], "tool call arguments"),
        ([USER, RESULT, ASSISTANT], [], "tool result"),
        ([USER, call(), RESULT, RESULT, ASSISTANT], [], "tool result"),
        ([USER, call(), USER, RESULT, ASSISTANT], [], "tool result"),
        ([USER, {"role": "assistant", "content": "half \ud83d"}], [], "text encoding"),
        ([{"role": "user", "content": "a\0b"}, ASSISTANT], [], "text encoding"),
    ],
)
def test_a_conversation_that_breaks_a_rule_names_it(messages, images, rule):
    with pytest.raises(SampleError) as error:
        make(messages, images)
    assert error.value.rule == rule


INVISIBLE = ["\u200b", "\ufeff", "\u2060\u200e\n", "\u00ad", "\u3164", "\u2800", "\ufe0f", "\x1f"]


@pytest.mark.parametrize(
    "words", [*INVISIBLE, "<think>x</think>", "<think>x</think>\n\u200b", "<think>x", "\nx</think> ", "<think></think>"]
)
def test_an_answer_of_which_nothing_is_said_is_empty(words):
    for content in (words, [{"type": "text", "text": words}]):
        with pytest.raises(SampleError) as error:
            make([{"role": "user", "content": "?"}, {"role": "assistant", "content": content}])
        assert error.value.rule == "empty answer"


@pytest.mark.parametrize("words", ["<think>x</think>y", "👍🏽", "❤️", "\u200b是", "。", "a<think>b"])
def test_an_answer_of_which_anything_is_said_is_one(words):
    assert make([{"role": "user", "content": "?"}, {"role": "assistant", "content": words}]).answer == words


@pytest.mark.parametrize("words", INVISIBLE)
def test_a_question_of_which_nothing_is_seen_is_empty(words):
    with pytest.raises(SampleError) as error:
        make([{"role": "user", "content": words}, {"role": "assistant", "content": "!"}])
    assert error.value.rule == "empty question"


def test_an_answer_may_be_a_tool_call_alone():
    assert make([USER, call()]).answer == ""


def test_two_questions_in_a_row_and_several_tool_results_are_let_through_as_they_are():
    calls = {**call(), "tool_calls": call()["tool_calls"] * 2}
    messages = [USER, USER, calls, RESULT, RESULT, ASSISTANT]
    assert make(messages).messages == messages


@pytest.mark.parametrize("calls", [[{"name": "f"}, {"name": "g"}], '[{"name": "f"}, {"name": "g"}]'])
def test_each_of_several_calls_may_have_its_result(calls):
    asked = {"role": "assistant", "content": "", "tool_calls": calls}
    assert make([USER, asked, RESULT, RESULT, ASSISTANT]).answer == "!"
    with pytest.raises(SampleError, match="message 4 is a tool's, but no call"):
        make([USER, asked, RESULT, RESULT, RESULT, ASSISTANT])


def test_a_call_that_stands_in_the_words_has_results_too():
    written = {"role": "assistant", "content": '<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>'}
    assert make([USER, written, RESULT, ASSISTANT]).answer == "!"


def test_an_id_that_is_a_text_is_refused():
    assert make([USER, ASSISTANT], id="x" * MAX_ID).id == "x" * MAX_ID
    with pytest.raises(SampleError, match=r"the id has 257 characters \(xxx.*; expected at most 256"):
        make([USER, ASSISTANT], id="x" * (MAX_ID + 1))


def test_half_a_surrogate_pair_is_named_with_its_place_wherever_it_stands():
    with pytest.raises(SampleError, match=r"the tools hold half a surrogate pair, U\+DC00, at character 2"):
        make([USER, ASSISTANT], tools=[{"function": {"name": "ab\udc00"}}])
    check_texts({"中": ["文", "😀"]}, "pairs that are whole")


def test_private_characters_are_text_but_not_thousands_of_them():
    assert make([{"role": "user", "content": "\ue000\uf8ff" * 5000}, ASSISTANT]).answer == "!"
    with pytest.raises(SampleError, match=r"hold 2,001 different private-use characters \(U\+E000 to U\+F8FF\)") as error:
        make([{"role": "user", "content": "".join(map(chr, range(0xE000, 0xE000 + 2001)))}, ASSISTANT])
    assert error.value.rule == "text encoding"


def test_a_row_of_endless_text_is_too_long_for_any_model():
    with pytest.raises(SampleError, match=r"the row has 10,000,0\d\d characters; expected at most 10,000,000") as error:
        make([{"role": "user", "content": "长" * MAX_CHARACTERS}, ASSISTANT])
    assert error.value.rule == "too long"


def test_a_conversation_of_which_nothing_is_learned_is_refused():
    off = {**ASSISTANT, "weight": 0}
    assert make([USER, off, USER, ASSISTANT]).messages[1]["weight"] == 0
    with pytest.raises(SampleError, match="every answer is switched off") as error:
        make([USER, off, USER, off])
    assert error.value.rule == "nothing supervised"


# ---- tools -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ['{"价格": 3.5}', {"价格": 3.5}])
@pytest.mark.parametrize("wrap", [lambda call: [{"id": "1", "type": "function", "function": call}], lambda call: [call], lambda call: call])
def test_calls_of_every_form_become_the_same(wrap, arguments):
    expected = [{"type": "function", "function": {"name": "update_price", "arguments": {"价格": 3.5}}}]
    assert read_calls(wrap({"name": "update_price", "arguments": arguments}), 1) == expected


def test_a_call_without_arguments_has_none():
    for call in ({"name": "f"}, {"name": "f", "arguments": None}, {"name": "f", "arguments": " "}):
        assert read_calls(call, 1)[0]["function"]["arguments"] == {}


@pytest.mark.parametrize(
    ("calls", "rule", "reason"),
    [
        ("{broken", "tool call form", "the tool call of message 1 is not JSON"),
        ([3], "tool call form", r"the tool calls of message 1 are \[3\]; expected a list of objects"),
        ([{"function": "f"}], "tool call form", 'a tool call of message 1 is .*; expected {"name": ..., "arguments": ...}'),
        (4, "tool call form", "the tool calls of message 1 are 4"),
        ({"arguments": {}}, "tool call name", "has the name None; expected the name of a function"),
        (
            {"name": "f", "arguments": "[1]"},
            "tool call arguments",
            r"the arguments that message 1 gives to f are \[1\]; expected a JSON object",
        ),
        ({"name": "f", "arguments": '{"x": NaN}'}, "tool call arguments", r"not JSON \(NaN is no JSON value\)"),
        ({"name": "f", "arguments": "[" * 100_000}, "tool call arguments", "not JSON"),
    ],
)
def test_a_broken_call_is_refused_with_what_was_found(calls, rule, reason):
    with pytest.raises(SampleError, match=reason) as error:
        read_calls(calls, 1)
    assert error.value.rule == rule


def test_tools_of_every_form_become_the_same():
    schema = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    expected = [{"type": "function", "function": schema}]
    as_text = '[{"name": "f", "parameters": {"type": "object", "properties": {}}}]'
    assert read_tools([schema]) == read_tools(expected) == read_tools(as_text) == expected
    assert read_tools("") is read_tools([]) is read_tools(None) is read_tools("[]") is None


@pytest.mark.parametrize("tools", ["{broken", 3, [3], [{"description": "no name"}], {"name": "f"}])
def test_tools_that_are_none_are_refused(tools):
    with pytest.raises(SampleError) as error:
        read_tools(tools)
    assert error.value.rule == "tools form"
