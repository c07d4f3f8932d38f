"""Keeping data apart from control: what a user types can never become a special token.

A chat template mixes both into one string. Before rendering, every token text that stands in somebody's words is broken by a guard
character; after rendering, whatever still matches a token text was written by the template. The words are then tokenized, without
their guards, by a tokenizer that has no added tokens at all.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from smvl.processing.tokens import END_OF_TURN, IMAGE_TOKEN, START_OF_TURN

_GUARD_CANDIDATES = tuple(map(chr, range(0xE000, 0xF8FF)))
"""Private-use characters; the first that the conversation does not hold becomes its guard."""

ANSWER_OPENING = f"{START_OF_TURN}assistant\n"
ANSWER_OPENING_WITHOUT_THINKING = f"{ANSWER_OPENING}<think>\n\n</think>\n\n"
"""What the generation prompt ends with, without and with the empty thinking block: given to the model, never asked of it."""

_WRITTEN_BY_ASSISTANTS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
"""Control text that belongs in an assistant's own words."""


class ControlText:
    """Turns conversations rendered by a chat template into ids, with control and words kept apart."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self._tokenizer = tokenizer
        backend = tokenizer.backend_tokenizer
        self._words = Tokenizer(backend.model)
        if backend.normalizer is not None:
            self._words.normalizer = backend.normalizer
        if backend.pre_tokenizer is not None:
            self._words.pre_tokenizer = backend.pre_tokenizer
        tokens = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
        self._token_pattern = _any_of(tokens)
        self._assistant_pattern = _any_of([token for token in tokens if token not in _WRITTEN_BY_ASSISTANTS])
        self._control_pattern = _any_of([ANSWER_OPENING_WITHOUT_THINKING, ANSWER_OPENING, *tokens])
        self._control_ids: dict[str, list[int]] = {}

    def guard(self, messages: Sequence[dict[str, Any]], tools: Sequence[Any] | None) -> tuple[list[dict], list | None, str]:
        """Copies of `messages` and `tools` whose token texts are broken, and the guard character that breaks them."""
        strings = list(_strings([messages, tools]))
        character = next(candidate for candidate in _GUARD_CANDIDATES if not any(candidate in text for text in strings))

        def guarding(pattern: re.Pattern) -> Callable[[str], str]:
            return lambda text: pattern.sub(lambda found: found[0][0] + character + found[0][1:], text)

        everyone, assistant = guarding(self._token_pattern), guarding(self._assistant_pattern)
        guarded = [_guard_message(message, assistant if message.get("role") == "assistant" else everyone) for message in messages]
        return guarded, None if tools is None else [_map_words(tool, everyone) for tool in tools], character

    def pieces(self, rendered: str) -> Iterator[tuple[str, bool]]:
        """Split rendered text into (piece, is it control?)."""
        for index, piece in enumerate(self._control_pattern.split(rendered)):
            if piece:
                yield piece, index % 2 == 1

    def control_ids(self, piece: str) -> list[int]:
        """Ids of text that the project wrote, in which token texts are tokens."""
        if piece not in self._control_ids:
            self._control_ids[piece] = self._tokenizer.encode(piece, add_special_tokens=False)
        return self._control_ids[piece]

    def word_ids(self, text: str) -> list[int]:
        """Ids of somebody's words, in which token texts are only characters."""
        return self._words.encode(text, add_special_tokens=False).ids

    def encode(
        self, rendered: str, guard: str, image_texts: Sequence[str], *, asks_empty_thinking: bool = False
    ) -> tuple[list[int], list[bool]]:
        """Ids of a rendered, guarded conversation and, for each, whether the model is asked for it.

        Asked for: all that follows an assistant's opening, up to and with the token that ends the turn. The i-th image placeholder
        becomes `image_texts[i]`.

        Args:
            asks_empty_thinking: whether an empty thinking block is asked for too, or given with the opening; the ids are the same.
        """
        ids: list[int] = []
        asked: list[bool] = []
        remaining_images = iter(image_texts)
        num_opening = len(self.control_ids(ANSWER_OPENING))
        in_answer = False
        for piece, is_control in self.pieces(rendered):
            opens_answer = piece in (ANSWER_OPENING, ANSWER_OPENING_WITHOUT_THINKING)
            if piece == IMAGE_TOKEN:
                piece = next(remaining_images)
            new = self.control_ids(piece) if is_control else self.word_ids(piece.replace(guard, ""))
            ids += new
            if opens_answer:
                num_given = num_opening if asks_empty_thinking else len(new)
            else:
                num_given = 0 if in_answer else len(new)
            asked += [place >= num_given for place in range(len(new))]
            if is_control:
                in_answer = opens_answer or (in_answer and piece != END_OF_TURN)
        return ids, asked


def _any_of(texts: Sequence[str]) -> re.Pattern:
    return re.compile("(" + "|".join(map(re.escape, texts)) + ")")


def _guard_message(message: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Guard all words of a message; its role, and what its parts are, stay."""
    guarded = {}
    for key, value in message.items():
        if key == "role":
            guarded[key] = value
        elif key == "content" and isinstance(value, (list, tuple)):
            guarded[key] = [_guard_part(part, change) for part in value]
        else:
            guarded[key] = _map_words(value, change)
    return guarded


def _guard_part(part: Any, change: Callable[[str], str]) -> Any:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return {**part, "text": change(part["text"])}
    return part


def _map_words(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_map_words(key, change): _map_words(part, change) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map_words(part, change) for part in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    """Every string in a nested value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value))
        yield from _strings(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _strings(part)
