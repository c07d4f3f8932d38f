"""Does the model see? The loss with the right images, with another sample's images, and with blank ones.

A model can learn to answer from the question alone, its loss falls all the same, and nothing else on a dashboard shows it. The wrong images
have the shape of the right ones, or are scaled to it, so that the text around them says nothing: only pixels differ.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from smvl.data.sample import Sample
from smvl.packing.collator import PackCollator
from smvl.packing.encode import Encoded, Encoder
from smvl.train.packed_model import BATCH_KEYS, PackedModel

logger = logging.getLogger(__name__)

NIL_GAP = 0.01
"""Nats per token. A smaller gap is called nil, as is one within twice its standard error of zero."""

_CHUNK = 8
"""Samples that are measured at once."""
_GREY = 127
"""Every byte of a blank image."""


class BlindError(ValueError):
    """A run whose model does not see; the message gives the figures."""


@dataclass(frozen=True)
class Sight:
    """Losses per supervised token on held-out samples."""

    loss: float
    """Of all samples, with the right images."""
    loss_right: float
    """Of the samples whose images can be swapped, with the right images; nan where there are none."""
    loss_swapped: float
    """Of the same samples with another sample's images."""
    loss_blank: float
    """Of the samples that have images, with grey ones."""
    standard_error: float
    """Of the gap, over samples."""
    reaction: float
    """The largest change of any sample's loss (sum over its tokens) when its images turn grey."""

    @property
    def gap(self) -> float:
        """How much worse the model predicts with the wrong images."""
        return self.loss_swapped - self.loss_right

    @property
    def is_cut_off(self) -> bool:
        """Whether pixels do not reach the answers at all: no training can mend that."""
        return self.reaction == 0

    @property
    def is_nil(self) -> bool:
        """Whether the right images help no more than wrong ones (or nothing could be swapped, and nobody knows)."""
        return not self.gap > max(NIL_GAP, 2 * self.standard_error)

    @property
    def is_blind(self) -> bool:
        """Whether there is not even a sign that the images help: the gap is nil, and within its standard error of zero."""
        is_known = self.gap == self.gap  # where no two samples could swap their pictures, nobody knows
        return is_known and self.is_nil and not self.gap > max(NIL_GAP, self.standard_error)

    @property
    def verdict(self) -> str:
        """One sentence for the log."""
        figures = (
            f"loss {self.loss_right:.3f} with the right images, {self.loss_swapped:.3f} with another sample's, "
            f"{self.loss_blank:.3f} with blank ones"
        )
        if self.reaction != self.reaction:
            return f"Whether the model sees is not known: no sample that it is asked about has an image (loss {self.loss:.3f})."
        if self.is_cut_off:
            return f"The model is blind: its answers do not depend on a single pixel ({figures})."
        if self.gap != self.gap:
            return f"Whether the model sees is not known: no two samples could swap their images ({figures})."
        if self.is_nil:
            return f"The images reach the model, but it does not use them (yet): {figures}; the gap is nil ({self._gap_with_error()})."
        return f"The model looks at its images: {figures} ({self._gap_with_error()})."

    def _gap_with_error(self) -> str:
        return f"{self.gap:+.3f} ± {self.standard_error:.3f}"

    def metrics(self) -> dict[str, float]:
        """The figures under the names that curves have."""
        return {
            "eval_loss": self.loss,
            "eval_loss_right": self.loss_right,
            "eval_loss_swapped": self.loss_swapped,
            "eval_loss_blank": self.loss_blank,
            "eval_sight_gap": self.gap,
        }


@dataclass(frozen=True)
class SightReport:
    """Sight over all samples, and for each source of them."""

    all: Sight
    by_source: dict[str, Sight]

    @property
    def verdict(self) -> str:
        """The verdict over all, and the sources whose images are not used."""
        unused = [source for source, sight in self.by_source.items() if sight.is_nil and sight.reaction == sight.reaction]
        if self.all.is_nil or not unused or len(self.by_source) < 2:
            return self.all.verdict
        return f"{self.all.verdict} Not (yet) those of {', '.join(unused)}."

    def metrics(self) -> dict[str, float]:
        """Figures over all and, with several sources, the gap of each."""
        several = self.by_source if len(self.by_source) > 1 else {}
        return self.all.metrics() | {f"eval_sight_gap/{source}": sight.gap for source, sight in several.items()}


@dataclass(frozen=True)
class _Measured:
    """One sample: sums of its token losses, nan where it could not be asked so."""

    source: str
    num_tokens: int
    right: float
    swapped: float = float("nan")
    blank: float = float("nan")


class _Entry(NamedTuple):
    sample: Sample
    encoded: Encoded


