"""Packing: several samples in one sequence, without padding.

    mixture.order(epoch) --> rows --> cost of each (no pixels) --> a look-ahead window --> packs --> workers

Packs are planned in the training process from costs alone; workers decode what a pack names. So the packs are the same whatever
the number of workers or processes, and a resumed run goes on at any pack by planning one window again.

[Contract] What keeps the samples of a pack apart is `position_ids` that start again at 0 with each sample, no attention mask and no
cache: transformers builds the block mask from that. tests/test_packed_model.py holds it to be exact.
"""

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler

from smvl.data.encode import Encoded, Encoder, failure_of
from smvl.data.measuring import Measured, RowCosts, RowMeasurer, measure_ahead
from smvl.data.mixture import Mixture, RowKey
from smvl.data.pack_plan import RowCost, plan_packs
from smvl.data.quarantine import Failure, Quarantine
from smvl.data.sample import SampleError

Pack = tuple[RowKey, ...]

FULL = 0.97
"""Share of its tokens, or of its tiles, from which a pack counts as full. The samples of others may wait for the next window."""


@dataclass(frozen=True)
class PackingStatistics:
    """What the packs up to some position hold."""

    max_length: int
    packs: int = 0
    samples: int = 0
    tokens: int = 0
    tiles: int = 0
    shortened: dict[str, int] = field(default_factory=dict)
    """Samples by what was done to make them fit."""

    @property
    def fill_rate(self) -> float:
        """Tokens per place for a token, 1 where nothing is left empty."""
        return self.tokens / max(1, self.packs * self.max_length)

    def plus(self, costs: Sequence[RowCost]) -> "PackingStatistics":
        """With one more pack, whose rows cost `costs`."""
        return replace(
            self,
            packs=self.packs + 1,
            samples=self.samples + len(costs),
            tokens=self.tokens + sum(cost.tokens for cost in costs),
            tiles=self.tiles + sum(cost.tiles for cost in costs),
            shortened=dict(Counter(self.shortened) + Counter(way for cost in costs for way in cost.shortened)),
        )

    def describe(self) -> str:
        """One sentence."""
        shortened = ", ".join(f"{way} {count:,}" for way, count in sorted(self.shortened.items())) or "none"
        return (
            f"{self.packs:,} packs of {self.samples:,} samples, {self.fill_rate:.1%} filled ({self.tokens:,} tokens, {self.tiles:,} tiles; "
            f"room for {self.max_length:,} tokens each); shortened: {shortened}."
        )


@dataclass(frozen=True)
class _WindowStart:
    """All that decides a window and what comes after it."""

    epoch: int
    rows_read: int
    """Rows of the epoch's order that earlier windows have read."""
    carried: Pack
    """Rows that the window before has left over."""
    statistics: PackingStatistics
    """Of all packs before this window."""


@dataclass(frozen=True)
class _Read:
    """The rows of the mixture that one window reads."""

    epoch: int
    rows_read: int
    """Rows of the epoch that are read when these are."""
    keys: Pack
    ends_epoch: bool


@dataclass(frozen=True)
class _Window:
    start: _WindowStart
    packs: Sequence[Pack]


