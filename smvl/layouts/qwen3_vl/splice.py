"""The splice into `qwen3_vl`: the text half takes Qwen3's tensors as they are, the vision half SigLIP's with its attention heads turned, or
those of a Qwen3-VL or Qwen3.5 as they are.

SigLIP knows where a patch is from a table; Qwen3-VL's encoder has that table too, and besides rotates queries and keys by the patch's
place. `alignment.py` makes that rotation nearly harmless. The patch convolution reads two frames, which of a picture are the same: each
half of it has half the weight. SigLIP's last norm becomes the merger's.
"""

import logging
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from smvl.layouts.qwen3_vl.alignment import align_to_rotation, rotation_error
from smvl.layouts.qwen3_vl.patches import FRAMES, MERGE
from smvl.layouts.qwen3_vl.tower import HEADS_EXPECTED
from smvl.layouts.splicing import REPORT, SpliceOptions, describe_text, size_of_words, start_linears
from smvl.model.donors import QWEN_TOWERS, DonorError, VisionDonor

logger = logging.getLogger(__name__)

VISION_THETA = 10_000.0
"""Base of the encoder's rotation; llama.cpp has it written into its graph."""
_TEXT_TYPE = "qwen3"


class Qwen3VLSplicer:
    """As `smvl.layouts.splicing.Splicer`."""

    def check_tower(self, vision: VisionDonor) -> None:
        config, is_native = vision.config, vision.family is QWEN_TOWERS
        heads = config.num_heads if is_native else config.num_attention_heads
        if config.hidden_size % (4 * heads):
            raise DonorError(
                f"the vision encoder in {vision.folder} has {heads} heads in {config.hidden_size} dimensions. {HEADS_EXPECTED}"
            )
        found = (config.spatial_merge_size, config.temporal_patch_size) if is_native else (MERGE, FRAMES)
        if found != (MERGE, FRAMES):
            raise DonorError(
                f"the vision encoder in {vision.folder} merges squares of {found[0]} patches a side out of {found[1]} frames; expected "
                f"{MERGE} and {FRAMES}, as Qwen3-VL has them."
            )

    def check(self, vision: VisionDonor, text_config: PreTrainedConfig, options: SpliceOptions) -> None:
        if text_config.model_type != _TEXT_TYPE:
            raise DonorError(
                f"the text donor is a {text_config.model_type} model, and the text half of layout qwen3_vl is Qwen3 alone. Take a Qwen3 "
                "folder, or set model.layout: smolvlm, which takes any decoder."
            )
        if getattr(text_config, "use_sliding_window", False):
            raise DonorError("the text donor attends within a sliding window, which layout qwen3_vl has not. Set model.layout: smolvlm.")
        self.check_tower(vision)
        depth = getattr(vision.config, vision.family.depth)
        taps, layers = options.deepstack, text_config.num_hidden_layers
        if list(taps) != sorted(set(taps)) or not all(0 <= tap < depth for tap in taps) or len(taps) > layers:
            raise DonorError(
                f"model.deepstack is {list(taps)}; expected layers of the vision encoder, 0 to {depth - 1}, in rising order, no more than "
                f"the {layers} layers of the text model."
            )

    def assemble(self, vision: VisionDonor, tower: nn.Module, language_model: PreTrainedModel, options: SpliceOptions) -> PreTrainedModel:
        attention = language_model.config._attn_implementation
        with torch.device("meta"):
            model = Qwen3VLForConditionalGeneration._from_config(_config(vision, language_model, options), attn_implementation=attention)
        model.to(language_model.dtype)
        on_meta = next(tower.parameters()).is_meta
        model.model.language_model.load_state_dict(language_model.base_model.state_dict(), strict=True, assign=True)
        model.lm_head.load_state_dict(language_model.get_output_embeddings().state_dict(), strict=True, assign=True)
        visual, is_native = model.model.visual, vision.family is QWEN_TOWERS
        found = native_tensors(tower, visual) if is_native else vision_tensors(tower)
        missing, unknown = visual.load_state_dict(found, strict=False, assign=True)
        assert not unknown and all("merger" in name for name in missing), (missing, unknown)
        if not on_meta:
            for part in (model.model.language_model, visual):
                _make_rotation(part)
            if not is_native:
                self._align(visual, tower, options)
        model.config.text_config._attn_implementation = model.config.vision_config._attn_implementation = attention
        model.tie_weights()
        return model

    def _align(self, visual: nn.Module, tower: nn.Module, options: SpliceOptions) -> None:
        before = after = rotation_error(visual, tower)
        if options.rotary_alignment:
            align_to_rotation(visual)
            after = rotation_error(visual, tower)
        logger.info(
            "Rotary positions change the vision encoder's features by %.1f%%, and before alignment by %.1f%%.", 100 * after, 100 * before
        )
        vars(visual)[REPORT] = {"rotation_error": after, "rotation_error_before_alignment": before}

    @torch.no_grad()
    def start_connector(self, model: PreTrainedModel, generator: torch.Generator) -> None:
        visual, word_size = model.model.visual, size_of_words(model)
        mergers = [visual.merger, *visual.deepstack_merger_list]
        parameters = [each for merger in mergers for each in merger.parameters()]
        num_new = sum(each.numel() for each in parameters if each.is_meta)
        for merger in mergers:
            is_new = merger.linear_fc2.weight.is_meta
            start_linears(merger, word_size=word_size, generator=generator)
            if merger.norm.weight.is_meta:
                merger.norm.to_empty(device="cpu").reset_parameters()
            if is_new and merger is not visual.merger:  # at zero, so that the splice begins as without it
                merger.linear_fc2.weight.zero_()
        total = sum(each.numel() for each in parameters)
        logger.info("Newly made: %s of the %s parameters of %d mergers.", f"{num_new:,}", f"{total:,}", len(mergers))


