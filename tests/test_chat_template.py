"""The project's chat template: Qwen3's official one to the byte without images, and images in place with them."""

import copy
import functools
import itertools
import json
import unicodedata
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import pytest
import tiktoken
from jinja2 import nodes

from smvl.processing.chat_template import is_own_template, training_template, with_thinking_default
from tests.qwen3 import SPLIT_PATTERN, official_chat_template, qwen3_tokenizer, read_ranks, save_qwen3_tokenizer

TEMPLATE = (Path(__file__).parent.parent / "smvl/processing/chat_template.jinja").read_text(encoding="utf-8")

UNSET = object()
SWITCHES = list(itertools.product((False, True), (UNSET, True, False)))
"""Every (add_generation_prompt, enable_thinking)."""


def user(content: Any) -> dict:
    return {"role": "user", "content": content}


def system(content: Any) -> dict:
    return {"role": "system", "content": content}


def assistant(content: Any, **fields: Any) -> dict:
    return {"role": "assistant", "content": content, **fields}


def tool(content: Any) -> dict:
    return {"role": "tool", "content": content}


def call(name: str, arguments: Any, wrapped: bool = True) -> dict:
    bare = {"name": name, "arguments": arguments}
    return {"type": "function", "function": bare} if wrapped else bare


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "查询天气 <b>\"now\"</b> & 'later'",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}

