"""The parts of a `smolvlm` model: SigLIP on tiles, pixel shuffle and a projector before a text model that reads features as words."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from smvl.layouts.modules import Shapes
from smvl.layouts.smolvlm.vision_tower import encode_tiles


class SmolVLMLayout:
    """As `smvl.layouts.modules.ModelLayout`."""

    name = "smolvlm"
    position_axes = ()

    def vision(self, model: PreTrainedModel) -> list[nn.Module]:
        return [model.model.vision_model]

    def vision_layers(self, model: PreTrainedModel) -> nn.ModuleList:
        return model.model.vision_model.encoder.layers

    def connector(self, model: PreTrainedModel) -> list[nn.Module]:
        return [model.model.connector]

    def image_token_ids(self, model: PreTrainedModel) -> list[int]:
        return [model.model.image_token_id]

    def misfit(self, model: PreTrainedModel, image_processor: Any, image_seq_len: int) -> str | None:
        side, tile = model.config.vision_config.image_size, image_processor.max_image_size["longest_edge"]
        features = self.tokens_per_unit(model)
        if (features, side) == (image_seq_len, tile):
            return None
        return (
            f"config.json says that a tile has {side} pixels and {features} features, but processor_config.json says {tile} and "
            f"{image_seq_len}. Take both of one checkpoint."
        )

    def prepare(self, model: PreTrainedModel) -> None:
        pass

    def see(self, model: PreTrainedModel, pixels: torch.Tensor, shapes: Shapes) -> list[torch.Tensor]:
        return [encode_tiles(model.model.vision_model, pixels)]

    def join(self, model: PreTrainedModel, states: Sequence[torch.Tensor]) -> torch.Tensor:
        return model.model.connector(states[0]).flatten(0, 1)

    def patch_weight(self, model: PreTrainedModel) -> torch.Tensor:
        return model.model.vision_model.embeddings.patch_embedding.weight

    def no_pictures(self, model: PreTrainedModel, num_units: int) -> tuple[torch.Size, Shapes]:
        vision = model.config.vision_config
        return torch.Size((num_units, vision.num_channels, vision.image_size, vision.image_size)), [(0, 0)] * num_units

    def num_taps(self, model: PreTrainedModel) -> int:
        return 0

    def tokens_per_unit(self, model: PreTrainedModel) -> float:
        return (_patches_per_side(model) // model.config.scale_factor) ** 2

    def windows(self, model: PreTrainedModel, num_units: int, shapes: Shapes) -> list[int]:
        return [_patches_per_side(model) ** 2] * num_units

    def last_features(self, model: PreTrainedModel, states: Sequence[torch.Tensor]) -> torch.Tensor:
        return states[0].flatten(0, 1)

    def teacher(self, model: PreTrainedModel, vision: str) -> Any:
        raise ValueError("objective vision_features: the encoder of layout smolvlm is its donor's own. Take the stage out.")

    def stock_pictures(self, model: PreTrainedModel, pixels: torch.Tensor, shapes: Shapes) -> dict[str, torch.Tensor]:
        return {"pixel_values": pixels.unsqueeze(0)}

    def text_options(self, places: torch.Tensor | None, deep: Sequence[torch.Tensor]) -> dict[str, Any]:
        return {}


def _patches_per_side(model: PreTrainedModel) -> int:
    vision = model.config.vision_config
    return vision.image_size // vision.patch_size
