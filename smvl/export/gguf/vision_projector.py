"""The vision encoder and what brings its features into the text model, as the GGUF file that llama.cpp calls mmproj."""

from pathlib import Path

from gguf import GGML_QUANT_VERSION, MODEL_ARCH, MODEL_ARCH_NAMES, GGUFType, GGUFWriter

from smvl.export.checkpoint import Checkpoint, Weights
from smvl.export.gguf import patch_projector, tile_projector
from smvl.export.gguf.quantization import file_type
from smvl.export.gguf.tensors import check_planned, write_tensors
from smvl.export.gguf.vision_form import VisionForm

VISION_FORMS: dict[str, VisionForm] = {"smolvlm": tile_projector.FORM, "qwen3_vl": patch_projector.FORM}
"""By layout."""


def write_vision_projector(checkpoint: Checkpoint, weights: Weights, path: Path, *, name: str, kind: str = "F16") -> None:
    """Write the vision encoder, the projector and the image settings of a checkpoint.

    The embeddings of patches and positions stay float32, as in llama.cpp's own conversion of these architectures.

    Args:
        kind: F16, F32 or BF16.

    Raises:
        ExportError: llama.cpp's graph of this projector has no place for a setting, or the tensors are not those of config.json.
    """
    form = VISION_FORMS[checkpoint.layout]
    form.check(checkpoint)
    plan = form.plan(checkpoint.config, kind)
    check_planned(plan, weights, form.prefixes, checkpoint.folder)
    writer = GGUFWriter(None, MODEL_ARCH_NAMES[MODEL_ARCH.MMPROJ])
    writer.add_type(GGUFType.MMPROJ)
    writer.add_name(name)
    writer.add_file_type(file_type(kind))
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(form.projector)
    form.add_settings(writer, checkpoint)
    write_tensors(writer, path, plan, weights)
