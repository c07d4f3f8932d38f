"""A question to a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smvl.infer.argument_kinds import check_kinds


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


def check_request(request: Any) -> None:
    """Raise `ValueError` for what is no request, or has a field of another kind; what is in the messages is for the processor to check."""
    if not isinstance(request, Request):
        raise ValueError(f"a request is of the type {type(request).__name__}; expected Request(messages, images).")
    check_kinds(messages=request.messages, images=request.images, tools=request.tools, thinking=request.thinking)
