"""Holding an answer to a form: which tokens may come next, and which must."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from smvl.infer.form.form import Form
from smvl.infer.form.library import load_llguidance


class FormTokens:
    """A tokenizer as llguidance knows it; made once for a model (two seconds with Qwen3's vocabulary).

    Args:
        tokenizer: a fast tokenizer of transformers.
        num_scores: width of the model's scores, which may be more than the tokenizer has tokens.
        stop_ids: tokens that end an answer.

    Raises:
        ValueError: llguidance is not installed, or the tokenizer is no fast one.
    """

    def __init__(self, tokenizer: Any, num_scores: int, stop_ids: Iterable[int]):
        self._library = load_llguidance()
        from llguidance.hf import from_tokenizer

        self._tokens = from_tokenizer(tokenizer, n_vocab=num_scores, eos_token=sorted(stop_ids))
        self._num_scores = num_scores
        self._thinks = {"<think>", "</think>"} <= tokenizer.get_vocab().keys()

    def matcher(self, form: Form, *, thinking: bool) -> "Matcher":
        """For one answer.

        Args:
            thinking: whether the model may reason first; the form then begins behind that. A tokenizer without the tags knows no reasoning.
        """
        grammar = form.after_thinking() if thinking and self._thinks else form.grammar
        return Matcher(self._library.LLMatcher(self._tokens, grammar), self._num_scores)


class Matcher:
    """What a form allows of one answer. It is told every token that is written."""

    def __init__(self, matcher: Any, num_scores: int):
        self._matcher, self._num_scores = matcher, num_scores
        self._bits = np.zeros((num_scores + 31) // 32, dtype=np.int32)
        self._check()

    @property
    def is_complete(self) -> bool:
        """Whether nothing can follow."""
        return self._matcher.is_stopped()

    def allowed(self) -> np.ndarray:
        """(scores,) bool: the tokens that may come next; those that end an answer among them where it may end."""
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        self._check()
        return np.unpackbits(self._bits.view(np.uint8), bitorder="little")[: self._num_scores].view(bool)

    def write(self, tokens: list[int]) -> None:
        self._matcher.consume_tokens(tokens)
        self._check()

    def write_forced(self) -> list[int]:
        """The tokens that must come next, as they are written from here; none where there is a choice."""
        forced: list[int] = []
        while not self.is_complete and (tokens := self._matcher.compute_ff_tokens()):
            self.write(tokens)
            forced += tokens
        return forced

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = self._matcher.get_error().partition("<state>")[0]
            raise ValueError(f"no answer can be held to this form: {' '.join(reason.split())[:400]}")