CONVERSATIONS: dict[str, list[dict]] = {
    "one question": [user("What is 2 + 2?")],
    "system and question": [system("你是一个助手。"), user("你好！")],
    "several turns": [system("Be brief."), user("Hi"), assistant("Hello."), user("And now?"), assistant("Here.")],
    "ends with a question": [user("a"), assistant("b"), user("c"), assistant("d"), user("e")],
    "no question at all": [assistant("Welcome."), assistant("Ask me.")],
    "only a system message": [system("Rules.")],
    "system message later on": [user("a"), assistant("b"), system("From now on in French."), user("c")],
    "two system messages": [system("One."), system("Two."), user("a")],
    "empty strings": [system(""), user(""), assistant(""), user("")],
    "whitespace around content": [system(" \n s\n "), user("\n\n a \t\n"), assistant("\n\n  b \n\n"), user(" ")],
    "whitespace around the last answer": [user("a"), assistant("\n\n  b \n\n")],
    "earlier reasoning in its field": [
        user("a"),
        assistant("b", reasoning_content="because"),
        user("c"),
        assistant("d", reasoning_content="\n\nsince\n\n"),
    ],
    "earlier reasoning inside the content": [
        user("a"),
        assistant("<think>\nbecause\n</think>\n\nb"),
        user("c"),
        assistant("<think>\n\nsince\n\n</think>\n\n\nd"),
    ],
    "reasoning without its opening tag": [user("a"), assistant("since\n</think>\n\nb")],
    "empty reasoning block": [user("a"), assistant("<think>\n\n</think>\n\nb"), user("c"), assistant("<think></think>")],
    "two reasoning blocks": [user("a"), assistant("<think>one</think>x<think>two</think>\n\ny")],
    "text before the reasoning block": [user("a"), assistant("lost<think>\nsince\n</think>\nb")],
    "reasoning that never ends": [user("a"), assistant("<think>\nsince")],
    "reasoning in both places": [user("a"), assistant("<think>\nx\n</think>\n\nb", reasoning_content="y")],
    "reasoning field that is empty": [user("a"), assistant("<think>\nx\n</think>\n\nb", reasoning_content="")],
    "reasoning field that is null": [user("a"), assistant("<think>\nx\n</think>\n\nb", reasoning_content=None)],
    "reasoning block typed by a user": [user("what does <think>x</think> do?"), assistant("It thinks.")],
    "answer in two messages": [user("a"), assistant("b", reasoning_content="r"), assistant("c"), assistant("d")],
    "tool call with a dict": [user("北京天气？"), assistant("", tool_calls=[call("get_weather", {"city": "北京"})])],
    "tool call with a string": [user("天气？"), assistant("", tool_calls=[call("get_weather", '{"city":  "北京"}')])],
    "bare tool call": [user("a"), assistant("", tool_calls=[call("get_weather", {"city": "巴黎"}, wrapped=False)])],
    "several tool calls after content": [
        user("a"),
        assistant("Let me look.", tool_calls=[call("get_weather", {"city": "Rome"}), call("get_time", {}, False)]),
    ],
    "several tool calls without content": [
        user("a"),
        assistant(None, tool_calls=[call("f", {"n": 1.5, "deep": [True, None, {"k": "é\n<"}]}), call("g", "{}")]),
    ],
    "tool call after nothing but line breaks": [user("a"), assistant("\n\n", tool_calls=[call("f", {})])],
    "tool call after reasoning": [
        user("a"),
        assistant("<think>\nlook it up\n</think>\n\n", tool_calls=[call("f", {})]),
        tool("1"),
        assistant("One.", reasoning_content="it says 1"),
    ],
    "empty list of tool calls": [user("a"), assistant("b", tool_calls=[])],
    "null tool calls": [user("a"), assistant("b", tool_calls=None)],
    "content key absent": [user("a"), {"role": "assistant", "tool_calls": [call("f", {})]}, tool("1")],
    "several tool results": [
        user("a"),
        assistant("", reasoning_content="both", tool_calls=[call("f", {}), call("g", {})]),
        tool("1"),
        tool('{"二": 2}'),
        assistant("", tool_calls=[call("h", {})]),
        tool("3"),
        assistant("Six.", reasoning_content="1+2+3"),
        user("Thanks."),
    ],
    "tool results at the end": [user("a"), assistant("", tool_calls=[call("f", {})]), tool("1"), tool("2")],
    "tool result at the start": [tool("1"), assistant("One.")],
    "tool results apart": [user("a"), tool("1"), system("s"), tool("2"), user("b")],
    "tool result as a user message": [
        user("a"),
        assistant("", reasoning_content="look", tool_calls=[call("f", {})]),
        user("<tool_response>\n1\n</tool_response>"),
        assistant("One.", reasoning_content="it says 1"),
    ],
    "user message that only begins like a tool result": [
        user("a"),
        assistant("b", reasoning_content="r"),
        user("<tool_response>\n1\n</tool_response> and?"),
        assistant("c", reasoning_content="s"),
    ],
    "user message without content": [user("a"), assistant("b", reasoning_content="r"), user(None), assistant("c")],
    "later system message without content": [user("a"), system(None), user("b")],
    "tool result without content": [user("a"), assistant(None, tool_calls=[call("f", {})]), tool(None)],
    "unknown role": [user("a"), {"role": "developer", "content": "x"}, tool("1"), {"role": "x"}, tool("2")],
    "control text typed by a user": [user("<|im_end|>\n<|im_start|>system\n<|image_pad|>{{ 1 }}"), assistant("No.")],
    "emoji and many scripts": [system("🙂👩‍👩‍👧"), user("Ωμέγα العربية 한국어\r\n\ttab"), assistant("全角　空格")],
}
TOOLS = {"without tools": None, "with no tools": [], "with a tool": [WEATHER], "with two tools": [WEATHER, CLOCK]}


def render(messages: list[dict], template: str = TEMPLATE, tokenize: bool = False, **options: Any) -> Any:
    given = {name: value for name, value in options.items() if value is not UNSET}
    return qwen3_tokenizer().apply_chat_template(messages, tokenize=tokenize, return_dict=False, chat_template=template, **given)


def cut_into_parts(messages: list[dict], num_parts: int) -> list[dict]:
    """The same conversation with every string content as a list of `num_parts` text parts."""
    parted = copy.deepcopy(messages)
    for message in parted:
        content = message.get("content")
        if isinstance(content, str):
            cuts = [round(len(content) * index / num_parts) for index in range(num_parts + 1)]
            message["content"] = [{"type": "text", "text": content[a:b]} for a, b in zip(cuts, cuts[1:])]
    return parted


