"""The images that a row, or a turn of it, lists beside its words; and images that stand where nobody reads them.

Of several columns that list images the first that is filled is read. The others may hold the same images in another form (bytes here,
paths there); where they hold others, the row is refused, and so is one whose images stand under a name that is not in the list.
"""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from smvl.data.json_text import parse_json
from smvl.data.rules import SampleError
from smvl.data.sources.values import is_empty, is_missing

IMAGE_COLUMNS = tuple("images image image_bytes image_paths image_path image_files image_file img image_urls image_url".split())

_NAMED_FOR_IMAGES = re.compile(r"imag|img|pics?$|pic_|pict|photo|frame|screenshot|camera|(^|_)cam($|_)", re.IGNORECASE)
_NAMED_FOR_PATHS = re.compile(r"(^|[.])(imgs?|images?|pics?|pictures?|photos?)(_?(paths?|files?|file_?names?|names?|list|urls?))?$", re.I)
"""Columns in which any text is the name of an image."""
_DEEPEST = 20
_MOST_LOOKED_AT = 10_000
"""Entries of a column; among more, such as numbers, no image is looked for."""
_PATH = re.compile(r"[^\n]+\.(png|jpe?g|webp|gif|bmp|tiff?|heic|avif|jp2|svg)(\?[^\n]*)?", re.IGNORECASE)
_ENCODED = re.compile(r"\s*(data:image|iVBORw0KGgo|[/_]9j[/_]|R0lGOD|UklGR)")
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


def image_column(holder: dict[str, Any]) -> str | None:
    """The column that lists the images of a row, or the key of a turn that does; None where there is none."""
    present = [column for column in IMAGE_COLUMNS if column in holder and not is_missing(holder[column])]
    return next((column for column in present if not is_empty(holder[column])), present[0] if present else None)


def listed_images(holder: dict[str, Any]) -> list[Any]:
    """The images of a row or a turn, those that are null or empty too: whether they are missed, their places say."""
    column = image_column(holder)
    return [] if column is None else _entries(holder[column])


def check_unread_images(unread: dict[str, list[Any]], images: Sequence[Any]) -> None:
    """Raise `SampleError` for columns in which images stand that are not read.

    Args:
        unread: the columns of a row or the keys of its turns that nobody reads, with all that they hold.
        images: those of the row that are read.
    """
    for column, values in unread.items():
        entries = [leaf for leaf in itertools.islice(_leaves(values), _MOST_LOOKED_AT) if _form(leaf)]
        if not entries and not images and _NAMED_FOR_PATHS.search(column):
            entries = [entry for value in values for entry in _entries(value) if isinstance(entry, str) and not is_empty(entry)]
        if entries and (not images or (_NAMED_FOR_IMAGES.search(column) and _are_others(entries, images))):
            beside = f" beside the {len(images)} that are" if images else ""
            raise SampleError(
                "unread image", f"{column} holds {len(entries)} images, which are not read from there{beside}; expected them in `images`"
            )


def _entries(value: Any) -> list[Any]:
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            value = parse_json(value, "image form", "the images are", allows_nan=True)
        except SampleError:
            return [value]  # a path may begin so
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if is_missing(value) else [value]


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    """What stands in lists and objects, however nested."""
    within = _within(value) if depth <= _DEEPEST else None
    if within is None:
        yield value
        return
    for entry in within:
        yield from _leaves(entry, depth + 1)


def _within(value: Any) -> list[Any] | None:
    """What a list or an object holds, also as JSON text, of `{"bytes", "path"}` the bytes alone; None for anything else."""
    if isinstance(value, dict):
        content = value.get("bytes")
        return [content] if isinstance(content, (bytes, str)) and content else list(value.values())
    if not isinstance(value, (str, list, tuple)):
        return None
    entries = _entries(value)
    return None if entries and entries[0] is value else entries


def _form(entry: Any) -> str | None:
    """Whether an entry is an image by its bytes or by its path; None where it is none."""
    if isinstance(entry, dict):
        entry = entry.get("bytes") if not is_missing(entry.get("bytes")) else entry.get("path")
    if isinstance(entry, Image.Image) or (isinstance(entry, bytes) and entry.startswith(_BEGINNINGS)):
        return "bytes"
    if not isinstance(entry, str):
        return None
    return "bytes" if _ENCODED.match(entry) else "path" if len(entry) < 4096 and _PATH.fullmatch(entry.strip()) else None


def _are_others(entries: Sequence[Any], images: Sequence[Any]) -> bool:
    """Whether some are other images than those that are read: another form of as many is taken for the same."""
    if {_form(entry) for entry in entries}.isdisjoint({_form(image) for image in images}):
        return len(entries) != len(images)
    return not all(_name(entry) in map(_name, images) for entry in entries)


def _name(entry: Any) -> Any:
    """What tells images of one form apart: bytes, or the name of the file wherever it lies."""
    if isinstance(entry, dict):
        entry = entry.get("bytes") if not is_missing(entry.get("bytes")) else entry.get("path")
    return os.path.basename(entry) if isinstance(entry, str) and _form(entry) == "path" else entry
