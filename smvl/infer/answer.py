"""What a model wrote: whole, with what it took, or piece by piece."""

from dataclasses import dataclass
from typing import Any, Literal

from smvl.grounding import Grounding, read_grounding
from smvl.infer.token_scores import TokenScore
from smvl.infer.tool_calls import ToolCall
from smvl.processing.images import image_header

Finish = Literal["stop", "length", "repetition"]
"""Why an answer ended. `stop`: the model ended its turn, or its form was complete; `length`: it was cut at `max_new_tokens`; `repetition`:
it said the same again and again, and was stopped."""


@dataclass(frozen=True)
class Answer:
    """What the model wrote, and what it took."""

    text: str
    reasoning: str
    """What stood in the thinking block; empty without one."""
    finish: Finish
    num_prompt_tokens: int
    num_image_tokens: int
    """How many of the prompt's tokens are image features."""
    num_tiles: int
    """Tiles of its images, or with native resolution patches."""
    num_new_tokens: int
    """Tokens written, reasoning and the token that ends the turn included."""
    seconds_to_first_token: float
    """From reading the images to the first token; of the whole batch, as all its requests are answered together."""
    seconds: float
    """From reading the images to the last token of the batch."""
    token_ids: tuple[int, ...] = ()
    """The tokens written."""
    num_known_tokens: int = 0
    """How many of the prompt's tokens an earlier turn had read already."""
    num_forced_tokens: int = 0
    """How many of the tokens written the model was not asked for, as the form left no choice."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The functions that the model wants called, where the request had tools; `text` is what it says before them."""
    token_scores: tuple[TokenScore, ...] = ()
    """Of the tokens written, where `Sampling.num_likeliest` asked for them."""

    def __str__(self) -> str:
        return self.text

    def grounding(self, picture: Any) -> Grounding:
        """Boxes and points that the text names (see `smvl.grounding`), in pixels of the picture as a viewer shows it: upright and whole.

        Args:
            picture: that they are in, as the model was asked about it: a path, bytes, a `data:` URL, a PIL image. Only its header is read.

        Raises:
            ValueError: it is no picture.
        """
        return read_grounding(self.text, *image_header(picture).seen_size)


@dataclass(frozen=True)
class Piece:
    """A part of an answer in the making."""

    text: str
    is_reasoning: bool
