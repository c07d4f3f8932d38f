"""Holding an answer to a form: which tokens may come next, and which must."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from smvl.infer.form.form import Form
from smvl.infer.form.library import load_llguidance

_CLOSING_TEXT = (re.compile(r'"[}\]]+'), re.compile('"'))
_CLOSING_JSON = (re.compile(r"[}\]]+"), re.compile('"'))
"""Tokens that close JSON, the surest first: within a text, where a bracket is a character as any other; and outside, where a quotation mark
may open a key as well."""
_NEVER_JSON = "~"
"""What JSON allows within a text alone."""


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
        vocabulary = tokenizer.get_vocab()
        self._thinks = {"<think>", "</think>"} <= vocabulary.keys()
        self._after_thinking = vocabulary.get("</think>")
        self._stop_ids = sorted(stop_ids)
        self._closing = Closing(vocabulary, num_scores)

    def matcher(self, form: Form, *, thinking: bool) -> "Matcher":
        """For one answer.

        Args:
            thinking: whether the model may reason first; the form then begins behind that. A tokenizer without the tags knows no reasoning.
        """
        thinks = thinking and self._thinks
        matcher = self._library.LLMatcher(self._tokens, form.after_thinking() if thinks else form.grammar)
        closing = self._closing if form.is_json else None
        return Matcher(matcher, self._num_scores, self._stop_ids, closing, self._after_thinking if thinks else None)


class Matcher:
    """What a form allows of one answer. It is told every token that is written.

    Args:
        stop_ids: tokens that end an answer.
        closing: the tokens that bring the form to its end; None where there are no such tokens.
        after: the token behind which the form begins; None where it begins at once.
    """

    def __init__(self, matcher: Any, num_scores: int, stop_ids: Sequence[int], closing: "Closing | None", after: int | None):
        self._matcher, self._num_scores, self._stop_ids, self._closing, self._after = matcher, num_scores, stop_ids, closing, after
        self.was_closed = False
        """Whether it was brought to its end before the model would have."""
        self._bits = np.zeros((num_scores + 31) // 32, dtype=np.int32)
        self._check()

    @property
    def is_complete(self) -> bool:
        """Whether nothing can follow."""
        return self._matcher.is_stopped()

    def allowed(self, *, must_close: bool = False) -> np.ndarray:
        """(scores,) bool: the tokens that may come next; those that end an answer among them where it may end.

        Args:
            must_close: only those that close what is open, where that is known.
        """
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        self._check()
        allowed = np.unpackbits(self._bits.view(np.uint8), bitorder="little")[: self._num_scores].view(bool)
        if not must_close or self._closing is None or self._after is not None or allowed[self._stop_ids].any():
            return allowed
        closing = self._closing.among(allowed)
        self.was_closed |= closing is not None
        return allowed if closing is None else closing

    def write(self, tokens: list[int]) -> None:
        if self._after in tokens:
            self._after = None
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


class Closing:
    """The tokens that bring JSON to its end."""

    def __init__(self, vocabulary: Mapping[str, int], num_scores: int):
        self._in_text, self._outside = (
            [_mask_of((vocabulary[token] for token in vocabulary if kind.fullmatch(token)), num_scores) for kind in kinds]
            for kinds in (_CLOSING_TEXT, _CLOSING_JSON)
        )
        self._never_json = vocabulary.get(_NEVER_JSON)

    def among(self, allowed: np.ndarray) -> np.ndarray | None:
        """(scores,) bool: those of the allowed tokens that close the most; None where none does."""
        is_text = self._never_json is not None and allowed[self._never_json]
        masks = (allowed & mask for mask in (self._in_text if is_text else self._outside))
        return next((mask for mask in masks if mask.any()), None)


def _mask_of(ids: Iterable[int], num_scores: int) -> np.ndarray:
    mask = np.zeros(num_scores, dtype=bool)
    mask[list(ids)] = True
    return mask
