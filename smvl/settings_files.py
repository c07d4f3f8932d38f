"""The settings files of a model folder, which somebody else may have written: what is wrong in them is told by the file's name.

transformers and tokenizers read most of them, and meet a wrong one with whatever error it leads to.
"""

import json
import math
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

INDEX_FILE = "model.safetensors.index.json"
MODEL_FILES = ("config.json", "generation_config.json", INDEX_FILE)
PROCESSOR_FILES = (
    *("preprocessor_config.json", "processor_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    "chat_template.json",
)
"""Besides tokenizer.json, which is too large to be read twice."""
_READ = (".json", ".jinja", ".txt")
"""What settings, tokenizers and templates end with; weights are read piece by piece."""
_MOST_BYTES, _MOST_BYTES_OF_TOKENIZER = 64 << 20, 256 << 20
_MAX_CHARACTERS, _MAX_SHOWN, _MAX_SIZE = 400, 60, 10**9
_FILE_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
_FLOAT_TAG = "__float__"
"""With which transformers writes a number that JSON has not."""
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}


class SettingsFileError(ValueError):
    """A settings file that cannot be used; the message names it."""


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises `SettingsFileError` for anything else, and for a number in it that is none."""
    _check_is_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsFileError(f"{path} cannot be read ({one_line(error)}).") from error
    if not isinstance(content, dict):
        raise SettingsFileError(f"{path} holds {_KINDS[type(content)]}; expected a JSON object.")
    for key, value in _scalars(content):
        if _is_no_number(value, key):
            raise SettingsFileError(f"{path}: {key} is {value}, which is no finite number. Restore the file, or write a number there.")
    return content


def object_in(path: Path) -> dict[str, Any]:
    """The JSON object in a file; none of its keys where there is no such file."""
    return read_object(path) if path.exists() else {}


def read_size(settings: dict[str, Any], name: str, where: str | Path) -> int:
    """A size in a settings file, which `where` names; raises `SettingsFileError` for what is none."""
    size = settings.get(name)
    if type(size) is not int or not 1 <= size <= _MAX_SIZE:
        raise SettingsFileError(f"{where}: {name} is {repr(size)[:_MAX_SHOWN]}; expected a whole number above 0.")
    return size


def check_folder(folder: str | Path) -> None:
    """Raise `SettingsFileError` for what is no file, so that a reader would wait or never end, and for one larger than any of its kind."""
    for path in chain(_files_below(Path(folder)), _shards(Path(folder))):
        _check_is_file(path)
        limit = _MOST_BYTES_OF_TOKENIZER if path.name == "tokenizer.json" else _MOST_BYTES
        if path.suffix in _READ and path.stat().st_size > limit:
            raise SettingsFileError(
                f"{path} has {path.stat().st_size:,} bytes; at most {limit:,} of such a file are read. Take the file as it was published."
            )


def check_objects(folder: str | Path, names: Sequence[str]) -> None:
    """Raise `SettingsFileError` unless each of these files that is there holds a JSON object."""
    for name in names:
        if (Path(folder) / name).exists():
            read_object(Path(folder) / name)


@contextmanager
def reading(what: str, error_class: type[ValueError] = SettingsFileError) -> Iterator[None]:
    """Within, a library reads files of a user: whatever it raises becomes an `error_class` of one line that begins with `what`.

    No narrower class would do: a wrong type makes TypeError, AttributeError or IndexError, huggingface_hub and tokenizers raise classes
    that have Exception alone in common, and where tokenizers' Rust gives up, it has not even that.
    """
    try:
        yield
    except error_class:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise error_class(f"{what}: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """What an error says, or of which class it is where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."


def _files_below(folder: Path) -> Iterator[Path]:
    """All but folders, and but what lies in hidden ones, which hold what programs keep beside a model."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names))


def _shards(folder: Path) -> Iterator[Path]:
    """The weights that the index names, which may lie elsewhere; those that are missing are left for others to tell."""
    shards = object_in(folder / INDEX_FILE).get("weight_map")
    names = {name for name in shards.values() if isinstance(name, str)} if isinstance(shards, dict) else ()
    yield from (folder / name for name in sorted(names) if os.path.lexists(folder / name))


def _check_is_file(path: Path) -> None:
    """Raise `SettingsFileError` for a pipe, a socket, a device, or a link that leads to no file. A folder is told by what reads it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SettingsFileError(f"{path} cannot be read ({one_line(error)}).") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = _FILE_KINDS.get(stat.S_IFMT(mode), "a device")
        raise SettingsFileError(f"{path} is {kind}; expected a file. Take it out of the folder, or copy the folder again.")


def _scalars(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What an object holds besides lists and objects, each with its dotted key."""
    left: list[tuple[str, Any]] = [("", content)]
    while left:
        key, value = left.pop()
        if isinstance(value, (dict, list)):
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            left.extend((f"{key}.{name}" if key else str(name), entry) for name, entry in entries)
        else:
            yield key, value


def _is_no_number(value: Any, key: str) -> bool:
    if key.rpartition(".")[2] == _FLOAT_TAG:
        return isinstance(value, str)
    return isinstance(value, float) and not math.isfinite(value)
