"""Text as it arrives: whole characters only, at once, and reasoning apart from the answer.

python -m pytest tests/test_text_stream.py
"""

import pytest

from smvl.infer.text_stream import TextStream, split_thinking
from tests.donors import small_tokenizer

TOKENIZER = small_tokenizer()
TEXTS = [
    "图中有一个红色的圆形。",
    "emoji 🙂 和 é, ß",
    "<think>\n先看图。\n\n再想。\n</think>\n\n答案是 3 < 5。",
    "<think>\n还没想完\n",
    "<think>\n\n</think>\n\n好",
    "没有 <think> 开头 </think> 的话",
    "<thin 不是标签",
    "<think>a</thi b</think>c",
    " \n leading space",
    "</think>\n\n我会看图。",
    "\n</think>\n\n</think>\n我会看图。</think>",
    "</think>\n\n<think>\n再想。\n</think>\n\n好",
    "<think>\n\n</think>\n\n</think>\n\n好",
    "<think>\n想\n</think>\n\n <think> 是标签",
    "</think>",
    "</thin",
    "</think>\n\n",
    "",
]


def stream(pieces: list, decode) -> tuple[list[tuple[str, str]], str, str]:
    """The parts as they came, and what they join to."""
    text = TextStream(decode)
    parts = [text.push(piece) for piece in pieces] + [text.finish()]
    return parts, "".join(part[0] for part in parts), "".join(part[1] for part in parts)


def decode_ids(ids) -> str:
    return TOKENIZER.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("text", TEXTS)
def test_the_parts_join_to_the_whole(text: str) -> None:
    assert stream(TOKENIZER.encode(text), decode_ids)[1:] == split_thinking(text)


@pytest.mark.parametrize("text", TEXTS)
def test_tags_that_arrive_letter_by_letter_are_found_too(text: str) -> None:
    assert stream(list(text), "".join)[1:] == split_thinking(text)


def test_no_part_holds_a_broken_character() -> None:
    ids = TOKENIZER.encode("汉🙂字")  # none of them is one token of this tokenizer
    parts, _, answer = stream(ids, decode_ids)
    assert len(ids) > 6
    assert [part[1] for part in parts if part[1]] == ["汉", "🙂", "字"]


def test_a_token_that_is_whole_is_given_out_at_once() -> None:
    ids = TOKENIZER.encode("图中有什么?一个红色的圆形。")
    parts, _, _ = stream(ids, decode_ids)
    assert [part[1] for part in parts[:-1]] == [decode_ids([token]) for token in ids]


def test_bytes_that_never_become_a_character_are_given_out_in_the_end() -> None:
    ids = TOKENIZER.encode("汉")[:-1]
    assert stream(ids, decode_ids)[2] == decode_ids(ids) != ""


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("</think>\n\n我会看图。", ("", "我会看图。")),
        (" </think></think>\n\n好</think>", ("", "好</think>")),
        ("</think>\n\n<think>\n再想。\n</think>\n\n好", ("再想。", "好")),
        ("<think>\n\n</think>\n\n</think>\n\n好", ("", "好")),
        ("</think>\n\n", ("", "")),
        ("写 </think> 来结束。", ("", "写 </think> 来结束。")),
        ("<think>\n想\n</think>\n\n<think> 是标签", ("想", "<think> 是标签")),
    ],
)
def test_a_closing_tag_is_no_text_where_an_answer_begins_and_a_word_further_on(text: str, parts: tuple[str, str]) -> None:
    assert split_thinking(text) == parts
    assert stream(list(text), "".join)[1:] == parts


def test_reasoning_without_an_end_leaves_no_answer() -> None:
    assert split_thinking("<think>\n想\n") == ("想", "")
