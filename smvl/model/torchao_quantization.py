"""Weights of the text layers in 8 or 4 bits or in 8-bit floating point, by torchao (https://github.com/pytorch/ao), through transformers.

The vision encoder, the connector, the embedding and the head stay as they are: a tenth of a small model is its encoder, and what it
loses there no text layer gets back.
"""

import math
from pathlib import Path
from typing import Any

import torch

from smvl.settings_files import read_object

KINDS = ("int8", "int4", "fp8")
"""`int8`: each row of a weight has a scale. `int4`: each group of up to 32. `fp8`: float8 e4m3, each tensor has one. In all of them weights
alone are quantized and the arithmetic is that of the activations' type.

On a CPU `int4` is computed with four-bit values that lie in eight bits each, in memory and in the file: it shows what four bits do to the
answers and saves no more than `int8`. On a card it is packed (torchao needs its `mslk` package for that)."""

_KEPT = ["model.vision_model", "model.connector", "model.visual", "lm_head"]
"""By the names of either layout; one that a model has not says nothing."""
_MOST_IN_GROUP = 32


def torchao_config(kind: str, folder: str | Path, device: torch.device) -> Any:
    """What transformers' `from_pretrained` takes as `quantization_config`.

    Args:
        folder: of the checkpoint; groups of `int4` are cut to fit its layers.

    Raises:
        ValueError: there is no such kind, torchao is not installed, or the checkpoint is quantized already.
    """
    if kind not in KINDS:
        raise ValueError(f"quantize is {kind}; expected one of {', '.join(KINDS)}.")
    config = read_object(Path(folder) / "config.json")
    if "quantization_config" in config:
        raise ValueError(f"{folder} is quantized already. Load it without quantize.")
    try:
        from torchao import quantization
        from transformers import TorchAoConfig
    except ImportError as error:
        raise ValueError(f"quantize needs torchao ({error}). Install it: pip install -r requirements-quantize.txt") from error
    if kind == "int8":
        scheme = quantization.Int8WeightOnlyConfig()
    elif kind == "fp8":
        scheme = quantization.Float8WeightOnlyConfig()
    elif device.type == "cuda":
        scheme = quantization.Int4WeightOnlyConfig(group_size=_group_size(config["text_config"]))
    else:
        granularity = quantization.PerGroup(_group_size(config["text_config"]))
        scheme = quantization.IntxWeightOnlyConfig(torch.int4, granularity=granularity)
    return TorchAoConfig(scheme, modules_to_not_convert=_KEPT)


def _group_size(text: dict[str, Any]) -> int:
    """The largest power of two, up to 32, that divides the inputs of all text layers."""
    attended = text["num_attention_heads"] * (text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"])
    return math.gcd(_MOST_IN_GROUP, text["hidden_size"], text["intermediate_size"], attended)
