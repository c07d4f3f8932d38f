"""Of which kind the arguments of the Python API are: another is told by its name before anything runs, not by what it breaks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from smvl.infer.form.form import Form
from smvl.processing.plain_values import is_list
from smvl.strict_yaml import shorten


@dataclass(frozen=True)
class _Kind:
    accepts: Callable[[Any], bool]
    expected: str
    """The same in words."""

    def or_none(self) -> "_Kind":
        return _Kind(lambda value: value is None or self.accepts(value), f"{self.expected}, or None")


_WHOLE = _Kind(lambda value: isinstance(value, (int, np.integer)) and not isinstance(value, bool), "a whole number")
_NUMBER = _Kind(lambda value: isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool), "a number")

_KINDS = {
    "folder": _Kind(lambda value: isinstance(value, (str, PathLike)), "the path of a folder"),
    "requests": _Kind(is_list, "a list of Request(messages, images)"),
    "messages": _Kind(is_list, 'a list of mappings such as {"role": ..., "content": ...}'),
    "images": _Kind(is_list, "a list with one image for each image part"),
    "tools": _Kind(lambda value: is_list(value) and all(isinstance(tool, Mapping) for tool in value), "a list of mappings").or_none(),
    "tool_choice": _Kind(lambda value: isinstance(value, str), "auto, none, required, or the name of a tool"),
    "thinking": _Kind(lambda value: isinstance(value, (bool, np.bool_)), "True or False"),
    "form": _Kind(lambda value: isinstance(value, Form), "a Form, such as Form.choices([...])").or_none(),
    "max_new_tokens": _WHOLE,
    "batch_size": _WHOLE,
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_k": _WHOLE,
    "seed": _WHOLE.or_none(),
    "num_likeliest": _WHOLE.or_none(),
}


def check_kinds(**arguments: Any) -> None:
    """Raise `ValueError` for an argument of another kind than those of its name are."""
    for name, value in arguments.items():
        if not _KINDS[name].accepts(value):
            raise ValueError(f"{name} is {' '.join(shorten(value).split())}; expected {_KINDS[name].expected}.")
