"""Where the images of a row stand: in parts, at `<image>` in the text, or before a question.

Images that a turn lists are that turn's: they take its places, or stand before its words where it has none. Those that the row lists
take the places that are left, or stand before the first question. `<image>` is looked for only where no part of the row is an image, and
only in what users and tools say; elsewhere it is a word like any other. The line break that LLaVA puts between it and the text belongs to
the placeholder.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.values import is_empty

PLACEHOLDER = "<image>"
MAX_IMAGES = 10_000
"""No model reads so many at once, and each must be opened before it is known to be too many."""
_OTHER_PLACEHOLDERS = re.compile(r"<\|?(image|img|picture|vision)[\w -]{0,24}\|?>|<ImageHere>|\[IMG\]", re.IGNORECASE)

Messages = list[dict[str, Any]]
_Part = dict[str, Any]


def place_images(messages: Messages, listed: Sequence[Any]) -> tuple[Messages, list[Any]]:
    """Messages in which every image is a part `{"type": "image"}`, and the images in the order of these parts.

    Args:
        messages: as `read_turn` gives them.
        listed: images that the row lists beside its messages; those that are null count only where a place waits for them.

    Raises:
        SampleError: there are more or fewer places than images.
    """
    messages = [_with_own_images(message, index) for index, message in enumerate(messages)]
    if not any(True for _ in _image_parts(messages)):
        messages = [_split_placeholders(message) for message in messages]
    num_waiting = sum(part["image"] is None for part in _image_parts(messages))
    if len(listed) != num_waiting:
        listed = [image for image in listed if not is_empty(image)]
    if listed and not any(True for _ in _image_parts(messages)):
        _check_answers(messages)
        _check_other_placeholders(messages)
        messages = _with_images_first(messages, listed)
    images = _assign(list(_image_parts(messages)), listed, messages)
    return [_plain(message) for message in messages], images


def check_number(count: int, what: str) -> None:
    """Raise `SampleError` for a row of more images than are read."""
    if count > MAX_IMAGES:
        raise SampleError("too long", f"the row has {count:,} {what}; expected at most {MAX_IMAGES:,}")


def without_images(messages: Messages) -> Messages:
    """The messages of a row of pure text, in which `<image>` is a word."""
    return [_plain(message) for message in messages]


def _image_parts(messages: Messages) -> Iterator[_Part]:
    for message in messages:
        if isinstance(message["content"], list):
            yield from (part for part in message["content"] if part["type"] == "image")


# ---- the images of a turn --------------------------------------------------------------------------------------------------------------


def _with_own_images(message: dict[str, Any], index: int) -> dict[str, Any]:
    """The message with the images that its turn lists in their places."""
    if "images" not in message:
        return message
    placed = message if any(True for _ in _image_parts([message])) else _split_placeholders(message)
    waiting = [part for part in _image_parts([placed]) if part["image"] is None]
    own = [image for image in message["images"] if len(message["images"]) == len(waiting) or not is_empty(image)]
    if not own:
        return message
    if not waiting:
        return {**placed, "content": [*map(_image_part, own), *_parts_of(placed)]}
    if len(waiting) != len(own):
        found = f"message {index} lists {len(own)} images and has {len(waiting)} places for them"
        raise SampleError("image count", f"{found}; expected as many")
    following = iter(own)
    parts = [{**part, "image": next(following)} if part.get("image", "") is None else part for part in _parts_of(placed)]
    return {**placed, "content": parts}


def _image_part(image: Any) -> _Part:
    return {"type": "image", "image": image, "index": None}


def _parts_of(message: dict[str, Any]) -> list[_Part]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


# ---- placeholders ----------------------------------------------------------------------------------------------------------------------


def _split_placeholders(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] not in ("user", "tool"):
        return message
    texts = [part["text"] for part in _parts_of(message)]
    num_places = sum(text.count(PLACEHOLDER) for text in texts)
    if not num_places:
        return message
    check_number(num_places, PLACEHOLDER)
    return {**message, "content": [part for text in texts for part in _split(text)]}


def _split(text: str) -> Iterator[_Part]:
    pieces = text.split(PLACEHOLDER)
    for number, piece in enumerate(pieces):
        if number:
            yield _image_part(None)
            piece = piece.removeprefix("\n")
        is_before_image = number < len(pieces) - 1
        yield {"type": "text", "text": piece.removesuffix("\n") if is_before_image else piece}


def _check_answers(messages: Messages) -> None:
    if any(PLACEHOLDER in str(message["content"]) for message in messages if message["role"] == "assistant"):
        raise SampleError("image in answer", f"{PLACEHOLDER} stands in what the assistant says; the model writes text only")


def _check_other_placeholders(messages: Messages) -> None:
    """Images that the text has places for, in words that other projects use, do not stand before it."""
    texts = (part["text"] for message in messages if message["role"] == "user" for part in _parts_of(message))
    if found := next((match[0] for text in texts if (match := _OTHER_PLACEHOLDERS.search(text))), None):
        raise SampleError("image count", f"{found} stands in the text, which is no place for an image here; expected {PLACEHOLDER}")


def _with_images_first(messages: Messages, images: Sequence[Any]) -> Messages:
    first = next((index for index, message in enumerate(messages) if message["role"] == "user"), None)
    if first is None:
        return messages
    question = {**messages[first], "content": [_image_part(None)] * len(images) + _parts_of(messages[first])}
    return [*messages[:first], question, *messages[first + 1 :]]


# ---- whose place is whose --------------------------------------------------------------------------------------------------------------


def _assign(parts: list[_Part], listed: Sequence[Any], messages: Messages) -> list[Any]:
    """The image of each part: its own, else the one at its index, else the next that is listed."""
    waiting = [part for part in parts if part["image"] is None]
    if waiting and len(waiting) == len(parts) and any(part["index"] is not None for part in parts):
        return _assign_by_index([part["index"] for part in parts], listed)
    if len(waiting) == len(listed):
        following = iter(listed)
        return [next(following) if part["image"] is None else part["image"] for part in parts]
    elif not waiting and list(listed) == [part["image"] for part in parts]:  # the same images, named twice
        return list(listed)
    if len(waiting) < len(listed):
        _check_answers(messages)
    raise SampleError(
        "image count",
        f"there are {len(waiting)} places without an image of their own ({PLACEHOLDER} or image parts) and {len(listed)} images listed "
        f"beside the messages; expected as many",
    )


def _assign_by_index(indices: Sequence[int | None], listed: Sequence[Any]) -> list[Any]:
    if None in indices or set(indices) != set(range(len(listed))):
        raise SampleError(
            "image count",
            f"the image parts take the images {', '.join(map(str, indices))} of {len(listed)} listed beside the messages; expected an "
            "index from 0 on in every part, and a part for every image",
        )
    return [listed[number] for number in indices]


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """The message with what its parts hold taken out, and as a string where it is only text."""
    message = {key: value for key, value in message.items() if key != "images"}
    content = message["content"]
    if isinstance(content, str):
        return message
    parts: list[_Part] = []
    for part in content:
        if part["type"] == "image":
            parts.append({"type": "image"})
        elif parts and parts[-1]["type"] == "text":
            parts[-1] = {"type": "text", "text": parts[-1]["text"] + part["text"]}
        elif part["text"]:
            parts.append({"type": "text", "text": part["text"]})
    is_text = all(part["type"] == "text" for part in parts)
    return {**message, "content": "".join(part["text"] for part in parts) if is_text else parts}
