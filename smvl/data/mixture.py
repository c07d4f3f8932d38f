"""Mixing sources by weight: which row comes when, for a seed, with no randomness anywhere else."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from smvl.config import SourceConfig
from smvl.data.registry import Source, open_source
from smvl.data.sample import Sample


class RowKey(NamedTuple):
    """Names one row of a mixture."""

    source: int
    row: int


class Mixture:
    """Sources whose rows come in the shares that their weights ask for, counted in samples.

    An epoch ends when the first source has been read through. The others go on in the next epoch where they stopped, so that no row
    comes twice before all rows of its source have come once.

    Raises:
        ValueError: an epoch would hold no row of some source.
    """

    def __init__(self, sources: Sequence[Source], weights: Sequence[float], *, seed: int):
        self.sources = list(sources)
        self._seed = seed
        shares = np.asarray(weights, dtype=np.float64) / sum(weights)
        lengths = np.array([len(source) for source in self.sources])
        size = min(lengths / shares)
        self.rows_per_epoch = np.maximum(np.floor(size * shares + 1e-9).astype(int), 1)

    def __len__(self) -> int:
        """Samples of one epoch."""
        return int(self.rows_per_epoch.sum())

    def __getitem__(self, key: RowKey) -> Sample:
        """Read one row; raises `SampleError` when it breaks a rule."""
        return self.sources[key[0]][key[1]]

    def order(self, epoch: int, *, start: int = 0) -> Iterator[RowKey]:
        """The rows of an epoch in the order in which they are trained on, from the `start`-th on."""
        which = np.repeat(np.arange(len(self.sources)), self.rows_per_epoch)
        np.random.default_rng([self._seed, epoch]).shuffle(which)
        passed = np.bincount(which[:start], minlength=len(self.sources))
        rows = [self._rows(source, epoch, start=int(passed[source])) for source in range(len(self.sources))]
        for source in which[start:]:
            yield RowKey(int(source), int(next(rows[source])))

    def _rows(self, source: int, epoch: int, *, start: int) -> Iterator[int]:
        """The rows of one source in one epoch: a stretch of an endless sequence of shuffled passes."""
        rows_per_epoch, length = int(self.rows_per_epoch[source]), len(self.sources[source])
        first = epoch * rows_per_epoch + start
        for draw in range(first, (epoch + 1) * rows_per_epoch):
            number, position = divmod(draw, length)
            if draw == first or position == 0:
                order = np.random.default_rng([self._seed, source, number]).permutation(length)
            yield order[position]


def open_mixture(configs: Sequence[SourceConfig], *, seed: int) -> Mixture:
    """Open every source of a stage; a source that cannot be opened is an error, never left out."""
    return Mixture([open_source(config) for config in configs], [config.weight for config in configs], seed=seed)
