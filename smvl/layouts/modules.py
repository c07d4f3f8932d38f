"""What a layout knows of its model: where its parts are, how pictures become features, and how features enter the text model."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn
from transformers import PreTrainedModel

Shapes = Sequence[tuple[int, int]]
"""Rows and columns of each picture of a batch, as `Plan.shape` has them."""


class ModelLayout(Protocol):
    """Of the models of one layout. It holds nothing of any model; every method takes one."""

    name: str
    """As `model.layout` in a recipe has it."""

    position_axes: tuple[int, ...]
    """What stands before (1, L) in the shape of position ids: nothing, or the number of axes."""

    # ---- parts -----------------------------------------------------------------------------------------------------------------

    def vision(self, model: PreTrainedModel) -> list[nn.Module]:
        """The vision encoder, without what brings its features into the text model."""
        ...

    def vision_layers(self, model: PreTrainedModel) -> nn.ModuleList:
        """Its layers, first to last."""
        ...

    def connector(self, model: PreTrainedModel) -> list[nn.Module]:
        """What brings features of the vision encoder into the text model."""
        ...

    def image_token_ids(self, model: PreTrainedModel) -> list[int]:
        """Copies of config.json's `image_token_id` that the model keeps."""
        ...

    def misfit(self, model: PreTrainedModel, image_processor: Any, image_seq_len: int) -> str | None:
        """Where pictures are not cut as the model was made for: what was found, expected and is to be done."""
        ...

    # ---- pictures to features ----------------------------------------------------------------------------------------------------

    def prepare(self, model: PreTrainedModel) -> None:
        """Let the model's own modules take what `see` and `text_options` hand them; what others hand them, they take as before."""
        ...

    def see(self, model: PreTrainedModel, pixels: torch.Tensor, shapes: Shapes) -> list[torch.Tensor]:
        """What the vision encoder makes of pictures: its last states, then those of earlier layers that are used besides.

        Args:
            pixels: (num_units, 3, side, side), normalised.
        """
        ...

    def join(self, model: PreTrainedModel, states: Sequence[torch.Tensor]) -> torch.Tensor:
        """What the text model reads of these states.

        Returns:
            (picture tokens, width * len(states)): first what takes the place of the tokens' embeddings, then what is added to the output of
            the text model's first layers, one after another.
        """
        ...

    def patch_weight(self, model: PreTrainedModel) -> torch.Tensor:
        """The first weight that pixels meet; it says the type and the device that they must have."""
        ...

    def no_pictures(self, model: PreTrainedModel, num_units: int) -> tuple[torch.Size, Shapes]:
        """Shape of the pixels, and the shapes of pictures, that are as many units; for batches that stand for others."""
        ...

    def num_taps(self, model: PreTrainedModel) -> int:
        """How many of the encoder's earlier layers are used besides its last."""
        ...

    def tokens_per_unit(self, model: PreTrainedModel) -> float:
        """Picture tokens of a tile or patch."""
        ...

    def windows(self, model: PreTrainedModel, num_units: int, shapes: Shapes) -> list[int]:
        """Patches of each group that attends within itself."""
        ...

    def last_features(self, model: PreTrainedModel, states: Sequence[torch.Tensor]) -> torch.Tensor:
        """(patches, width): the last states as the encoder's last norm leaves them."""
        ...

    def teacher(self, model: PreTrainedModel, vision: str) -> Any:
        """The encoder of a donor folder, as `smvl.train.feature_model.Teacher`. Raises `ValueError` where it has nothing to teach."""
        ...

    def stock_pictures(self, model: PreTrainedModel, pixels: torch.Tensor, shapes: Shapes) -> dict[str, torch.Tensor]:
        """The pictures of one prompt as the stock `forward` takes them."""
        ...

    # ---- features into the text model ------------------------------------------------------------------------------------------------

    def text_options(self, places: torch.Tensor | None, deep: Sequence[torch.Tensor]) -> dict[str, Any]:
        """What the text model is called with besides embeddings and positions.

        Args:
            places: where the picture tokens are: (I,) int64 in one sequence, or a mask (B, L); None where `deep` is of every token.
            deep: features (I, width) that are added to the output of its first layers; (B, L, width) of every token.
        """
        ...


def split_features(features: torch.Tensor, width: int) -> list[torch.Tensor]:
    """`ModelLayout.join`'s features (..., width * k) as k of (..., width)."""
    return list(features.split(width, dim=-1))