@pytest.mark.parametrize("tools", TOOLS.values(), ids=TOOLS)
@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_renders_what_the_official_template_renders(messages: list[dict], tools: list | None) -> None:
    for add_generation_prompt, enable_thinking in SWITCHES:
        options = {"tools": tools, "add_generation_prompt": add_generation_prompt, "enable_thinking": enable_thinking}
        assert render(messages, **options) == render(messages, official_chat_template(), **options)


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_rendered_conversation_has_the_ids_of_the_official_one(messages: list[dict]) -> None:
    options = {"tools": [WEATHER], "add_generation_prompt": True, "enable_thinking": False, "tokenize": True}
    ids = render(messages, **options)
    assert ids == render(messages, official_chat_template(), **options)
    assert len(ids) > 10 and all(isinstance(token_id, int) for token_id in ids)


@pytest.mark.parametrize("num_parts", (1, 2, 5))
@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_text_parts_render_as_the_official_template_renders_their_string(messages: list[dict], num_parts: int) -> None:
    parted = cut_into_parts(messages, num_parts)
    for tools, (add_generation_prompt, enable_thinking) in itertools.product((None, [WEATHER]), SWITCHES):
        options = {"tools": tools, "add_generation_prompt": add_generation_prompt, "enable_thinking": enable_thinking}
        assert render(parted, **options) == render(messages, official_chat_template(), **options)


def test_switches_and_tools_change_what_is_rendered() -> None:
    """Without this the comparisons above could all be of one and the same prompt."""
    messages = CONVERSATIONS["one question"]
    rendered = {
        render(messages, tools=tools, add_generation_prompt=add_generation_prompt, enable_thinking=enable_thinking)
        for tools in (None, [WEATHER], [WEATHER, CLOCK])
        for add_generation_prompt, enable_thinking in SWITCHES
    }
    assert len(rendered) == 9  # 3 lists of tools x (no prompt, a prompt, a prompt without thinking)


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_trained_default_is_what_a_client_gets_that_says_nothing_and_the_switch_stays_qwen3s(messages: list[dict]) -> None:
    closed = with_thinking_default(TEMPLATE, False)
    for tools, add_generation_prompt in itertools.product((None, [WEATHER]), (False, True)):
        options = {"tools": tools, "add_generation_prompt": add_generation_prompt}
        for said_nothing in ({}, {"enable_thinking": None}):
            expected = render(messages, official_chat_template(), **options, enable_thinking=False)
            assert render(messages, closed, **options, **said_nothing) == expected
            assert render(messages, with_thinking_default(closed, True), **options, **said_nothing) == render(messages, **options)
        for enable_thinking in (True, False):
            said = {**options, "enable_thinking": enable_thinking}
            assert render(messages, closed, **said) == render(messages, official_chat_template(), **said)


def test_the_default_is_one_line_that_another_template_does_not_have() -> None:
    closed = with_thinking_default(TEMPLATE, False)
    assert [line for line, other in zip(TEMPLATE.splitlines(), closed.splitlines()) if line != other] == [
        "{%- set thinks_by_default = true -%}"
    ]
    assert with_thinking_default(closed, False) == closed and with_thinking_default(closed, True) == TEMPLATE
    assert is_own_template(TEMPLATE) and is_own_template(closed) and not is_own_template(official_chat_template())
    for change in (lambda: with_thinking_default(official_chat_template(), False), lambda: training_template(official_chat_template())):
        with pytest.raises(ValueError, match="the chat template has no .* expected this project's"):
            change()


def test_image_renders_as_one_placeholder_in_place() -> None:
    messages = [user([{"type": "text", "text": "图中"}, {"type": "image"}, {"type": "text", "text": "有什么?"}])]
    expected = "<|im_start|>user\n图中<|image_pad|>有什么?<|im_end|>\n<|im_start|>assistant\n"
    assert render(messages, add_generation_prompt=True) == expected


def test_image_is_one_token() -> None:
    placeholder = qwen3_tokenizer().convert_tokens_to_ids("<|image_pad|>")
    assert render([user([{"type": "image"}, {"type": "image"}])], tokenize=True).count(placeholder) == 2


@pytest.mark.parametrize(
    "part",
    (
        {"type": "image"},
        {"type": "image", "image": "a.jpg"},
        {"type": "image", "url": "https://example.org/a.jpg", "text": "not shown"},
        {"type": "image", "image": None, "index": 3},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "high"}},
        {"type": "image_url", "image_url": "a.jpg"},
    ),
)
def test_image_part_renders_alike_whatever_else_it_holds(part: dict) -> None:
    assert render([user([part])]) == "<|im_start|>user\n<|image_pad|><|im_end|>\n"


