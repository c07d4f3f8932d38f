"""What a conversation must be so that it can be learned from, whatever made it. The rules are named in rules.py.

Two messages of the user's in a row are let through as they are: people write so, the template renders both, and to join them would be
to change the data. Two of the assistant's are refused: the second would be learned as an answer to nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.tool_calls import read_calls
from smvl.data.tool_results import results_in_order
from smvl.processing.laid_out import count_images, is_learned
from smvl.processing.plain_values import ROLES

_PRIVATE = re.compile("[\ue000-\uf8ff]")
_MOST_PRIVATE = 2000
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(map(chr, range(0xFE00, 0xFE10)))
"""Characters that show nothing and are neither space nor control nor format, as Unicode has it."""
_DEEPEST = 100
"""Lists and objects within each other; every layer is one of Python's, which allows a thousand, and of the chat template's."""


def text_of(message: dict[str, Any]) -> str:
    """The words of a message, whichever form its content has."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def check_messages(messages: Sequence[Any]) -> None:
    """Raise `SampleError` for the first rule that a conversation breaks."""
    if not messages:
        raise SampleError("no messages", "the conversation is empty; expected at least a question and an answer")
    for index, message in enumerate(messages):
        _check_message(message, index)
    if messages[-1]["role"] != "assistant":
        raise SampleError("no answer", f"the last message is the {messages[-1]['role']}'s; expected the assistant's")
    if not any(message["role"] == "user" for message in messages):
        raise SampleError("no question", "no message is the user's; expected a question before the answer")
    if not any(is_learned(message) for message in messages):
        raise SampleError("nothing supervised", "every answer is switched off (weight: 0)")
    _check_order([message["role"] for message in messages])
    results_in_order(messages)  # each answers a call


def check_texts(value: Any, what: str) -> None:
    """Raise `SampleError` when a string in `value`, however nested, cannot be written as UTF-8 or holds a NUL, or all hold too many
    private characters.
    """
    texts: list[str] = []
    _collect_strings(value, texts)
    joined = "\n".join(texts)
    if _is_text(joined):
        _check_private_characters(joined, what)
        return
    text = next(text for text in texts if not _is_text(text))
    place = next(place for place, character in enumerate(text) if not _is_text(character))
    found = "a NUL" if text[place] == "\0" else f"half a surrogate pair, U+{ord(text[place]):04X},"
    raise SampleError("text encoding", f"{what} hold {found} at character {place}; expected text")


def _check_private_characters(text: str, what: str) -> None:
    """Control text is kept from words by a private character that they do not hold; nobody's words hold thousands."""
    if _PRIVATE.search(text) and (count := len(set(_PRIVATE.findall(text)))) > _MOST_PRIVATE:
        raise SampleError("text encoding", f"{what} hold {count:,} different private-use characters (U+E000 to U+F8FF); expected text")


def _is_text(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False


def _check_message(message: Any, index: int) -> None:
    if not isinstance(message, dict) or "role" not in message:
        raise SampleError("message form", f'message {index} has no "role"; expected {{"role": ..., "content": ...}}')
    role = message["role"]
    if role not in ROLES:
        raise SampleError("unknown role", f"message {index} has the role {role!r}; expected one of {', '.join(ROLES)}")
    if role == "system" and index:
        raise SampleError("system position", f"message {index} is the system's; only the first may be")
    _check_content(message.get("content"), index)
    if role == "assistant":
        _check_answer(message, index)
    elif role == "user" and _is_blank(text_of(message)) and not count_images(message):
        raise SampleError("empty question", f"message {index} is the user's and is empty")


def _check_answer(message: dict[str, Any], index: int) -> None:
    if count_images(message):
        raise SampleError("image in answer", f"message {index} is the assistant's and holds an image; the model writes text only")
    if message.get("tool_calls"):
        read_calls(message["tool_calls"], index)
    elif _is_blank(_behind_thinking(text_of(message))):
        found = "is empty" if _is_blank(text_of(message)) else "holds thinking alone; expected an answer behind it"
        raise SampleError("empty answer", f"message {index} is the assistant's and {found}")


def _behind_thinking(answer: str) -> str:
    """The words of an answer without those that the chat template takes for thinking, as which it is also begun and never closed."""
    if "</think>" in answer:
        return answer.rpartition("</think>")[2]
    return "" if answer.lstrip().startswith("<think>") else answer


def _is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it is empty, or all space, control and format characters, as U+200B and U+FEFF are."""
    return all(character.isspace() or character in _BLANKS or unicodedata.category(character) in ("Cc", "Cf") for character in text)


def _check_content(content: Any, index: int) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, (list, tuple)):
        raise SampleError(
            "content form", f"the content of message {index} is {type(content).__name__}; expected a string or a list of parts"
        )
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind not in ("text", "image", "image_url") or (kind == "text" and not isinstance(part.get("text"), str)):
            raise SampleError("content part", f"message {index} holds a part of type {kind!r}; expected text, image or image_url")


def _check_order(roles: Sequence[str]) -> None:
    before = "system"
    for index, role in enumerate(roles):
        if role == "assistant" and before in ("system", "assistant"):
            found = "follows another of its own" if before == "assistant" else "comes before any question"
            raise SampleError("turn order", f"message {index} is the assistant's and {found}; a question or a tool's result is missing")
        before = role


def _collect_strings(value: Any, texts: list[str], depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise SampleError("row form", f"the messages or tools are nested more than {_DEEPEST} deep; expected less")
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict):
        texts.extend(key for key in value if isinstance(key, str))
        for entry in value.values():
            _collect_strings(entry, texts, depth + 1)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            _collect_strings(entry, texts, depth + 1)
