"""A model folder is data: it is read within bounds, and code that it brings along is never run.

transformers runs the code that a folder names in `auto_map`, or asks on standard input whether it may. Here nothing is asked and nothing
runs: a model is of a kind that transformers or this package knows, or it is refused.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

_READ = (".json", ".jinja", ".txt")
"""What a folder's settings, tokenizers and templates end with; weights are read piece by piece."""
_MOST_BYTES, _MOST_BYTES_OF_TOKENIZER = 64 << 20, 256 << 20


class ModelFolderError(ValueError):
    """A model folder that asks for more than being read; the message names it."""


@contextmanager
def reading(folder: str | Path) -> Iterator[None]:
    """For a load that is given `trust_remote_code=False`: what it refuses then is said in words that fit.

    Raises:
        ModelFolderError: a file is larger than any of its kind, or the folder cannot be loaded without running its code, or without a
            package that is not installed.
    """
    _check_sizes(Path(folder))
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ModelFolderError(
            f"{folder} can only be loaded by running code that it brings along (auto_map in its JSON files), which is never done. Give a "
            "model whose model_type, tokenizer_class and image_processor_type transformers itself knows."
        ) from error
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise ModelFolderError(f"{folder} needs a package that is not installed, or is not what its config.json says: {reason}") from error


def read_config(folder: str | Path) -> PreTrainedConfig:
    """config.json, without the `auto_map` of the model and of its parts: building a part would ask whether that code may run.

    Raises:
        ModelFolderError: as `reading`.
        OSError, ValueError, KeyError: it is missing or damaged, or of a kind that transformers does not know.
    """
    with reading(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    _forget_code(config)
    return config


def refuse_other_models(folder: str | Path) -> None:
    """Raise `ModelFolderError` for a processor with an audio tokenizer: transformers would fetch the model that it names."""
    folder = Path(folder)
    if (folder / "audio_tokenizer_config.json").exists() or "audio_tokenizer" in settings_in(folder / "processor_config.json"):
        raise ModelFolderError(f"{folder} names an audio tokenizer, a model of its own that nothing here uses. Take it out of the folder.")


def settings_in(path: Path) -> dict[str, Any]:
    """What a JSON file says; nothing where it is missing or damaged: whoever needs it says so."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _forget_code(config: PreTrainedConfig) -> None:
    vars(config).pop("auto_map", None)
    for name in config.sub_configs:
        part = vars(config).get(name)
        if isinstance(part, PreTrainedConfig):
            _forget_code(part)


def _check_sizes(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        limit = _MOST_BYTES_OF_TOKENIZER if path.name == "tokenizer.json" else _MOST_BYTES
        if path.suffix in _READ and path.is_file() and path.stat().st_size > limit:
            raise ModelFolderError(
                f"{path} has {path.stat().st_size:,} bytes; at most {limit:,} of such a file are read. Take the file as it was published."
            )
