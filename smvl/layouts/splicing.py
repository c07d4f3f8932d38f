"""What the splices of all layouts share."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from smvl.model.donors import VisionDonor

logger = logging.getLogger(__name__)

REPORT = "splice_report"
"""Under this name hangs on a module what there is to say of its splice: JSON, for the provenance."""

Projector = Literal["linear", "mlp"]


@dataclass(frozen=True)
class SpliceOptions:
    """How two donors are joined.

    Args:
        token_ids: ids of the markers by the keys that config.json has for them; that of `image_token_id` is replaced by features.
        pad_token_id: of the text model.
        projector: for tiles; `linear` gives a stock `smolvlm` model, `mlp` the class of `modeling_smvl.py`.
        scale_factor: for tiles; side of the square of patches that becomes one token; None takes the vision donor's own.
        deepstack: for native resolution; layers of the encoder, counted from 0, whose features go into the text model's first layers too.
        rotary_alignment: for native resolution; whether attention heads are turned so that a rotation by position disturbs them least.
    """

    token_ids: Mapping[str, int]
    pad_token_id: int
    projector: Projector = "linear"
    scale_factor: int | None = None
    deepstack: tuple[int, ...] = ()
    rotary_alignment: bool = True


class Splicer(Protocol):
    """How one layout joins a vision encoder and a text model."""

    def check_tower(self, vision: VisionDonor) -> None:
        """Raise `DonorError` for an encoder that the layout has not."""
        ...

    def check(self, vision: VisionDonor, text_config: PreTrainedConfig, options: SpliceOptions) -> None:
        """Raise `DonorError` for donors or options that the layout cannot join, before any weight is read."""
        ...

    def assemble(self, vision: VisionDonor, tower: nn.Module, language_model: PreTrainedModel, options: SpliceOptions) -> PreTrainedModel:
        """The whole, which takes the donors' tensors as they are and leaves what is new without storage.

        Args:
            tower: as `smvl.model.donors.load_tower` gives it; on the meta device where only shapes are wanted.
        """
        ...

    def start_connector(self, model: PreTrainedModel, generator: torch.Generator) -> None:
        """Give what is new its storage and its start."""
        ...


def share_config(part: nn.Module, config: PreTrainedConfig) -> None:
    """Let every module of a donor read the whole model's configuration, as in a model that was loaded: a later change must reach all."""
    for module in part.modules():
        if hasattr(module, "config"):
            module.config = config


def describe_text(config: PreTrainedConfig, pad_token_id: int) -> dict[str, Any]:
    """The text configuration with every field that some runtime reads, also those that transformers 5 no longer writes."""
    described = config.to_dict()
    described.pop("_name_or_path", None)  # a path of the machine that spliced means nothing elsewhere
    described["pad_token_id"] = pad_token_id
    described["head_dim"] = described.get("head_dim") or config.hidden_size // config.num_attention_heads
    return described


@torch.no_grad()
def start_linears(module: nn.Module, *, word_size: float, generator: torch.Generator) -> None:
    """Start linear layers that have no storage yet, one behind the other, so that features come out about as large as word embeddings.

    An encoder ends with a layer norm, so a feature's entries have a mean square near one; a first step then neither drowns the words nor
    is drowned by them.
    """
    linears = [part for part in module.modules() if isinstance(part, nn.Linear)]
    for linear in (each for each in linears if each.weight.is_meta):
        linear.to_empty(device="cpu")
        size = word_size if linear is linears[-1] else 1.0
        drawn = torch.empty(linear.weight.shape, dtype=torch.float32)  # older torch draws other numbers in bfloat16
        linear.weight.copy_(drawn.normal_(0.0, size / linear.in_features**0.5, generator=generator))
        if linear.bias is not None:
            linear.bias.zero_()


def splice_report(model: PreTrainedModel) -> dict[str, Any]:
    """What there is to say of how this model was spliced; empty for one that was loaded."""
    return {key: value for module in model.modules() for key, value in vars(module).get(REPORT, {}).items()}


def size_of_words(model: PreTrainedModel) -> float:
    """Root mean square of the word embeddings."""
    return model.get_input_embeddings().weight.float().square().mean().sqrt().item()
