"""What is written in a scene, and to which split it belongs: a property of the text alone, so that no two splits can share one.

Every name, phrase, number or date that a scene shows comes through `Contents`, which draws again until the text is of its split. Words of
the form itself (a receipt's heading, a table's rule) are a kind's `labels` and stand in every split.
"""

import hashlib
import random
from collections.abc import Callable, Sequence

from smvl.scenes.fonts import Fonts, machine_fonts

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

_TENTHS = {TRAIN: range(0, 8), VALIDATION: range(8, 9), TEST: range(9, 10)}
_MAX_DRAWS = 10_000


def split_of(text: str) -> str:
    """The split that a text belongs to: 80% train, 10% validation, 10% test, by a hash of the text."""
    tenth = int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "big") % 10
    return next(split for split in SPLITS if tenth in _TENTHS[split])


class Contents:
    """The seeded source of everything in one scene.

    Args:
        seed: names the scene; the same seed gives the same scene.
        split: which texts it may hold.
        fonts: what it may be written with; None takes all of this machine.
    """

    def __init__(self, seed: str, split: str, fonts: Fonts | None = None):
        self.random = random.Random(seed)
        """For what is not text: places, colours, counts, fonts."""
        self.split = split
        self.fonts = fonts or machine_fonts()
        self.texts: set[str] = set()
        """Every text that was given out."""

    def text(self, make: Callable[[random.Random], str]) -> str:
        """A text that `make` draws, of this split.

        Raises:
            ValueError: `make` can hardly ever give one; it needs more to draw from.
        """
        for _ in range(_MAX_DRAWS):
            text = make(self.random)
            if self.fits(text):
                return self.keep(text)
        raise ValueError(f"no text of the split {self.split} came in {_MAX_DRAWS} draws (the last was {text!r}); let it vary more.")

    def choice(self, pool: Sequence[str]) -> str:
        """One word of a pool, of this split; a pool needs a hundred words or more for the small splits to vary."""
        return self.text(lambda generator: generator.choice(pool))

    def fits(self, *texts: str) -> bool:
        """Whether all of these belong to this split: for numbers that follow from others, whose maker then draws again."""
        return all(split_of(text) == self.split for text in texts)

    def keep(self, text: str) -> str:
        """Write down a text that was made from others and fits."""
        self.texts.add(text)
        return text
