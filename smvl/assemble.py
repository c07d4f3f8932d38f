"""Two donors in, a model and its processor out; and a checkpoint in, the same two out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel, SmolVLMConfig

import smvl.model.modeling_smvl  # noqa: F401  (makes the `smvl` model type known to the Auto classes)
from smvl.layouts.encoder_sides import sides_of
from smvl.layouts.find_model import layout_of
from smvl.layouts.settings import DEFAULT_LAYOUT, LAYOUT_KEYS, LayoutName
from smvl.layouts.smolvlm.position_table import narrow_positions
from smvl.layouts.smolvlm.splice import take_projector
from smvl.layouts.splice import SPLICERS, outline_model, splice_model
from smvl.layouts.splicing import Projector, SpliceOptions
from smvl.model.config_values import check_values
from smvl.model.donors import DonorError, VisionDonor, check_donor_folder, check_text_donor, read_vision_donor
from smvl.model.flavours import as_smolvlm, is_idefics3
from smvl.model.loading import load_whole
from smvl.model.torchao_quantization import torchao_config
from smvl.model_folder import ModelFolderError, read_config
from smvl.processing.build import build_processor
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.settings_files import MODEL_FILES, check_folder, check_objects, read_object

_SIZES = {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size"}
_SIZES |= {"max_position_embeddings", "image_size", "patch_size", "num_channels", "depth", "num_heads", "in_channels"}
_SIZES |= {"spatial_merge_size", "temporal_patch_size", "num_position_embeddings", "out_hidden_size"}


class CheckpointError(ValueError):
    """A checkpoint folder that cannot be loaded whole; the message names it."""


def splice(
    vision: str | Path,
    text: str | Path,
    *,
    layout: LayoutName = DEFAULT_LAYOUT,
    projector: Projector = "linear",
    scale_factor: int | None = None,
    deepstack: Sequence[int] = (),
    rotary_alignment: bool = True,
    tile: int | None = None,
    longest_edge: int | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
    seed: int = 42,
    projector_from: str | Path | None = None,
) -> tuple[PreTrainedModel, SmVLMProcessor]:
    """Join a vision encoder and a text model, each read from its own folder.

    Args:
        vision: a SmolVLM2, Idefics3 or SigLIP folder.
        text: the folder of a decoder-only language model with its tokenizer; for `qwen3_vl` a Qwen3.
        layout: `smolvlm` cuts pictures into tiles; `qwen3_vl` shows them at their own resolution.
        projector: of `smolvlm`: `linear` gives a stock model; `mlp` a two-layer one whose checkpoint carries its code.
        scale_factor: of `smolvlm`: side of the square of patches that becomes one token; by default the vision donor's own.
        deepstack: of `qwen3_vl`: layers of the encoder whose features go into the text model's first layers too.
        rotary_alignment: of `qwen3_vl`: turn the encoder's heads so that rotary positions disturb them least.
        tile: of `smolvlm`: side of a tile in pixels; it can only be the vision encoder's input size, which is the default.
        longest_edge: of `smolvlm`: what an image's longest edge is scaled to, in pixels; by default two tiles.
        min_pixels, max_pixels: of `qwen3_vl`: between which an image is shown; by default 8,192 and 786,432.
        seed: of what is newly made, the connector and the marker rows.
        projector_from: of `smolvlm`: a checkpoint's folder whose projector is taken in the place of a new one.

    Raises:
        ValueError: a donor is missing, damaged or of the wrong kind, or the settings do not fit it; the message says which and why.
    """
    image = {"tile": tile, "longest_edge": longest_edge, "min_pixels": min_pixels, "max_pixels": max_pixels}
    donor, processor, unseen_ids = _donor_and_processor(vision, text, layout, scale_factor, image)
    tokenizer = processor.tokenizer
    model = splice_model(
        layout,
        donor,
        text,
        _options(processor, projector, scale_factor, deepstack, rotary_alignment),
        marker_ids=processor.trained_ids,
        unseen_ids=unseen_ids,
        stop_ids=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        attention=attention,
        dtype=dtype,
        seed=seed,
    )
    if projector_from is not None:
        take_projector(model, projector_from)
    return model, processor


def outline(
    vision: str | Path,
    text: str | Path,
    *,
    layout: LayoutName = DEFAULT_LAYOUT,
    projector: Projector = "linear",
    scale_factor: int | None = None,
    deepstack: Sequence[int] = (),
    rotary_alignment: bool = True,
    tile: int | None = None,
    longest_edge: int | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
) -> tuple[PreTrainedModel, SmVLMProcessor]:
    """What `splice` makes, in a second: the model in its shapes alone, whose tensors have no storage, and the processor.

    Args, Raises: as `splice`, but that nothing is known of the weights.
    """
    image = {"tile": tile, "longest_edge": longest_edge, "min_pixels": min_pixels, "max_pixels": max_pixels}
    donor, processor, unseen_ids = _donor_and_processor(vision, text, layout, scale_factor, image)
    options = _options(processor, projector, scale_factor, deepstack, rotary_alignment)
    highest_id = max([*options.token_ids.values(), *processor.trained_ids, *unseen_ids])
    model = outline_model(layout, donor, text, options, highest_id=highest_id, attention=attention, dtype=dtype)
    return model, processor


def _options(
    processor: SmVLMProcessor, projector: Projector, scale_factor: int | None, deepstack: Sequence[int], rotary_alignment: bool
) -> SpliceOptions:
    tokenizer = processor.tokenizer
    ids = {key: tokenizer.convert_tokens_to_ids(token) for key, token in processor.pictures.config_tokens.items()}
    return SpliceOptions(ids, tokenizer.pad_token_id, projector, scale_factor, tuple(deepstack), rotary_alignment)


def _donor_and_processor(
    vision: str | Path, text: str | Path, layout: str, scale_factor: int | None, image: Mapping[str, int | None]
) -> tuple[VisionDonor, SmVLMProcessor, list[int]]:
    """What is read of two donors before their weights, and the ids of the tokens that the text donor's tokenizer did not have."""
    donor = read_vision_donor(vision)
    check_text_donor(text)
    SPLICERS[layout].check_tower(donor)
    encoder, tile = sides_of(donor, scale_factor), image.get("tile")
    if tile not in (None, encoder.tile):
        raise DonorError(
            f"the tile is {tile} pixels, but the vision encoder in {vision} reads {encoder.tile}. Set data.image.tile: {encoder.tile}."
        )
    processor, unseen_ids = build_processor(text, vision, encoder, layout=layout, image=image)
    return donor, processor, unseen_ids


