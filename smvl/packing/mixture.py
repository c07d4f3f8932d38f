"""Mixing sources by weight: which row comes when, for a seed, with no randomness anywhere else.

The source that comes next is the one that is furthest behind its share, in samples or in tokens: stride scheduling (Waldspurger and
Weihl, MIT/LCS/TM-528, 1995), whose shares are never off by more than one sample of each source. A row that cannot be used counts for
nothing, so that shares hold of what is trained on.

Where a stage asks for a share of long samples, which are long is known only when they have been measured. So long and short ones are two
orders over the same rows, each of which passes over the rows of the other: a row belongs to one of them and comes there, and
only there, so that none is lost; how far each order has come is all that has to be remembered.
"""

import random
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from smvl.augment.augmentation import ChangeImage, SpacedSource, TextAugmentedSource, image_change
from smvl.config import ImageAugmentConfig, LongConfig, PromptConfig, SourceConfig, StageConfig
from smvl.data.sample import Sample
from smvl.data.source import Source
from smvl.packing.row_order import RowOrder
from smvl.source_registry import open_source

MixBy = Literal["samples", "tokens"]


class RowKey(NamedTuple):
    """Names one row of a mixture, at one of the times that it comes."""

    source: int
    row: int
    times_before: int = 0
    """How often it has come before, for augmentation that differs each time."""


class Mixture:
    """Sources and the shares that they shall have.

    Args:
        weights: relative shares, one for each source.
        mix_by: what they are shares of.
        augment_images: what is done to the images of each source; None leaves those of all as they are.
        open_prompts: share of the rows whose prompt is left open; see `PromptConfig`.
        long: the share of long samples; None takes them as they come.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        weights: Sequence[float],
        *,
        seed: int,
        mix_by: MixBy = "samples",
        augment_images: Sequence[ImageAugmentConfig | None] | None = None,
        open_prompts: float = 0.0,
        long: LongConfig | None = None,
    ):
        self.sources = list(sources)
        self.shares = [weight / sum(weights) for weight in weights]
        self.seed, self.mix_by, self.long = seed, mix_by, long
        self._augment_images = augment_images or [None] * len(sources)
        self._open_prompts = open_prompts
        names = [source.name for source in self.sources]
        self.names = [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names)]
        """Of the sources, each another."""

    def __len__(self) -> int:
        """Rows of all sources."""
        return sum(map(len, self.sources))

    def __getitem__(self, key: RowKey) -> Sample:
        """Read one row; raises `SampleError` when it breaks a rule."""
        return self.sources[key[0]][key[1]]

    def image_change(self, key: RowKey, task: str) -> ChangeImage | None:
        """What happens to the images of a row at one of the times that it comes; None for nothing."""
        settings = self._augment_images[key.source]
        return settings and image_change(settings, task=task, seed=self.seed, key=key)

    def opens_prompt(self, key: RowKey) -> bool:
        """Whether a row's prompt is left open at one of the times that it comes."""
        if not self._open_prompts:
            return False
        return random.Random(f"{self.seed} open {' '.join(map(str, key))}").random() < self._open_prompts

    def stream(self) -> "MixtureStream":
        """The rows from the very first on."""
        return MixtureStream(self)


class MixtureStream:
    """The rows of a mixture one after another. Each must be counted before the next can be known.

    An epoch ends when the source whose turn it is has no row left that this epoch has not had. The others go on in the next epoch where
    they stopped, so that no row comes twice before all rows of its source have come once.
    """

    def __init__(self, mixture: Mixture):
        self.mixture = mixture
        self.epoch = 0
        self.num_rows = 0
        """Usable rows of this epoch so far."""
        long = mixture.long
        self._short = _Turns(mixture, 1.0 if long is None else 1 - long.share)
        self._long = None if long is None else _Turns(mixture, long.share, 1)

    @property
    def epoch_is_over(self) -> bool:
        return self._due().are_over

    def next(self) -> RowKey:
        """The row that is looked at next; to be followed by `count`. Asked for only while the epoch is not over."""
        return self._due().next()

    def count(self, key: RowKey, tokens: int | None) -> bool:
        """Say what the row takes: its tokens, or None for one that cannot be used. False for a row that is not to be used now: it
        cannot be, or is not of the length whose turn it is, and comes in that one's."""
        if tokens is None:
            return False
        due, long = self._due(), self.mixture.long
        return self._count(key, tokens, fits=long is None or (tokens >= long.tokens) is (due is self._long))

    def count_as_due(self, key: RowKey, tokens: int) -> None:
        """Count a row that nobody has measured as one of the length whose turn it is."""
        self._count(key, tokens, fits=True)

    def _count(self, key: RowKey, tokens: int, *, fits: bool) -> bool:
        self._due().count(key, tokens if self.mixture.mix_by == "tokens" else 1, fits=fits)
        self.num_rows += fits
        return fits

    def begin_epoch(self) -> None:
        self.epoch += 1
        self.num_rows = 0
        for turns in self._all:
            turns.begin_epoch()

    def state(self) -> dict[str, Any]:
        """Where the stream stands, for `restore`. JSON."""
        long = {} if self._long is None else {"long": self._long.state()}
        return {"epoch": self.epoch, "num_rows": self.num_rows, **self._short.state(), **long}

    def restore(self, state: dict[str, Any]) -> "MixtureStream":
        """Go on from `state`."""
        self.epoch, self.num_rows = state["epoch"], state["num_rows"]
        self._short.restore(state)
        if self._long is not None:
            self._long.restore(state["long"])
        return self

    @property
    def missing(self) -> str | None:
        """Of the samples whose turn it is, when no source has any: which they are."""
        long, due = self.mixture.long, self._due()
        if long is None or not due.have_none:
            return None
        return f"sample of {'at least' if due is self._long else 'less than'} {long.tokens:,} tokens"

    @property
    def _all(self) -> list["_Turns"]:
        return [self._short] if self._long is None else [self._long, self._short]

    def _due(self) -> "_Turns":
        """Of the length that is furthest behind its share; long ones first."""
        return min(self._all, key=lambda turns: turns.total / turns.share)


