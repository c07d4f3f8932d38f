"""A checkpoint folder as an export reads it: its settings at once, its tensors piece by piece."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from smvl.layouts.settings import LAYOUT_KEYS
from smvl.layouts.tokens import STOCK_ATTRIBUTES
from smvl.processing.chat_template import TEMPLATE_FILE, folder_template
from smvl.processing.exported import has_smolvlm_names
from smvl.processing.rendering import check_template
from smvl.processing.smolvlm_names import SMOLVLM_ATTRIBUTES, to_smolvlm_names
from smvl.settings_files import INDEX_FILE, SettingsFileError, check_folder, read_object, reading

_EXPECTED = "Expected a whole checkpoint, as train.py and smvl.assemble write it."
_LORA_MARKS = ("lora_A", "lora_B", "base_layer", "lora_embedding")


class ExportError(ValueError):
    """A checkpoint that cannot be exported as asked; the message names it."""


class Weights:
    """The tensors of a checkpoint folder. Nothing of them stays in memory.

    Raises:
        ExportError: the weights are missing or damaged, or hold LoRA matrices.
    """

    def __init__(self, folder: Path):
        self._files: dict[str, Path] = {}
        for path in weight_files(folder):
            try:
                with safe_open(path, framework="pt") as file:
                    self._files.update(dict.fromkeys(file.keys(), path))
            except (OSError, SafetensorError) as error:
                raise ExportError(f"{path} cannot be read ({error}). Train or download the checkpoint again.") from error
        leftovers = sorted(name for name in self._files if any(mark in name for mark in _LORA_MARKS))
        if leftovers:
            raise ExportError(
                f"{folder} holds LoRA matrices beside its layers ({leftovers[0]} and {len(leftovers) - 1} more), which no other runtime "
                "reads. Export a finished stage, whose adapters are merged, or merge them with smvl.train.lora_merge."
            )

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        with safe_open(self._files[name], framework="pt") as file:
            return tuple(file.get_slice(name).get_shape())

    def rows(self, name: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Rows `start` to `end` of a tensor, float32 whatever it is stored as."""
        with safe_open(self._files[name], framework="pt") as file:
            return file.get_slice(name)[start:end].float().numpy()


@dataclass(frozen=True)
class Checkpoint:
    """What stands in a checkpoint folder, with the markers under the names that other runtimes look up."""

    folder: Path
    layout: str
    config: dict[str, Any]
    image_settings: dict[str, Any]
    """`preprocessor_config.json`"""
    tokenizer: dict[str, Any]
    """`tokenizer.json`"""
    tokenizer_config: dict[str, Any]
    chat_template: str

    @property
    def text_config(self) -> dict[str, Any]:
        return self.config["text_config"]

    @property
    def vision_config(self) -> dict[str, Any]:
        return self.config["vision_config"]


def open_checkpoint(folder: str | Path) -> Checkpoint:
    """Read the settings of a checkpoint that is one of a layout's stock model, renaming the markers where runtimes know them by others.

    Raises:
        ExportError: a file is missing or damaged, the model is of another kind, or an image may be shown as one tile alone.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ExportError(f"there is no checkpoint folder {folder}.")
    if (path / "adapter_config.json").exists():
        raise ExportError(f"{folder} is a LoRA adapter, not a model. Merge it with smvl.train.lora_merge, then export the merged model.")
    with reading(f"{path} cannot be exported", ExportError):
        check_folder(path)
        template = _read_template(path)
    config = _read_object(path, "config.json")
    layout = _find_layout(config, path)
    known = _KNOWN[layout]
    tokenizer_config = _read_object(path, "tokenizer_config.json")
    image_settings = _read_object(path, "preprocessor_config.json")
    with reading(f"{path / 'preprocessor_config.json'} does not say how images are cut", ExportError):
        known.check_pictures(image_settings, path)
    tokenizer = _read_object(path, "tokenizer.json")
    if has_smolvlm_names(path):  # a SmolVLM as it is published
        tokenizer_config = {key: value for key, value in tokenizer_config.items() if key != "chat_template"}
        return Checkpoint(path, layout, config, image_settings, tokenizer, tokenizer_config, template)
    try:
        named = json.dumps(_renamed_attributes(tokenizer_config), ensure_ascii=False)
        return Checkpoint(
            folder=path,
            layout=layout,
            config=config,
            image_settings=image_settings,
            tokenizer=json.loads(known.rename(_read(path, "tokenizer.json"))),
            tokenizer_config=json.loads(known.rename(named)) | known.attributes,
            chat_template=known.rename(template),
        )
    except ValueError as error:
        raise ExportError(f"{folder} cannot be given SmolVLM's names for its markers: {error}") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model.

    Raises:
        ExportError: there are none.
    """
    index = folder / INDEX_FILE
    names = ["model.safetensors"]
    if index.is_file():
        with reading(f"{index} names no files in its weight_map", ExportError):
            names = sorted(set(map(str, _read_object(folder, INDEX_FILE)["weight_map"].values())))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ExportError(f"{folder} has no {missing[0]}; expected a checkpoint with safetensors weights.")
    return [folder / name for name in names]


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder / name} cannot be read ({error}). {_EXPECTED}") from error


