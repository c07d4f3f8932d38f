"""What the packs of a stage hold, and from which source: what was really mixed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from smvl.packing.plan import RowCost


class Tally(NamedTuple):
    """Counts of samples."""

    samples: int = 0
    tokens: int = 0
    units: int = 0
    text_samples: int = 0
    """Samples without an image."""
    text_tokens: int = 0

    def plus(self, cost: RowCost) -> "Tally":
        """With one more sample."""
        text = (0, 0) if cost.units else (1, cost.tokens)
        return Tally(*map(sum, zip(self, (1, cost.tokens, cost.units, *text))))


@dataclass(frozen=True)
class PackingStatistics:
    """What the packs up to some position hold."""

    max_length: int
    by_source: dict[str, Tally]
    """By the name of the source."""
    packs: int = 0
    shortened: dict[str, int] = field(default_factory=dict)
    """Samples by what is not shown of them."""
    long_from: int | None = None
    """Tokens from which on a sample is long; None where nobody asked."""
    long: Tally = Tally()
    """Of those."""

    @classmethod
    def of_nothing(cls, max_length: int, names: Sequence[str], long_from: int | None = None) -> "PackingStatistics":
        return cls(max_length, dict.fromkeys(names, Tally()), long_from=long_from)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "PackingStatistics":
        by_source = {name: Tally(*tally) for name, tally in state["by_source"].items()}
        return cls(**{**state, "by_source": by_source, "long": Tally(*state.get("long", ()))})

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "by_source": {name: list(tally) for name, tally in self.by_source.items()}, "long": list(self.long)}

    @property
    def total(self) -> Tally:
        """Of all sources together."""
        return Tally(*map(sum, zip(*self.by_source.values())))

    @property
    def fill_rate(self) -> float:
        """Tokens per place for a token, 1 where nothing is left empty."""
        return self.total.tokens / max(1, self.packs * self.max_length)

    def plus(self, pack: Iterable[tuple[str, RowCost]]) -> "PackingStatistics":
        """With one more pack: the source of each of its rows, and what the row costs."""
        by_source, shortened, long = dict(self.by_source), Counter(self.shortened), self.long
        for name, cost in pack:
            by_source[name] = by_source[name].plus(cost)
            shortened.update(cost.shortened)
            if self.long_from is not None and cost.tokens >= self.long_from:
                long = long.plus(cost)
        return replace(self, packs=self.packs + 1, by_source=by_source, shortened=dict(shortened), long=long)

    def describe(self, unit: str = "tiles") -> str:
        """One sentence; `unit` is what pictures are cut into."""
        total = self.total
        shortened = ", ".join(f"{way} {count:,}" for way, count in sorted(self.shortened.items())) or "none"
        return (
            f"{self.packs:,} packs of {total.samples:,} samples, {self.fill_rate:.1%} filled ({total.tokens:,} tokens, "
            f"{total.units:,} {unit}; room for {self.max_length:,} tokens each); shortened: {shortened}."
        )

    def describe_mixture(self) -> str:
        """A table of what was mixed, with shares: each source, pure text, and long samples where the stage asks for some."""
        total = self.total
        text = Tally(samples=total.text_samples, tokens=total.text_tokens)
        rows = [("source", "samples", "share", "tokens", "share")]
        long = [] if self.long_from is None else [(f"(of all: from {self.long_from:,} tokens on)", self.long)]
        for name, tally in [*self.by_source.items(), ("(of all: without images)", text), *long]:
            shares = tally.samples / max(1, total.samples), tally.tokens / max(1, total.tokens)
            rows.append((name, f"{tally.samples:,}", f"{shares[0]:.2%}", f"{tally.tokens:,}", f"{shares[1]:.2%}"))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        return "\n".join("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
