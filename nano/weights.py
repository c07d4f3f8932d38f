"""Tensors in a folder of weights, whole or in parts."""

from pathlib import Path

import torch

from smvl.export.checkpoint import Weights


def tensors_of(folder: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Those whose name begins with a prefix, float32.

    Raises:
        ExportError: the folder's weights are missing or damaged.
    """
    weights = Weights(folder)
    return {name: torch.from_numpy(weights.rows(name)) for name in sorted(weights.names) if name.startswith(prefix)}
