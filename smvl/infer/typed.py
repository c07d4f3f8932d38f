"""What a user types at a terminal or drags into it: text in whatever encoding the terminal has, paths in whatever form it gives them."""

import codecs
import os
import shlex
from pathlib import Path
from urllib.parse import unquote_to_bytes

_ADDRESS = "file:"
_LOCALE_VARIABLES = ("LC_ALL", "LC_CTYPE", "LANG")


def typed_text(text: str) -> str:
    """Text of the command line or of standard input, read as the locale says where its bytes are not UTF-8.

    Args:
        text: as Python gives it, bytes that it could not decode as lone surrogates (`surrogateescape`).

    Raises:
        ValueError: the bytes are text in no encoding that is known here.
    """
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    raw = text.encode("utf-8", "surrogateescape" if _is_made_of_bytes(text) else "surrogatepass")
    for encoding in ["utf-8", *_encodings_of_locale()]:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(
        f"{raw[:40]!r} is not text in UTF-8. Set the terminal to UTF-8, or let LANG name the encoding that it has (LANG=zh_CN.GBK)."
    )


def typed_paths(text: str) -> list[Path]:
    """The files that a line names: plainly, in quotes, with backslashes before blanks or as file:// addresses; several where all are there.

    Raises:
        ValueError: an address names another machine.
    """
    text = text.strip()
    if _is_there(_path(text)):
        return [_path(text)]
    paths = [_path(word) for word in _words(text)]
    return paths if paths and all(map(_is_there, paths)) else [_path(text.strip("'\""))]


def dragged_files(line: str) -> list[Path]:
    """The files of a line that is nothing but where they are; none for any other line."""
    starts_as_a_path = line.lower().startswith(("/", "~", "'/", '"/', _ADDRESS))
    files = typed_paths(line) if starts_as_a_path else []
    return files if all(map(_is_file, files)) else []


def path_of_address(text: str) -> str:
    """The path of a file:// address; anything else as it is.

    Raises:
        ValueError: an address names another machine.
    """
    if not text.lower().startswith(_ADDRESS):
        return text
    host, slash, path = text[len(_ADDRESS) :].removeprefix("//").partition("/")
    if host not in ("", "localhost"):
        raise ValueError(f"{text} is on the machine {host}. Give a file of this machine, as file:///folder/picture.png or as a path.")
    return os.fsdecode(unquote_to_bytes(slash + path))


def _words(text: str) -> list[str]:
    """As a shell would see them."""
    try:
        return shlex.split(text)
    except ValueError:  # a lone quotation mark, as in it's.png
        return []


def _path(word: str) -> Path:
    path = Path(path_of_address(word))
    try:
        return path.expanduser()
    except RuntimeError:  # ~name, and there is nobody of that name
        return path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name that is too long
        return False


def _is_file(path: Path) -> bool:
    return _is_there(path) and path.is_file()


def _is_made_of_bytes(text: str) -> bool:
    """Whether every lone surrogate stands for a byte."""
    return all("\udc80" <= character <= "\udcff" for character in text if "\ud800" <= character <= "\udfff")


def _encodings_of_locale() -> list[str]:
    """Those that the environment names, UTF-8 aside. Python has not used them where the locale is not installed."""
    named = [os.environ.get(name, "").partition(".")[2].partition("@")[0] for name in _LOCALE_VARIABLES]
    return [encoding for encoding in named if encoding and _is_another_than_utf8(encoding)]


def _is_another_than_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name != "utf-8"
    except LookupError:
        return False
