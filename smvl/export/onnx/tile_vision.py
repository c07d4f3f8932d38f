"""The vision encoder of layout `smolvlm` as a graph. B is the batch, T the tiles."""

import torch
from torch import nn
from transformers import PreTrainedModel

from smvl.export.onnx.attention import MULTI_HEAD_ATTENTION, fuse
from smvl.export.onnx.graph import Graph
from smvl.infer.onnx_folder import VISION_ENCODER
from smvl.layouts.smolvlm.vision_tower import patch_places


class TileEncoder(nn.Module):
    """Tower and connector.

    pixel_values (B, T, 3, tile, tile) float32 and pixel_attention_mask (B, T, tile, tile) bool -> image_features (all features, width)
    float32, in the order of the tiles. A tile gives none where its mask is false or its pixels are zero throughout: that is how
    transformers.js and the Hugging Face processors fill a batch up.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.tower = model.model.vision_model
        self.connector = model.model.connector
        positions = self.tower.embeddings.position_embedding(patch_places(self.tower))  # (patches of a tile, width)
        self.register_buffer("positions", positions.detach(), persistent=False)

    def forward(self, pixel_values: torch.Tensor, pixel_attention_mask: torch.Tensor) -> torch.Tensor:
        tiles = pixel_values.flatten(0, 1)
        is_shown = pixel_attention_mask.flatten(0, 1).flatten(1).any(dim=1) & (tiles != 0).flatten(1).any(dim=1)  # (B * T,)
        patches = self.tower.embeddings.patch_embedding(tiles.to(self.positions.dtype)).flatten(2).transpose(1, 2)
        states = self.tower.encoder(inputs_embeds=patches + self.positions, attention_mask=None).last_hidden_state
        features = self.connector(self.tower.post_layernorm(states)).float()  # (B * T, features of a tile, width)
        return features[is_shown].flatten(0, 1)


def tile_encoder(model: PreTrainedModel) -> Graph:
    """The graph of a model, which is changed for it."""
    fuse(model.model.vision_model, MULTI_HEAD_ATTENTION)
    config = model.config.vision_config
    side = config.image_size
    pixels = torch.ones(2, 3, config.num_channels, side, side)
    mask = torch.ones(2, 3, side, side, dtype=torch.bool)
    axes = {0: "batch_size", 1: "num_tiles"}
    names = ["pixel_values", "pixel_attention_mask"]
    return Graph(VISION_ENCODER, TileEncoder(model), (pixels, mask), (axes, axes), names, ["image_features"])
