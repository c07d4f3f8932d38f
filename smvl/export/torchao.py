"""A checkpoint with quantized text layers, which stock transformers loads where torchao is installed."""

from pathlib import Path

import torch

from smvl.assemble import load_checkpoint
from smvl.model.saving import save_model


def export_torchao(checkpoint: str | Path, out: str | Path, *, kind: str) -> None:
    """Quantize a checkpoint and write it.

    Args:
        kind: `int8`, `int4` or `fp8`; see `smvl.model.torchao_quantization`.

    Raises:
        ValueError: the checkpoint cannot be loaded, or torchao is not installed.
    """
    model, processor = load_checkpoint(checkpoint, dtype=torch.float32, quantize=kind)
    save_model(model, out)
    processor.save_pretrained(out)
