"""Loading a model whole: every tensor that its configuration asks for, and no other."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from smvl.model_folder import ModelFolderError, read_config


class WeightsError(ValueError):
    """Weights that cannot be read, or are not those of the configuration beside them; the message names the folder."""


def load_whole(
    auto_class: Any, folder: str | Path, *, dtype: torch.dtype | str, attention: str, quantization: Any = None
) -> PreTrainedModel:
    """`auto_class.from_pretrained` from a local folder, safetensors only: all of it or an error, and no code of the folder runs.

    Args:
        quantization: transformers' configuration of a quantization that is done while loading.

    Raises:
        ModelFolderError: the model is of a kind that only the folder's own code knows.
        WeightsError: the weights are missing or cut short, or a tensor is missing, unknown or of another shape.
    """
    try:
        model, report = auto_class.from_pretrained(
            folder,
            config=read_config(folder),
            trust_remote_code=False,
            dtype=dtype,
            attn_implementation=attention,
            local_files_only=True,
            use_safetensors=True,
            **({} if quantization is None else {"quantization_config": quantization}),  # None would hide the checkpoint's own
            ignore_mismatched_sizes=True,  # they are reported, and refused below with their names
            output_loading_info=True,
        )
    except ModelFolderError:
        raise
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:  # ImportError: of what quantized weights need
        raise WeightsError(f"the model in {folder} cannot be loaded: {error}") from error
    faults = {name: sorted(map(str, report[name])) for name in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[name]}
    if faults:
        raise WeightsError(f"the weights in {folder} do not match its config.json: {faults}.")
    return model
