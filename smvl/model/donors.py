"""Reading the two donors: a vision encoder of SigLIP's or Qwen's family and a decoder-only text model, each from its own folder."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionTransformer

from smvl.model.config_values import check_values
from smvl.model.finite_weights import check_finite
from smvl.model.loading import WeightsError, first_names, load_whole
from smvl.model_folder import ModelFolderError, read_config
from smvl.settings_files import INDEX_FILE, MODEL_FILES, SettingsFileError, check_folder, check_objects, read_object, reading

logger = logging.getLogger(__name__)

_PROJECTOR = "model.connector."
"""What the names of a projector begin with in a spliced checkpoint."""


@dataclass(frozen=True)
class TowerFamily:
    """Vision encoders that one class of transformers builds."""

    config_class: type[PreTrainedConfig]
    tower_class: type[PreTrainedModel]
    depth: str
    """Name of the number of layers among `sizes`."""
    sizes: tuple[str, ...]
    """Fields of the configuration that are whole numbers above 0."""
    fields: tuple[str, ...]
    """The others that decide what it computes."""
    patches: str
    """A tensor that every one of them has."""


SIGLIP_TOWERS = TowerFamily(
    SmolVLMVisionConfig,
    SmolVLMVisionTransformer,
    "num_hidden_layers",
    ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size", "patch_size"),
    ("hidden_act", "layer_norm_eps", "attention_dropout"),
    "embeddings.patch_embedding.weight",
)
QWEN_TOWERS = TowerFamily(
    Qwen3VLVisionConfig,
    Qwen3VLVisionModel,
    "depth",
    (
        *("depth", "hidden_size", "intermediate_size", "num_heads", "in_channels", "patch_size", "spatial_merge_size"),
        *("temporal_patch_size", "num_position_embeddings", "out_hidden_size"),
    ),
    ("hidden_act", "rope_parameters"),
    "patch_embed.proj.weight",
)
"""Of native resolution: Qwen3-VL's, and Qwen3.5's, which is the same without DeepStack."""

_KINDS = {
    "smolvlm": (SIGLIP_TOWERS, ("model.vision_model.",)),
    "idefics3": (SIGLIP_TOWERS, ("model.vision_model.",)),
    "siglip": (SIGLIP_TOWERS, ("vision_model.",)),
    "siglip_vision_model": (SIGLIP_TOWERS, ("vision_model.", "")),
    "qwen3_vl": (QWEN_TOWERS, ("model.visual.", "visual.")),
    "qwen3_5": (QWEN_TOWERS, ("model.visual.", "visual.")),
}
"""By `model_type`, and where such a checkpoint keeps its encoder. transformers 5 writes a tower alone without a prefix, 4 with one."""

MAX_LAYERS, _MAX_SIZE = 1000, 1_000_000
"""More than any model has; to build a million layers takes minutes, and all memory."""

_QUANTIZATION_KEYS = ("quantization_config", "quantization", "compression_config")
"""Where Hugging Face's formats (GPTQ, AWQ, bitsandbytes, FP8), MLX's and compressed-tensors' describe themselves."""

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
    config: PreTrainedConfig
    own_scale_factor: int | None
    """Side of the square of patches that became one token where it was trained, if any did."""

    @property
    def family(self) -> TowerFamily:
        return _KINDS[self.kind][0]

    @property
    def patches_per_side(self) -> int:
        """Of the square for which it has a position of its own for each patch."""
        if self.family is QWEN_TOWERS:
            return math.isqrt(self.config.num_position_embeddings)
        return self.config.image_size // self.config.patch_size

    @property
    def tile(self) -> int:
        """Side of that square in pixels; an encoder with tiles reads no other."""
        return self.patches_per_side * self.config.patch_size if self.family is QWEN_TOWERS else self.config.image_size

    def scale_factor(self, asked: int | None) -> int:
        """The side of the square of patches that becomes one token: as asked, the donor's own, or the largest up to 4 that divides."""
        side = self.patches_per_side
        chosen = asked or self.own_scale_factor or next(factor for factor in (4, 3, 2, 1) if side % factor == 0)
        if chosen < 1 or side % chosen:
            raise DonorError(
                f"scale_factor {chosen} does not divide the {side} x {side} patches of a {self.tile}-pixel tile in "
                f"{self.folder}; choose one of {[factor for factor in range(1, side + 1) if side % factor == 0]}."
            )
        return chosen


