"""How a chat template writes turns, as far as training and asking must know it: where an answer begins, and which token ends it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from smvl.layouts.tokens import END_OF_TURN, END_OF_UTTERANCE, START_OF_TURN


@dataclass(frozen=True)
class ChatFormat:
    """Of one family of templates."""

    openings: dict[str, str]
    """What stands before an answer, longest first: it is given to the model and never asked of it. With each the token behind which
    alone it is one, where it is written in words that anybody may use."""
    plain_opening: str
    """The one of them that holds no thinking block."""
    before_answer: str
    """What stands between the two: written by the model, and no part of what it says."""
    end_of_turn: str
    tokenizer_class: str
    """By which other readers know how a byte-level tokenizer cuts words."""
    keeps_smolvlm_names: bool
    """Whether what is saved has the markers' names of SmolVLM, as what was read."""

    def stock_attributes(self, layout: Mapping[str, str], tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
        """The tokenizer attributes by which a stock processor finds markers, of those that the layout names."""
        known = {name: token for name, token in layout.items() if token in tokenizer.get_added_vocab()}
        return known | ({"end_of_utterance_token": self.end_of_turn} if known else {})

    def control_pattern(self, tokens: Sequence[str]) -> re.Pattern:
        """A group that matches openings, and these token texts."""
        openings = [f"(?<={re.escape(behind)}){re.escape(opening)}" for opening, behind in self.openings.items()]
        return re.compile("(" + "|".join([*openings, *map(re.escape, tokens)]) + ")")


_OPENING = f"{START_OF_TURN}assistant\n"
CHAT_ML = ChatFormat({f"{_OPENING}<think>\n\n</think>\n\n": "", _OPENING: ""}, _OPENING, "", END_OF_TURN, "Qwen2Tokenizer", False)
"""Qwen's, and this project's own."""
UTTERANCES = ChatFormat(
    {"\nAssistant:": END_OF_UTTERANCE, "Assistant:": START_OF_TURN}, "\nAssistant:", " ", END_OF_UTTERANCE, "PreTrainedTokenizerFast", True
)
"""SmolVLM's and Idefics3's own: roles in plain words, and a token of theirs that ends each turn."""


def chat_format_of(template: str) -> ChatFormat:
    """The format that a template writes. The tokenizer does not tell: the stock Idefics3Processor adds that token to any."""
    return UTTERANCES if END_OF_UTTERANCE in template else CHAT_ML
