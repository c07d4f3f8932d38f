"""How the next token is chosen: the likeliest one, or one drawn with a seed of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smvl.infer.argument_kinds import check_kinds
from smvl.infer.backend import Reading


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Length of an answer and choice of its tokens.

    Raises:
        ValueError: a value that means nothing.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    """0 takes the likeliest token; nothing is then random and the fields below are not used."""
    top_p: float = 1.0
    """Draw among the likeliest tokens that together have this probability; 1 for all."""
    top_k: int = 0
    """Draw among this many likeliest tokens; 0 for all."""
    seed: int | None = None
    """None takes another one each time."""
    num_likeliest: int | None = None
    """Score each token, and tell of so many of the likeliest in its place; None for no scores."""

    def __post_init__(self):
        check_kinds(**vars(self))
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; an answer needs at least 1.")
        if not 0.0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}; expected 0 (the likeliest token) or more.")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p is {self.top_p}; expected more than 0 and at most 1.")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}; expected 0 (all tokens) or more.")
        if self.num_likeliest is not None and self.num_likeliest < 0:
            raise ValueError(f"num_likeliest is {self.num_likeliest}; expected 0 or more, or None.")


class Choice:
    """Chooses the tokens of some answers, step by step.

    Each row draws from a generator of its own, so what is drawn depends neither on what else is in the batch nor on a global generator,
    which training may be using.

    Args:
        samplings: of each row.
        rows: numbers of the requests among all that were asked together.
        suppressed_ids: tokens that are never drawn.
    """

    def __init__(self, samplings: Sequence[Sampling], rows: Sequence[int], suppressed_ids: Sequence[int]):
        self._samplings, self._suppressed_ids = samplings, list(suppressed_ids)
        chance = np.random.SeedSequence().entropy
        seeds = [chance if sampling.seed is None else sampling.seed for sampling in samplings]
        self._generators = [np.random.default_rng((int(seed) % 2**128, row)) for seed, row in zip(seeds, rows)]

    def __call__(self, reading: Reading, allowed: Sequence[np.ndarray | None]) -> list[int]:
        """The next token of each row.

        Args:
            allowed: of each row the tokens among which to choose, (scores,) bool; None for all.
        """
        if all(sampling.temperature == 0 for sampling in self._samplings):
            return reading.likeliest(allowed)
        return [self._draw(*row) for row in zip(self._samplings, reading.scores(), allowed, self._generators)]

    def _draw(self, sampling: Sampling, scores: np.ndarray, allowed: np.ndarray | None, generator: np.random.Generator) -> int:
        """One token, by the Gumbel-max trick: the largest of scores that have got noise is a draw from their softmax."""
        scores = scores.astype(np.float64)
        scores[self._suppressed_ids] = -np.inf
        if allowed is not None:
            scores[~allowed] = -np.inf
        if sampling.temperature == 0:
            return int(np.argmax(scores))
        noise, scores = generator.gumbel(size=len(scores)), scores / sampling.temperature
        if sampling.top_k:
            scores = _keep(scores, np.argsort(-scores, kind="stable")[: sampling.top_k])
        if sampling.top_p < 1.0:
            order = np.argsort(-scores, kind="stable")
            weights = np.exp(scores[order] - scores[order[0]])
            before = np.cumsum(weights) - weights
            scores = _keep(scores, order[before < sampling.top_p * weights.sum()])
        return int(np.argmax(scores + noise))


def _keep(scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    masked = np.full_like(scores, -np.inf)
    masked[kept] = scores[kept]
    return masked
