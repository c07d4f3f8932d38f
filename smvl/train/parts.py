"""The parts of a model that a stage can train, by the names that a user writes.

    connector             the projector from image features to text features
    markers               the embedding rows of the image markers, and only those
    text                  all layers of the text model and its final norm
    text.layers[SLICE]    some of its layers, for example text.layers[-4:]
    vision                the whole vision encoder
    vision.layers[SLICE]  some of its layers
    embeddings            the text model's input table
    lm_head               its output table (the same tensor as `embeddings` in a tied model)
    lora                  the adapters beside the text layers, in a stage that has `lora` settings
    chinese_adapter       a small network that adds to the embeddings of Chinese tokens what their characters look and sound like
"""

import re
from collections.abc import Sequence

from torch import nn
from transformers import SmolVLMForConditionalGeneration

from smvl.layouts.find_model import layout_of
from smvl.model import chinese_adapter, marker_rows

MARKERS = "markers"
LORA = "lora"
CHINESE_ADAPTER = chinese_adapter.ATTRIBUTE
WHOLE_PARTS = ("connector", MARKERS, "text", "vision", "embeddings", "lm_head", LORA, CHINESE_ADAPTER)

_LAYERS = re.compile(r"(text|vision)\.layers\[(-?\d+)?(:)?(-?\d+)?\]")


def part_parameters(model: SmolVLMForConditionalGeneration, part: str) -> list[nn.Parameter]:
    """The parameters that `part` names.

    Raises:
        ValueError: there is no such part, or its slice holds no layer.
    """
    check_part_name(part)
    if found := _LAYERS.fullmatch(part):
        modules = _layers(model, found[1])[_slice(found)]
        if not modules:
            raise ValueError(f"{part} holds no layer: the {found[1]} model has {len(_layers(model, found[1]))}. Mend the slice.")
        return [parameter for module in modules for parameter in module.parameters()]
    if part == LORA:
        return [parameter for name, parameter in model.named_parameters() if ".lora_" in name]
    layout, text_model = layout_of(model), model.get_decoder()
    wholes: dict[str, Sequence[nn.Module]] = {
        "connector": layout.connector(model),
        "text": [text_model.layers, text_model.norm],
        "vision": layout.vision(model),
        "embeddings": [model.get_input_embeddings()],
        "lm_head": [model.lm_head],
    }
    if part == MARKERS:
        return [model.get_submodule(marker_rows.ATTRIBUTE).rows]
    if part == CHINESE_ADAPTER:
        return list(model.get_submodule(chinese_adapter.ATTRIBUTE).parameters())
    return [parameter for module in wholes[part] for parameter in module.parameters()]


def check_part_name(part: str) -> None:
    """Raise `ValueError` for a name that no model could have a part of."""
    if part not in WHOLE_PARTS and not _LAYERS.fullmatch(part):
        names = ", ".join([*WHOLE_PARTS, "text.layers[SLICE]", "vision.layers[SLICE]"])
        raise ValueError(f"there is no part {part!r} to train; parts are {names}.")


def check_parts(model: SmolVLMForConditionalGeneration, parts: Sequence[str]) -> None:
    """Raise `ValueError` for parts that cannot be trained together, before anything is trained."""
    tables = [part for part in parts if part == "embeddings" or (part == "lm_head" and model.config.tie_word_embeddings)]
    for part, rows in ((MARKERS, "marker rows"), (CHINESE_ADAPTER, "rows of Chinese tokens")):
        if tables and part in parts:
            raise ValueError(f"{tables[0]} holds the {rows} already; take {part} out of this stage's parts, or {tables[0]}.")
    for part in parts:
        if part not in (MARKERS, CHINESE_ADAPTER):  # they are attached only for the stage
            part_parameters(model, part)


def _layers(model: SmolVLMForConditionalGeneration, tower: str) -> nn.ModuleList:
    return model.get_decoder().layers if tower == "text" else layout_of(model).vision_layers(model)


def _slice(found: re.Match) -> slice:
    start = int(found[2]) if found[2] else None
    if found[3]:
        return slice(start, int(found[4]) if found[4] else None)
    return slice(0, 0) if start is None else slice(start, start + 1 or None)
