"""Mixing sources by weight: which row comes when, for a seed, with no randomness anywhere else.

The source that comes next is the one that is furthest behind its share, in samples or in tokens: stride scheduling (Waldspurger and
Weihl, MIT/LCS/TM-528, 1995), whose shares are never off by more than one sample of each source. A row that cannot be used counts for
nothing, so that shares hold of what is trained on.
"""

import random
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from smvl.augment.augmentation import ChangeImage, SpacedSource, TextAugmentedSource, image_change
from smvl.config import ImageAugmentConfig, PromptConfig, SourceConfig, StageConfig
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
    ):
        self.sources = list(sources)
        self.shares = [weight / sum(weights) for weight in weights]
        self.seed, self.mix_by = seed, mix_by
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
        self._taken = [0] * len(mixture.sources)
        self._orders = [RowOrder(len(source), [mixture.seed, number]) for number, source in enumerate(mixture.sources)]

    @property
    def epoch_is_over(self) -> bool:
        return self._orders[self._due()].is_spent

    def next(self) -> RowKey:
        """The row that comes next; to be followed by `count`. Asked for only while the epoch is not over."""
        source = self._due()
        return RowKey(source, *self._orders[source].next())

    def count(self, key: RowKey, tokens: int | None) -> None:
        """Say what the row took: its tokens, or None for one that cannot be used."""
        if tokens is not None:
            self.num_rows += 1
            self._taken[key.source] += tokens if self.mixture.mix_by == "tokens" else 1

    def begin_epoch(self) -> None:
        self.epoch += 1
        self.num_rows = 0
        for order in self._orders:
            order.begin_epoch()

    def state(self) -> dict[str, Any]:
        """Where the stream stands, for `restore`. JSON."""
        orders = [order.state() for order in self._orders]
        return {"epoch": self.epoch, "num_rows": self.num_rows, "taken": list(self._taken), "orders": orders}

    def restore(self, state: dict[str, Any]) -> "MixtureStream":
        """Go on from `state`."""
        self.epoch, self.num_rows, self._taken = state["epoch"], state["num_rows"], list(state["taken"])
        for order, of_order in zip(self._orders, state["orders"], strict=True):
            order.restore(of_order)
        return self

    def _due(self) -> int:
        """The source that is furthest behind its share; the first of equals."""
        shares = self.mixture.shares
        return min(range(len(shares)), key=lambda source: self._taken[source] / shares[source])


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
    )


def _open_changed(config: SourceConfig, prompts: PromptConfig, seed: int) -> Source:
    source: Source = open_source(config)
    if config.augment_text is not None:
        source = TextAugmentedSource(source, config.augment_text, seed)
    return SpacedSource(source, prompts.spaced_share, seed) if prompts.spaced_share else source
