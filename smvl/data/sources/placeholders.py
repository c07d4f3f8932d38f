"""Where the images of a row stand: in parts, at `<image>` in the text, or before the first question.

`<image>` is looked for only where no part of the row is an image, and only in what users and tools say; elsewhere it is a word like
any other. The line break that LLaVA puts between it and the text belongs to the placeholder.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from smvl.data.rules import SampleError

PLACEHOLDER = "<image>"

Messages = list[dict[str, Any]]


def place_images(messages: Messages, listed: Sequence[Any], *, images_first: bool) -> tuple[Messages, list[Any]]:
    """Messages in which every image is a part `{"type": "image"}`, and the images in the order of these parts.

    Args:
        messages: as `read_turn` gives them.
        listed: images that the row lists beside its messages.
        images_first: listed images that no placeholder claims stand before the first question.

    Raises:
        SampleError: there are more or fewer places than images.
    """
    if not any(True for _ in _image_parts(messages)):
        messages = [_split_placeholders(message) for message in messages]
        if images_first and listed and not any(True for _ in _image_parts(messages)):
            messages = _with_images_first(messages, len(listed))
    images = _assign(list(_image_parts(messages)), listed, messages)
    return [_plain(message) for message in messages], images


def without_images(messages: Messages) -> Messages:
    """The messages of a row of pure text, in which `<image>` is a word."""
    return [_plain(message) for message in messages]


def _image_parts(messages: Messages) -> Iterator[dict[str, Any]]:
    for message in messages:
        if isinstance(message["content"], list):
            yield from (part for part in message["content"] if part["type"] == "image")


def _split_placeholders(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] not in ("user", "tool"):
        return message
    content = message["content"]
    texts = [content] if isinstance(content, str) else [part["text"] for part in content]
    if not any(PLACEHOLDER in text for text in texts):
        return message
    return {**message, "content": [part for text in texts for part in _split(text)]}


def _split(text: str) -> Iterator[dict[str, Any]]:
    pieces = text.split(PLACEHOLDER)
    for number, piece in enumerate(pieces):
        if number:
            yield {"type": "image", "image": None, "index": None}
            piece = piece.removeprefix("\n")
        is_before_image = number < len(pieces) - 1
        yield {"type": "text", "text": piece.removesuffix("\n") if is_before_image else piece}


def _with_images_first(messages: Messages, count: int) -> Messages:
    first = next((index for index, message in enumerate(messages) if message["role"] == "user"), None)
    if first is None:
        return messages
    content = messages[first]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    question = {**messages[first], "content": [{"type": "image", "image": None, "index": None}] * count + parts}
    return [*messages[:first], question, *messages[first + 1 :]]


def _assign(parts: list[dict[str, Any]], listed: Sequence[Any], messages: Messages) -> list[Any]:
    """The image of each part: its own, else the one at its index, else the next that is listed."""
    waiting = [part for part in parts if part["image"] is None]
    if waiting and len(waiting) == len(parts) and all(part["index"] is not None for part in parts):
        used = {part["index"] for part in parts}
        if used == set(range(len(listed))):
            return [listed[part["index"]] for part in parts]
    elif len(waiting) == len(listed):
        following = iter(listed)
        return [next(following) if part["image"] is None else part["image"] for part in parts]
    elif not waiting and list(listed) == [part["image"] for part in parts]:  # the same images, named twice
        return list(listed)
    in_answers = sum(PLACEHOLDER in str(message["content"]) for message in messages if message["role"] == "assistant")
    if in_answers and len(waiting) < len(listed):
        raise SampleError("image in answer", f"{PLACEHOLDER} stands in what the assistant says; the model writes text only")
    raise SampleError(
        "image count",
        f"there are {len(waiting)} places without an image of their own ({PLACEHOLDER} or image parts) and {len(listed)} images listed "
        f"beside the messages; expected as many",
    )


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """The message with what its parts hold taken out, and as a string where it is only text."""
    content = message["content"]
    if isinstance(content, str):
        return message
    parts: list[dict[str, Any]] = []
    for part in content:
        if part["type"] == "image":
            parts.append({"type": "image"})
        elif parts and parts[-1]["type"] == "text":
            parts[-1] = {"type": "text", "text": parts[-1]["text"] + part["text"]}
        elif part["text"]:
            parts.append({"type": "text", "text": part["text"]})
    is_text = all(part["type"] == "text" for part in parts)
    return {**message, "content": "".join(part["text"] for part in parts) if is_text else parts}
