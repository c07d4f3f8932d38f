"""An exact histogram: figures, ranges of round numbers, and bars of text."""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate

NUM_RANGES = 12
BAR_WIDTH = 40
_ROUND = (1, 2, 5)


@dataclass(frozen=True)
class Range:
    """Values from `low` to `high`, both included."""

    low: int
    high: int
    count: int

    @property
    def label(self) -> str:
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"


@dataclass(frozen=True)
class Histogram:
    """How often whole numbers occur."""

    counts: Counter[int]

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def mean(self) -> float:
        return sum(value * count for value, count in self.counts.items()) / self.total

    def percentile(self, share: float) -> int:
        """The smallest value that `share` of all are not above."""
        values = sorted(self.counts)
        reached = accumulate(self.counts[value] for value in values)
        return next(value for value, count in zip(values, reached) if count >= share * self.total)

    def above(self, limit: int) -> int:
        """How many are larger."""
        return sum(count for value, count in self.counts.items() if value > limit)

    def ranges(self) -> list[Range]:
        """Ranges of one width up to the 99th percentile, and one for all that is larger."""
        low, high = min(self.counts), max(self.counts)
        usual = self.percentile(0.99)
        width = _round_up((usual - low + 1) / NUM_RANGES)
        first = low // width * width
        ends = list(range(first + width - 1, usual + width, width))
        bounds = [(end - width + 1, end) for end in ends]
        if high > ends[-1]:
            bounds.append((ends[-1] + 1, high))
        return [Range(start, end, sum(self.counts[value] for value in self._between(start, end))) for start, end in bounds]

    def _between(self, start: int, end: int) -> list[int]:
        return [value for value in self.counts if start <= value <= end]

    def to_json(self) -> dict:
        """Figures and ranges."""
        figures = {"count": self.total, "min": min(self.counts), "mean": round(self.mean, 3), "max": max(self.counts)}
        figures |= {f"p{round(100 * share)}": self.percentile(share) for share in (0.5, 0.9, 0.95, 0.99)}
        ranges = [{"low": part.low, "high": part.high, "count": part.count} for part in self.ranges()]
        return {**figures, "sum": sum(value * count for value, count in self.counts.items()), "ranges": ranges}

    def bars(self, title: str) -> str:
        """A title with figures, and a line for each range."""
        ranges = self.ranges()
        width, most = max(len(part.label) for part in ranges), max(part.count for part in ranges)
        figures = f"median {self.percentile(0.5):,}, 99% up to {self.percentile(0.99):,}, at most {max(self.counts):,}"
        lines = [f"    {part.label:>{width}}  {part.count:>9,}  {'#' * _bar(part.count, most)}".rstrip() for part in ranges]
        return "\n".join([f"  {title}: {figures}", *lines])


def _bar(count: int, most: int) -> int:
    """What is there is seen."""
    return math.ceil(BAR_WIDTH * count / most)


def _round_up(value: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50..."""
    power = 10 ** max(0, math.floor(math.log10(value))) if value > 1 else 1
    return next(digit * power for digit in (*_ROUND, 10) if digit * power >= value)