def load_checkpoint(
    folder: str | Path,
    *,
    attention: str = "sdpa",
    dtype: torch.dtype | str = "auto",
    quantize: str | None = None,
    device: torch.device | None = None,
) -> tuple[PreTrainedModel, SmVLMProcessor]:
    """Load a checkpoint with its processor; nothing is downloaded, and a tensor that is missing or unknown is an error.

    A folder that transformers or TRL has saved of one is read too, and so is its idefics3 flavour, which becomes `smolvlm` again.

    Args:
        dtype: of the weights in memory; `auto` keeps the checkpoint's own.
        quantize: one of `torchao_quantization.KINDS`, done while loading.
        device: on which a quantized model will run.

    Raises:
        CheckpointError: the folder is missing, incomplete or inconsistent, or asks for code of its own to be run.
    """
    with _explained(folder):
        processor = _read_processor(folder)
        quantization = torchao_config(quantize, folder, device or torch.device("cpu")) if quantize else None
        config = _other_flavour(folder)
        options = dict(dtype=dtype, attention=attention, quantization=quantization, config=config)
        model = load_whole(AutoModelForImageTextToText, folder, **options)
        if config is not None:
            narrow_positions(model, processor.image_processor.max_image_size["longest_edge"])
    if not all(found == processor.image_token_id for found in (model.config.image_token_id, *layout_of(model).image_token_ids(model))):
        raise CheckpointError(
            f"{folder}: config.json says that {model.config.image_token_id} is the image token, but the tokenizer says "
            f"{processor.image_token_id}. The model would not see; take the tokenizer and config.json of one checkpoint."
        )
    _check_fits(Path(folder), model, processor)
    if model.generation_config.suppress_tokens is None:  # as others publish their models: a marker is an input, not a word
        model.generation_config.suppress_tokens = processor.marker_ids
    return model.eval(), processor


