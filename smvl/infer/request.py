"""A question to a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smvl.infer.argument_kinds import check_kinds
from smvl.infer.form.form import Form
from smvl.processing.plain_values import plain_messages


@dataclass(frozen=True)
class Request:
    """One conversation that waits for an answer."""

    messages: Sequence[dict[str, Any]]
    """OpenAI / Hugging Face messages, content a string or a list of parts; the last is not the assistant's."""
    images: Sequence[Any] = ()
    """One for each image part, in their order: whatever `read_image` reads."""
    tools: Sequence[dict[str, Any]] | None = None
    tool_choice: str = "auto"
    """`auto`: text, or calls of the tools; `none`: no call; `required`: at least one; the name of a tool: a call of it.
    What is called is in `Answer.tool_calls`."""
    thinking: bool = False
    """Whether the model may reason before it answers."""
    form: Form | None = None
    """What the answer must match, where it is none of calls; it is added to the last question in words."""


def check_request(request: Any) -> None:
    """Raise `ValueError` for what is no request, or has a field of another kind; what is in the messages is for the processor to check."""
    if not isinstance(request, Request):
        raise ValueError(f"a request is of the type {type(request).__name__}; expected Request(messages, images).")
    kinds = ("messages", "images", "tools", "tool_choice", "thinking", "form")
    check_kinds(**{name: getattr(request, name) for name in kinds})
    if not request.tools and request.tool_choice not in ("auto", "none"):
        raise ValueError(f"tool_choice is {request.tool_choice}, but the request has no tools.")


def messages_of(request: Request) -> list[dict[str, Any]]:
    """The messages as the model is shown them: the user's last one says in which form to answer."""
    messages = plain_messages(request.messages)
    places = [place for place, message in enumerate(messages) if message["role"] == "user"]
    if request.form is None or not places:
        return messages
    last = messages[places[-1]]
    parts = [{"type": "text", "text": last["content"]}] if isinstance(last["content"], str) else list(last["content"])
    question = "".join(part.get("text", "") for part in parts)
    instruction = request.form.instruction(question)
    if instruction and instruction not in question:  # said twice, a schema leads a small model astray
        parts.append({"type": "text", "text": f"\n{instruction}"})
        messages[places[-1]] = {**last, "content": parts}
    return messages