def read_vision_donor(folder: str | Path) -> VisionDonor:
    """Read the configuration of a SmolVLM, Idefics3, SigLIP, Qwen3-VL or Qwen3.5 folder.

    Raises:
        DonorError: there is no such folder, or it holds another kind of model.
    """
    config = _read_config(folder)
    if config.model_type not in _KINDS:
        raise DonorError(
            f"{folder} holds a {config.model_type} model; a vision donor must be one of {', '.join(_KINDS)}. Set model.vision."
        )
    family = _KINDS[config.model_type][0]
    vision = config if config.model_type == "siglip_vision_model" else config.vision_config
    with reading(f"{folder}/config.json does not describe a vision encoder", DonorError):
        tower = family.config_class(**{name: getattr(vision, name) for name in (*family.sizes, *family.fields)})
    for name in family.sizes:
        most = MAX_LAYERS if name == family.depth else _MAX_SIZE
        if type(getattr(tower, name)) is not int or not 1 <= getattr(tower, name) <= most:
            raise DonorError(f"{folder}/config.json: {name} of the vision encoder is {getattr(tower, name)!r}; expected 1 to {most:,}.")
    if family is QWEN_TOWERS:
        tower.deepstack_visual_indexes = list(getattr(vision, "deepstack_visual_indexes", None) or [])
        return VisionDonor(Path(folder), config.model_type, tower, tower.spatial_merge_size)
    if tower.image_size // tower.patch_size < 1:
        raise DonorError(f"{folder}: image_size {tower.image_size} is smaller than one patch of {tower.patch_size} pixels.")
    own_scale_factor = config.scale_factor if config.model_type in ("smolvlm", "idefics3") else None
    return VisionDonor(Path(folder), config.model_type, tower, own_scale_factor)


def make_tower(donor: VisionDonor, *, dtype: torch.dtype, attention: str) -> PreTrainedModel:
    """The vision encoder before its weights are loaded.

    Raises:
        DonorError: it cannot be made; what the attention needs may not be installed.
    """
    with reading(f"the vision encoder in {donor.folder} cannot be made with model.attention {attention}", DonorError):
        return donor.family.tower_class._from_config(donor.config, dtype=dtype, attn_implementation=attention)


def load_tower(donor: VisionDonor, *, dtype: torch.dtype, attention: str) -> PreTrainedModel:
    """Load the vision encoder, every tensor of it and nothing else.

    Raises:
        DonorError: a tensor is missing, unknown or of another shape, or the encoder cannot be made.
    """
    found = _read_tensors(donor)
    if donor.kind.startswith("siglip"):
        found = {name: tensor for name, tensor in found.items() if not name.startswith(_POOLING_HEAD)}
    _check_tensors(donor, found)
    check_finite(found.items(), f"the vision encoder in {donor.folder}")
    tower = make_tower(donor, dtype=dtype, attention=attention)
    tower.load_state_dict(found, strict=True)
    logger.info("Vision encoder: all %d tensors loaded from %s.", len(found), donor.folder)
    return tower


def _check_tensors(donor: VisionDonor, found: dict[str, torch.Tensor]) -> None:
    """Raise `DonorError` unless they are those of config.json, before it takes memory, of which it may ask for more than there is."""
    depth = getattr(donor.config, donor.family.depth)
    if depth > len(found):
        raise DonorError(
            f"{donor.folder}/config.json asks for {depth:,} layers of the vision encoder, but its weights hold "
            f"{len(found):,} tensors. Download the folder again."
        )
    with torch.device("meta"):
        expected = make_tower(donor, dtype=torch.float32, attention="eager").state_dict()
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    reshaped = sorted(name for name in expected.keys() & found.keys() if expected[name].shape != found[name].shape)
    if missing or unknown or reshaped:
        raise DonorError(
            f"the vision encoder in {donor.folder} does not match its config.json: missing {first_names(missing)}, unknown "
            f"{first_names(unknown)}, of another shape {first_names(reshaped)}. Download the folder again."
        )


