"""Rows that cannot be used: written down with the reason, counted by source, and too many of one source's stop the run."""

import hashlib
import json
import logging
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

_MIN_SEEN = 100
"""A share says little before this many rows of a source."""
_MAX_LOGGED = 20
"""Rows of one source that are logged for breaking the same rule; the others are in the file."""


@dataclass(frozen=True)
class Failure:
    """Why one row was left out."""

    id: str
    source: str
    rule: str
    reason: str


class QuarantineError(ValueError):
    """More rows of a source were lost than `data.max_drop_share` allows."""


class Quarantine:
    """Writes failures to `path`, one JSON object a line; the same row once, also when a run goes on after a kill.

    A row that was lost takes the memory of one number.

    Args:
        path: the file; None keeps count only (in the processes that do not write).
        max_share: the share of a source's rows that may fail.
    """

    def __init__(self, path: Path | None, max_share: float):
        self.path, self.max_share = path, max_share
        self.rules: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._lost: dict[str, Counter[str]] = defaultdict(Counter)
        self._known: set[int] = set()
        self._written = _written_before(path) if path is not None else set()

    @property
    def num_seen(self) -> int:
        """Rows of all sources that were looked at."""
        return sum(self._seen.values())

    def saw(self, source: str, count: int = 1) -> None:
        """Count rows of a source that were looked at, good or bad."""
        self._seen[source] += count

    def add(self, failure: Failure) -> None:
        """Record one failure.

        Raises:
            QuarantineError: the share of failures of its source is above `max_share`.
        """
        key = _key(failure.source, failure.id)
        if key in self._known:
            return
        self._known.add(key)
        self.rules[failure.rule] += 1
        self._lost[failure.source][failure.rule] += 1
        self._log(failure)
        if self.path is not None and key not in self._written:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(asdict(failure), ensure_ascii=False) + "\n")
        self._check(failure.source, final=False)

    def check(self, *, final: bool = False) -> None:
        """Raise `QuarantineError` when too many of the rows of some source that were seen so far have failed."""
        for source in self._lost:
            self._check(source, final=final)

    def describe(self, source: str | None = None) -> str:
        """How many rows of a source, or of all, broke which rule."""
        rules = self.rules if source is None else self._lost.get(source, Counter())
        return ", ".join(f"{rule}: {count}" for rule, count in rules.most_common()) or "none"

    def table(self) -> dict[str, dict[str, int | dict[str, int]]]:
        """By source: rows seen, rows lost, and how many broke which rule. JSON."""
        return {
            source: {"seen": self._seen[source], "lost": self._lost[source].total(), "rules": dict(self._lost[source])}
            for source in sorted(self._seen.keys() | self._lost.keys())
        }

    def _log(self, failure: Failure) -> None:
        count = self._lost[failure.source][failure.rule]
        if count <= _MAX_LOGGED:
            line = f"Left out {failure.id} of {failure.source} ({failure.rule}): {failure.reason}"
            logger.warning("%s", line.encode("utf-8", "backslashreplace").decode("utf-8"))  # half a character can be written nowhere
        if count == _MAX_LOGGED:
            logger.warning("More rows of %s that break this rule are only written to %s.", failure.source, self.path or "the quarantine")

    def _check(self, source: str, *, final: bool) -> None:
        num_seen, num_lost = self._seen[source], self._lost[source].total()
        if (final or num_seen >= _MIN_SEEN) and num_lost > self.max_share * num_seen:
            raise QuarantineError(
                f"{source}: {num_lost} of {num_seen} rows could not be used ({self.describe(source)}), more than data.max_drop_share "
                f"{self.max_share:g} allows. Read {self.path or 'quarantine.jsonl in the run folder'}, mend the data, or raise the share."
            )


def _key(source: str, row_id: str) -> int:
    """A row as one number: among a million rows, two of the same number are as likely as 1 to 40 million."""
    text = f"{source}\n{row_id}".encode("utf-8", errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _written_before(path: Path) -> set[int]:
    """Rows that an earlier part of the run wrote down. A last line that a kill cut short is taken away, to be written again."""
    written: set[int] = set()
    if not path.exists():
        return written
    num_bytes = 0
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            written.add(_key(entry["source"], entry["id"]))
            num_bytes += len(line)
    with path.open("r+b") as lines:
        lines.truncate(num_bytes)
    return written
