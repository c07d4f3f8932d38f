"""Packing: several samples in one sequence, without padding.

    mixture.stream() --> the row that is due --> its cost (no pixels) --> a look-ahead window --> packs --> workers

Packs are planned in the training process from costs alone; workers decode what a pack names. So the packs are the same whatever
the number of workers or processes, and a resumed run goes on at any pack by planning one window again.

[Contract] What keeps the samples of a pack apart is `position_ids` that start again at 0 with each sample, no attention mask and no
cache: transformers builds the block mask from that. tests/test_packed_model.py holds it to be exact.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler

from smvl.data.quarantine import Failure, Quarantine
from smvl.data.sample import SampleError
from smvl.packing.encode import Encoded, Encoder, failure_of
from smvl.packing.measuring import MeasuredCosts, MeasuredGroups
from smvl.packing.mixture import Mixture, MixtureStream, RowKey
from smvl.packing.plan import RowCost, plan_packs
from smvl.packing.statistics import PackingStatistics

Pack = tuple[RowKey, ...]

FULL = 0.97
"""Share of its tokens, or of its units, from which a pack counts as full. The samples of others may wait for the next window."""


@dataclass(frozen=True)
class _WindowStart:
    """All that decides a window and what comes after it."""

    rows: dict[str, Any]
    """Where the mixture's rows stand, as `MixtureStream.state` has it."""
    carried: Pack
    """Rows that the window before has left over."""
    statistics: PackingStatistics
    """Of all packs before this window."""

    @property
    def epoch(self) -> int:
        return self.rows["epoch"]


@dataclass(frozen=True)
class _Window:
    start: _WindowStart
    packs: Sequence[Pack]
    ends_epoch: bool = False


