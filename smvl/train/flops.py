"""How much arithmetic a training step needs: matrix products only, forwards and backwards, of what really learns."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import SmolVLMForConditionalGeneration

from smvl.layouts.find_model import layout_of
from smvl.model import chinese_adapter, marker_rows

# Dense bfloat16 matrix products with float32 sums, operations a second, by what a card's name contains. From NVIDIA's data sheets.
_CARD_PEAKS = {
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100": 989.4e12,
    "H800": 989.4e12,
    "H20": 148e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L20": 119.5e12,
    "L4": 121e12,
    "A10G": 70e12,
    "A10": 125e12,
    "RTX 5090": 209.5e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}


@dataclass(frozen=True)
class BatchSize:
    """What decides a batch's arithmetic."""

    tokens: int
    token_pairs: int
    """Sum over samples of their length squared."""
    loss_tokens: int
    units: int
    """Tiles or patches."""
    shapes: tuple[tuple[int, int], ...]
    """Of pictures."""

    @classmethod
    def of(cls, batch: dict[str, Any]) -> "BatchSize":
        """The size of a batch as the collator makes it."""
        return cls(
            tokens=batch["input_ids"].numel(),
            token_pairs=sum(length**2 for length in batch["sample_lengths"]),
            loss_tokens=len(batch["targets"]),
            units=len(batch["pixels"]) if "pixels" in batch else 1,
            shapes=tuple(batch.get("shapes", [(1, 1)])),
        )


def card_peak(device: torch.device) -> float | None:
    """Operations a second of this card in bfloat16; None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in _CARD_PEAKS.items() if part in name), None)


def training_flops(model: SmolVLMForConditionalGeneration, size: BatchSize) -> float:
    """Floating point operations of a step on this batch, with the weights that learn now.

    A product costs its forward pass once, once more where its input's gradient is needed, and once more where its weight learns. What
    is computed again for activation checkpointing does not count. Causal attention counts half of its square.
    """
    layout, vision = layout_of(model), model.config.vision_config
    windows = layout.windows(model, size.units, size.shapes)
    patches, pairs = sum(windows), sum(window**2 for window in windows)
    total = 2.0 * patches * layout.patch_weight(model).numel() * (1 + layout.patch_weight(model).requires_grad)
    layers = layout.vision_layers(model)
    within = {id(parameter) for layer in layers for parameter in layer.parameters()}
    reached = any(each.requires_grad for part in layout.vision(model) for each in part.parameters() if id(each) not in within)
    for layer in layers:
        reached = reached or _learns(layer)
        total += _products(_linears(layer), patches, reached) + _attention(pairs * vision.hidden_size, reached)
    tokens = size.units * layout.tokens_per_unit(model)
    for part in layout.connector(model):
        for linear in _linears(part):
            total += _products([linear], tokens, reached)
            reached = reached or _learns(linear)
    beside = [model._modules[name] for name in (marker_rows.ATTRIBUTE, chinese_adapter.ATTRIBUTE) if name in model._modules]
    reached = reached or any(map(_learns, [model.get_input_embeddings(), *beside]))
    text = model.config.text_config
    width = text.num_attention_heads * (getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    for layer in model.get_decoder().layers:
        reached = reached or _learns(layer)
        total += _products(_linears(layer), size.tokens, reached) + _attention(size.token_pairs * width / 2, reached)
    return total + _products([model.lm_head], size.loss_tokens, reached)


def _products(modules: Iterable[nn.Module], rows: float, reached: bool) -> float:
    """Of linear maps over `rows` rows; `reached` says whether the gradient of their input is needed."""
    return sum(2.0 * rows * module.weight.numel() * (1 + reached + module.weight.requires_grad) for module in modules)


def _attention(cells: float, reached: bool) -> float:
    """Scores and weighted values; `cells` is pairs of positions times width."""
    return 4.0 * cells * (3 if reached else 1)


def _linears(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, nn.Linear)]


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())
