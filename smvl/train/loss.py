"""The loss: cross-entropy at supervised positions only. Logits of other positions are never computed."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from smvl.processing.layout import IGNORED_LABEL


def supervised_loss(model: nn.Module, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the token losses of a packed batch, and the number of tokens that it sums over.

    Args:
        model: a SmolVLM-like model, possibly wrapped for several processes.
        batch: what `PackCollator` makes.

    No attention mask and no cache are passed: with either, packed samples would see each other.
    """
    targets = functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED_LABEL)  # (B, L): what each position predicts
    positions = (targets != IGNORED_LABEL).any(dim=0).nonzero().squeeze(1)  # (K,)
    outputs = model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        pixel_values=batch.get("pixel_values"),
        logits_to_keep=positions,
        use_cache=False,
    )
    wanted = targets[:, positions]  # (B, K)
    logits = outputs.logits.float().flatten(0, 1)  # (B * K, vocabulary)
    total = functional.cross_entropy(logits, wanted.flatten(), ignore_index=IGNORED_LABEL, reduction="sum")
    return total, (wanted != IGNORED_LABEL).sum()


def idle_vision_loss(model: Any) -> torch.Tensor:
    """Zero, but it reaches every weight between pixels and text.

    A process whose batch has no image must still take part in averaging the gradients of those weights, or all others wait for it
    for ever. One black tile costs little and gives every process the same graph.
    """
    config = model.config.vision_config
    tile = torch.zeros(1, 1, config.num_channels, config.image_size, config.image_size, device=model.device)
    features = model.get_image_features(tile, return_dict=True).pooler_output
    return sum(feature.float().sum() for feature in features) * 0.0
