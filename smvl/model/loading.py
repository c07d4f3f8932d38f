"""Loading a model whole: every tensor that its configuration asks for, and no other."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PreTrainedConfig, PreTrainedModel

from smvl.model.finite_weights import check_finite
from smvl.model_folder import read_config
from smvl.settings_files import reading


class WeightsError(ValueError):
    """Weights that cannot be read, or are not those of the configuration beside them; the message names the folder."""


def load_whole(
    auto_class: Any,
    folder: str | Path,
    *,
    dtype: torch.dtype | str,
    attention: str,
    quantization: Any = None,
    config: PreTrainedConfig | None = None,
) -> PreTrainedModel:
    """`auto_class.from_pretrained` from a local folder, safetensors only: all of it or an error, and no code of the folder runs.

    Args:
        quantization: transformers' configuration of a quantization that is done while loading.
        config: in the place of the folder's own.

    Raises:
        ModelFolderError: the model is of a kind that only the folder's own code knows, or its config.json cannot be read.
        WeightsError: the weights are missing or cut short, or a tensor is missing, unknown or of another shape, or others lie beside them.
        NotFiniteError: a tensor holds numbers that are none.
    """
    _check_no_adapter(Path(folder))
    config = config or read_config(folder)
    is_float8 = quantization is None and _read_without_float8(config)
    with reading(f"the model in {folder} cannot be loaded", WeightsError):
        _check_depth(config, Path(folder))
        model, report = auto_class.from_pretrained(
            folder,
            config=config,
            trust_remote_code=False,
            dtype="auto" if is_float8 else dtype,  # the same numbers, whatever they are kept in
            attn_implementation=attention,
            local_files_only=True,
            use_safetensors=True,
            **({} if quantization is None else {"quantization_config": quantization}),  # None would hide the checkpoint's own
            ignore_mismatched_sizes=True,  # they are reported, and refused below with their names
            output_loading_info=True,
        )
    if is_float8 and dtype != "auto":
        model = model.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype)
    kinds = ("missing_keys", "unexpected_keys", "mismatched_keys")
    if faults := [f"{kind} {first_names(sorted(map(str, report[kind])))}" for kind in kinds if report[kind]]:
        raise WeightsError(f"the weights in {folder} do not match its config.json: {'; '.join(faults)}.")
    check_finite(chain(model.state_dict().items(), model.named_buffers()), f"the model in {folder}")
    return model


def _read_without_float8(config: PreTrainedConfig) -> bool:
    """Let weights that were rounded to float8 in blocks (`quant_method: fp8`, as Qwen publishes them) be read as the numbers that they
    stand for, on every machine alike; transformers itself would choose by the card. Returns whether there are any."""
    settings = vars(config).get("quantization_config")
    if not isinstance(settings, dict) or settings.get("quant_method") != "fp8":
        return False
    config.quantization_config = {**settings, "dequantize": True}
    return True


def first_names(names: Sequence[str]) -> str:
    """At most three names and how many more there are."""
    return "none" if not names else ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _check_no_adapter(folder: Path) -> None:
    """Raise `WeightsError` for an adapter beside the model: transformers would put it in where peft is installed, and pass over it else."""
    if (folder / "adapter_config.json").exists():
        raise WeightsError(
            f"{folder} holds a model and an adapter beside it (adapter_config.json). Merge the adapter into the model with peft, or take "
            "its files out of the folder."
        )


def _check_depth(config: PreTrainedConfig, folder: Path) -> None:
    """Raise `WeightsError` for more layers than there are tensors: to build a million of them takes minutes, and all memory."""
    parts = [config, *(vars(config).get(name) for name in config.sub_configs)]
    num_layers = sum(map(_depth, (part for part in parts if isinstance(part, PreTrainedConfig))))
    num_tensors = sum(map(_count_tensors, folder.glob("*.safetensors")))
    if num_layers > num_tensors:
        raise WeightsError(f"config.json asks for {num_layers:,} layers, but the weights hold {num_tensors:,} tensors.")


def _depth(config: PreTrainedConfig) -> int:
    """Layers by whatever name this kind of model has for them; 0 where it has none."""
    depth = vars(config).get(config.attribute_map.get("num_hidden_layers", "num_hidden_layers"))
    return depth if isinstance(depth, int) else 0


def _count_tensors(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        return len(file.keys())
