"""An image as a row gives it -> what `read_image` takes. No file outside the data folder is ever opened, and nothing is fetched."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

from smvl.data.rules import SampleError
from smvl.data.sources.values import is_empty, is_missing
from smvl.processing.data_url import is_data_url

_BASE64_BEGINNINGS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0A")
"""How PNG, JPEG, GIF, WebP, BMP and TIFF (both byte orders) begin in base64. All but short names begin otherwise or hold a dot."""
_SHORTEST_BASE64, _LONGEST_PATH = 64, 4096
_PLACE_OF_FILE = re.compile(r"(?i)file://(localhost)?")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")


def find_image(value: Any, folder: Path, root: Path, name: str) -> Any:
    """What `read_image` takes, paths made whole.

    Args:
        value: a path, bytes, base64 (bare or a data: URL), `{"bytes", "path"}`, or a PIL image.
        folder: what relative paths start from.
        root: the data folder, which no path may lead out of; absolute paths that end up inside are fine.
        name: how errors call the image.

    Raises:
        SampleError: it is none of these, it is an address of the web, or its path leads out of `root`.
    """
    if isinstance(value, dict):
        return _from_struct(value, folder, root, name)
    if isinstance(value, (bytes, Image.Image)):
        return value
    if is_empty(value):
        raise SampleError("missing image", f"{name} is {value!r}; expected a path, bytes, base64 or a datasets image")
    if not isinstance(value, str):
        raise SampleError("image form", f"{name} is {type(value).__name__}; expected a path, bytes, base64 or a datasets image")
    if is_data_url(value.lstrip()):
        return value.lstrip()
    if _is_base64(value):
        return f"data:image;base64,{value}"
    return _confined(_without_scheme(value, name), folder, root, name)


def _from_struct(value: dict[str, Any], folder: Path, root: Path, name: str) -> Any:
    content, path = value.get("bytes"), value.get("path", value.get("url"))
    if isinstance(content, str) and content:
        return content if is_data_url(content) else f"data:image;base64,{content}"
    if isinstance(content, bytes):
        return {"bytes": content, "path": path if isinstance(path, str) else None}
    if is_missing(content) and isinstance(path, str):
        return find_image(path, folder, root, name)
    raise SampleError("missing image", f"{name} has neither bytes nor a path but {', '.join(map(str, value)) or 'nothing'}")


def _is_base64(text: str) -> bool:
    if len(text) > _LONGEST_PATH:
        return True
    beginning = text[:_SHORTEST_BASE64].lstrip().replace("_", "/").replace("-", "+")  # in the alphabet for URLs too
    return len(text) >= _SHORTEST_BASE64 and beginning.startswith(_BASE64_BEGINNINGS) and "." not in text


def _without_scheme(text: str, name: str) -> str:
    """A path as it is, a file: URL as the path that it names; raises `SampleError` for any other address."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    if scheme[1].lower() == "file":
        return unquote(_PLACE_OF_FILE.sub("", text))
    raise SampleError("image URL", f"{name} stands at {text[:80]}; nothing is fetched while training: download it and give its path")


def _confined(text: str, folder: Path, root: Path, name: str) -> str:
    if not _can_be_a_name(text):
        raise SampleError("image path", f"{name} has a NUL or half a surrogate pair in its path {text[:80]!r}; expected the path of a file")
    path = os.path.join(folder, text)
    real = _real_path(path)
    if not real.startswith(_inside_of(root)):
        raise SampleError(
            "image path",
            f"{name} is {text[:200]}, which leads to {real}, out of the data folder {root}; put it inside, or give the folder that holds "
            "both as the source's path",
        )
    return path


def _can_be_a_name(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _real_path(path: str) -> str:
    """The path without links. Folders are looked at once: millions of images lie in few."""
    folder, name = os.path.split(path)
    if name in ("", os.curdir, os.pardir):
        return os.path.realpath(path)
    real = os.path.join(_real_folder(folder), name)
    return os.path.realpath(real) if os.path.islink(real) else real


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


@lru_cache(maxsize=256)
def _inside_of(root: Path) -> str:
    """What the real path of every file inside begins with."""
    return os.path.join(os.path.realpath(root), "")
