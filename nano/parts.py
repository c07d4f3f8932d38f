"""A nano in few files of at most 15 MB, for machines that give back no larger ones.

What comes of a run is written as one folder that `--start` takes: the weights in parts, and everything else in an archive beside them.
Before the splice there is no connector among them."""

import tarfile
import tempfile
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict

from nano.weights import tensors_of

MAX_PART = 15_000_000
"""Bytes."""
REST = "rest.tar.gz"
VISION, TEXT, CONNECTOR, MODEL = "vision", "text", "connector", "model"
"""Folders of a run."""
_BESIDE = ("curve.jsonl", "characters.txt", "reader.safetensors", "teller.safetensors")
"""Of the donors' folders: how they learned, and what named the characters and told the pages."""


def write_parts(run: Path, folder: Path) -> None:
    """Write the model of a run into a folder, or its two donors while there is no model yet.

    Raises:
        ExportError: weights of the run are missing or damaged.
    """
    spliced = is_spliced(run)
    state = tensors_of(run / MODEL, "") if spliced else _donors(run)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as new:
        save_torch_state_dict({name: value.to(torch.bfloat16) for name, value in state.items()}, new, max_shard_size=MAX_PART)
        for old in folder.glob("model*"):
            old.unlink()
        for part in Path(new).iterdir():
            part.replace(folder / part.name)
    others = [path for path in (run / MODEL).iterdir() if path.is_file() and path.suffix != ".safetensors"] if spliced else []
    with tarfile.open(folder / REST, "w:gz") as archive:
        for path in others:
            archive.add(path, path.name)
        for donor in (VISION, TEXT):
            for name in _BESIDE:
                if (run / donor / name).exists():
                    archive.add(run / donor / name, name if name != "curve.jsonl" else f"{donor}_{name}")


def is_spliced(run: Path) -> bool:
    """Whether a run has come through its first stage at least."""
    return (run / MODEL / "model.safetensors").exists()


def _donors(run: Path) -> dict[str, torch.Tensor]:
    """Tensors of both donors under the names that they have in a spliced model."""
    text = {name.replace("model.", "model.text_model.", 1): value for name, value in tensors_of(run / TEXT, "model.").items()}
    return tensors_of(run / VISION, "model.vision_model.") | text
