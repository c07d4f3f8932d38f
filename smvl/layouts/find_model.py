"""Which layout a model has."""

from typing import Any

from smvl.layouts.modules import ModelLayout
from smvl.layouts.qwen3_vl.modules import Qwen3VLLayout
from smvl.layouts.smolvlm.modules import SmolVLMLayout

LAYOUTS: tuple[ModelLayout, ...] = (SmolVLMLayout(), Qwen3VLLayout())


def layout_of(model: Any) -> ModelLayout:
    """The layout of a model, by its configuration's `model_type`.

    Raises:
        ValueError: it is of none.
    """
    found = model.config.model_type
    for layout in LAYOUTS:
        if found in layout.model_types:
            return layout
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise ValueError(f"a model of the type {found} has none of the layouts that are known here ({known}).")
