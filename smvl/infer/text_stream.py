"""From token ids to text while they arrive: no character is ever split, and reasoning is kept apart from the answer."""

from collections.abc import Callable, Sequence

_OPENING, _CLOSING = "<think>", "</think>"
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a decoder puts for bytes that are no whole character yet."""


def split_thinking(text: str) -> tuple[str, str]:
    """(reasoning, answer) of what a model wrote; without a thinking block all of it is the answer.

    A closing tag where the answer begins is neither: small models write the end of the empty block, which the prompt ends with, once more.
    Further on it is a word.
    """
    text = _after_closings(text)
    if not text.lstrip().startswith(_OPENING):
        return "", text
    reasoning, _, answer = text.lstrip().removeprefix(_OPENING).partition(_CLOSING)
    return reasoning.strip("\n"), _after_closings(answer.lstrip("\n"))


def _after_closings(text: str) -> str:
    while text.lstrip().startswith(_CLOSING):
        text = text.lstrip().removeprefix(_CLOSING).lstrip("\n")
    return text


class TextStream:
    """Takes one token after another, and gives the text that has become certain.

    Args:
        decode: ids to text.
        before_answer: text that is left out where all begins with it.
        until: text with which the answer ends; neither it nor what follows, nor the line breaks before it, are given.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], before_answer: str = "", until: str | None = None):
        self._decode, self._before_answer, self._until = decode, before_answer, until
        self._ids: list[int] = []
        self._context, self._done = 0, 0
        """Text up to `_done` was given out; decoding starts at `_context`, as some decoders treat a first token differently."""
        self._text = ""
        self._given = ("", "")

    def push(self, token: int) -> tuple[str, str]:
        """What `token` adds to (reasoning, answer)."""
        self._ids.append(token)
        piece = self._undecoded()
        if piece.endswith(_UNFINISHED):
            return "", ""
        return self._take(piece, _certain)

    def finish(self) -> tuple[str, str]:
        """What was held back until now."""
        return self._take(self._undecoded(), split_thinking)

    def _undecoded(self) -> str:
        known = self._decode(self._ids[self._context : self._done])
        return self._decode(self._ids[self._context :])[len(known) :]

    def _take(self, piece: str, split: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
        if piece:
            self._context, self._done = self._done, len(self._ids)
            self._text += piece
        reasoning, answer = split(self._text.removeprefix(self._before_answer))
        whole = reasoning, self._cut(answer, is_certain=split is split_thinking)
        added = tuple(part[len(given) :] for part, given in zip(whole, self._given))
        self._given = whole
        return added


    def _cut(self, answer: str, *, is_certain: bool) -> str:
        if self._until is None:
            return answer
        said, found, _ = answer.partition(self._until)
        if found:
            return said.rstrip("\n")
        return answer if is_certain else _without_start_of(self._until, answer).rstrip("\n")



def _certain(text: str) -> tuple[str, str]:
    """The part of `split_thinking(text)` that no later text can change."""
    reasoning, answer = split_thinking(text)
    if _CLOSING.startswith(answer.lstrip()) or (not reasoning and _OPENING.startswith(answer.lstrip())):
        answer = ""
    if _is_thinking(text):
        reasoning = _without_start_of(_CLOSING, reasoning).rstrip("\n")
    return reasoning, answer


def _is_thinking(text: str) -> bool:
    """Whether a thinking block was begun and has no end yet."""
    text = _after_closings(text).lstrip()
    return text.startswith(_OPENING) and _CLOSING not in text


def _without_start_of(tag: str, text: str) -> str:
    """`text` without an ending that may be growing into `tag`."""
    for length in range(len(tag) - 1, 0, -1):
        if text.endswith(tag[:length]):
            return text[:-length]
    return text
