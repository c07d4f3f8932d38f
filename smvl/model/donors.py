"""Reading the two donors: a vision encoder of the SigLIP family and a decoder-only text model, each from its own folder."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionTransformer

from smvl.model.loading import WeightsError, load_whole

logger = logging.getLogger(__name__)

_TOWER_PREFIXES = {
    "smolvlm": "model.vision_model.",
    "idefics3": "model.vision_model.",
    "siglip": "vision_model.",
    "siglip_vision_model": "vision_model.",
}
"""Where each kind of checkpoint keeps its vision encoder."""

_POOLING_HEAD = "head."
"""SigLIP's attention pooling: it makes one vector of an image, and a language model reads the patches instead."""


class DonorError(ValueError):
    """A donor folder that cannot be used; the message names it."""


@dataclass(frozen=True)
class VisionDonor:
    """What is known of a vision donor before its weights are read."""

    folder: Path
    kind: str
    """Its `model_type`."""
    config: SmolVLMVisionConfig
    own_scale_factor: int | None
    """The pixel shuffle that it was trained with, if any."""

    @property
    def patches_per_side(self) -> int:
        return self.config.image_size // self.config.patch_size

    def scale_factor(self, asked: int | None) -> int:
        """The side of the square of patches that becomes one token: as asked, the donor's own, or the largest up to 4 that divides."""
        side = self.patches_per_side
        chosen = asked or self.own_scale_factor or next(factor for factor in (4, 3, 2, 1) if side % factor == 0)
        if side % chosen:
            raise DonorError(
                f"scale_factor {chosen} does not divide the {side} x {side} patches of a {self.config.image_size}-pixel tile in "
                f"{self.folder}; choose one of {[factor for factor in range(1, side + 1) if side % factor == 0]}."
            )
        return chosen


def read_vision_donor(folder: str | Path) -> VisionDonor:
    """Read the configuration of a SmolVLM, Idefics3 or SigLIP folder.

    Raises:
        DonorError: there is no such folder, or it holds another kind of model.
    """
    config = _read_config(folder)
    if config.model_type not in _TOWER_PREFIXES:
        raise DonorError(
            f"{folder} holds a {config.model_type} model; a vision donor must be one of {', '.join(_TOWER_PREFIXES)}. Set model.vision."
        )
    vision = config if config.model_type == "siglip_vision_model" else config.vision_config
    fields = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size")
    fields += ("patch_size", "hidden_act", "layer_norm_eps", "attention_dropout")
    tower = SmolVLMVisionConfig(**{name: getattr(vision, name) for name in fields})
    if tower.image_size // tower.patch_size < 1:
        raise DonorError(f"{folder}: image_size {tower.image_size} is smaller than one patch of {tower.patch_size} pixels.")
    own_scale_factor = config.scale_factor if config.model_type in ("smolvlm", "idefics3") else None
    return VisionDonor(Path(folder), config.model_type, tower, own_scale_factor)


def make_tower(donor: VisionDonor, *, dtype: torch.dtype, attention: str) -> SmolVLMVisionTransformer:
    """The vision encoder before its weights are loaded.

    Raises:
        DonorError: it cannot be made; what the attention needs may not be installed.
    """
    try:
        return SmolVLMVisionTransformer._from_config(donor.config, dtype=dtype, attn_implementation=attention)
    except (ImportError, ValueError) as error:
        raise DonorError(f"the vision encoder in {donor.folder} cannot be made with attention {attention}: {error}") from error


def load_tower(donor: VisionDonor, *, dtype: torch.dtype, attention: str) -> SmolVLMVisionTransformer:
    """Load the vision encoder, every tensor of it and nothing else.

    Raises:
        DonorError: a tensor is missing, unknown or of another shape, or the encoder cannot be made.
    """
    tower = make_tower(donor, dtype=dtype, attention=attention)
    found = _read_tensors(donor.folder, _TOWER_PREFIXES[donor.kind])
    if donor.kind.startswith("siglip"):
        found = {name: tensor for name, tensor in found.items() if not name.startswith(_POOLING_HEAD)}
    expected = tower.state_dict()
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    reshaped = sorted(name for name in expected.keys() & found.keys() if expected[name].shape != found[name].shape)
    if missing or unknown or reshaped:
        raise DonorError(
            f"the vision encoder in {donor.folder} does not match its config.json: missing {_first(missing)}, unknown {_first(unknown)}, "
            f"of another shape {_first(reshaped)}. Download the folder again."
        )
    tower.load_state_dict(found, strict=True)
    logger.info("Vision encoder: all %d tensors loaded from %s.", len(found), donor.folder)
    return tower


def make_text(folder: str | Path, *, dtype: torch.dtype, attention: str) -> PreTrainedModel:
    """The text model before its weights are loaded.

    Raises:
        DonorError: the folder is no text donor, or the model cannot be made; what the attention needs may not be installed.
    """
    config = check_text_donor(folder)
    try:
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    except (ImportError, ValueError) as error:
        raise DonorError(f"the text model in {folder} cannot be made with attention {attention}: {error}") from error


def load_text(folder: str | Path, *, dtype: torch.dtype, attention: str) -> PreTrainedModel:
    """Load a decoder-only model of any kind that transformers knows, every tensor of it.

    Raises:
        DonorError: the folder is missing, is not a causal language model, or a tensor is missing, unknown or of another shape.
    """
    check_text_donor(folder)
    try:
        model = load_whole(AutoModelForCausalLM, folder, dtype=dtype, attention=attention)
    except WeightsError as error:
        raise DonorError(f"{error} Download the folder again.") from error
    logger.info("Text model: all %d tensors loaded from %s.", len(model.state_dict()), folder)
    return model


def check_text_donor(folder: str | Path) -> PreTrainedConfig:
    """The configuration of a decoder-only language model; its weights are not read. Raises `DonorError` for any other folder."""
    config = _read_config(folder)
    if config.is_encoder_decoder or type(config) not in AutoModelForCausalLM._model_mapping:
        raise DonorError(
            f"{folder} holds a {config.model_type} model; the text donor must be a decoder-only language model. Set model.text."
        )
    return config


def check_donor_folder(folder: str | Path) -> None:
    """Raise `DonorError` unless the folder is there with a configuration and safetensors weights; quick, for a check before a run."""
    path = Path(folder)
    if not path.is_dir():
        raise DonorError(f"there is no folder {folder}.")
    if not (path / "config.json").is_file():
        raise DonorError(f"{folder} has no config.json.")
    if not list(path.glob("*.safetensors")):
        raise DonorError(f"{folder} has no .safetensors weights.")


def _read_config(folder: str | Path) -> PreTrainedConfig:
    check_donor_folder(folder)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        raise DonorError(f"{folder}/config.json cannot be read: {error}") from error


def _read_tensors(folder: Path, prefix: str) -> dict[str, torch.Tensor]:
    """The tensors below `prefix`, from one file or from shards."""
    tensors = {}
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                wanted = [name for name in file.keys() if name.startswith(prefix)]
                tensors |= {name.removeprefix(prefix): file.get_tensor(name) for name in wanted}
        except (OSError, SafetensorError) as error:
            raise DonorError(f"{path} cannot be read ({error}). Download the folder again.") from error
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return [folder / "model.safetensors"]
    return [folder / name for name in sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))]


def _first(names: list[str]) -> str:
    """At most three names and how many more there are."""
    return "none" if not names else ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