def native_tensors(tower: nn.Module, visual: nn.Module) -> dict[str, torch.Tensor]:
    """Those of a Qwen3-VL's or Qwen3.5's encoder as they are, with what of its mergers fits.

    A merger keeps its last layer where that is as wide as the text model; of DeepStack's those of layers that are tapped here too are kept.
    """
    taps = {tap: number for number, tap in enumerate(visual.config.deepstack_visual_indexes)}
    theirs = {f"deepstack_merger_list.{number}.": taps.get(tap) for number, tap in enumerate(tower.config.deepstack_visual_indexes)}
    expected, found = visual.state_dict(), {}
    for name, tensor in tower.state_dict().items():
        prefix = next((each for each in theirs if name.startswith(each)), None)
        if prefix is not None and theirs[prefix] is None:
            continue  # of a layer that is not tapped
        name = name if prefix is None else f"deepstack_merger_list.{theirs[prefix]}.{name.removeprefix(prefix)}"
        if expected[name].shape == tensor.shape:
            found[name] = tensor
    widths = (tower.config.out_hidden_size, visual.config.out_hidden_size)
    if widths[0] != widths[1]:  # the bias goes with its matrix
        found = {name: tensor for name, tensor in found.items() if not name.endswith("linear_fc2.bias") or "merger" not in name}
        logger.info("The encoder's mergers end %d wide and the text model is %d wide: their last layers are made new.", *widths)
    return found


def vision_tensors(tower: nn.Module) -> dict[str, torch.Tensor]:
    """SigLIP's tensors under Qwen3-VL's names, all but the mergers' linear layers."""
    found = tower.state_dict()
    convolution = found["embeddings.patch_embedding.weight"].unsqueeze(2) / FRAMES
    tensors = {
        "patch_embed.proj.weight": torch.cat([convolution] * FRAMES, dim=2),
        "patch_embed.proj.bias": found["embeddings.patch_embedding.bias"],
        "pos_embed.weight": found["embeddings.position_embedding.weight"],
        "merger.norm.weight": found["post_layernorm.weight"],
        "merger.norm.bias": found["post_layernorm.bias"],
    }
    names = {
        "layer_norm1": "norm1",
        "layer_norm2": "norm2",
        "self_attn.out_proj": "attn.proj",
        "mlp.fc1": "mlp.linear_fc1",
        "mlp.fc2": "mlp.linear_fc2",
    }
    for number in range(len(tower.encoder.layers)):
        theirs, ours = f"encoder.layers.{number}", f"blocks.{number}"
        for kind in ("weight", "bias"):
            tensors |= {f"{ours}.{new}.{kind}": found[f"{theirs}.{old}.{kind}"] for old, new in names.items()}
            tensors[f"{ours}.attn.qkv.{kind}"] = torch.cat([found[f"{theirs}.self_attn.{name}_proj.{kind}"] for name in "qkv"])
    return tensors


def _config(vision: VisionDonor, language_model: PreTrainedModel, options: SpliceOptions) -> Qwen3VLConfig:
    text = language_model.config
    return Qwen3VLConfig(
        text_config=_text_config(describe_text(text, options.pad_token_id)),
        vision_config=_vision_config(vision) | {"out_hidden_size": text.hidden_size, "deepstack_visual_indexes": list(options.deepstack)},
        **options.token_ids,
        tie_word_embeddings=text.tie_word_embeddings,
        dtype=language_model.dtype,
    )


def _vision_config(vision: VisionDonor) -> dict[str, Any]:
    tower = vision.config
    if vision.family is QWEN_TOWERS:
        return {name: getattr(tower, name) for name in (*vision.family.sizes, *vision.family.fields)}
    return {
        "depth": tower.num_hidden_layers,
        "hidden_size": tower.hidden_size,
        "hidden_act": tower.hidden_act,
        "intermediate_size": tower.intermediate_size,
        "num_heads": tower.num_attention_heads,
        "in_channels": tower.num_channels,
        "patch_size": tower.patch_size,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": FRAMES,
        "num_position_embeddings": vision.patches_per_side**2,
        "rope_parameters": {"rope_type": "axial", "rope_theta": VISION_THETA},
    }


def _text_config(described: dict[str, Any]) -> dict[str, Any]:
    """Qwen3's, with its rotation shared out among time, height and width: of 64 pairs 24, 20 and 20, as in Qwen3-VL."""
    pairs = described["head_dim"] // 2
    section = pairs * 20 // 64
    rope = {**(described.get("rope_parameters") or {}), "mrope_section": [pairs - 2 * section, section, section], "mrope_interleaved": True}
    kept = {
        name: value for name, value in described.items() if name not in ("model_type", "architectures", "layer_types", "sliding_window")
    }
    return {**kept, "rope_parameters": rope}


def _make_rotation(part: nn.Module) -> None:
    """Rotary frequencies, which no checkpoint holds."""
    for module in part.modules():
        if "original_inv_freq" in module._buffers:
            made = type(module)(module.config)
            for name in ("inv_freq", "original_inv_freq"):
                setattr(module, name, getattr(made, name))
