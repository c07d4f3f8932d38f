"""Loading a model whole: every tensor that its configuration asks for, and no other."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from smvl.model.finite_weights import check_finite
from smvl.settings_files import reading


class WeightsError(ValueError):
    """Weights that cannot be read, or are not those of the configuration beside them; the message names the folder."""


def load_whole(
    auto_class: Any, folder: str | Path, *, dtype: torch.dtype | str, attention: str, quantization: Any = None
) -> PreTrainedModel:
    """`auto_class.from_pretrained` from a local folder, safetensors only, where anything less than all is an error.

    Args:
        quantization: transformers' configuration of a quantization that is done while loading.

    Raises:
        WeightsError: the weights are missing or cut short, or a tensor is missing, unknown or of another shape.
        NotFiniteError: a tensor holds numbers that are none.
    """
    with reading(f"the model in {folder} cannot be loaded", WeightsError):
        model, report = auto_class.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=attention,
            local_files_only=True,
            use_safetensors=True,
            **({} if quantization is None else {"quantization_config": quantization}),  # None would hide the checkpoint's own
            ignore_mismatched_sizes=True,  # they are reported, and refused below with their names
            output_loading_info=True,
        )
    kinds = ("missing_keys", "unexpected_keys", "mismatched_keys")
    if faults := [f"{kind} {first_names(sorted(map(str, report[kind])))}" for kind in kinds if report[kind]]:
        raise WeightsError(f"the weights in {folder} do not match its config.json: {'; '.join(faults)}.")
    check_finite(chain(model.state_dict().items(), model.named_buffers()), f"the model in {folder}")
    return model


def first_names(names: Sequence[str]) -> str:
    """At most three names and how many more there are."""
    return "none" if not names else ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
