"""Keeping data apart from control: what a user types can never become a special token.

A chat template mixes both into one string. Before rendering, every character in somebody's words with which a token text begins is
exchanged for a stand-in, also where the words end before the token does, as the template may put others behind them; after rendering,
whatever matches a token text was written by the template. The words get their characters back and are tokenized by a tokenizer that has no
added tokens at all.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from smvl.layouts.tokens import IMAGE_TOKEN
from smvl.processing.chat_format import CHAT_ML, ChatFormat
from smvl.processing.stand_ins import TokenBeginnings, choose_stand_ins

_WRITTEN_BY_ASSISTANTS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
"""Control text that belongs in an assistant's own words."""


@dataclass(frozen=True)
class GuardedText:
    """A conversation whose words hold no token, nor the beginning of one at an end."""

    messages: list[dict[str, Any]]
    tools: list[Any] | None
    originals: dict[int, str]
    """By stand-in, as `str.translate` takes them: the characters that stand-ins were put for."""


class ControlText:
    """Turns conversations rendered by a chat template into ids, with control and words kept apart."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, chat_format: ChatFormat = CHAT_ML):
        self._tokenizer, self._format = tokenizer, chat_format
        backend = tokenizer.backend_tokenizer
        self._words = Tokenizer(backend.model)
        self._normalizer = backend.normalizer
        if backend.pre_tokenizer is not None:
            self._words.pre_tokenizer = backend.pre_tokenizer
        tokens = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
        self._cuts = _cuts_into(self._tokens_among_words(tokens))
        self._beginnings = TokenBeginnings(tokens)
        self._beginnings_for_assistants = TokenBeginnings([token for token in tokens if token not in _WRITTEN_BY_ASSISTANTS])
        self._control_pattern = self._format.control_pattern(tokens)
        self._control_ids: dict[str, list[int]] = {}

    def guard(self, messages: Sequence[dict[str, Any]], tools: list[Any] | None) -> GuardedText:
        """Messages and tools (`plain_values`) whose words a template may put anywhere.

        Raises:
            ValueError: no character is left that could be a stand-in.
        """
        stand_ins = choose_stand_ins(self._beginnings.characters, list(_strings([messages, tools])))

        def everyone(text: str) -> str:
            return self._beginnings.replace(text, stand_ins)

        def assistant(text: str) -> str:
            return self._beginnings_for_assistants.replace(text, stand_ins)

        return GuardedText(
            messages=[_guard_message(message, everyone, assistant) for message in messages],
            tools=_map_words(tools, everyone),
            originals={ord(stand_in): character for character, stand_in in stand_ins.items()},
        )

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
        if self._normalizer is not None:  # first, as it may make a token of what was none
            text = self._normalizer.normalize_str(text)
        parts = [text] if self._cuts is None else self._cuts.split(text)
        return [token for part in parts for token in self._words.encode(part, add_special_tokens=False).ids]

    def _tokens_among_words(self, tokens: Sequence[str]) -> list[str]:
        """Those that the vocabulary of words holds as well and finds in a text, as Unigram's do."""
        ids = {token: self._tokenizer.convert_tokens_to_ids(token) for token in tokens if token.strip()}
        return [token for token in ids if ids[token] in self._words.encode(token, add_special_tokens=False).ids]

    def encode(
        self, rendered: str, originals: dict[int, str], image_texts: Sequence[str], *, asks_empty_thinking: bool = False
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
        num_opening = len(self.control_ids(self._format.plain_opening))
        in_answer = False
        for piece, is_control in self.pieces(rendered):
            opens_answer = is_control and piece in self._format.openings
            if piece == IMAGE_TOKEN:
                piece = next(remaining_images)
            new = self.control_ids(piece) if is_control else self.word_ids(piece.translate(originals))
            ids += new
            if opens_answer:
                num_given = num_opening if asks_empty_thinking else len(new)
            else:
                num_given = 0 if in_answer else len(new)
            asked += [place >= num_given for place in range(len(new))]
            if is_control:
                in_answer = opens_answer or (in_answer and piece != self._format.end_of_turn)
        return ids, asked


def _cuts_into(tokens: Sequence[str]) -> re.Pattern | None:
    """Matches nothing behind the first character of each token: split there, a text holds none of them."""
    places = [f"(?<={re.escape(token[0])})(?={re.escape(token[1:])})" for token in tokens]
    return re.compile("|".join(places)) if places else None


def _guard_message(message: dict[str, Any], everyone: Callable[[str], str], assistant: Callable[[str], str]) -> dict[str, Any]:
    """An assistant's own words may hold what belongs in them; a call's name and arguments may not, as they stand within it."""
    own = assistant if message.get("role") == "assistant" else everyone
    return {_map_words(key, everyone): _map_words(value, everyone if key == "tool_calls" else own) for key, value in message.items()}


def _map_words(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_map_words(key, change): _map_words(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [_map_words(part, change) for part in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    """Every string in a nested value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value))
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
