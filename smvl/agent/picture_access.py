"""Which pictures a client of our server may name: files in some folders, and those that it sends along."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from smvl.infer.typed import path_of_address
from smvl.processing.data_url import is_data_url
from smvl.processing.images import ImageError, image_header, image_name
from smvl.strict_yaml import shorten

_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{64,}={0,2}\s*")
"""A file's name of that length without a dot is none of a picture."""


class PictureAccess:
    """Reads what a client calls a picture.

    Args:
        folders: those whose files it may read, whatever lies below included; where a link leads is what counts.

    Raises:
        ValueError: there is no such folder.
    """

    def __init__(self, folders: Sequence[str | Path]):
        for folder in folders:
            if not Path(folder).is_dir():
                raise ValueError(f"--root: there is no folder {folder}.")
        self._folders = [Path(folder).resolve() for folder in folders]

    def read(self, given: str) -> str | bytes:
        """A picture's bytes, or the data: URL that it was given as.

        Raises:
            ValueError: a path leads out of the folders, or to no file, or it is neither a path nor a picture in base64.
        """
        if is_data_url(given):
            return given
        sent = _decode(given)
        return self._file(path_of_address(given)).read_bytes() if sent is None else sent

    def _file(self, given: str) -> Path:
        """The file that a path leads to, from any of the folders."""
        found = [path for folder in self._folders if (path := (folder / given).resolve()).is_relative_to(folder)]
        if not found:
            inside = ", ".join(map(str, self._folders))
            raise ValueError(f"{image_name(given)} is outside of the folders that this server reads ({inside}).")
        for path in found:
            if path.is_file():
                return path
        raise ValueError(f"there is no picture {image_name(given)} in the folders that this server reads.")


def _decode(given: str) -> bytes | None:
    """The bytes of a picture in base64; None for what is none, such as a path."""
    if not _BASE64.fullmatch(given):
        return None
    try:
        sent = base64.b64decode("".join(given.split()), validate=True)
        image_header(sent)
    except ImageError as error:
        raise ValueError(f"{shorten(given)} is no picture in base64 ({error}), and no path either.") from error
    except ValueError:
        return None
    return sent
