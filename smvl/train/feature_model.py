"""The model in a stage whose vision encoder learns from the one that it was made of: no question is asked, and no label is needed."""

from typing import Any, Protocol

import torch

from smvl.layouts.modules import Shapes
from smvl.train.packed_model import PackedModel


class Teacher(Protocol):
    def features(self, pixels: torch.Tensor, shapes: Shapes) -> torch.Tensor:
        """Patches (P, 3, side, side), normalised, to (P, width)."""
        ...


class FeatureModel(PackedModel):
    """A `PackedModel` whose loss is how far the features of its pictures are from the teacher's.

    Args:
        packed: of which it shares all.
    """

    def __init__(self, packed: PackedModel, teacher: Teacher):
        torch.nn.Module.__init__(self)
        vars(self).update(vars(packed))
        self._teacher = teacher

    def forward(
        self, input_ids: torch.Tensor, targets: torch.Tensor, pixels: torch.Tensor | None = None, shapes: Shapes = (), **others: Any
    ) -> torch.Tensor:
        """The mean squared error of the features, as a share of their mean square, times the batch's targets, by which it will be divided.

        Asked for the losses of single tokens, it answers as its `PackedModel` does: the model is looked at in the same way in all stages.
        """
        if "reduction" in others:
            return super().forward(input_ids=input_ids, targets=targets, pixels=pixels, shapes=shapes, **others)
        if pixels is None:
            size, shapes = self.layout.no_pictures(self.model, 1)
            blank = torch.zeros(size, dtype=torch.uint8, device=input_ids.device)
            return self._features(blank, shapes).sum() * 0.0
        found = self._features(pixels, shapes)
        self.clock.lap("vision")
        expected = self._teacher.features(self.pixel_values(pixels), shapes).float()
        loss = (found - expected).square().mean() / expected.square().mean() * len(targets)
        self.clock.lap_backward(found, "loss")
        self.clock.lap("loss")
        return loss

    def _features(self, pixels: torch.Tensor, shapes: Shapes) -> torch.Tensor:
        states = self.layout.see(self.model, self.pixel_values(pixels).to(self.layout.patch_weight(self.model).dtype), shapes)
        return self.layout.last_features(self.model, states).float()
