"""Does the model see? The loss with the right images against the loss with another sample's images.

A model can learn to answer from the question alone, its loss falls all the same, and nothing else on a dashboard shows it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import SmolVLMForConditionalGeneration

from smvl.data.collator import FAILURES, PackCollator
from smvl.data.encode import Encoder
from smvl.data.sample import Sample
from smvl.data.swapping import swap_images
from smvl.train.loss import supervised_loss

logger = logging.getLogger(__name__)

NIL_GAP = 0.01
"""Nats per token. A smaller gap is called nil, as is one within twice its standard error of zero."""


@dataclass(frozen=True)
class Sight:
    """Losses per supervised token on held-out samples."""

    loss: float
    """Of all samples, with the right images."""
    loss_right: float
    """Of the samples whose images can be swapped, with the right images; nan where there are none."""
    loss_swapped: float
    """Of the same samples with another sample's images."""
    standard_error: float
    """Of the gap, over samples."""

    @property
    def gap(self) -> float:
        """How much worse the model predicts with the wrong images."""
        return self.loss_swapped - self.loss_right

    @property
    def is_blind(self) -> bool:
        return not self.gap > max(NIL_GAP, 2 * self.standard_error)

    @property
    def verdict(self) -> str:
        """One sentence for the log."""
        figures = f"loss {self.loss_right:.3f} with the right images, {self.loss_swapped:.3f} with another sample's"
        if self.is_blind:
            return f"The model does not use its images (yet): {figures}; the gap is nil ({self.gap:+.3f} ± {self.standard_error:.3f})."
        return f"The model looks at its images: {figures} ({self.gap:+.3f} ± {self.standard_error:.3f})."

    def metrics(self) -> dict[str, float]:
        """The figures under the names that curves have."""
        return {
            "eval_loss": self.loss,
            "eval_loss_right": self.loss_right,
            "eval_loss_swapped": self.loss_swapped,
            "eval_sight_gap": self.gap,
        }


class SightCheck:
    """Measures `Sight` on a fixed set of held-out samples."""

    def __init__(self, encoder: Encoder, samples: Sequence[Sample]):
        self.encoder = encoder
        self.collator = PackCollator(encoder.processor.tokenizer.pad_token_id)
        self.samples = list(samples)
        with_images = [sample for sample in self.samples if sample.images]
        swapped = swap_images(with_images)
        ids = {sample.id for sample in swapped}
        self.pairs = ([sample for sample in with_images if sample.id in ids], swapped)

    @torch.inference_mode()
    def measure(self, model: SmolVLMForConditionalGeneration) -> Sight:
        """Losses of the model as it is now; its training mode is left as it was found."""
        was_training = model.training
        model.eval()
        try:
            right, swapped = (self._losses(model, samples) for samples in self.pairs)
            others = self._losses(model, [sample for sample in self.samples if sample not in self.pairs[0]])
        finally:
            model.train(was_training)
        everything = torch.cat([right, others])
        return Sight(_mean(everything), _mean(right), _mean(swapped), _standard_error_of_gap(right, swapped))

    def _losses(self, model: SmolVLMForConditionalGeneration, samples: Sequence[Sample]) -> torch.Tensor:
        """(number of samples, 2): each sample's sum of token losses and number of supervised tokens, in float64."""
        rows = []
        for sample in samples:
            batch = self.collator([[self.encoder.encode(sample)]])
            del batch[FAILURES]
            total, count = supervised_loss(model, {name: tensor.to(model.device) for name, tensor in batch.items()})
            rows.append([total.item(), count.item()])
        return torch.tensor(rows, dtype=torch.float64).reshape(-1, 2)


def _mean(rows: torch.Tensor) -> float:
    return (rows[:, 0].sum() / rows[:, 1].sum()).item()


def _standard_error_of_gap(right: torch.Tensor, swapped: torch.Tensor) -> float:
    """Of the ratio of sums, by linearisation over samples."""
    if len(right) < 2:
        return float("inf")
    gap = (swapped[:, 0].sum() - right[:, 0].sum()) / right[:, 1].sum()
    residuals = swapped[:, 0] - right[:, 0] - gap * right[:, 1]
    return (residuals.std() * len(right) ** 0.5 / right[:, 1].sum()).item()
