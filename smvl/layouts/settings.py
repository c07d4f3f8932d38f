"""What a recipe may set for each layout, by the keys of its YAML. It loads nothing, as a configuration is read before all else."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

ANSWERS, VISION_FEATURES = "answers", "vision_features"
Objective = Literal["answers", "vision_features"]
LayoutName = Literal["smolvlm", "qwen3_vl"]


DEFAULT_LAYOUT: LayoutName = "smolvlm"


@dataclass(frozen=True)
class LayoutKeys:
    """What a recipe and a command may ask of one layout, and what they say of it."""

    model_types: tuple[str, ...]
    """As config.json has them."""
    model: tuple[str, ...]
    """Keys of `model` that other layouts have not."""
    image: dict[str, Any]
    """Keys of `data.image` that it has, with their defaults."""
    limit: str
    """Key of `data`: how much of pictures one sequence may hold."""
    objectives: tuple[str, ...]
    """Of a stage."""
    unit: str
    """What is cut of pictures, in the plural."""
    smallest: str
    """How a picture is shown at the least."""
    finest: str
    """Key of `data.image` that says how large pictures are shown."""
    counted: str
    """What is counted of pictures, to be formatted with the values of `image`."""
    exports: tuple[str, ...]
    """Targets that a model can be exported to."""
    has_budgets: bool
    """Whether a memory budget can be planned for a model."""
    served: str
    """What other runtimes do without an export."""


LAYOUT_KEYS: dict[str, LayoutKeys] = {
    "smolvlm": LayoutKeys(
        model_types=("smolvlm", "smvl", "idefics3"),
        model=("projector", "projector_from", "scale_factor"),
        image={"tile": 512, "longest_edge": 1024},
        limit="max_tiles",
        objectives=(ANSWERS,),
        unit="tiles",
        smallest="one tile an image",
        finest="longest_edge",
        counted="Tiles a sample, {tile} pixels each, the longest edge scaled to {longest_edge}",
        exports=("onnx", "gguf", "torchao", "idefics3", "smolvlm"),
        has_budgets=True,
        served="transformers reads it as it is.",
    ),
    "qwen3_vl": LayoutKeys(
        model_types=("qwen3_vl",),
        model=("deepstack", "rotary_alignment"),
        image={"min_pixels": 8192, "max_pixels": 786_432},  # 8 tokens of SigLIP's patches at least, as llama.cpp has it
        limit="max_patches",
        objectives=(ANSWERS, VISION_FEATURES),
        unit="patches",
        smallest="every image at its smallest",
        finest="max_pixels",
        counted="Patches a sample, an image scaled to {min_pixels:,} to {max_pixels:,} pixels",
        exports=("onnx", "gguf", "torchao"),
        has_budgets=False,
        served="transformers and vLLM serve it as it is, and llama.cpp's own convert_hf_to_gguf.py reads it.",
    ),
}


def layout_with(image_keys: Iterable[str]) -> str:
    """The layout that these keys of `data.image` are for."""
    return next(name for name, keys in LAYOUT_KEYS.items() if keys.image.keys() >= set(image_keys))


def layout_of_type(model_type: Any) -> str | None:
    """The layout of a config.json with this `model_type`; None where it has none."""
    return next((name for name, keys in LAYOUT_KEYS.items() if model_type in keys.model_types), None)
