"""The same weights described as an `idefics3` model: what vLLM's Transformers backend asks of a processor, SmolVLM's has not.

The two architectures compute the same; only names differ. The stock Idefics3Processor has its markers' names written into its code, so the
tokenizer carries those; ids stay as they are. The position table is laid out so that half precision reads it right too. How to serve the
folder: docs/serving.md. `load_checkpoint` turns it back into the project's own.

    export_idefics3("output/demo", "output/demo-idefics3")
"""

import logging
import shutil
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file

from smvl.export.checkpoint import Checkpoint, ExportError, Weights, open_checkpoint, weight_files
from smvl.export.settings import write_json
from smvl.layouts.smolvlm.position_table import spread, table_side
from smvl.model.flavours import as_idefics3
from smvl.model.saving import save_tensors
from smvl.settings_files import INDEX_FILE

logger = logging.getLogger(__name__)

_PROCESSOR, _IMAGE_PROCESSOR = "Idefics3Processor", "Idefics3ImageProcessor"
_COPIED = ("generation_config.json", "provenance.json")
_POSITIONS = "model.vision_model.embeddings.position_embedding.weight"


def export_idefics3(checkpoint_folder: str | Path, out_folder: str | Path) -> Path:
    """Write a checkpoint as a stock `idefics3` one; its logits are the same to the bit.

    Raises:
        ExportError: the checkpoint is damaged, is not a stock `smolvlm` one, or `out_folder` is in use.
    """
    checkpoint = open_checkpoint(checkpoint_folder)
    Weights(checkpoint.folder)
    folder = Path(out_folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} is in use. Give another folder, or delete it.")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_settings(checkpoint, partial)
        _copy_weights(checkpoint, partial)
    except BaseException:
        shutil.rmtree(partial)
        raise
    if folder.exists():
        folder.rmdir()
    partial.rename(folder)
    logger.info("Wrote %s as an idefics3 checkpoint.", folder)
    return folder


def _write_settings(checkpoint: Checkpoint, folder: Path) -> None:
    image_settings = {**checkpoint.image_settings, "do_image_splitting": True}
    image_settings |= {"image_processor_type": _IMAGE_PROCESSOR, "processor_class": _PROCESSOR}
    tokenizer_config = checkpoint.tokenizer_config | {"processor_class": _PROCESSOR, "chat_template": checkpoint.chat_template}
    config = as_idefics3(checkpoint.config)
    config["vision_config"] |= {"image_size": table_side(_patches(checkpoint)) * config["vision_config"]["patch_size"]}
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", image_settings)
    write_json(folder / "processor_config.json", _processor_config(checkpoint, image_settings))
    write_json(folder / "tokenizer.json", checkpoint.tokenizer)
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    (folder / "chat_template.jinja").write_text(checkpoint.chat_template, encoding="utf-8")


def _processor_config(checkpoint: Checkpoint, image_settings: dict[str, Any]) -> dict[str, Any]:
    """Without a video processor, which Idefics3 has not."""
    side = _patches(checkpoint) // checkpoint.config["scale_factor"]
    settings = {key: value for key, value in image_settings.items() if key != "processor_class"}
    return {"processor_class": _PROCESSOR, "image_seq_len": side**2, "image_processor": settings}


def _patches(checkpoint: Checkpoint) -> int:
    """Of a tile, along its side."""
    return checkpoint.vision_config["image_size"] // checkpoint.vision_config["patch_size"]


def _copy_weights(checkpoint: Checkpoint, target: Path) -> None:
    source, patches = checkpoint.folder, _patches(checkpoint)
    for name in (INDEX_FILE, *_COPIED):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    for file in weight_files(source):
        if table_side(patches) == patches or not _holds_positions(file):
            shutil.copyfile(file, target / file.name)
            continue
        tensors = load_file(file)
        tensors[_POSITIONS] = spread(tensors[_POSITIONS], patches, table_side(patches))
        save_tensors(tensors, target / file.name)


def _holds_positions(file: Path) -> bool:
    with safe_open(file, framework="pt") as opened:
        return _POSITIONS in opened.keys()