class PackSampler(Sampler[Pack]):
    """An endless stream of packs: epoch after epoch, in an order that only the seed decides.

    `iter()` begins with the first pack, or where `start_from` says, once.

    Args:
        encoder: tells what each row costs.
        max_length: tokens of a pack.
        packing: False gives every sample a sequence of its own.
        quarantine: where rows go that cannot be used.
        max_units: tiles or patches of a pack; None sets no limit.
        look_ahead: rows among which packs may choose; more fills packs better and strays further from the mixture's order.
        workers: processes that encode; every fourth has one beside it that measures. 0 measures in this process.
    """

    def __init__(
        self,
        mixture: Mixture,
        encoder: Encoder,
        *,
        max_length: int,
        packing: bool,
        seed: int,
        quarantine: Quarantine,
        max_units: int | None = None,
        look_ahead: int = 256,
        workers: int = 0,
    ):
        self.mixture, self.encoder, self.quarantine = mixture, encoder, quarantine
        self.max_length, self.max_units, self.packing, self.seed = max_length, max_units, packing, seed
        self.look_ahead = look_ahead
        self.statistics = self._no_packs()
        num_planners = max(1, workers // 4) if workers else 0
        self._costs = MeasuredCosts(mixture, encoder, quarantine, group_size=look_ahead, num_processes=num_planners)
        self._first_state: dict[str, Any] | None = None
        self._recent: deque[_Window] = deque()

    # ---- the stream --------------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Pack]:
        state, self._first_state = self._first_state, None
        start, num_taken = self._beginning(), 0
        if state is not None:
            carried = tuple(RowKey(*key) for key in state["carried"])
            start = _WindowStart(state["rows"], carried, PackingStatistics.from_json(state["statistics"]))
            num_taken = state["packs_taken"]
        self.statistics = start.statistics
        self._recent.clear()
        return self._stream(start, num_taken)

    def _stream(self, start: _WindowStart, num_taken: int) -> Iterator[Pack]:
        for window in self._windows(start):
            self._recent.append(window)
            for number, pack in enumerate(window.packs):
                self.statistics = self._with(self.statistics, pack)
                if number >= num_taken:
                    yield pack
            num_taken = 0

    def first_epochs(self, *, first_rows: int | None = None) -> Iterator[list[Pack]]:
        """The packs of one epoch after another from the very beginning, beside the stream; epochs may end after their first rows."""
        packs: list[Pack] = []
        for window in self._windows(self._beginning(), rows_per_epoch=first_rows):
            packs += window.packs
            if window.ends_epoch:
                yield packs
                packs = []

    def first_epoch(self, *, first_rows: int | None = None) -> list[Pack]:
        """The packs of the first epoch, or of its first rows as if it ended with them."""
        return next(self.first_epochs(first_rows=first_rows))

    def statistics_of(self, packs: Sequence[Pack]) -> PackingStatistics:
        """What these packs hold."""
        statistics = self._no_packs()
        for pack in packs:
            statistics = self._with(statistics, pack)
        return statistics

    def cost(self, key: RowKey) -> RowCost | None:
        """What a row costs; None for one that cannot be used."""
        return self._costs[key]

    # ---- where the stream stands -------------------------------------------------------------------------------------------------

    def state_at(self, num_packs: int) -> dict[str, Any]:
        """The position after `num_packs` packs of the stream, counted from its very beginning, for `start_from`. JSON.

        Packs that were named ahead of it do not count. What lies before this position is forgotten.

        Raises:
            ValueError: the position was forgotten already, or the stream has not come to it.
        """
        window, num_taken = self._window_at(num_packs)
        return {
            "rows": window.start.rows,
            "carried": [list(key) for key in window.start.carried],
            "statistics": window.start.statistics.to_json(),
            "packs_taken": num_taken,
            "made_with": self._made_with(),
        }

    def statistics_at(self, num_packs: int) -> PackingStatistics:
        """What the first `num_packs` packs of the stream hold; raises as `state_at` does."""
        window, num_taken = self._window_at(num_packs)
        statistics = window.start.statistics
        for pack in window.packs[:num_taken]:
            statistics = self._with(statistics, pack)
        return statistics

    def _window_at(self, num_packs: int) -> tuple[_Window, int]:
        """The window in which the stream is after so many packs, and how many of the window's packs are among them."""
        while len(self._recent) > 1 and self._recent[1].start.statistics.packs <= num_packs:
            self._recent.popleft()
        window = self._recent[0] if self._recent else _Window(self._beginning(), ())
        num_taken = num_packs - window.start.statistics.packs
        if not 0 <= num_taken <= len(window.packs):
            known = f"{window.start.statistics.packs} to {self.statistics.packs}"
            raise ValueError(f"the position after {num_packs} packs is not known any more, or not yet; known are {known}.")
        return window, num_taken

    def start_from(self, state: dict[str, Any]) -> None:
        """Let the next `iter()` go on where `state_at` has said. One window of rows is measured again.

        Raises:
            ValueError: with other settings or data, the stream would not be the one that was broken off.
        """
        ours, theirs = self._made_with(), state["made_with"]
        if changed := [f"{name} {theirs.get(name)} (now {ours[name]})" for name in ours if ours[name] != theirs.get(name)]:
            raise ValueError(f"the packs were planned with {', '.join(changed)}; go on with the same, or begin a new run.")
        self._first_state = state

    def _made_with(self) -> dict[str, Any]:
        long = self.mixture.long
        return {
            "seed": self.seed,
            "max_length": self.max_length,
            "max_units": self.max_units,
            "look_ahead": self.look_ahead,
            "packing": self.packing,
            "rows": [len(source) for source in self.mixture.sources],
            "shares": self.mixture.shares,
            "mix_by": self.mixture.mix_by,
            "long": long and [long.tokens, long.share],
        }

    def _beginning(self) -> _WindowStart:
        return _WindowStart(self.mixture.stream().state(), carried=(), statistics=self._no_packs())

    def _no_packs(self) -> PackingStatistics:
        long = self.mixture.long
        return PackingStatistics.of_nothing(self.max_length, self.mixture.names, long and long.tokens)

    # ---- windows -----------------------------------------------------------------------------------------------------------------

    def _windows(self, start: _WindowStart, rows_per_epoch: int | None = None) -> Iterator[_Window]:
        rows = self.mixture.stream().restore(start.rows)
        ahead = self._costs.ahead_of(rows)
        while True:
            room = self.look_ahead if rows_per_epoch is None else min(self.look_ahead, rows_per_epoch - rows.num_rows)
            keys = self._read(rows, room, ahead)
            is_last = rows.epoch_is_over or rows.num_rows == rows_per_epoch
            packs, carried = self._plan((*start.carried, *keys), start, is_last=is_last)
            if is_last and (rows.missing or not rows.num_rows):
                self.quarantine.check(final=True)  # names the source
                raise ValueError(self._why_nothing(rows))
            yield _Window(start, packs, is_last)
            if is_last:
                rows.begin_epoch()
            statistics = start.statistics
            for pack in packs:
                statistics = self._with(statistics, pack)
            start = _WindowStart(rows.state(), carried, statistics)

    def _why_nothing(self, rows: MixtureStream) -> str:
        if rows.missing:
            return f"the mixture has no {rows.missing}, as the stage's `long` asks for. Give another length there, or leave it out."
        return (
            f"no row of the mixture can be used: {self.quarantine.describe()}. Mend the rows, raise data.max_length, or take a "
            "source whose rows are all unusable out of the mixture."
        )

    def _read(self, rows: MixtureStream, num_rows: int, ahead: MeasuredGroups) -> Pack:
        """The usable rows that come next, fewer at the end of an epoch."""
        keys: list[RowKey] = []
        while len(keys) < num_rows and not rows.epoch_is_over:
            key = rows.next()
            cost = self._costs.wait_for(key, ahead)
            if rows.count(key, cost and cost.tokens):
                keys.append(key)
        return tuple(keys)

    def _plan(self, keys: Pack, start: _WindowStart, *, is_last: bool) -> tuple[list[Pack], Pack]:
        """The packs of a window in a random order, and the rows that wait for the next window.

        A pack that is not full waits, so that the end of a window costs nothing. It waits once: a row that was carried into this
        window leaves with it, and so no row comes later than one window after its own. At the end of an epoch all rows leave.
        """
        if not self.packing:
            return [(key,) for key in keys], ()
        plan = plan_packs([self._costs[key] for key in keys], self.max_length, self.max_units)
        packs = [tuple(keys[index] for index in members) for members in plan]
        waited = set(start.carried)
        leaves = [is_last or not waited.isdisjoint(pack) or self._is_full(pack) for pack in packs]
        carried = tuple(key for pack, leaving in zip(packs, leaves) if not leaving for key in pack)
        packs = [pack for pack, leaving in zip(packs, leaves) if leaving]
        order = np.random.default_rng([self.seed, start.epoch, start.rows["num_rows"]]).permutation(len(packs))
        return [packs[number] for number in order], carried

    def _is_full(self, pack: Pack) -> bool:
        tokens, units = (sum(costs) for costs in zip(*((self._costs[key].tokens, self._costs[key].units) for key in pack)))
        return tokens >= FULL * self.max_length or (self.max_units is not None and units >= FULL * self.max_units)

    def _with(self, statistics: PackingStatistics, pack: Pack) -> PackingStatistics:
        return statistics.plus([(self.mixture.names[key.source], self._costs[key]) for key in pack])


class PackedDataset(Dataset):
    """Decodes the packs that `PackSampler` names; lives in the worker processes."""

    def __init__(self, mixture: Mixture, encoder: Encoder):
        self.mixture, self.encoder = mixture, encoder

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, pack: Pack) -> list[Encoded | Failure]:
        return [self._encode(key) for key in pack]

    def _encode(self, key: RowKey) -> Encoded | Failure:
        try:
            sample = self.mixture[key]
            change = self.mixture.image_change(key, sample.task)
            return self.encoder.encode(sample, change, asks_empty_thinking=self.mixture.opens_prompt(key))
        except SampleError as error:
            return failure_of(error, row_id=str(key.row), source=self.mixture.sources[key.source].name)
