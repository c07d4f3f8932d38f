"""The parts of a `qwen3_vl` model: an encoder of pictures at their own resolution, mergers, and a text model that counts in three axes.

Features of some of the encoder's layers may be added to the output of the text model's first layers too (DeepStack, arXiv 2406.04334).
"""

from collections.abc import Sequence
from types import MethodType
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from smvl.layouts.modules import Shapes
from smvl.layouts.qwen3_vl.patches import NUM_AXES
from smvl.layouts.qwen3_vl.teacher import VisionTeacher
from smvl.layouts.qwen3_vl.tower import HEADS_EXPECTED, encode_patches, shapes_of, use_packed_vision
from smvl.model.donors import QWEN_TOWERS, load_tower, read_vision_donor


class Qwen3VLLayout:
    """As `smvl.layouts.modules.ModelLayout`."""

    name = "qwen3_vl"
    position_axes = (NUM_AXES,)

    def vision(self, model: PreTrainedModel) -> list[nn.Module]:
        tower = model.model.visual
        return [tower.patch_embed, tower.pos_embed, tower.blocks]

    def vision_layers(self, model: PreTrainedModel) -> nn.ModuleList:
        return model.model.visual.blocks

    def connector(self, model: PreTrainedModel) -> list[nn.Module]:
        tower = model.model.visual
        return [tower.merger, tower.deepstack_merger_list]

    def image_token_ids(self, model: PreTrainedModel) -> list[int]:
        return []

    def misfit(self, model: PreTrainedModel, image_processor: Any, image_seq_len: int) -> str | None:
        """How patches are cut, `Pictures.check_against_config` has looked at already."""
        text, taps = model.config.text_config, list(model.config.vision_config.deepstack_visual_indexes)
        if taps != sorted(set(taps)) or not all(0 <= tap < model.config.vision_config.depth for tap in taps):
            return (
                f"config.json takes features for DeepStack from the layers {taps}; expected layers of the vision encoder in rising order. "
                "Restore config.json."
            )
        vision = model.config.vision_config
        if vision.hidden_size % (4 * vision.num_heads):
            return f"config.json gives the vision encoder {vision.num_heads} heads in {vision.hidden_size} dimensions. {HEADS_EXPECTED}"
        section, pairs = model.get_decoder().rotary_emb.mrope_section, text.head_dim // 2
        is_right = isinstance(section, list | tuple) and len(section) == 3 and all(type(each) is int and each >= 0 for each in section)
        if is_right and sum(section) == pairs and 3 * max(section[1:]) <= pairs:
            return None
        return (
            f"config.json shares the rotation out as mrope_section {section!r}; expected three whole numbers, for time, height and width, "
            f"that sum to half of head_dim, {pairs}. Restore config.json."
        )

    def prepare(self, model: PreTrainedModel) -> None:
        use_packed_vision(model.model.visual)
        text_model = model.get_decoder()
        text_model._deepstack_process = MethodType(_add_deep_features, text_model)

    def see(self, model: PreTrainedModel, pixels: torch.Tensor, shapes: Shapes) -> list[torch.Tensor]:
        return encode_patches(model.model.visual, pixels, shapes)

    def join(self, model: PreTrainedModel, states: Sequence[torch.Tensor]) -> torch.Tensor:
        tower = model.model.visual
        mergers = [tower.merger, *tower.deepstack_merger_list]
        return torch.cat([merger(state) for merger, state in zip(mergers, states)], dim=-1)

    def patch_weight(self, model: PreTrainedModel) -> torch.Tensor:
        return model.model.visual.patch_embed.proj.weight

    def no_pictures(self, model: PreTrainedModel, num_units: int) -> tuple[torch.Size, Shapes]:
        vision = model.config.vision_config
        shapes = shapes_of(num_units, vision.spatial_merge_size)
        num_patches = sum(rows * columns for rows, columns in shapes)
        return torch.Size((num_patches, vision.in_channels, vision.patch_size, vision.patch_size)), shapes

    def num_taps(self, model: PreTrainedModel) -> int:
        return len(model.config.vision_config.deepstack_visual_indexes)

    def tokens_per_unit(self, model: PreTrainedModel) -> float:
        return 1 / model.config.vision_config.spatial_merge_size**2

    def windows(self, model: PreTrainedModel, num_units: int, shapes: Shapes) -> list[int]:
        return [rows * columns for rows, columns in shapes]

    def last_features(self, model: PreTrainedModel, states: Sequence[torch.Tensor]) -> torch.Tensor:
        return model.model.visual.merger.norm(states[0])

    def teacher(self, model: PreTrainedModel, vision: str) -> VisionTeacher:
        donor = read_vision_donor(vision)
        if donor.family is QWEN_TOWERS:
            raise ValueError(
                f"the vision encoder in {vision} sees pictures at their own resolution already and has nothing to learn from itself. Take "
                "the stage with objective vision_features out."
            )
        tower = load_tower(donor, dtype=torch.float32, attention="sdpa")
        return VisionTeacher(tower, model.config.vision_config.spatial_merge_size)

    def stock_pictures(self, model: PreTrainedModel, pixels: torch.Tensor, shapes: Shapes) -> dict[str, torch.Tensor]:
        frames = model.config.vision_config.temporal_patch_size
        grids = torch.tensor([[1, *shape] for shape in shapes], device=pixels.device)
        return {"pixel_values": pixels.unsqueeze(2).expand(-1, -1, frames, -1, -1).flatten(1), "image_grid_thw": grids}

    def text_options(self, places: torch.Tensor | None, deep: Sequence[torch.Tensor]) -> dict[str, Any]:
        return {"visual_pos_masks": places, "deepstack_visual_embeds": list(deep)} if deep else {}


def _add_deep_features(
    text_model: nn.Module, hidden_states: torch.Tensor, visual_pos_masks: torch.Tensor | None, visual_embeds: torch.Tensor
) -> torch.Tensor:
    """As transformers', which takes a mask (B, L); by places (I,) in one sequence, or of every token, nothing has to be searched."""
    if visual_pos_masks is None:
        return hidden_states + visual_embeds
    if visual_pos_masks.dtype == torch.bool:
        return type(text_model)._deepstack_process(text_model, hidden_states, visual_pos_masks, visual_embeds)
    rows = hidden_states.flatten(0, 1)
    return rows.index_add(0, visual_pos_masks, visual_embeds.to(rows.dtype)).view_as(hidden_states)
