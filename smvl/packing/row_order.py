"""The order in which the rows of one source come: pass after pass, each shuffled anew, no row twice within an epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class RowOrder:
    """An endless order of row numbers that only its seed and the beginnings of epochs decide.

    An epoch may begin in the middle of a pass, as epochs end with the shortest source of a mixture. Where a pass ends in the midst of an
    epoch, the next begins with the rows that this epoch has not had yet.

    Args:
        length: rows of the source.
        seed: of the shuffles.
    """

    def __init__(self, length: int, seed: Sequence[int]):
        self.length, self._seed = length, list(seed)
        self.num_drawn = 0
        self._epoch_start = 0
        self._first_pass = 0
        self._recent: list[int] = []  # for each pass after `_first_pass`: rows of the pass before it that its first epoch had had
        self._order = self._shuffled(0)

    @property
    def is_spent(self) -> bool:
        """Whether this epoch has had every row."""
        return self.num_drawn - self._epoch_start >= self.length

    def begin_epoch(self) -> None:
        """From here on, rows that have come may come again."""
        self._epoch_start = self.num_drawn

    def next(self) -> tuple[int, int]:
        """The next row, and the number of times that it has come before."""
        number, position = divmod(self.num_drawn, self.length)
        if position == 0 and number:
            self._begin_pass(number, self.num_drawn - self._epoch_start)
        self.num_drawn += 1
        return int(self._order[position]), number

    def state(self) -> dict[str, Any]:
        """Where the order stands, for `restore`. JSON."""
        return {
            "num_drawn": self.num_drawn,
            "epoch_start": self._epoch_start,
            "first_pass": self._first_pass,
            "recent": list(self._recent),
        }

    def restore(self, state: dict[str, Any]) -> "RowOrder":
        """Go on from `state`."""
        self._first_pass, self._recent = state["first_pass"], []
        self._order = self._shuffled(self._first_pass)
        for number, num_recent in enumerate(state["recent"], start=self._first_pass + 1):
            self._begin_pass(number, num_recent)
        self.num_drawn, self._epoch_start = state["num_drawn"], state["epoch_start"]
        return self

    def _begin_pass(self, number: int, num_recent: int) -> None:
        """Shuffle for the pass `number`; the last `num_recent` rows of the pass before it come last."""
        order = self._shuffled(number)
        if 0 < num_recent < self.length:
            is_recent = np.zeros(self.length, dtype=bool)
            is_recent[self._order[-num_recent:]] = True
            order = np.concatenate([order[~is_recent[order]], order[is_recent[order]]])
            self._recent.append(num_recent)
        else:  # the order before does not matter, and need not be known to restore this one
            self._first_pass, self._recent = number, []
        self._order = order

    def _shuffled(self, number: int) -> np.ndarray:
        return np.random.default_rng([*self._seed, number]).permutation(self.length)  # (length,) int64
