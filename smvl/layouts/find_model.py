"""Which layout a model has."""

from typing import Any

from smvl.layouts.modules import ModelLayout
from smvl.layouts.qwen3_vl.modules import Qwen3VLLayout
from smvl.layouts.settings import LAYOUT_KEYS, layout_of_type
from smvl.layouts.smolvlm.modules import SmolVLMLayout

LAYOUTS: dict[str, ModelLayout] = {layout.name: layout for layout in (SmolVLMLayout(), Qwen3VLLayout())}


def layout_of(model: Any) -> ModelLayout:
    """The layout of a model, by its configuration's `model_type`.

    Raises:
        ValueError: it is of none.
    """
    name = layout_of_type(model.config.model_type)
    if name is None:
        known = ", ".join(LAYOUT_KEYS)
        raise ValueError(f"a model of the type {model.config.model_type} has none of the layouts that are known here ({known}).")
    return LAYOUTS[name]