def _read_template(folder: Path) -> str:
    template = folder_template(folder, _read(folder, TEMPLATE_FILE) if (folder / TEMPLATE_FILE).is_file() else None)
    check_template(template)
    return template


def _read_object(folder: Path, name: str) -> dict[str, Any]:
    try:
        return read_object(folder / name)
    except SettingsFileError as error:
        raise ExportError(f"{error} {_EXPECTED}") from error


def _renamed_attributes(tokenizer_config: dict[str, Any]) -> dict[str, Any]:
    """Without the marker attributes, which are written anew, and the template, which stands in a file of its own."""
    return {key: value for key, value in tokenizer_config.items() if key not in (*STOCK_ATTRIBUTES, "chat_template")}


def _find_layout(config: dict[str, Any], folder: Path) -> str:
    kind = config.get("model_type")
    if kind == "smvl":
        raise ExportError(
            f"the projector of {folder} has two layers (model_type smvl), for which this runtime has no graph. Train with model.projector: "
            "linear to export it."
        )
    if kind not in LAYOUT_KEYS:  # a layout is called as its stock model is
        names = " or ".join(LAYOUT_KEYS)
        raise ExportError(f"{folder} holds a model of type {kind}; expected a {names} checkpoint, as train.py writes it.")
    for part in ("text_config", "vision_config"):
        if not isinstance(config.get(part), dict):
            raise ExportError(f"{folder / 'config.json'} has no {part}. {_EXPECTED}")
    return kind


def _check_splitting(settings: dict[str, Any], folder: Path) -> None:
    """Raise `ExportError` where this package would show one tile and others two: llama.cpp always shows a grid and the whole."""
    tile, longest_edge = settings["max_image_size"]["longest_edge"], settings["size"]["longest_edge"]
    if not settings.get("do_image_splitting", True) or longest_edge < 2 * tile:
        raise ExportError(
            f"{folder} shows an image as a single tile (longest_edge {longest_edge}, tile {tile}), but llama.cpp and vLLM always cut one "
            f"into a grid and show the whole beside it. Train with data.image.longest_edge of at least {2 * tile}."
        )


def _takes_any_settings(settings: dict[str, Any], folder: Path) -> None:
    """Pictures at their own resolution are cut by one rule everywhere, whatever the bounds."""


@dataclass(frozen=True)
class _Known:
    """What runtimes know of a layout by heart."""

    rename: Callable[[str], str]
    """A tokenizer file or a chat template with the names of markers that they look up."""
    attributes: dict[str, str]
    """Of the tokenizer, that name markers."""
    check_pictures: Callable[[dict[str, Any], Path], None]
    """Raises `ExportError` for image settings that they do not follow."""


_KNOWN = {
    "smolvlm": _Known(to_smolvlm_names, SMOLVLM_ATTRIBUTES, _check_splitting),
    "qwen3_vl": _Known(str, {}, _takes_any_settings),
}