class PackSampler(Sampler[Pack]):
    """An endless stream of packs: epoch after epoch, in an order that only the seed decides.

    `iter()` begins with the first pack, or where `start_from` says, once.

    Args:
        encoder: tells what each row costs.
        max_length: tokens of a pack.
        packing: False gives every sample a sequence of its own.
        quarantine: where rows go that cannot be used.
        max_tiles: tiles of a pack; None sets no limit.
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
        max_tiles: int | None = None,
        look_ahead: int = 256,
        workers: int = 0,
    ):
        self.mixture, self.encoder, self.quarantine = mixture, encoder, quarantine
        self.max_length, self.max_tiles, self.packing, self.seed = max_length, max_tiles, packing, seed
        self.look_ahead, self.num_planners = look_ahead, max(1, workers // 4) if workers else 0
        self.statistics = PackingStatistics(max_length)
        self._measurer = RowMeasurer(mixture, encoder)
        self._costs = RowCosts([len(source) for source in mixture.sources])
        self._first_state: dict[str, Any] | None = None
        self._recent: deque[_Window] = deque()

    # ---- the stream --------------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Pack]:
        state, self._first_state = self._first_state, None
        start, num_taken = self._beginning(), 0
        if state is not None:
            carried = tuple(RowKey(*key) for key in state["carried"])
            start = _WindowStart(state["epoch"], state["rows_read"], carried, PackingStatistics(**state["statistics"]))
            num_taken = state["packs_taken"]
        self.statistics = start.statistics
        self._recent.clear()
        return self._stream(start, num_taken)

    def _stream(self, start: _WindowStart, num_taken: int) -> Iterator[Pack]:
        for window in self._windows(start, self._reads(itertools.count(start.epoch), start.rows_read)):
            self._recent.append(window)
            for number, pack in enumerate(window.packs):
                self.statistics = self._with(self.statistics, pack)
                if number >= num_taken:
                    yield pack
            num_taken = 0

    def epoch(self, epoch: int, *, first_rows: int | None = None) -> Iterator[Pack]:
        """The packs of one epoch, or of its first rows as if it ended with them, beside the stream."""
        start = replace(self._beginning(), epoch=epoch)
        for window in self._windows(start, self._reads([epoch], num_rows=first_rows)):
            yield from window.packs

    def cost(self, key: RowKey) -> RowCost | None:
        """What a row costs; None for one that cannot be used."""
        if key not in self._costs:
            self._record(self._measurer[(key,)])
        return self._costs[key]

    # ---- where the stream stands -------------------------------------------------------------------------------------------------

    def state_at(self, num_packs: int) -> dict[str, Any]:
        """The position after `num_packs` packs of the stream, counted from its very beginning, for `start_from`. JSON.

        Packs that were named ahead of it do not count. What lies before this position is forgotten.

        Raises:
            ValueError: the position was forgotten already, or the stream has not come to it.
        """
        while len(self._recent) > 1 and self._recent[1].start.statistics.packs <= num_packs:
            self._recent.popleft()
        window = self._recent[0] if self._recent else _Window(self._beginning(), ())
        num_taken = num_packs - window.start.statistics.packs
        if not 0 <= num_taken <= len(window.packs):
            known = f"{window.start.statistics.packs} to {self.statistics.packs}"
            raise ValueError(f"the position after {num_packs} packs is not known any more, or not yet; known are {known}.")
        return {
            "epoch": window.start.epoch,
            "rows_read": window.start.rows_read,
            "carried": [list(key) for key in window.start.carried],
            "statistics": asdict(window.start.statistics),
            "packs_taken": num_taken,
            "made_with": self._made_with(),
        }

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
        return {
            "seed": self.seed,
            "max_length": self.max_length,
            "max_tiles": self.max_tiles,
            "look_ahead": self.look_ahead,
            "packing": self.packing,
            "rows_per_epoch": self.mixture.rows_per_epoch.tolist(),
        }

    def _beginning(self) -> _WindowStart:
        return _WindowStart(epoch=0, rows_read=0, carried=(), statistics=PackingStatistics(self.max_length))

    # ---- windows -----------------------------------------------------------------------------------------------------------------

    def _reads(self, epochs: Iterable[int], rows_read: int = 0, num_rows: int | None = None) -> Iterator[_Read]:
        """Which rows each window reads, from `rows_read` rows on in the first epoch; an epoch may end after `num_rows`."""
        num_rows = len(self.mixture) if num_rows is None else min(num_rows, len(self.mixture))
        for epoch in epochs:
            order = self.mixture.order(epoch, start=rows_read)
            while rows_read < num_rows:
                keys = tuple(itertools.islice(order, min(self.look_ahead, num_rows - rows_read)))
                rows_read += len(keys)
                yield _Read(epoch, rows_read, keys, ends_epoch=rows_read == num_rows)
            rows_read = 0

    def _windows(self, start: _WindowStart, reads: Iterator[_Read]) -> Iterator[_Window]:
        num_usable = 0
        for read in self._measured(reads, start.carried):
            keys = tuple(key for key in (*start.carried, *read.keys) if self._costs[key] is not None)
            packs, carried = self._plan(keys, start, is_last=read.ends_epoch)
            yield _Window(start, packs)
            statistics = start.statistics
            for pack in packs:
                statistics = self._with(statistics, pack)
            next_epoch, rows_read = (read.epoch + 1, 0) if read.ends_epoch else (read.epoch, read.rows_read)
            start = _WindowStart(next_epoch, rows_read, carried, statistics)
            num_usable += len(keys)
            if read.ends_epoch and not num_usable:
                raise ValueError(f"no row of the mixture can be used: {self.quarantine.describe()}.")

    def _plan(self, keys: Pack, start: _WindowStart, *, is_last: bool) -> tuple[list[Pack], Pack]:
        """The packs of a window in a random order, and the rows that wait for the next window.

        A pack that is not full waits, so that the end of a window costs nothing. It waits once: a row that was carried into this
        window leaves with it, and so no row comes later than one window after its own. At the end of an epoch all rows leave.
        """
        if not self.packing:
            return [(key,) for key in keys], ()
        plan = plan_packs([self._costs[key] for key in keys], self.max_length, self.max_tiles)
        packs = [tuple(keys[index] for index in members) for members in plan]
        waited = set(start.carried)
        leaves = [is_last or not waited.isdisjoint(pack) or self._is_full(pack) for pack in packs]
        carried = tuple(key for pack, leaving in zip(packs, leaves) if not leaving for key in pack)
        packs = [pack for pack, leaving in zip(packs, leaves) if leaving]
        order = np.random.default_rng([self.seed, start.epoch, start.rows_read]).permutation(len(packs))
        return [packs[number] for number in order], carried

    def _is_full(self, pack: Pack) -> bool:
        tokens, tiles = (sum(costs) for costs in zip(*((self._costs[key].tokens, self._costs[key].tiles) for key in pack)))
        return tokens >= FULL * self.max_length or (self.max_tiles is not None and tiles >= FULL * self.max_tiles)

    def _with(self, statistics: PackingStatistics, pack: Pack) -> PackingStatistics:
        return statistics.plus([self._costs[key] for key in pack])

    # ---- costs -------------------------------------------------------------------------------------------------------------------

    def _measured(self, reads: Iterator[_Read], carried: Pack) -> Iterator[_Read]:
        """Each read once the costs of its rows are known, and those of `carried`; the reads that follow are measured meanwhile."""
        waiting: deque[_Read] = deque()

        def unknown() -> Iterator[Pack]:
            earlier = carried
            for read in reads:
                waiting.append(read)
                yield tuple(key for key in (*earlier, *read.keys) if key not in self._costs)
                earlier = ()

        for measured in measure_ahead(self._measurer, unknown(), num_processes=self.num_planners):
            self._record(measured)
            yield waiting.popleft()

    def _record(self, measured: Measured) -> None:
        for key, cost in measured:
            if key in self._costs:  # asked for a second time before the first answer came
                continue
            self.quarantine.saw()
            self._costs[key] = None if isinstance(cost, Failure) else cost
            if isinstance(cost, Failure):
                self.quarantine.add(cost)


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
            return self.encoder.encode(self.mixture[key])
        except SampleError as error:
            return failure_of(error, row_id=str(key.row), source=self.mixture.sources[key.source].name)
