"""Rows that cannot be used: written down with the reason, counted, and too many of them stop the run."""

import json
import logging
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

_MIN_SEEN = 100
"""A share says little before this many rows."""


@dataclass(frozen=True)
class Failure:
    """Why one row was left out."""

    id: str
    source: str
    rule: str
    reason: str


class QuarantineError(ValueError):
    """More rows were lost than `data.max_drop_share` allows."""


class Quarantine:
    """Writes failures to `path`, one JSON object a line; the same row once.

    Args:
        path: the file; None keeps count only (in the processes that do not write).
        max_share: the share of rows that may fail.
    """

    def __init__(self, path: Path | None, max_share: float):
        self.path, self.max_share = path, max_share
        self.num_seen = 0
        self.rules: Counter[str] = Counter()
        self._known: set[tuple[str, str]] = set()

    def saw(self, count: int = 1) -> None:
        """Count rows that were looked at, good or bad."""
        self.num_seen += count

    def add(self, failure: Failure) -> None:
        """Record one failure.

        Raises:
            QuarantineError: the share of failures is above `max_share`.
        """
        if (failure.source, failure.id) in self._known:
            return
        self._known.add((failure.source, failure.id))
        self.rules[failure.rule] += 1
        logger.warning("Left out %s of %s (%s): %s", failure.id, failure.source, failure.rule, failure.reason)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(failure), ensure_ascii=False) + "\n")
        self.check()

    def check(self, *, final: bool = False) -> None:
        """Raise `QuarantineError` when too many of the rows seen so far have failed."""
        num_lost = len(self._known)
        if (final or self.num_seen >= _MIN_SEEN) and num_lost > self.max_share * self.num_seen:
            raise QuarantineError(
                f"{num_lost} of {self.num_seen} rows could not be used ({self.describe()}), more than data.max_drop_share "
                f"{self.max_share:g} allows. Read {self.path or 'quarantine.jsonl in the run folder'}, mend the data, or raise the share."
            )

    def describe(self) -> str:
        """How many rows broke which rule."""
        return ", ".join(f"{rule}: {count}" for rule, count in self.rules.most_common()) or "none"
