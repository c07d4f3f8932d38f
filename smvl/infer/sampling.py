"""How the next token is chosen: the likeliest one, or one drawn with a seed of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper


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

    def __post_init__(self):
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; an answer needs at least 1.")
        if not 0.0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}; expected 0 (the likeliest token) or more.")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p is {self.top_p}; expected more than 0 and at most 1.")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}; expected 0 (all tokens) or more.")

    def processors(self, rows: Sequence[int]) -> LogitsProcessorList:
        """What `generate` needs to draw for a batch; `rows` number its requests among all that were asked together."""
        return LogitsProcessorList([SeededDraw(self, rows)] if self.temperature > 0 else [])


class SeededDraw(LogitsProcessor):
    """Turns scores so that the largest is a random draw from them (the Gumbel-max trick).

    Each row has a generator of its own, so a draw depends neither on what else is in the batch nor on torch's global generator, which
    training may be using.
    """

    def __init__(self, sampling: Sampling, rows: Sequence[int]):
        seed = torch.Generator().seed() if sampling.seed is None else sampling.seed
        self._generators = [torch.Generator().manual_seed((seed + row) % 2**63) for row in rows]
        self._warpers = LogitsProcessorList([TemperatureLogitsWarper(float(sampling.temperature))])
        if sampling.top_k:
            self._warpers.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1.0:
            self._warpers.append(TopPLogitsWarper(sampling.top_p))

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        scores = self._warpers(input_ids, scores)  # (B, vocabulary)
        noise = [torch.empty(scores.shape[1]).exponential_(generator=generator) for generator in self._generators]
        return scores - torch.stack(noise).clamp_(min=1e-30).log_().to(scores.device)
