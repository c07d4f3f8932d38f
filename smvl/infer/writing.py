"""One answer in the making: what may come next in it, and when it ends."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from smvl.infer.answer import Finish
from smvl.infer.form.matcher import Matcher
from smvl.infer.repetition import RepetitionWatch
from smvl.infer.token_scores import TokenScore, score_token

MOST_ROOM_TO_CLOSE = 32
"""Tokens at the end of an answer's room in which what is open in its form is closed; a quarter of the room where that is less."""


class Writing:
    """The tokens of an answer.

    Args:
        room: tokens that it has at most.
        stop_ids: tokens that end it.
        decode: ids to text.
        matcher: of the form that it must have, if any.
        num_likeliest: to score each token, with so many of the likeliest beside it; None for no scores.
    """

    def __init__(
        self,
        room: int,
        stop_ids: Collection[int],
        decode: Callable[[Sequence[int]], str],
        matcher: Matcher | None = None,
        num_likeliest: int | None = None,
    ):
        self._room, self._stop_ids, self._matcher = room, stop_ids, matcher
        self._room_to_close = min(room // 4, MOST_ROOM_TO_CLOSE)
        self._watch = RepetitionWatch(decode)
        self._opening = [] if matcher is None else matcher.write_forced()
        self.num_likeliest = num_likeliest
        self.ids: list[int] = []
        self.scores: list[TokenScore] = []
        """Of each token, where they are wanted."""
        self.num_forced = 0
        """Tokens that the model was not asked for, as the form left no choice."""
        self.finish: Finish | None = None
        """Why it ended; None as long as it goes on."""

    @property
    def allowed(self) -> np.ndarray | None:
        """(scores,) bool: the tokens that may be chosen next; None for all."""
        if self._matcher is None or self._opening or self.finish is not None:
            return None
        return self._matcher.allowed(must_close=self._room - len(self.ids) <= self._room_to_close)

    def go_on(self, token: int, scores: np.ndarray | None = None) -> list[int]:
        """Write the token that was chosen, and what the form leaves no choice of; returns what was written.

        Where the form begins without a choice, the first call writes that, and no token.

        Args:
            scores: (vocabulary,) float32, by which it was chosen, where tokens are to be scored.
        """
        if self.finish is not None:
            return []
        num_chosen = 0 if self._opening else 1
        due, self._opening = self._opening or self._chosen(token), []
        written = self._until_loop(due[: self._room - len(self.ids)])
        self.ids += written
        self.num_forced += len(written) - num_chosen
        if scores is not None and self.num_likeliest is not None:
            self.scores += [score_token(scores, each, self.num_likeliest) for each in written[:num_chosen]]
            self.scores += [TokenScore(each, 0.0) for each in written[num_chosen:]]
        self._end(written[-1], is_cut=len(written) < len(due))
        return written

    def end(self) -> None:
        """Write no more, whatever would have come."""
        self.finish = self.finish or "stop"

    def _chosen(self, token: int) -> list[int]:
        if self._matcher is None or token in self._stop_ids:
            return [token]
        self._matcher.write([token])
        return [token, *self._matcher.write_forced()]

    def _until_loop(self, tokens: list[int]) -> list[int]:
        for number, token in enumerate(tokens):
            if self._watch.sees_loop(token):
                self.finish = "repetition"
                return tokens[: number + 1]
        return tokens

    def _end(self, latest: int, *, is_cut: bool) -> None:
        if latest in self._stop_ids or (self._matcher is not None and self._matcher.is_complete and not is_cut):
            self.finish = "length" if self._matcher is not None and self._matcher.was_closed else "stop"
        elif self.finish is None and len(self.ids) == self._room:
            self.finish = "length"