def outline_checkpoint(
    folder: str | Path, *, attention: str = "sdpa", dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, SmVLMProcessor]:
    """What `load_checkpoint` loads, in its shapes alone: no weights are read, and no tensor has storage.

    Raises:
        CheckpointError: as `load_checkpoint`, but for what weights can be.
    """
    with _explained(folder):
        processor = _read_processor(folder)
        config, flavour = read_config(folder), _other_flavour(folder)
        with torch.device("meta"):
            model = AutoModelForImageTextToText.from_config(flavour or config, dtype=dtype, attn_implementation=attention)
            if flavour is not None:
                narrow_positions(model, processor.image_processor.max_image_size["longest_edge"])
    return model.eval(), processor


@contextmanager
def _explained(folder: str | Path) -> Iterator[None]:
    """Within, whatever keeps a checkpoint from being loaded becomes a `CheckpointError` that names it."""
    try:
        yield
    except ModelFolderError as error:
        raise CheckpointError(str(error)) from error
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"the checkpoint in {folder} cannot be loaded: {error}") from error


def _read_processor(folder: str | Path) -> SmVLMProcessor:
    check_donor_folder(folder)
    check_folder(folder)
    check_objects(folder, MODEL_FILES)
    _check_described(Path(folder))
    return SmVLMProcessor.from_pretrained(folder)


def _other_flavour(folder: str | Path) -> SmolVLMConfig | None:
    """The configuration of an idefics3 folder as `smolvlm` has it; None for any other."""
    config = read_object(Path(folder, "config.json"))
    return SmolVLMConfig(**as_smolvlm(config)) if is_idefics3(config) else None


def _check_fits(folder: Path, model: PreTrainedModel, processor: SmVLMProcessor) -> None:
    """Raise `CheckpointError` where the files of a checkpoint are not of one model: it would be asked what it was not trained on."""
    layout, generation = layout_of(model), model.generation_config
    if layout.name != processor.pictures.layout:
        raise CheckpointError(
            f"{folder}: config.json describes a {model.config.model_type} model, but preprocessor_config.json is of layout "
            f"{processor.pictures.layout}. Take both of one checkpoint."
        )
    if fault := layout.misfit(model, processor.image_processor, processor.image_seq_len):
        raise CheckpointError(f"{folder}: {fault}")
    for name, is_needed in (("eos_token_id", True), ("suppress_tokens", False)):
        ids = getattr(generation, name)
        ids = ids if isinstance(ids, list) else [] if ids is None else [ids]
        right = all(type(token) is int and 0 <= token < model.config.text_config.vocab_size for token in ids)
        if not right or (is_needed and not ids):
            raise CheckpointError(f"{folder / 'generation_config.json'}: {name} is {ids!r}; expected ids of tokens. Copy the folder whole.")


def _check_described(folder: Path) -> None:
    """Raise `CheckpointError` where config.json leaves a part out, or gives it a size that is none.

    transformers would make a part of its own, of seven billion parameters, and meets a negative size only in the midst of an answer.
    """
    config = read_object(folder / "config.json")
    check_values(config, folder / "config.json")
    known = [kind for keys in LAYOUT_KEYS.values() for kind in keys.model_types]
    if isinstance(config.get("model_type"), str) and config["model_type"] not in known and "auto_map" not in config:
        raise CheckpointError(f"{folder} holds a {config['model_type']} model; expected a vision-language model of {', '.join(known)}.")
    for part in ("text_config", "vision_config"):
        if not isinstance(config.get(part), dict) or "model_type" not in config[part]:
            raise CheckpointError(
                f"{folder / 'config.json'} has no {part} with a model_type; expected a checkpoint of train.py, or of smvl.splice."
            )
        for name in _SIZES & config[part].keys():
            if type(config[part][name]) is int and config[part][name] < 1:
                raise CheckpointError(f"{folder / 'config.json'}: {part}.{name} is {config[part][name]}; expected at least 1.")
