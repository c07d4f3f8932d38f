"""Attention and RMS norm as onnxruntime's fused operators (domain `com.microsoft`), in place of transformers' own while a graph is traced.

transformers looks its attention up by name in a registry and hands it whatever keyword arguments the model was called with. So a graph is
traced through the text model's own code, whichever model it is, and only the attention inside it is another.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.onnx import ops
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

GROUP_QUERY_ATTENTION = "onnx_group_query_attention"
"""Name of the text model's attention in transformers' registry."""
MULTI_HEAD_ATTENTION = "onnx_multi_head_attention"
"""Name of the vision encoder's."""


@dataclass
class GraphCache:
    """Keys and values in a graph: what it is given, and what its attention layers make of them."""

    past: list[tuple[torch.Tensor, torch.Tensor]]
    """Of each layer keys and values, (B, heads, P, head_dim)."""
    last_positions: torch.Tensor
    """(B,) int32: of the last token of each row."""
    total_length: torch.Tensor
    """() int32: tokens of a row, those before and the new ones."""
    present: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    """Of each layer keys and values, (B, heads, P + S, head_dim), once its attention was traced."""


def fuse(model: PreTrainedModel, attention: str) -> None:
    """Give a model the attention of that name, and put onnxruntime's operator in the place of its RMS norms."""
    model.config._attn_implementation = attention
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child).__name__.endswith("RMSNorm"):
                setattr(parent, name, _RMSNorm(child.weight, child.variance_epsilon))


def check_text_model(config: PreTrainedConfig) -> None:
    """
    Raises:
        ValueError: the text model's attention is of a kind that onnxruntime's operator does not have.
    """
    kinds = set(config.layer_types) if hasattr(config, "layer_types") and config.layer_types else {"full_attention"}
    if kinds != {"full_attention"}:
        found = ", ".join(sorted(kinds - {"full_attention"}))
        raise ValueError(f"the text model has layers of {found}; the ONNX export knows full_attention only. Export another one.")
    if head_width(config) % 8:
        raise ValueError(
            f"the text model's attention heads are {head_width(config)} wide; onnxruntime's attention takes multiples of 8. Export another "
            "text model."
        )


def head_width(config: PreTrainedConfig) -> int:
    """Of one attention head of a text model."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


class _RMSNorm(nn.Module):
    def __init__(self, weight: nn.Parameter, epsilon: float):
        super().__init__()
        self.weight, self.epsilon = weight, epsilon

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        attributes = dict(axis=-1, epsilon=self.epsilon, stash_type=1)  # 1: the mean is taken in float32
        inputs = [states, self.weight]
        return ops.symbolic("SimplifiedLayerNormalization", inputs, attributes, dtype=states.dtype, shape=states.shape, version=1)


def _group_query_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    graph_cache: GraphCache,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention of query (B, heads, S, D) over what the cache holds of this layer and key, value (B, kv_heads, S, D)."""
    batch, num_heads, length, width = query.shape
    kv_heads = key.shape[1]
    past_key, past_value = graph_cache.past[module.layer_idx]
    present_shape = (batch, kv_heads, past_key.shape[2] + length, width)
    flat = [_flatten_heads(states) for states in (query, key, value)]
    output, *present = ops.symbolic_multi_out(
        "com.microsoft::GroupQueryAttention",
        [*flat, past_key, past_value, graph_cache.last_positions, graph_cache.total_length],
        dict(num_heads=num_heads, kv_num_heads=kv_heads, scale=float(scaling), do_rotary=0),
        dtypes=(query.dtype,) * 3,
        shapes=(flat[0].shape, present_shape, present_shape),
        version=1,
    )
    graph_cache.present[module.layer_idx] = tuple(present)
    return output.unflatten(-1, (num_heads, width)), None


def _multi_head_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of every patch to every patch; all three are (T, heads, N, D)."""
    num_heads, width = query.shape[1], query.shape[3]
    flat = [_flatten_heads(states) for states in (query, key, value)]
    output = multi_head_attention(*flat, num_heads=num_heads, scaling=scaling)
    return output.unflatten(-1, (num_heads, width)), None


def multi_head_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    num_heads: int,
    scaling: float,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of all to all, where `bias` (1, 1, N, N) of the scores does not forbid it; everything else is (T, N, heads * D)."""
    inputs = [query, key, value] if bias is None else [query, key, value, None, None, bias]
    attributes = dict(num_heads=num_heads, scale=float(scaling))
    return ops.symbolic(
        "com.microsoft::MultiHeadAttention", inputs, attributes, dtype=query.dtype, shape=query.shape, version=1
    )


def _flatten_heads(states: torch.Tensor) -> torch.Tensor:
    return states.transpose(1, 2).flatten(2)  # (B, heads, S, D) -> (B, S, heads * D)


ALL_ATTENTION_FUNCTIONS.register(GROUP_QUERY_ATTENTION, _group_query_attention)
ALL_ATTENTION_FUNCTIONS.register(MULTI_HEAD_ATTENTION, _multi_head_attention)
