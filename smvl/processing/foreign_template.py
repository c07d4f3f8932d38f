"""A chat template that is not the project's own: what it can be shown, and whether it writes all that it was shown.

A template that does not know of tools, or of a role, passes over them without a word, and the model would be asked something else.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from smvl.layouts.tokens import IMAGE_TOKEN
from smvl.processing.laid_out import count_images, is_image_part
from smvl.processing.rendering import ChatTemplateError, render

Write = Callable[[Sequence[dict[str, Any]], list[Any] | None], str]
"""Messages and tools to the text that the template makes of them."""
_WORD = "word"


def reads_strings(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """Whether it writes content that is a string; SmolVLM's and others read lists of parts alone."""
    asked = [{"role": "user", "content": _WORD}]
    try:
        return _WORD in render(tokenizer, template, is_own=False, conversation=asked)
    except ChatTemplateError:
        return False


def in_parts(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages, the content of each a list of parts."""
    return [{**message, "content": _parts(message.get("content"))} for message in messages]


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list) and content:
        return [{**part, "type": "image"} if is_image_part(part) and "image_url" not in part else part for part in content]
    return [{"type": "text", "text": content or ""}]


def check_images_shown(messages: Sequence[dict[str, Any]], rendered: str) -> None:
    """Raise `ChatTemplateError` unless each image stands in what was written, once."""
    written, asked = rendered.count(IMAGE_TOKEN), sum(map(count_images, messages))
    if written != asked:
        raise ChatTemplateError(
            f"the chat template writes {written} images where the messages hold {asked}; expected each of them once. It may pass over "
            "a role, or be made for another model."
        )


def check_shown(write: Write, messages: Sequence[dict[str, Any]], tools: list[Any] | None, rendered: str) -> None:
    """Raise `ChatTemplateError` for tools, a call of one or a message without which the template writes the same."""
    if tools and write(messages, None) == rendered:
        raise ChatTemplateError("the chat template shows the model no tools. Ask without them, or a model that was trained to call them.")
    for index, message in enumerate(messages):
        others = [*messages[:index], *messages[index + 1 :]]
        without_calls = [*messages[:index], {**message, "tool_calls": None}, *messages[index + 1 :]]
        if message.get("tool_calls") and _writes(write, without_calls, tools, rendered):
            raise ChatTemplateError(f"the chat template leaves out the tool calls of message {index}. Take a model trained to call tools.")
        if not all(text in rendered for text in _texts(message)) and others and _writes(write, others, tools, rendered):
            raise ChatTemplateError(
                f"the chat template leaves out message {index}, of the role {message['role']!r}. Take the message out, or put its words "
                "into one of another role."
            )


def _writes(write: Write, messages: Sequence[dict[str, Any]], tools: list[Any] | None, rendered: str) -> bool:
    try:
        return write(messages, tools) == rendered
    except ChatTemplateError:  # it asks for what was left out
        return False


def _texts(message: dict[str, Any]) -> Iterator[str]:
    for part in _parts(message.get("content")):
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"].strip()
