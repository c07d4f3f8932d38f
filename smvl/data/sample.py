"""Sample: the one form in which a conversation with images travels through the project."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from smvl.data.message_checks import check_messages, check_texts, text_of
from smvl.data.rules import SampleError
from smvl.processing.laid_out import count_characters, count_images

__all__ = ["MAX_CHARACTERS", "MAX_ID", "Sample", "SampleError"]

MAX_CHARACTERS = 10_000_000
"""Of a conversation: twice what Qwen3-0.6B could read, were each of its 40,960 tokens as long as the longest that it knows."""
MAX_ID = 256
"""Characters of the longest id: a longer one is a text or an image that stands in the wrong column."""


@dataclass(frozen=True)
class Sample:
    """One conversation with its images. Checks itself when it is made.

    Raises:
        SampleError: it breaks one of the rules in rules.py.
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
        if len(self.id) > MAX_ID:
            raise SampleError("row id", f"the id has {len(self.id):,} characters ({self.id[:40]}...); expected at most {MAX_ID}")
        num_characters = count_characters([list(self.messages), self.tools])
        if num_characters > MAX_CHARACTERS:
            raise SampleError("too long", f"the row has {num_characters:,} characters; expected at most {MAX_CHARACTERS:,}")
        check_messages(self.messages)
        check_texts([self.id, self.task], "the id or the task")
        check_texts(list(self.messages), "the messages")
        if self.tools:
            check_texts(list(self.tools), "the tools")
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
