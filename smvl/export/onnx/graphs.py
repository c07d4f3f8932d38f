"""The three graphs of an export, as modules to trace; transformers.js calls them `embed_tokens`, `vision_encoder`, `decoder_model_merged`.

Inputs and outputs have the names and shapes that transformers.js 4 looks up. In all of them B is the batch, S the new tokens, P the
tokens before, T the tiles.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import SmolVLMForConditionalGeneration

from smvl.export.onnx.attention import GROUP_QUERY_ATTENTION, MULTI_HEAD_ATTENTION, GraphCache, check_text_model, fuse, head_width
from smvl.layouts.smolvlm.vision_tower import patch_places


@dataclass(frozen=True)
class Graph:
    """A module with what the tracer has to know of it."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    """Examples; tensors that may be of another size are of different sizes here."""
    dynamic_shapes: tuple[Any, ...]
    """For each input the names of the axes whose size varies."""
    input_names: list[str]
    output_names: list[str]


def graphs_of(model: SmolVLMForConditionalGeneration) -> list[Graph]:
    """The graphs of a model, which is changed for it (see `attention.fuse`) and of no other use afterwards.

    Raises:
        ValueError: the text model's attention is of a kind that onnxruntime's operator does not have.
    """
    check_text_model(model.config.text_config)
    model.eval().requires_grad_(False)
    fuse(model.model.text_model, GROUP_QUERY_ATTENTION)
    fuse(model.model.vision_model, MULTI_HEAD_ATTENTION)
    return [_embed_tokens(model), _vision_encoder(model), _decoder(model)]


class TokenEmbedding(nn.Module):
    """input_ids (B, S) int64 -> inputs_embeds (B, S, width) float32."""

    def __init__(self, model: SmolVLMForConditionalGeneration):
        super().__init__()
        self.embedding = model.get_input_embeddings()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.embedding(input_ids).float()


class VisionEncoder(nn.Module):
    """Tower and connector.

    pixel_values (B, T, 3, tile, tile) float32 and pixel_attention_mask (B, T, tile, tile) bool -> image_features (all features, width)
    float32, in the order of the tiles. A tile gives none where its mask is false or its pixels are zero throughout: that is how
    transformers.js and the Hugging Face processors fill a batch up.
    """

    def __init__(self, model: SmolVLMForConditionalGeneration):
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


class Decoder(nn.Module):
    """The text model with its head, and keys and values handed in and out.

    inputs_embeds (B, S, width) float32, attention_mask (B, P + S) int64 and of each layer past keys and values (B, heads, P, head_dim) ->
    logits (B, 1, vocabulary) float32 of what follows the last token, and present keys and values (B, heads, P + S, head_dim).

    Positions are counted from the first token of the mask: rows are of one length and without padding.
    """

    def __init__(self, model: SmolVLMForConditionalGeneration):
        super().__init__()
        self.text_model, self.head = model.model.text_model, model.lm_head
        self.dtype = model.dtype

    def forward(
        self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor, past: list[tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        num_new, num_all = inputs_embeds.shape[1], attention_mask.shape[1]
        cache = GraphCache(
            past,
            last_positions=(attention_mask.sum(dim=1) - 1).to(torch.int32),
            total_length=torch.scalar_tensor(num_all, dtype=torch.int32),
        )
        states = self.text_model(
            inputs_embeds=inputs_embeds.to(self.dtype),
            position_ids=(torch.arange(num_new, device=inputs_embeds.device) + num_all - num_new).unsqueeze(0),
            use_cache=False,
            graph_cache=cache,
        ).last_hidden_state
        present = [states for layer in sorted(cache.present) for states in cache.present[layer]]
        return self.head(states[:, -1:]).float(), present


def _embed_tokens(model: SmolVLMForConditionalGeneration) -> Graph:
    ids = torch.zeros(2, 5, dtype=torch.int64)
    axes = {0: "batch_size", 1: "sequence_length"}
    return Graph("embed_tokens", TokenEmbedding(model), (ids,), (axes,), ["input_ids"], ["inputs_embeds"])


def _vision_encoder(model: SmolVLMForConditionalGeneration) -> Graph:
    config = model.config.vision_config
    side = config.image_size
    pixels = torch.ones(2, 3, config.num_channels, side, side)
    mask = torch.ones(2, 3, side, side, dtype=torch.bool)
    axes = {0: "batch_size", 1: "num_tiles"}
    names = ["pixel_values", "pixel_attention_mask"]
    return Graph("vision_encoder", VisionEncoder(model), (pixels, mask), (axes, axes), names, ["image_features"])


def _decoder(model: SmolVLMForConditionalGeneration) -> Graph:
    text = model.config.text_config
    num_layers, before, new = text.num_hidden_layers, 3, 5
    shape = (1, text.num_key_value_heads, before, head_width(text))
    # Each its own tensor: the tracer would make one input of those that are shared.
    past = [(torch.zeros(shape, dtype=model.dtype), torch.zeros(shape, dtype=model.dtype)) for _ in range(num_layers)]
    inputs = (torch.ones(1, new, text.hidden_size), torch.ones(1, before + new, dtype=torch.int64), past)
    axes = (
        {0: "batch_size", 1: "sequence_length"},
        {0: "batch_size", 1: "total_sequence_length"},
        [({0: "batch_size", 2: "past_sequence_length"},) * 2] * num_layers,
    )
    kept = [f"{layer}.{kind}" for layer in range(num_layers) for kind in ("key", "value")]
    return Graph(
        "decoder_model_merged",
        Decoder(model),
        inputs,
        axes,
        ["inputs_embeds", "attention_mask", *(f"past_key_values.{name}" for name in kept)],
        ["logits", *(f"present.{name}" for name in kept)],
    )