class _Turns:
    """Whose turn it is among the sources for samples of one length, or of any.

    Args:
        share: of all samples.
        length: a number that tells one length from another.
    """

    def __init__(self, mixture: Mixture, share: float, *length: int):
        self.share, self._shares = share, mixture.shares
        self.total = 0
        """Of the samples taken, in samples or tokens."""
        self._taken = [0] * len(mixture.sources)  # of each source, with the rows that were passed over
        self._found = [0] * len(mixture.sources)  # samples taken in this epoch
        self._passed = [0] * len(mixture.sources)  # rows passed over in this epoch
        self._orders = [RowOrder(len(source), [mixture.seed, number, *length]) for number, source in enumerate(mixture.sources)]

    @property
    def are_over(self) -> bool:
        """Whether this epoch has had every row of the source whose turn it is."""
        return self._orders[self._due()].is_spent

    @property
    def have_none(self) -> bool:
        """Whether this epoch has looked at every row, and no source has such samples."""
        return all(map(self._has_none, range(len(self._shares))))

    def next(self) -> RowKey:
        source = self._due()
        return RowKey(source, *self._orders[source].next())

    def count(self, key: RowKey, amount: int, *, fits: bool) -> None:
        """Rows that are passed over count towards the turns of sources, or one without such samples would be looked through first."""
        self._taken[key.source] += amount
        if fits:
            self.total += amount
            self._found[key.source] += 1
        else:
            self._passed[key.source] += 1

    def begin_epoch(self) -> None:
        self._found, self._passed = [0] * len(self._found), [0] * len(self._passed)
        for order in self._orders:
            order.begin_epoch()

    def state(self) -> dict[str, Any]:
        orders = [order.state() for order in self._orders]
        lengths = {"total": self.total, "found": list(self._found), "passed": list(self._passed)}
        return {"taken": list(self._taken), "orders": orders, **lengths}

    def restore(self, state: dict[str, Any]) -> None:
        self._taken = list(state["taken"])
        if "total" in state:  # what was saved before there were lengths has none
            self.total, self._found, self._passed = state["total"], list(state["found"]), list(state["passed"])
        for order, of_order in zip(self._orders, state["orders"], strict=True):
            order.restore(of_order)

    def _due(self) -> int:
        """The source that is furthest behind its share, the first of equals; one that has shown itself to have no such samples only where
        none has."""
        sources = range(len(self._shares))
        having = [source for source in sources if not self._has_none(source)] or sources
        return min(having, key=lambda source: self._taken[source] / self._shares[source])

    def _has_none(self, source: int) -> bool:
        return self._passed[source] > 0 and not self._found[source] and self._orders[source].is_spent


def source_weights(mixture: Sequence[SourceConfig], text_share: float | None) -> list[float]:
    """The weight of each source, where `text_share` goes to the sources of pure text and the rest to the others."""
    weights = [source.weight for source in mixture]
    if text_share is None:
        return weights
    sums = {is_text: sum(source.weight for source in mixture if source.text == is_text) for is_text in (True, False)}
    shares = {True: text_share, False: 1 - text_share}
    return [shares[source.text] * source.weight / sums[source.text] for source in mixture]


def open_mixture(stage: StageConfig, *, seed: int) -> Mixture:
    """Open every source of a stage; a source that cannot be opened is an error, never left out."""
    return Mixture(
        [_open_changed(source, stage.prompts, seed) for source in stage.mixture],
        source_weights(stage.mixture, stage.text_share),
        seed=seed,
        mix_by=stage.mix_by,
        augment_images=[source.augment_images for source in stage.mixture],
        open_prompts=stage.prompts.open_share,
        long=stage.long,
    )


def _open_changed(config: SourceConfig, prompts: PromptConfig, seed: int) -> Source:
    source: Source = open_source(config)
    if config.augment_text is not None:
        source = TextAugmentedSource(source, config.augment_text, seed)
    return SpacedSource(source, prompts.spaced_share, seed) if prompts.spaced_share else source
