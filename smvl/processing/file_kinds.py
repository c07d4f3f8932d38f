"""What a file is that is not what it should be: the kinds that often stand in the place of pictures and data, told by how they begin."""

import re
from typing import NamedTuple

NUM_BYTES = 1024
"""Of the beginning of a file, enough to tell."""


class FileKind(NamedTuple):
    """A kind of file."""

    name: str
    advice: str
    """What to do, a sentence."""


_SAVE_AS_PICTURE = "Save it as PNG or JPEG."
_FAILED_DOWNLOAD = "A server answered with it in place of the file: download the file again, logged in if it asks for that."
_UNPACK = "Unpack it first."
_TAKE_A_FRAME = "Take frames out of it as pictures, or leave it out: video and audio are not read."
JSON = FileKind("a JSON text", _FAILED_DOWNLOAD)
PARQUET = FileKind("a parquet table", "It holds rows: give it as a source of its own.")
_KINDS = (
    (rb"version https://git-lfs", "a Git LFS pointer", "It only names the file: fetch the files themselves with `git lfs pull`."),
    (rb"(?i)\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body|script)\b", "a web page (HTML)", _FAILED_DOWNLOAD),
    (rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", "a HEIC picture, as iPhones write", _SAVE_AS_PICTURE),
    (rb"(?i)\s*(<\?xml.*?\?>\s*)?(<!--.*?-->\s*|<!doctype svg.*?>\s*)*<svg\b", "an SVG drawing", _SAVE_AS_PICTURE),
    (rb"(\xff\x0a|\0\0\0\x0cJXL )", "a JPEG XL picture", _SAVE_AS_PICTURE),
    (rb"%PDF-", "a PDF document", "Save its pages as PNG or JPEG."),
    (rb"%!PS", "a PostScript program", _SAVE_AS_PICTURE),
    (rb"(....ftyp|RIFF....AVI |\x1aE\xdf\xa3|OggS|FLV\x01|ID3[\x02-\x04])", "video or sound", _TAKE_A_FRAME),
    (rb"PK\x03\x04", "a zip archive", _UNPACK),
    (rb"(\x1f\x8b|BZh[1-9]|\xfd7zXZ\0|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd)", "packed data", _UNPACK),
    (rb"PAR1", *PARQUET),
    (rb"\s*<\?xml", "an XML text", _FAILED_DOWNLOAD),
    (rb'\s*[{\[]\s*["{\[]', *JSON),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), FileKind(name, advice)) for pattern, name, advice in _KINDS)


def kind_of(beginning: bytes) -> FileKind | None:
    """What a file is that begins so; None where that does not tell."""
    beginning = beginning.removeprefix(b"\xef\xbb\xbf")
    return next((kind for pattern, kind in _PATTERNS if pattern.match(beginning)), None)
