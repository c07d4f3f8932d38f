"""Characters without a meaning in the place of those with which token texts begin, so that no text holds a token."""

import re
from collections.abc import Sequence
from itertools import chain

_PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))
"""Characters without a meaning. The first that the conversation does not hold become stand-ins."""


class TokenBeginnings:
    """Finds where tokens begin in a text, those too that it ends within."""

    def __init__(self, tokens: Sequence[str]):
        self._tokens = tuple(tokens)
        self._longest = max(map(len, tokens), default=0)
        self.characters = sorted({token[0] for token in tokens})
        rests = {first: [token[1:] for token in tokens if token[0] == first] for first in self.characters}
        # Only the first character is matched, so that tokens which overlap are all found.
        self._whole = re.compile("|".join(f"{re.escape(first)}(?={any_of(rests[first]).pattern})" for first in rests) or r"(?!)")

    def replace(self, text: str, stand_ins: dict[str, str]) -> str:
        """The text with a stand-in for each character with which a token begins."""
        text = self._whole.sub(lambda found: stand_ins[found[0]], text)
        end = len(text.rstrip())  # a template may trim it
        for start in range(max(end - self._longest + 1, 0), end):
            if text[start] in stand_ins and any(token.startswith(text[start:end]) for token in self._tokens):
                text = text[:start] + stand_ins[text[start]] + text[start + 1 :]
        return text


def any_of(texts: Sequence[str]) -> re.Pattern:
    """A group of alternatives; of several that fit, the first."""
    return re.compile("(" + "|".join(map(re.escape, texts)) + ")")


def choose_stand_ins(characters: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    """For each character one of its own that stands in none of the texts.

    Raises:
        ValueError: the texts hold nearly all that could be.
    """
    used = set().union(*texts)
    free = (character for character in map(chr, chain(*_PRIVATE_USE)) if character not in used)
    stand_ins = dict(zip(characters, free))
    if len(stand_ins) < len(characters):
        raise ValueError(
            f"the conversation holds nearly every private-use character of Unicode; {len(characters)} must be free to keep its words apart "
            "from control tokens. Take some out of its texts."
        )
    return stand_ins
