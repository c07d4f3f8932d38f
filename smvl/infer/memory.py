"""What a conversation has had read already: the features of its images, and the keys and values of its latest prompt."""

import hashlib
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from PIL import Image

from smvl.infer.backend import Model, Reading
from smvl.layouts.pictures import Plan

Mark = Any
"""What stands at one position of a prompt: a token's id, or for image features (key of the image, number of the feature)."""


def image_key(image: Image.Image, plan: Plan) -> str:
    """The same for equal pixels cut in the same way."""
    digest = hashlib.blake2b(image.tobytes(), digest_size=16)
    digest.update(repr((image.size, plan)).encode())
    return digest.hexdigest()


def marks_of(ids: Sequence[int], image_token_id: int, keys: Sequence[str], num_features: Sequence[int]) -> list[Mark]:
    """The marks of a prompt.

    Args:
        keys, num_features: of each image, in order; together the features are as many as `ids` has image tokens.
    """
    features = ((key, number) for key, count in zip(keys, num_features) for number in range(count))
    return [next(features) if token == image_token_id else token for token in ids]


class Memory:
    """Of one conversation with one model; a model that has changed since makes it wrong."""

    def __init__(self):
        self.features: dict[str, np.ndarray] = {}
        """(features of the image, width) by image key; those of the latest prompt."""
        self.reading: Reading | None = None
        """Of the latest prompt; `read` begins it."""
        self._marks: list[Mark] = []

    def read(
        self, model: Model, ids: Sequence[int], marks: list[Mark], features: np.ndarray | None, positions: np.ndarray, room: int
    ) -> int:
        """Read a prompt, but not again what it has in common with the last one at its beginning.

        Args:
            features: (image tokens of the prompt, width); None without images.
            positions: (axes, tokens of the prompt).
            room: tokens that will be written at most.

        Returns:
            How many tokens were known.
        """
        known = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._marks, marks[:-1])))
        if self.reading is None or not known:
            self._marks, self.reading = [], None  # the old keys and values go before the new ones come
            self.reading = model.read([ids], [features], room, [positions])
            known = 0
        else:
            num_new = sum(isinstance(mark, tuple) for mark in marks[known:])
            self._marks = self._marks[:known]
            self.reading.read_on(known, ids[known:], features[len(features) - num_new :] if num_new else None, room, positions[:, known:])
        self._marks = list(marks)
        return known

    def note(self, tokens: Sequence[int]) -> None:
        """`reading` has gone on with these tokens of the answer, which are then known too."""
        self._marks += tokens
