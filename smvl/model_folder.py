"""A model folder is data: it is read within bounds, and code that it brings along is never run.

transformers runs the code that a folder names in `auto_map`, or asks on standard input whether it may. Here nothing is asked and nothing
runs: a model is of a kind that transformers or this package knows, or it is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig

from smvl.settings_files import SettingsFileError, check_folder, object_in, one_line, reading


class ModelFolderError(SettingsFileError):
    """A model folder that cannot be read as data alone; the message names it."""


@contextmanager
def refusing_code(folder: str | Path) -> Iterator[None]:
    """For a load that is given `trust_remote_code=False`: what it refuses then is said in words that fit.

    Raises:
        SettingsFileError: what is no file lies in it, or a file that is larger than any of its kind.
        ModelFolderError: the folder cannot be loaded without running its code, or without a package that is not installed.
    """
    check_folder(folder)
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
        reason = one_line(error)
        raise ModelFolderError(f"{folder} needs a package that is not installed, or is not what its config.json says: {reason}") from error


def read_config(folder: str | Path) -> PreTrainedConfig:
    """config.json, without the `auto_map` of the model and of its parts: building a part would ask whether that code may run.

    Raises:
        ModelFolderError: it is missing, damaged or too large, or of a kind that transformers does not know.
    """
    with reading(f"{folder}/config.json cannot be read", ModelFolderError), refusing_code(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    _forget_code(config)
    return config


def refuse_other_models(folder: str | Path) -> None:
    """Raise `ModelFolderError` for a processor with an audio tokenizer: transformers would fetch the model that it names."""
    folder = Path(folder)
    if (folder / "audio_tokenizer_config.json").exists() or "audio_tokenizer" in object_in(folder / "processor_config.json"):
        raise ModelFolderError(f"{folder} names an audio tokenizer, a model of its own that nothing here uses. Take it out of the folder.")


def _forget_code(config: PreTrainedConfig) -> None:
    vars(config).pop("auto_map", None)
    for name in config.sub_configs:
        part = vars(config).get(name)
        if isinstance(part, PreTrainedConfig):
            _forget_code(part)