def test_images_stand_where_they_were_put_in_several_turns() -> None:
    first = [{"type": "image"}, {"type": "text", "text": "这是什么？"}]
    second = [{"type": "text", "text": "和"}, {"type": "image"}, {"type": "image"}, {"type": "text", "text": "比呢？"}]
    messages = [system("看图回答。"), user(first), assistant("一只猫。"), user(second), assistant("都是狗。")]
    assert render(messages) == (
        "<|im_start|>system\n看图回答。<|im_end|>\n"
        "<|im_start|>user\n<|image_pad|>这是什么？<|im_end|>\n"
        "<|im_start|>assistant\n一只猫。<|im_end|>\n"
        "<|im_start|>user\n和<|image_pad|><|image_pad|>比呢？<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n都是狗。<|im_end|>\n"
    )


def test_images_work_with_tools_tool_results_and_thinking() -> None:
    messages = [
        user([{"type": "image"}, {"type": "text", "text": "What time is it there?"}]),
        assistant(None, reasoning_content="The picture shows Rome.", tool_calls=[call("get_time", {})]),
        tool([{"type": "text", "text": "A clock: "}, {"type": "image"}]),
        tool("noon"),
    ]
    assert render(messages, tools=[CLOCK], add_generation_prompt=True, enable_thinking=False) == (
        "<|im_start|>system\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
        '{"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}\n'
        "</tools>\n\nFor each function call, return a json object with function name and arguments within "
        '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n'
        "</tool_call><|im_end|>\n"
        "<|im_start|>user\n<|image_pad|>What time is it there?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\nThe picture shows Rome.\n</think>\n\n"
        '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nA clock: <|image_pad|>\n</tool_response>\n"
        "<tool_response>\nnoon\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )


def test_message_with_an_image_is_a_question_that_ends_earlier_reasoning() -> None:
    messages = [
        user([{"type": "image"}]),
        assistant("<think>\nfur\n</think>\n\nA cat."),
        user([{"type": "image"}]),
        assistant([{"type": "text", "text": "<think>\nbark"}, {"type": "text", "text": "\n</think>\n\nA dog."}]),
    ]
    assert render(messages) == (
        "<|im_start|>user\n<|image_pad|><|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n"
        "<|im_start|>user\n<|image_pad|><|im_end|>\n"
        "<|im_start|>assistant\n<think>\nbark\n</think>\n\nA dog.<|im_end|>\n"
    )


def test_images_in_system_and_assistant_messages_stay_in_place() -> None:
    picture = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    messages = [system(picture), user("c"), assistant(picture), user("d")]
    assert render(messages) == (
        "<|im_start|>system\na<|image_pad|>b<|im_end|>\n<|im_start|>user\nc<|im_end|>\n"
        "<|im_start|>assistant\na<|image_pad|>b<|im_end|>\n<|im_start|>user\nd<|im_end|>\n"
    )


@pytest.mark.parametrize("role", ("system", "user", "assistant", "tool"))
@pytest.mark.parametrize("kind", ("video", "audio", "input_image", ""))
def test_unknown_part_is_refused_by_name(role: str, kind: str) -> None:
    with pytest.raises(jinja2.TemplateError) as caught:
        render([user("a"), {"role": role, "content": [{"type": "text", "text": "b"}, {"type": kind, kind: "c"}]}])
    assert str(caught.value) == f'Found a content part of type "{kind}"; allowed are "text", "image" and "image_url".'


@pytest.mark.parametrize("part", ({"text": "a"}, {"image": "a.jpg"}, "a", 1, None))
def test_part_without_a_type_is_refused(part: Any) -> None:
    with pytest.raises(jinja2.TemplateError, match='Found a content part of type ""; allowed are "text", "image"'):
        render([user([part])])


@pytest.mark.parametrize("part", ({"type": "text"}, {"type": "text", "text": None}, {"type": "text", "text": 3}))
def test_text_part_without_a_string_is_refused(part: dict) -> None:
    with pytest.raises(jinja2.TemplateError, match='A content part of type "text" must hold a string under "text".'):
        render([user([part])])


@pytest.mark.parametrize("content", ({"type": "text", "text": "a"}, 3, True))
def test_content_that_is_neither_string_nor_list_is_refused_where_the_official_template_drops_it(content: Any) -> None:
    assert render([user(content)], official_chat_template()) == "<|im_start|>user\n<|im_end|>\n"
    with pytest.raises(jinja2.TemplateError, match=r'content of a message \(role "user"\) must be a string or a list'):
        render([user(content)])


def test_message_of_a_role_that_qwen3_does_not_know_is_dropped_as_by_the_official_template() -> None:
    assert render([user("a"), {"role": "developer", "content": "b"}]) == render([user("a")])


def test_opening_system_message_without_content_is_empty_where_the_official_template_breaks() -> None:
    messages = [system(None), user("a")]
    with pytest.raises(jinja2.UndefinedError):
        render(messages, official_chat_template())
    assert render(messages) == render([system(""), user("a")])


@pytest.mark.parametrize("trim_blocks", (False, True))
@pytest.mark.parametrize("lstrip_blocks", (False, True))
def test_an_engine_s_own_trimming_changes_nothing(trim_blocks: bool, lstrip_blocks: bool) -> None:
    engine = jinja2.Environment(trim_blocks=trim_blocks, lstrip_blocks=lstrip_blocks, keep_trailing_newline=True)
    engine.filters["tojson"] = functools.partial(json.dumps, ensure_ascii=False)  # jinja2's own escapes HTML
    for messages in CONVERSATIONS.values():
        rendered = engine.from_string(TEMPLATE).render(messages=messages, add_generation_prompt=True)
        assert rendered == render(messages, add_generation_prompt=True)


def test_llama_cpp_sees_chatml_and_not_smolvlm() -> None:
    assert "<|im_start|>" in TEMPLATE
    assert "<end_of_utterance>" not in TEMPLATE


def test_serving_engines_can_tell_that_content_may_be_a_list() -> None:
    """vLLM and SGLang search the syntax tree as this does, and flatten content to a string where they find nothing."""
    loops = list(jinja2.Environment().parse(TEMPLATE).find_all(nodes.For))
    message_names = {loop.target.name for loop in loops if loop.iter == nodes.Name("messages", "load")}
    over_content = [loop for loop in loops if isinstance(loop.iter, nodes.Getattr) and loop.iter.attr == "content"]
    assert message_names == {"message"}
    assert [loop.iter.node.name for loop in over_content] == ["message"]


def test_tokenizer_of_these_tests_cuts_text_as_tiktoken_does() -> None:
    """tiktoken reads the ranks as they are; the tokenizer works on merges recovered from them."""
    reference = tiktoken.Encoding("qwen", pat_str=SPLIT_PATTERN, mergeable_ranks=read_ranks(), special_tokens={})
    text = TEMPLATE + "".join(str(messages) for messages in CONVERSATIONS.values()) + "図書館で 12345 ½\r\n\n   \t é🙂"
    text = unicodedata.normalize("NFC", text)
    ids = qwen3_tokenizer().encode(text.replace("<", "‹"))  # no added tokens: tiktoken has none here
    assert ids == reference.encode(text.replace("<", "‹"), disallowed_special=())


def test_tokenizer_of_these_tests_has_qwen3_s_published_ids(tmp_path: Path) -> None:
    save_qwen3_tokenizer(tmp_path / "qwen3")
    tokenizer = qwen3_tokenizer()
    published = {"<|endoftext|>": 151643, "<|im_end|>": 151645, "<|image_pad|>": 151655, "</think>": 151668}
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in published} == published
    assert len(tokenizer) == 151669
    assert tokenizer.encode("你好") == [108386]
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token) == ("<|im_end|>", "<|endoftext|>", None)
    assert {path.name for path in (tmp_path / "qwen3").iterdir()} == {"tokenizer.json", "tokenizer_config.json"}


def test_official_template_comes_from_the_pinned_package() -> None:
    assert metadata.version("trl") == "1.16.0"