def make_text(folder: str | Path, *, dtype: torch.dtype, attention: str) -> PreTrainedModel:
    """The text model before its weights are loaded.

    Raises:
        DonorError: the folder is no text donor, or the model cannot be made; what the attention needs may not be installed.
    """
    config = check_text_donor(folder)
    with reading(f"the text model in {folder} cannot be made with model.attention {attention}", DonorError):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)


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
    depth = vars(config).get(config.attribute_map.get("num_hidden_layers", "num_hidden_layers"))  # some kinds have another name for it
    if type(depth) is int and depth > MAX_LAYERS:
        raise DonorError(f"{folder}/config.json asks for {depth:,} layers; expected at most {MAX_LAYERS:,}.")
    return config


def check_donor_folder(folder: str | Path) -> None:
    """Raise `DonorError` unless the folder is there with a configuration and safetensors weights; quick, for a check before a run."""
    path = Path(folder)
    if not str(folder).strip():
        raise DonorError("the folder of a model is empty; expected its path.")
    if not path.is_dir():
        raise DonorError(f"there is no folder {folder}.")
    if not (path / "config.json").is_file():
        raise DonorError(f"{folder} has no config.json.")
    if not list(path.glob("*.safetensors")):
        others = sorted(entry.name for entry in path.iterdir() if entry.suffix in (".bin", ".gguf", ".pt", ".pth", ".onnx"))
        raise DonorError(f"{folder} has no .safetensors weights{f'; {others[0]} cannot be read here' if others else ''}.")


def _read_config(folder: str | Path) -> PreTrainedConfig:
    check_donor_folder(folder)
    try:
        check_folder(folder)
        check_objects(folder, MODEL_FILES)
        check_values(read_object(Path(folder) / "config.json"), Path(folder) / "config.json")
    except SettingsFileError as error:
        raise DonorError(f"{error} Download the folder again.") from error
    check_not_quantized(folder)
    try:
        return read_config(folder)
    except ModelFolderError as error:
        raise DonorError(str(error)) from error


def check_not_quantized(folder: str | Path) -> None:
    """Raise `DonorError` for weights that were rounded to few bits: they cannot be joined, nor trained."""
    config = read_object(Path(folder) / "config.json")
    for part in (config, config.get("text_config"), config.get("vision_config")):
        for key in _QUANTIZATION_KEYS if isinstance(part, dict) else ():
            if part.get(key):
                method = part[key].get("quant_method", "") if isinstance(part[key], dict) else ""
                raise DonorError(
                    f"{folder} holds quantized weights (`{key}`{f': {method}' if method else ''} in config.json), which cannot be trained. "
                    "Take the model that it was made of, in float32, bfloat16 or float16."
                )


def _read_tensors(donor: VisionDonor) -> dict[str, torch.Tensor]:
    """The tensors of the vision encoder, from one file or from shards, without whichever prefix they have."""
    (family, prefixes), files = _KINDS[donor.kind], _weight_files(donor.folder)
    names = {name for path in files for name in _tensor_names(path)}
    prefix = next((prefix for prefix in prefixes if prefix + family.patches in names), prefixes[0])
    tensors = {}
    for path in files:
        with safe_open(path, framework="pt") as file:
            tensors |= {name.removeprefix(prefix): file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}
    return tensors


def read_projector(folder: str | Path) -> dict[str, torch.Tensor]:
    """The projector's tensors of a spliced checkpoint, or of a folder that holds nothing else, by their names in the connector.

    Raises:
        DonorError: there is no folder, no weights or no projector in it, or they cannot be read; or a number in them is none.
    """
    if not Path(folder).is_dir():
        raise DonorError(f"there is no folder {folder}.")
    found = {}
    for path in _weight_files(Path(folder)):
        names = [name for name in _tensor_names(path) if name.startswith(_PROJECTOR)]
        with safe_open(path, framework="pt") as file:
            found |= {name.removeprefix(_PROJECTOR): file.get_tensor(name) for name in names}
    if not found:
        raise DonorError(f"{folder} has no projector: no tensor of its weights begins with {_PROJECTOR}")
    check_finite(found.items(), f"the projector in {folder}")
    return found


def _tensor_names(path: Path) -> list[str]:
    with reading(f"{path} cannot be read. Download the folder again", DonorError), safe_open(path, framework="pt") as file:
        return list(file.keys())


def _weight_files(folder: Path) -> list[Path]:
    index = folder / INDEX_FILE
    if not index.exists():
        return [folder / "model.safetensors"]
    shards = read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise DonorError(f"{index} names no files in its weight_map. Download the folder again.")
    return [folder / name for name in sorted(set(shards.values()))]
