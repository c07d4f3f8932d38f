"""What the engine asks of a model, whatever runtime it is loaded in: features of images, and scores of the next token.

`torch_model.TorchModel` is a checkpoint (or a model in training), `onnx_model.OnnxModel` and `llama_model.LlamaModel` are exports. Nothing
that the engine needs for the latter two imports torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np

LARGE_VISION = 64 << 20
"""Bytes of weights from which an export's vision encoder is not kept in memory, unless asked."""


@dataclass(frozen=True)
class ModelFacts:
    """What is fixed about a loaded model."""

    max_positions: int
    """Longest sequence that it reads, prompt and answer together."""
    num_scores: int
    """How many tokens it scores, those included that no text has."""
    stop_ids: frozenset[int]
    """Tokens that end a turn."""
    suppressed_ids: tuple[int, ...] = ()
    """Rows of the vocabulary that no token uses; they are never chosen."""
    max_batch: int | None = None
    """Prompts that are read together at most; None for any number."""

    def __post_init__(self):
        if not self.stop_ids:
            raise ValueError("the generation config has no eos_token_id, so no answer would ever end. Set it to the id of <|im_end|>.")

    def likeliest(self, scores: np.ndarray, allowed: np.ndarray | None = None) -> int:
        """The best token by scores (vocabulary,), among those that are allowed (all, with None) and not suppressed."""
        best = int(scores.argmax())
        if best not in self._suppressed and (allowed is None or allowed[best]):
            return best
        scores = scores.copy() if allowed is None else np.where(allowed, scores, -np.inf)
        scores[list(self.suppressed_ids)] = -np.inf
        return int(scores.argmax())

    @cached_property
    def _suppressed(self) -> frozenset[int]:
        return frozenset(self.suppressed_ids)

    @classmethod
    def of_export(cls, config: Mapping[str, Any], generation_config: Mapping[str, Any], context: int | None) -> Self:
        """Those that an export's settings name; it reads one prompt at a time.

        Args:
            context: longest sequence, where it is to be shorter than what the model was made for.
        """
        stop = generation_config.get("eos_token_id")
        positions: int = config["text_config"]["max_position_embeddings"]
        return cls(
            max_positions=min(positions, context or positions),
            num_scores=config["text_config"]["vocab_size"],
            stop_ids=frozenset([stop] if isinstance(stop, int) else stop or ()),
            suppressed_ids=tuple(generation_config.get("suppress_tokens") or ()),
            max_batch=1,
        )


class Reading(Protocol):
    """Prompts that a model has read and goes on with, token by token. Keys and values stay where they are: no step copies them."""

    def scores(self) -> np.ndarray:
        """(B, vocabulary) float32: of the token that comes next, before any is suppressed."""
        ...

    def likeliest(self, allowed: Sequence[np.ndarray | None] = ()) -> list[int]:
        """The best token of each row, among those that are not suppressed.

        Args:
            allowed: of each row the tokens among which to choose, (vocabulary,) bool; None for all. Without it all are everywhere.
        """
        ...

    def go_on(self, tokens: Sequence[Sequence[int]]) -> None:
        """Read further tokens in each row, at least one; rows may get different numbers of them."""
        ...

    def read_on(
        self, length: int, ids: Sequence[int], features: np.ndarray | None, room: int, positions: np.ndarray | None = None
    ) -> None:
        """Forget all but the first `length` tokens, then read `ids`; for readings of one prompt only.

        Args:
            features: (image placeholders in `ids`, width); None without any.
            room: tokens that will be written after them at most.
            positions: (axes, len(ids)); None counts on from `length`.
        """
        ...


class Model(Protocol):
    """A loaded model."""

    facts: ModelFacts

    def encode_images(self, pixels: np.ndarray, shapes: Sequence[tuple[int, int]]) -> np.ndarray:
        """What the text model reads of pictures: (..., width), their features in order; what goes deeper (DeepStack) lies behind, in width.

        Args:
            pixels: (num_units, 3, side, side) float32.
            shapes: of each picture, as `smvl.layouts.pictures.Plan.shape`.
        """
        ...

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        features: Sequence[np.ndarray | None],
        room: int,
        positions: Sequence[np.ndarray] | None = None,
    ) -> Reading:
        """Read prompts, which may be of different lengths.

        Args:
            features: for each prompt (image placeholders in it, width), in their order; None without images.
            room: tokens that will be written at most.
            positions: (axes, length) of each prompt; None counts each from 0.

        Raises:
            ValueError: a prompt has another number of placeholders than features.
        """
        ...
