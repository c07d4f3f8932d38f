"""What config.json says of a model, where transformers would meet a wrong value with an error that names no key, or with none."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers.activations import ACT2FN

from smvl.settings_files import SettingsFileError

_PARTS = ("text_config", "vision_config")
_ROTATIONS = ("rope_parameters", "rope_scaling")
"""As transformers 5 and 4 call what a part says of its rotation."""
_EXPECTED = {
    "hidden_act": "an activation that transformers knows, such as silu",
    "dtype": "a type of torch's, such as bfloat16",
    "scale_factor": "a whole number above 0",
    "rms_norm_eps": "a number from 0 to 1",
    "rope_theta": "a number above 0",
    "factor": "a number of at least 1",
    "original_max_position_embeddings": "a whole number above 0",
}
_ALIKE = {"hidden_activation": "hidden_act", "torch_dtype": "dtype", "layer_norm_eps": "rms_norm_eps"}
_MAY_BE_NULL = ("hidden_activation", "dtype", "torch_dtype", "layer_norm_eps", "rope_theta")
"""As some kinds of models write what they do not have."""


def check_values(config: Mapping[str, Any], path: Path) -> None:
    """Raise `SettingsFileError` for a value that its key cannot have, in config.json or in one of its parts."""
    for place, part in _parts(config):
        for key in part.keys() & (_EXPECTED.keys() | _ALIKE.keys()):
            kind = _ALIKE.get(key, key)
            if not (key in _MAY_BE_NULL and part[key] is None) and not _is_right(kind, part[key]):
                raise SettingsFileError(f"{path}: {place}{key} is {part[key]!r}; expected {_EXPECTED[kind]}.")


def _parts(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", config
    for name in _PARTS:
        if isinstance(config.get(name), dict):
            yield f"{name}.", config[name]
            yield from ((f"{name}.{key}.", config[name][key]) for key in _ROTATIONS if isinstance(config[name].get(key), dict))


def _is_right(kind: str, value: Any) -> bool:
    if kind == "hidden_act":
        return isinstance(value, str) and value in ACT2FN
    if kind == "dtype":
        return isinstance(value, str) and _is_dtype(value.removeprefix("torch."))
    if kind in ("scale_factor", "original_max_position_embeddings"):
        return type(value) is int and value > 0
    is_number = type(value) in (int, float)
    return is_number and (value > 0 if kind == "rope_theta" else value >= 1 if kind == "factor" else 0 <= value <= 1)


def _is_dtype(name: str) -> bool:
    return name == "auto" or isinstance(vars(torch).get(name), torch.dtype)
