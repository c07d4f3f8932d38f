"""Sample: the one form in which a conversation with images travels through the project."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from smvl.processing.layout import count_images

ROLES = ("system", "user", "assistant", "tool")


class SampleError(ValueError):
    """A row that cannot be used: `rule` is the rule that it breaks, the message says how and what to do."""

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule = rule


@dataclass(frozen=True)
class Sample:
    """One conversation with its images. Checks itself when it is made.

    Raises:
        SampleError: an unknown role, no answer, an empty answer, or image parts that do not match the images.
    """

    id: str
    """Names the row within its source, for messages and the quarantine."""
    messages: Sequence[dict[str, Any]]
    """OpenAI / Hugging Face messages; content is a string or a list of parts; the last one is an assistant's."""
    images: Sequence[Any]
    """What `read_image` accepts, one for each image part, in order."""
    source: str
    """The source that it came from."""
    task: str = ""
    """What is asked, for scores by task; empty where the data does not say."""
    tools: Sequence[dict[str, Any]] | None = field(default=None)
    """JSON schemas of the functions that the assistant may call."""

    def __post_init__(self) -> None:
        if not self.messages:
            raise SampleError("no messages", "the conversation is empty")
        for index, message in enumerate(self.messages):
            _check_message(message, index)
        if self.messages[-1]["role"] != "assistant":
            raise SampleError("no answer", f"the last message is the {self.messages[-1]['role']}'s; expected the assistant's")
        if not any(message["role"] == "user" for message in self.messages):
            raise SampleError("no question", "no message is the user's")
        num_parts = sum(map(count_images, self.messages))
        if num_parts != len(self.images):
            raise SampleError("image count", f"the messages hold {num_parts} image parts, but the row has {len(self.images)} images")

    @property
    def prompt(self) -> list[dict[str, Any]]:
        """All but the last answer."""
        return list(self.messages[:-1])

    @property
    def answer(self) -> str:
        """The text of the last answer."""
        return text_of(self.messages[-1])


def text_of(message: dict[str, Any]) -> str:
    """The words of a message, whichever form its content has."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def image_label(sample: Sample, index: int) -> str | None:
    """How messages call an image that has no path of its own; None for one that has."""
    image = sample.images[index]
    has_path = isinstance(image, str) and not image.startswith("data:") or isinstance(image, dict) and image.get("path")
    return None if has_path else f"image {index} of {sample.source} {sample.id}"


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
        if count_images(message):
            raise SampleError("image in answer", f"message {index} is the assistant's and holds an image; the model writes text only")
        if not text_of(message).strip() and not message.get("tool_calls"):
            raise SampleError("empty answer", f"message {index} is the assistant's and is empty")


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
