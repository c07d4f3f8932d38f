"""Counts of one source, exact, in memory that grows with how many different values there are and not with rows."""

from collections import Counter
from dataclasses import dataclass, field

from smvl.data.quarantine import Failure

NUM_EXAMPLES = 3
"""Bad rows that are shown for each rule: the first ones."""


@dataclass
class Tally:
    """What was counted over some rows of one source."""

    checked: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    """Rows that training would leave out, by the rule that they break."""
    examples: dict[str, list[Failure]] = field(default_factory=dict)
    """The first of them."""
    lengths: Counter[int] = field(default_factory=Counter)
    """Tokens of usable samples before anything is taken away, or characters where there is no tokenizer."""
    tiles: Counter[int] = field(default_factory=Counter)
    turns: Counter[int] = field(default_factory=Counter)
    """Messages of the user."""
    images: Counter[int] = field(default_factory=Counter)
    shortened: Counter[str] = field(default_factory=Counter)
    """What is done to samples that are too long; see `smvl.processing.laid_out`."""
    num_shortened: int = 0
    """Samples to which anything is done."""
    kept_tokens: int = 0
    """Tokens that are left for training."""
    supervised_tokens: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    """Usable rows in which a column, or a key of a turn or part, is filled that nobody reads, by its place."""
    first_frames: int = 0
    """Images of which only the first frame or page is read."""
    languages: Counter[str] = field(default_factory=Counter)
    """Samples by language."""
    letters: Counter[str] = field(default_factory=Counter)
    """Letters by language."""

    @property
    def num_broken(self) -> int:
        return self.broken.total()

    @property
    def usable(self) -> int:
        return self.checked - self.num_broken

    def add_failure(self, failure: Failure) -> None:
        self.broken[failure.rule] += 1
        shown = self.examples.setdefault(failure.rule, [])
        if len(shown) < NUM_EXAMPLES:
            shown.append(failure)

    def add(self, other: "Tally") -> None:
        """Add what was counted over later rows."""
        for rule, failures in other.examples.items():
            shown = self.examples.setdefault(rule, [])
            shown += failures[: NUM_EXAMPLES - len(shown)]
        for name in ("broken", "lengths", "tiles", "turns", "images", "shortened", "unread", "languages", "letters"):
            getattr(self, name).update(getattr(other, name))
        for name in ("checked", "num_shortened", "kept_tokens", "supervised_tokens", "first_frames"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
