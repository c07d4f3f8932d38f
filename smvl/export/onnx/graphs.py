"""The three graphs of an export, as modules to trace; transformers.js calls them `embed_tokens`, `vision_encoder`, `decoder_model_merged`.

In all of them B is the batch, S the new tokens, P the tokens before.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from smvl.export.onnx.attention import GROUP_QUERY_ATTENTION, GraphCache, check_text_model, fuse, head_width
from smvl.export.onnx.graph import Graph
from smvl.export.onnx.patch_vision import patch_encoder
from smvl.export.onnx.tile_vision import tile_encoder
from smvl.infer.onnx_folder import DECODER, EMBED_TOKENS
from smvl.layouts.find_model import layout_of
from smvl.layouts.modules import split_features

VISION_GRAPHS: dict[str, Callable[[PreTrainedModel], Graph]] = {"smolvlm": tile_encoder, "qwen3_vl": patch_encoder}
"""By layout."""
NUM_GIVEN_AXES = 3
"""Of positions that are handed in: time, height and width."""


def graphs_of(model: PreTrainedModel) -> list[Graph]:
    """The graphs of a model, which is changed for it (see `attention.fuse`) and of no other use afterwards.

    Raises:
        ValueError: the text model's attention is of a kind that onnxruntime's operator does not have.
    """
    check_text_model(model.config.text_config)
    model.eval().requires_grad_(False)
    layout_of(model).prepare(model)
    fuse(model.get_decoder(), GROUP_QUERY_ATTENTION)
    return [_embed_tokens(model), VISION_GRAPHS[layout_of(model).name](model), _decoder(model)]


class TokenEmbedding(nn.Module):
    """input_ids (B, S) int64 -> inputs_embeds (B, S, width * (1 + taps)) float32.

    Behind a word's embedding stand zeros, in the place of what DeepStack adds to the text model's first layers: so a runtime that knows
    nothing of it puts a picture's features where they belong.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.embedding = model.get_input_embeddings()
        self.num_zeros = self.embedding.embedding_dim * layout_of(model).num_taps(model)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        embeddings = self.embedding(input_ids).float()
        return functional.pad(embeddings, (0, self.num_zeros)) if self.num_zeros else embeddings


class Decoder(nn.Module):
    """The text model with its head, and keys and values handed in and out.

    inputs_embeds (B, S, width * (1 + taps)) float32, attention_mask (B, P + S) int64, of each layer past keys and values (B, heads, P,
    head_dim), and where the model counts in several axes position_ids (3, B, S) int64 -> logits (B, 1, vocabulary) float32 of what follows
    the last token, and present keys and values (B, heads, P + S, head_dim).

    Rows are of one length and without padding; positions that are not handed in are counted from the first token of the mask.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.text_model, self.head = model.get_decoder(), model.get_output_embeddings()
        self.layout, self.width, self.dtype = layout_of(model), model.config.text_config.hidden_size, model.dtype

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        past: list[tuple[torch.Tensor, torch.Tensor]],
        position_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        num_new, num_all = inputs_embeds.shape[1], attention_mask.shape[1]
        cache = GraphCache(
            past,
            last_positions=(attention_mask.sum(dim=1) - 1).to(torch.int32),
            total_length=torch.scalar_tensor(num_all, dtype=torch.int32),
        )
        counted = (torch.arange(num_new, device=inputs_embeds.device) + num_all - num_new).unsqueeze(0)
        # No token's position is beyond its number, as a picture takes fewer than it has tokens. transformers.js 4.3 hands in larger ones
        # for an answer to text alone: it adds the prompt's length where it should be taken off.
        places = counted if position_ids is None else torch.minimum(position_ids, counted)
        embeddings, *deep = split_features(inputs_embeds.to(self.dtype), self.width)
        states = self.text_model(
            inputs_embeds=embeddings,
            position_ids=places,
            use_cache=False,
            graph_cache=cache,
            **self.layout.text_options(None, deep),
        ).last_hidden_state
        present = [states for layer in sorted(cache.present) for states in cache.present[layer]]
        return self.head(states[:, -1:]).float(), present


def _embed_tokens(model: PreTrainedModel) -> Graph:
    ids = torch.zeros(2, 5, dtype=torch.int64)
    axes = {0: "batch_size", 1: "sequence_length"}
    return Graph(EMBED_TOKENS, TokenEmbedding(model), (ids,), (axes,), ["input_ids"], ["inputs_embeds"])


def _decoder(model: PreTrainedModel) -> Graph:
    layout, text = layout_of(model), model.config.text_config
    num_layers, before, new = text.num_hidden_layers, 3, 5
    shape = (1, text.num_key_value_heads, before, head_width(text))
    # Each its own tensor: the tracer would make one input of those that are shared.
    past = [(torch.zeros(shape, dtype=model.dtype), torch.zeros(shape, dtype=model.dtype)) for _ in range(num_layers)]
    width = text.hidden_size * (1 + layout.num_taps(model))
    inputs = (torch.ones(1, new, width), torch.ones(1, before + new, dtype=torch.int64), past)
    axes = (
        {0: "batch_size", 1: "sequence_length"},
        {0: "batch_size", 1: "total_sequence_length"},
        [({0: "batch_size", 2: "past_sequence_length"},) * 2] * num_layers,
    )
    kept = [f"{layer}.{kind}" for layer in range(num_layers) for kind in ("key", "value")]
    names = ["inputs_embeds", "attention_mask", *(f"past_key_values.{name}" for name in kept)]
    if layout.position_axes:
        inputs += (torch.zeros(NUM_GIVEN_AXES, 1, new, dtype=torch.int64),)
        axes += ({1: "batch_size", 2: "sequence_length"},)
        names.append("position_ids")
    return Graph(DECODER, Decoder(model), inputs, axes, names, ["logits", *(f"present.{name}" for name in kept)])
