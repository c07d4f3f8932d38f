"""What learns, in full precision beside a checkpoint's model: a stage goes on from exactly these numbers."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from smvl.model.saving import save_tensors
from smvl.train.checkpoint import LEARNING_FILE, RunFolderError, way_around


def save_learning(parameters: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Write what learns, exactly as it is in memory: the model's own file may hold it in a shorter type."""
    save_tensors({name: parameter.detach().contiguous().cpu() for name, parameter in parameters.items()}, folder / LEARNING_FILE)


@torch.no_grad()
def load_learning(parameters: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Put back what `save_learning` wrote.

    Raises:
        RunFolderError: the file does not hold these parameters, all of them, and nothing else.
    """
    saved = load_file(folder / LEARNING_FILE)
    for name in sorted(saved.keys() | parameters.keys()):
        shapes = [f"{tuple(tensors[name].shape)}" if name in tensors else "nothing" for tensors in (saved, parameters)]
        if shapes[0] != shapes[1]:
            raise RunFolderError(
                f"{folder / LEARNING_FILE}: {name} is {shapes[0]}, but the stage has trained {shapes[1]}. {way_around(folder)}"
            )
        parameters[name].copy_(saved[name])
