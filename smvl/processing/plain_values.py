"""What a chat template sees of a conversation: text, numbers, lists and mappings, as JSON has them, and nothing that could turn into text.

Lists and mappings may be of any class; they come out as `list` and `dict`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from smvl.processing.laid_out import is_image_part

ROLES = ("system", "user", "assistant", "tool")
"""Messages of others Qwen3's template passes over."""
MOST_LEVELS = 64
"""Of lists and mappings within each other."""


def plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copies of messages, image parts without their image: its place is all that a template writes.

    Raises:
        ValueError: they are no list, a message is no mapping or has no role, or it holds what JSON has not, or half a character.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise ValueError(f"the messages are of the type {type(messages).__name__}; expected a list of mappings.")
    return [_plain_message(message, f"message {index}") for index, message in enumerate(messages)]


def plain_tools(tools: Sequence[Mapping[str, Any]] | None) -> list[Any] | None:
    """Copies of tools.

    Raises:
        ValueError: a tool holds what JSON has not.
    """
    return None if tools is None else [_plain(tool, f"tool {index}") for index, tool in enumerate(tools)]


def check_roles(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise `ValueError` for a message that Qwen3's template would leave out."""
    for index, message in enumerate(messages):
        if message.get("role") not in ROLES:
            raise _wrong_role(message, f"message {index}")


def _plain_message(message: Any, place: str) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ValueError(f'{place} is of the type {type(message).__name__}; expected a mapping such as {{"role": ..., "content": ...}}.')
    plain = {_plain_scalar(key, place): (_plain_content if key == "content" else _plain)(value, place) for key, value in message.items()}
    if not isinstance(plain.get("role"), str):
        raise _wrong_role(plain, place)
    return plain


def _wrong_role(message: Mapping[str, Any], place: str) -> ValueError:
    return ValueError(f"{place} has the role {message.get('role')!r}; expected one of {', '.join(ROLES)}.")


def _plain_content(content: Any, place: str) -> Any:
    return [_plain_part(part, place) for part in content] if is_list(content) else _plain(content, place)


def _plain_part(part: Any, place: str) -> Any:
    if is_list(part):
        raise ValueError(f'{place} holds a list within its content; expected parts such as {{"type": "text", "text": ...}}.')
    return {"type": part["type"]} if is_image_part(part) else _plain(part, place)


def _plain(value: Any, place: str, level: int = 0) -> Any:
    if not _is_nested(value):
        return _plain_scalar(value, place)
    if level == MOST_LEVELS:
        raise ValueError(f"{place} holds lists and mappings more than {MOST_LEVELS} deep within each other. Make them flatter.")
    if isinstance(value, Mapping):
        return {_plain_scalar(key, place): _plain(entry, place, level + 1) for key, entry in value.items()}
    return [_plain(entry, place, level + 1) for entry in value]


def _plain_scalar(value: Any, place: str) -> str | int | float | None:
    """Of subclasses too a plain one: what they print may be any text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _checked_text(str.__str__(value), place)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise ValueError(
        f"{place} holds a value of the type {type(value).__name__}; expected text, numbers, lists and mappings. Convert or drop it."
    )


def _checked_text(text: str, place: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{place} holds half a surrogate pair, U+{ord(text[error.start]):04X}, at character {error.start} of a text, which no "
            "tokenizer reads. Decode the text as what it was written in."
        ) from None
    return text


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) or is_list(value)


def is_list(value: Any) -> bool:
    """Whether it is one as JSON has it: no text, and no bytes."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))
