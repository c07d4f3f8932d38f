"""What one conversation will look like to the model, decided before any pixel is decoded.

Ids and loss mask are born here together, for training and for inference alike, so that the two cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smvl.layouts.pictures import Plan

IGNORED_LABEL = -100
"""The label of a position that the loss leaves out, as in torch and transformers."""

FEWER_TILES = "fewer_tiles"
EARLY_TURNS_DROPPED = "early_turns_dropped"
FIRST_FRAMES = "first_frames"


class TooLongError(ValueError):
    """A conversation that does not fit even with the fewest tiles and its last turn alone."""


@dataclass(frozen=True)
class LaidOut:
    """Ids, labels and plans for the pictures of one conversation."""

    input_ids: list[int]
    labels: list[int]
    """The id itself where the model is asked for it, else `IGNORED_LABEL`; not shifted."""
    plans: list[Plan]
    """One for each image that was kept."""
    kept_images: list[int]
    """Which of the conversation's images they are."""
    shortened: tuple[str, ...] = ()
    """What is not shown: `FEWER_TILES` or `EARLY_TURNS_DROPPED` to fit, `FIRST_FRAMES` where an animation has more."""

    @property
    def num_units(self) -> int:
        """Tiles, or patches, of all its pictures."""
        return sum(plan.num_units for plan in self.plans)

    @property
    def num_supervised(self) -> int:
        return sum(label != IGNORED_LABEL for label in self.labels)


def is_image_part(part: Any) -> bool:
    """Whether a content part stands for an image (Hugging Face's `image` or OpenAI's `image_url`)."""
    return isinstance(part, Mapping) and part.get("type") in ("image", "image_url")


def count_images(message: dict[str, Any]) -> int:
    """How many image parts a message holds."""
    content = message.get("content")
    return sum(map(is_image_part, content)) if isinstance(content, (list, tuple)) else 0


def is_learned(message: dict[str, Any]) -> bool:
    """Whether the model is asked for a message: it is the assistant's, and not switched off by `"weight": 0` (OpenAI's name for it)."""
    return message["role"] == "assistant" and message.get("weight") != 0


def count_turns(messages: Sequence[dict[str, Any]]) -> int:
    """How many turns a conversation has: a message of the user's and all that answers it."""
    return sum(message["role"] == "user" for message in messages)


def without_first_turns(messages: Sequence[dict[str, Any]], count: int) -> tuple[list[dict[str, Any]], int]:
    """`messages` without their earliest `count` turns, and the number of images that went with them. What stands before the first stays."""
    starts = [index for index, message in enumerate(messages) if message["role"] == "user"] or [0]
    dropped = messages[starts[0] : starts[count]]
    return [*messages[: starts[0]], *messages[starts[count] :]], sum(map(count_images, dropped))


def count_characters(value: Any) -> int:
    """Of all strings in a nested value, however deep."""
    count, left = 0, [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            count += len(value)
        elif isinstance(value, (dict, list, tuple)):
            left.extend(value.values() if isinstance(value, dict) else value)
    return count
