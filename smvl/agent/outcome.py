"""What a run of an agent came to."""

from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

Ended = Literal["answered", "length", "repetition", "too long", "steps", "seconds", "wrong call", "refused"]
"""Why a run ended. `answered`: the model answered without a call; `length`, `repetition`: that answer was cut, or stopped as it said the
same again and again; `too long`: the conversation has grown beyond what the model reads; `steps`, `seconds`: a bound was reached;
`wrong call`, `refused`: a second one in a row."""


@dataclass(frozen=True)
class Outcome:
    """The answer, and how it came about."""

    text: str
    """What the model said last; the answer where it ended with `answered`."""
    ended: Ended
    detail: str
    """Why in words; empty where it answered."""
    messages: list[dict[str, Any]]
    """The whole conversation, calls and results of tools included."""
    images: list[Image.Image]
    """One for each image part of the messages, in order."""
    steps: int
    """Answers of the model."""
    seconds: float

    def __str__(self) -> str:
        return self.text
