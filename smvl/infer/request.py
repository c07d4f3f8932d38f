"""A question to a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One conversation that waits for an answer."""

    messages: Sequence[dict[str, Any]]
    """OpenAI / Hugging Face messages, content a string or a list of parts; the last is not the assistant's."""
    images: Sequence[Any] = ()
    """One for each image part, in their order: whatever `read_image` reads."""
    tools: Sequence[dict[str, Any]] | None = None
    thinking: bool = False
    """Whether the model may reason before it answers."""