class SightCheck:
    """Measures sight on a fixed set of samples.

    Args:
        samples: those without images count for the loss alone.
    """

    def __init__(self, encoder: Encoder, samples: Sequence[Sample]):
        self.encoder = encoder
        self.samples = list(samples)
        self._collate = PackCollator(encoder.processor.image_token_id)

    @torch.no_grad()
    def measure(self, model: PackedModel) -> SightReport:
        """Losses of the model as it is now; its training mode is left as it was found."""
        was_training = model.training
        model.eval()
        try:
            measured = [entry for chunk in self._chunks() for entry in self._measure(model, chunk)]
        finally:
            model.train(was_training)
        sources = sorted({entry.source for entry in measured})
        by_source = {source: _summarise([entry for entry in measured if entry.source == source]) for source in sources}
        return SightReport(_summarise(measured), by_source)

    def _chunks(self) -> Iterator[list[_Entry]]:
        """Samples that can swap pixels: of the same source and the same task where there are two, and shown alike."""
        groups: dict[tuple, list[_Entry]] = defaultdict(list)
        for sample in self.samples:
            encoded = self.encoder.encode(sample)
            groups[encoded.source, sample.task, self._shown(encoded)].append(_Entry(sample, encoded))
        alone: dict[tuple, list[_Entry]] = defaultdict(list)
        for key, group in groups.items():
            if len(group) == 1:
                alone[key[2:]] += group
            else:
                yield from _even_chunks(group)
        for group in alone.values():
            yield from _even_chunks(group)

    def _shown(self, encoded: Encoded) -> Any:
        """What two samples must have in common so that one can be shown the other's pictures and nothing else changes."""
        return len(encoded.shapes) if self.encoder.processor.pictures.takes_any_shape else encoded.shapes

    def _measure(self, model: PackedModel, entries: Sequence[_Entry]) -> list[_Measured]:
        chunk = [entry.encoded for entry in entries]
        counts = [int((sample.labels != -100).sum()) for sample in chunk]
        rows = [_Measured(sample.source, count, loss) for sample, count, loss in zip(chunk, counts, self._losses(model, chunk))]
        if not chunk[0].shapes:
            return rows
        blank = [replace(sample, pixels=torch.full_like(sample.pixels, _GREY)) for sample in chunk]
        rows = [replace(row, blank=loss) for row, loss in zip(rows, self._losses(model, blank))]
        if len(chunk) == 1:
            return rows
        swapped = [self._with_pictures_of(entry, partner) for entry, partner in zip(entries, [*entries[1:], entries[0]])]
        return [replace(row, swapped=loss) for row, loss in zip(rows, self._losses(model, swapped))]

    def _with_pictures_of(self, entry: _Entry, partner: _Entry) -> Encoded:
        if entry.encoded.shapes == partner.encoded.shapes:
            return replace(entry.encoded, pixels=partner.encoded.pixels)
        return self.encoder.encode(entry.sample, seen=partner.sample)

    def _losses(self, model: PackedModel, samples: Sequence[Encoded]) -> list[float]:
        """The sum of each sample's token losses."""
        batch = self._collate([samples])
        device = next(model.parameters()).device
        inputs = {key: batch[key].to(device) if torch.is_tensor(batch[key]) else batch[key] for key in BATCH_KEYS if key in batch}
        losses = model(**inputs, reduction="none").double().cpu()
        ends = torch.tensor(batch["sample_lengths"]).cumsum(0)
        sample_of_token = torch.bucketize(batch["loss_positions"], ends, right=True)
        return torch.zeros(len(samples), dtype=torch.float64).index_add_(0, sample_of_token, losses).tolist()


def _even_chunks(group: list[_Entry]) -> Iterator[list[_Entry]]:
    """Chunks of about equal size, so that none but a group of one is alone."""
    number = -(-len(group) // _CHUNK)
    for index in range(number):
        yield group[index * len(group) // number : (index + 1) * len(group) // number]


def _summarise(measured: Sequence[_Measured]) -> Sight:
    everything = torch.tensor([[entry.num_tokens, entry.right, entry.swapped, entry.blank] for entry in measured], dtype=torch.float64)
    everything = everything.reshape(-1, 4)
    pairs = everything[~everything[:, 2].isnan()]
    seen = everything[~everything[:, 3].isnan()]
    changes = (seen[:, 3] - seen[:, 1]).abs()
    return Sight(
        loss=_mean(everything, 1),
        loss_right=_mean(pairs, 1),
        loss_swapped=_mean(pairs, 2),
        loss_blank=_mean(seen, 3),
        standard_error=_standard_error_of_gap(pairs),
        reaction=changes.max().item() if len(changes) else float("nan"),
    )


def _mean(rows: torch.Tensor, column: int) -> float:
    return (rows[:, column].sum() / rows[:, 0].sum()).item()


def _standard_error_of_gap(rows: torch.Tensor) -> float:
    """Of the ratio of sums, by linearisation over samples."""
    if len(rows) < 2:
        return float("inf")
    gap = (rows[:, 2].sum() - rows[:, 1].sum()) / rows[:, 0].sum()
    residuals = rows[:, 2] - rows[:, 1] - gap * rows[:, 0]
    return (residuals.std() * len(rows) ** 0.5 / rows[:, 0].sum()).item()
