"""What differs from transformers' SmolVLM when the projector is not one matrix. Travels inside the checkpoints that need it.

With `projector: linear` a spliced model is a stock `SmolVLMForConditionalGeneration` and nothing here is used. This file imports
only torch and transformers, so that a checkpoint can carry it (`auto_map`, loaded with `trust_remote_code=True`).
"""

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, SmolVLMConfig, SmolVLMForConditionalGeneration


class SmVLMConfig(SmolVLMConfig):
    """SmolVLM's configuration for a model with a two-layer projector."""

    model_type = "smvl"


class SmVLMProjector(nn.Module):
    """Linear, GELU, Linear: the projector of LLaVA-1.5 (arXiv 2310.03744), on pixel-shuffled features."""

    def __init__(self, config: SmVLMConfig):
        super().__init__()
        width = config.text_config.hidden_size
        self.fc1 = nn.Linear(config.vision_config.hidden_size * config.scale_factor**2, width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(width, width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.act(self.fc1(features)))  # (num_tiles, tokens_per_tile, text width)


class SmVLMForConditionalGeneration(SmolVLMForConditionalGeneration):
    """SmolVLM with `SmVLMProjector` between the vision encoder and the text model."""

    config_class = SmVLMConfig

    def __init__(self, config: SmVLMConfig):
        super().__init__(config)
        self.model.connector.modality_projection = SmVLMProjector(config)
        self.post_init()


AutoConfig.register(SmVLMConfig.model_type, SmVLMConfig, exist_ok=True)
AutoModelForImageTextToText.register(SmVLMConfig, SmVLMForConditionalGeneration, exist_ok=True)
SmVLMConfig.register_for_auto_class()
SmVLMForConditionalGeneration.register_for_auto_class("AutoModelForImageTextToText")
