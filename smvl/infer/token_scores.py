"""How sure a model was of each token that it wrote."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TokenScore:
    """One token of an answer."""

    token_id: int
    log_probability: float
    """Natural logarithm, by the model's own scores, before temperature and form; 0 for a token that the form left no choice of."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """The tokens with the highest probabilities and these, from the highest down."""


def score_token(scores: np.ndarray, token: int, num_likeliest: int) -> TokenScore:
    """The score of a token among the model's scores (vocabulary,) of what comes next; those of no token are -inf."""
    scores = scores.astype(np.float64)
    logs = scores - scores.max()
    logs -= np.log(np.exp(logs).sum())
    best = np.argpartition(-logs, min(num_likeliest, len(logs) - 1))[:num_likeliest]
    best = best[np.argsort(-logs[best], kind="stable")]
    return TokenScore(token, float(logs[token]), tuple((int(other), float(logs[other])) for other in best))
