"""How the vision half of a layout is kept in llama.cpp's mmproj file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gguf import GGUFWriter

from smvl.export.checkpoint import Checkpoint, ExportError
from smvl.export.gguf.tensors import PlannedTensor

RESAMPLE_KEY = "smvl.vision.resample"
"""The filter by which pictures were scaled in training, as Pillow numbers it. llama.cpp does not read it."""


@dataclass(frozen=True)
class VisionForm:
    """One of llama.cpp's projectors, and what it takes of a checkpoint."""

    projector: str
    """As `gguf.VisionProjectorType` has it."""
    prefixes: tuple[str, ...]
    """Of the tensors in a checkpoint."""
    check: Callable[[Checkpoint], None]
    """Raises `ExportError` for a vision encoder, or an image setting, that llama.cpp's has not."""
    add_settings: Callable[[GGUFWriter, Checkpoint], None]
    """Write the shape of the encoder and how pictures become its pixels."""
    plan: Callable[[dict[str, Any], str], list[PlannedTensor]]
    """The tensors of a configuration, in a file of some kind."""
    server_options: Callable[[Checkpoint], dict[str, Any]]
    """What llama.cpp must be told beside the file, by the names of its options, so that it shows pictures as training does."""


def check_common(checkpoint: Checkpoint, form: str, wrong: list[str]) -> None:
    """Raise `ExportError` for what is wrong, or for what no encoder of llama.cpp's computes."""
    config, settings = checkpoint.vision_config, checkpoint.image_settings
    if config["hidden_act"] != "gelu_pytorch_tanh":
        wrong = [f"hidden_act: {config['hidden_act']} (it computes gelu_pytorch_tanh)", *wrong]
    if abs(settings["rescale_factor"] * 255 - 1) > 1e-6:
        wrong = [*wrong, f"rescale_factor: {settings['rescale_factor']} (it divides by 255)"]
    if wrong:
        raise ExportError(f"llama.cpp's {form} projector cannot see as {checkpoint.folder} does: {'; '.join(wrong)}.")


def add_pixel_settings(writer: GGUFWriter, settings: dict[str, Any]) -> None:
    """How bytes become what the encoder reads."""
    writer.add_vision_image_mean(settings["image_mean"])
    writer.add_vision_image_std(settings["image_std"])
    writer.add_uint32(RESAMPLE_KEY, settings["resample"])
