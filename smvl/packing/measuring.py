"""What rows cost, known before any pixel is decoded: template, tokenizer and image headers, in processes of their own.

Measured costs stay in memory, in a few bytes a row, so that an epoch after the first measures nothing.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from smvl.data.quarantine import Failure, Quarantine
from smvl.data.sample import SampleError
from smvl.packing.encode import Encoder, failure_of
from smvl.packing.mixture import Mixture, MixtureStream, RowKey
from smvl.packing.plan import RowCost
from smvl.packing.worker_process import leave_signals_to_the_run
from smvl.processing.laid_out import EARLY_TURNS_DROPPED, FEWER_TILES, FIRST_FRAMES

Measured = list[tuple[RowKey, RowCost | Failure]]
MeasuredGroups = Iterator[Measured]

_NOT_MEASURED, _NOT_USABLE = 0, -1
_WAYS_TO_SHORTEN = (FEWER_TILES, EARLY_TURNS_DROPPED, FIRST_FRAMES)


class MeasuredCosts:
    """What each row costs, measured when it is asked for or, in processes of their own, before.

    Which rows are measured ahead is a guess that changes no result: the rows of a mixture depend on the costs of those before them.

    Args:
        quarantine: where rows go that cannot be used.
        group_size: rows that a process measures at a time.
        num_processes: 0 measures here, when asked.
    """

    def __init__(self, mixture: Mixture, encoder: Encoder, quarantine: Quarantine, *, group_size: int, num_processes: int):
        self.mixture, self.quarantine = mixture, quarantine
        self.group_size, self.num_processes = group_size, num_processes
        self._measurer = RowMeasurer(mixture, encoder)
        self._costs = RowCosts([len(source) for source in mixture.sources])
        self._tokens_seen, self._rows_seen = [0] * len(mixture.sources), [0] * len(mixture.sources)

    def __getitem__(self, key: RowKey) -> RowCost | None:
        """The cost of a row; None for one that cannot be used."""
        if key not in self._costs:
            self._record(self._measurer[(key,)])
        return self._costs[key]

    def wait_for(self, key: RowKey, ahead: MeasuredGroups) -> RowCost | None:
        """The cost of the row that comes next, from what is measured ahead if it is there."""
        if key not in self._costs:
            self._record(next(ahead, []))
        return self[key]

    def ahead_of(self, rows: MixtureStream) -> MeasuredGroups:
        """Measured rows that are likely to come soon after where `rows` stands, group by group."""
        if not self.num_processes:
            return iter(())
        return measure_ahead(self._measurer, self._guess(rows), num_processes=self.num_processes)

    def _guess(self, rows: MixtureStream) -> Iterator[Sequence[RowKey]]:
        """Every row that is not measured yet, in about the order in which they will come, as if each were of the length that is due
        and cost what its source's mean is."""
        guess = self.mixture.stream().restore(rows.state())
        asked = [np.zeros(len(source), dtype=bool) for source in self.mixture.sources]
        num_left, group = len(self.mixture), []
        while num_left:
            if guess.epoch_is_over:
                guess.begin_epoch()
            key = guess.next()
            cost = self._costs[key] if key in self._costs else None
            if cost is not None:
                guess.count(key, cost.tokens)
            else:
                guess.count_as_due(key, self._mean_tokens(key.source))
            if not asked[key.source][key.row]:
                asked[key.source][key.row] = True
                num_left -= 1
                if key not in self._costs:
                    group.append(key)
            if len(group) == self.group_size or (group and not num_left):
                yield tuple(group)
                group = []

    def _mean_tokens(self, source: int) -> int:
        return max(1, self._tokens_seen[source] // max(1, self._rows_seen[source]))

    def _record(self, measured: Measured) -> None:
        for key, cost in measured:
            if key in self._costs:  # asked for a second time before the first answer came
                continue
            self.quarantine.saw(self.mixture.sources[key.source].name)
            if isinstance(cost, Failure):
                self._costs[key] = None
                self.quarantine.add(cost)
            else:
                self._costs[key] = cost
                self._tokens_seen[key.source] += cost.tokens
                self._rows_seen[key.source] += 1


class RowCosts:
    """The costs of a mixture's rows, 9 bytes each, in memory that is taken as rows are measured.

    Args:
        num_rows: rows of each source.
    """

    def __init__(self, num_rows: Sequence[int]):
        self._tokens = [np.zeros(count, dtype=np.int32) for count in num_rows]
        self._units = [np.zeros(count, dtype=np.int32) for count in num_rows]
        self._shortened = [np.zeros(count, dtype=np.uint8) for count in num_rows]  # one bit for each of _WAYS_TO_SHORTEN

    def __contains__(self, key: RowKey) -> bool:
        """Whether the row was measured."""
        return bool(self._tokens[key[0]][key[1]] != _NOT_MEASURED)

    def __getitem__(self, key: RowKey) -> RowCost | None:
        """The cost of a measured row; None for one that cannot be used. Raises `KeyError` for a row that was not measured."""
        source, row, *_ = key
        tokens = int(self._tokens[source][row])
        if tokens == _NOT_MEASURED:
            raise KeyError(key)
        if tokens == _NOT_USABLE:
            return None
        bits = self._shortened[source][row]
        shortened = tuple(way for bit, way in enumerate(_WAYS_TO_SHORTEN) if bits >> bit & 1) if bits else ()
        return RowCost(tokens, int(self._units[source][row]), shortened)

    def __setitem__(self, key: RowKey, cost: RowCost | None) -> None:
        source, row, *_ = key
        if cost is None:
            self._tokens[source][row] = _NOT_USABLE
            return
        self._tokens[source][row], self._units[source][row] = cost.tokens, cost.units
        self._shortened[source][row] = sum(1 << _WAYS_TO_SHORTEN.index(way) for way in cost.shortened)


class RowMeasurer(Dataset):
    """Measures the rows that it is asked for; lives in the planning processes."""

    def __init__(self, mixture: Mixture, encoder: Encoder):
        self.mixture, self.encoder = mixture, encoder

    def __getitem__(self, keys: Sequence[RowKey]) -> Measured:
        return [(key, self._measure(key)) for key in keys]

    def _measure(self, key: RowKey) -> RowCost | Failure:
        try:
            laid_out = self.encoder.lay_out(self.mixture[key])
        except SampleError as error:
            return failure_of(error, row_id=str(key.row), source=self.mixture.sources[key.source].name)
        return RowCost(len(laid_out.input_ids), laid_out.num_units, laid_out.shortened)


def measure_ahead(measurer: RowMeasurer, wanted: Iterator[Sequence[RowKey]], *, num_processes: int) -> Iterator[Measured]:
    """Measure one group of rows after another, in the order of `wanted`; 0 processes measure in this one.

    The processes are torch's loader workers, for all that those bring: results in order and a bounded number of groups ahead, one
    start method for all processes of a run, errors raised here, and an end with this iterator, with Ctrl-C, and when this process is
    killed. The number of processes changes nothing in the results.
    """
    loader = DataLoader(
        measurer,
        sampler=wanted,
        batch_size=None,
        num_workers=num_processes,
        collate_fn=_unchanged,
        worker_init_fn=leave_signals_to_the_run,
        generator=torch.Generator(),  # loaders draw a seed for their workers: not from the one that training draws from
    )
    yield from loader


def _unchanged(measured: Measured) -> Measured:
    return measured
