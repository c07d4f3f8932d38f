"""Packing: several samples in one sequence, without padding.

    mixture.order(epoch) --> rows --> length of each (no pixels) --> a look-ahead window --> packs --> workers

Packs are planned in the training process from lengths alone; workers decode what a pack names. So the packs are the same whatever
the number of workers or processes, and a resumed run skips what it has seen without decoding anything.

[Contract] What keeps the samples of a pack apart is `position_ids` that start again at 0 with each sample, no attention mask and no
cache: transformers builds the block mask from that. tests/test_packing.py holds it to be exact for each attention implementation.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Dataset, Sampler

from smvl.data.encode import Encoded, Encoder, failure_of
from smvl.data.mixture import Mixture, RowKey
from smvl.data.quarantine import Failure, Quarantine
from smvl.data.sample import SampleError

logger = logging.getLogger(__name__)

Pack = tuple[RowKey, ...]

LOOK_AHEAD = 256
"""Samples among which a pack may choose; more fills packs better and strays further from the mixture's order."""


def first_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put items into as few bins as it can (Johnson, 1973): longest first, each into the first bin with room. Returns indices by bin."""
    bins: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        target = next((number for number, free in enumerate(room) if free >= lengths[index]), len(bins))
        if target == len(bins):
            bins.append([])
            room.append(capacity)
        bins[target].append(index)
        room[target] -= lengths[index]
    return bins


class PackSampler(Sampler[Pack]):
    """An endless stream of packs: epoch after epoch, in an order that only the seed decides.

    Args:
        encoder: tells each row's length.
        max_length: tokens of a pack.
        packing: False gives every sample a sequence of its own.
        quarantine: where rows go that cannot be used.
    """

    def __init__(self, mixture: Mixture, encoder: Encoder, *, max_length: int, packing: bool, seed: int, quarantine: Quarantine):
        self.mixture, self.encoder, self.quarantine = mixture, encoder, quarantine
        self.max_length, self.packing, self.seed = max_length, packing, seed
        self.shortened: Counter[str] = Counter()
        self._lengths: dict[RowKey, int | None] = {}

    def __iter__(self) -> Iterator[Pack]:
        for epoch in itertools.count():
            yield from self.epoch(epoch)

    def epoch(self, epoch: int) -> Iterator[Pack]:
        """The packs of one epoch."""
        measured = ((key, self.length(key)) for key in self.mixture.order(epoch))
        usable = ((key, length) for key, length in measured if length is not None)
        if not self.packing:
            yield from ((key,) for key, _ in usable)
            return
        generator = np.random.default_rng([self.seed, epoch])
        while window := list(itertools.islice(usable, LOOK_AHEAD)):
            keys, lengths = zip(*window)
            packs = first_fit_decreasing(lengths, self.max_length)
            for number in generator.permutation(len(packs)):
                yield tuple(keys[index] for index in packs[number])

    def length(self, key: RowKey) -> int | None:
        """Tokens of a row; None for one that cannot be used, which goes into quarantine."""
        if key not in self._lengths:
            self._lengths[key] = self._measure(key)
        return self._lengths[key]

    def _measure(self, key: RowKey) -> int | None:
        self.quarantine.saw()
        try:
            layout = self.encoder.lay_out(self.mixture[key])
        except SampleError as error:
            self.quarantine.add(failure_of(error, row_id=str(key.row), source=self.mixture.sources[key.source].name))
            return None
        self.shortened.update(layout.shortened)
        return len(layout.input_ids)


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
