"""The splice into `smolvlm`: pixel shuffle and a projector join the two, and the result is a stock checkpoint.

The splice is a configuration, not a class: `SmolVLMConfig` takes any text model.
"""

import logging
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, SmolVLMConfig, SmolVLMForConditionalGeneration

from smvl.layouts.splicing import SpliceOptions, describe_text, share_config, size_of_words, start_linears
from smvl.model.donors import SIGLIP_TOWERS, DonorError, VisionDonor, read_projector
from smvl.model.modeling_smvl import SmVLMConfig, SmVLMForConditionalGeneration

logger = logging.getLogger(__name__)

_MODEL_CLASSES = {
    "linear": (SmolVLMConfig, SmolVLMForConditionalGeneration),
    "mlp": (SmVLMConfig, SmVLMForConditionalGeneration),
}


class SmolVLMSplicer:
    """As `smvl.layouts.splicing.Splicer`."""

    def check_tower(self, vision: VisionDonor) -> None:
        if vision.family is not SIGLIP_TOWERS:
            raise DonorError(
                f"the vision encoder in {vision.folder} is a {vision.kind}'s, which sees pictures at their own resolution, and layout "
                "smolvlm cuts them into tiles. Set model.layout: qwen3_vl, or take a SmolVLM, Idefics3 or SigLIP folder."
            )

    def check(self, vision: VisionDonor, text_config: PreTrainedConfig, options: SpliceOptions) -> None:
        self.check_tower(vision)
        vision.scale_factor(options.scale_factor)

    def assemble(self, vision: VisionDonor, tower: nn.Module, language_model: PreTrainedModel, options: SpliceOptions) -> PreTrainedModel:
        config_class, model_class = _MODEL_CLASSES[options.projector]
        config = config_class(
            vision_config=vision.config.to_dict(),
            text_config=describe_text(language_model.config, options.pad_token_id),
            scale_factor=vision.scale_factor(options.scale_factor),
            **options.token_ids,
            tie_word_embeddings=language_model.config.tie_word_embeddings,
            pad_token_id=options.pad_token_id,
            dtype=language_model.dtype,
        )
        attention = language_model.config._attn_implementation
        with torch.device("meta"):
            model = model_class._from_config(config, attn_implementation=attention)
        model.model.vision_model = tower
        model.model.text_model = language_model.base_model
        model.lm_head = language_model.get_output_embeddings()
        share_config(tower, model.config.vision_config)
        share_config(language_model.base_model, model.config.text_config)
        model.config._attn_implementation = attention
        model.tie_weights()
        return model

    def start_connector(self, model: PreTrainedModel, generator: torch.Generator) -> None:
        projection = model.model.connector.modality_projection
        start_linears(projection, word_size=size_of_words(model), generator=generator)
        logger.info("Newly made: the projector, %s parameters.", f"{sum(each.numel() for each in projection.parameters()):,}")


@torch.no_grad()
def take_projector(model: SmolVLMForConditionalGeneration, folder: str | Path) -> None:
    """Start the projector with that of another checkpoint, in the place of a new one.

    Raises:
        DonorError: there is none in the folder, or it is of other shapes.
    """
    own, found = model.model.connector.state_dict(), read_projector(folder)
    shapes = [{name: tuple(tensor.shape) for name, tensor in sorted(each.items())} for each in (found, own)]
    if shapes[0] != shapes[1]:
        raise DonorError(f"the projector in {folder} does not fit: found {shapes[0]}, expected {shapes[1]}.")
    model.model.connector.load_state_dict(found)
    logger.info("The projector is that of %s.", folder)
