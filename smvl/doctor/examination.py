"""The whole check: rows drawn, looked at by several processes, kept in a ledger, and compared."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from smvl.data.quarantine import Failure
from smvl.data.sources.row_source import RowSource
from smvl.doctor.crew import in_order
from smvl.doctor.inspection import Group, Inspector
from smvl.doctor.ledger import Ledger
from smvl.doctor.repeats import Repeats, find_duplicates, find_leaks
from smvl.doctor.tally import Tally
from smvl.doctor.targets import Role, Target
from smvl.doctor.unit_count import units_of_rows
from smvl.layouts.pictures import Pictures
from smvl.source_registry import open_source

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 256
"""Rows that a process takes at a time; the numbers do not depend on it."""


@dataclass(frozen=True)
class Options:
    """How to look."""

    num_processes: int = 1
    pixels: bool = True
    """Decode images: finds damage and images that look alike."""
    limit: int | None = None
    """Rows drawn from each source; None takes all."""
    seed: int = 42
    """Of the drawing."""


@dataclass
class Opened:
    """One target and what was counted."""

    target: Target
    source: RowSource | None
    """None where it cannot be opened."""
    refusal: str = ""
    """Why."""
    tally: Tally = field(default_factory=Tally)

    @property
    def num_rows(self) -> int:
        return 0 if self.source is None else len(self.source)


@dataclass
class Examination:
    """All that was found."""

    opened: list[Opened]
    ledger: Ledger
    duplicates: dict[Role, Repeats]
    leaks: Repeats | None
    """None where there is nothing to compare."""

    def source_of(self, place: int) -> tuple[Opened, int]:
        """Which source a place of the ledger is of, and which row of it."""
        number, row = self.ledger.source_of(place)
        return self.opened[number], row


def examine(
    targets: Sequence[Target],
    counter,
    pictures: Pictures | Mapping[str, int],
    options: Options,
    *,
    on_group: Callable[[Sequence[Failure], int], None] = lambda failures, num_rows: None,
    on_start: Callable[[int], None] = lambda num_rows: None,
) -> Examination:
    """Look at every row of every target, or at those drawn.

    Args:
        counter: a TokenCounter; None counts characters.
        pictures: how they are shown, or the settings of `data.image` for that.
        on_start: is told how many rows will be looked at.
        on_group: is told of the failures in each group and its number of rows, in order.
    """
    opened = [_open(target) for target in targets]
    ledger = Ledger([_draw(entry.num_rows, number, options) for number, entry in enumerate(opened)])
    on_start(int(ledger.starts[-1]))
    inspector = Inspector([entry.source for entry in opened], counter, pixels=options.pixels)
    for facts in in_order(inspector, _groups(ledger), num_processes=options.num_processes):
        ledger.add(facts)
        opened[facts.group.source].tally.add(facts.tally)
        on_group(facts.failures, len(facts.group.rows))
    ledger.close()
    for number, entry in enumerate(opened):
        entry.tally.tiles = units_of_rows(ledger, number, pictures)
    return _compare(opened, ledger)


def _open(target: Target) -> Opened:
    try:
        return Opened(target, open_source(target.config))
    except ValueError as error:
        return Opened(target, None, refusal=str(error))


def _draw(num_rows: int, source: int, options: Options) -> np.ndarray:
    """The rows to look at, in order."""
    if options.limit is None or options.limit >= num_rows:
        return np.arange(num_rows)
    generator = np.random.default_rng([options.seed, source])
    return np.sort(generator.choice(num_rows, options.limit, replace=False))


def _groups(ledger: Ledger) -> Iterator[Group]:
    for source, rows in enumerate(ledger.rows):
        for start in range(0, len(rows), ROWS_AT_ONCE):
            yield Group(source, rows[start : start + ROWS_AT_ONCE].tolist())


def _compare(opened: list[Opened], ledger: Ledger) -> Examination:
    of_role = {role: [number for number, entry in enumerate(opened) if entry.target.role == role] for role in ("training", "evaluation")}
    duplicates = {role: find_duplicates(ledger, sources) for role, sources in of_role.items() if sources}
    leaks = find_leaks(ledger, of_role["training"], of_role["evaluation"]) if all(of_role.values()) else None
    return Examination(opened, ledger, duplicates, leaks)
