"""The chunks that a PNG is made of (PNG specification, 5): what stands behind the pixels, and the same picture without its metadata."""

import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Chunks that may tell the rotation: eXIf does, and the texts may hold a raw EXIF profile or XMP."""
_ROTATED_BY = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""Keywords of the texts that may."""
_MOST_METADATA = 1 << 20
"""Bytes of the longest such chunk that is kept, unfolded: Pillow refuses longer ones, and the picture with them."""


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    """Of its content."""
    length: int


def has_metadata_behind_pixels(png: IO[bytes]) -> bool:
    """Whether a chunk that may tell the rotation follows the pixels, where only decoding would find it.

    Raises:
        OSError: the file ends before its last chunk does.
    """
    position, kinds = png.tell(), [chunk.kind for chunk in _chunks(png)]
    png.seek(position)
    first_pixels = kinds.index(b"IDAT") if b"IDAT" in kinds else 0
    return any(kind in kinds[first_pixels:] for kind in _METADATA)


def without_metadata(png: IO[bytes]) -> bytes | None:
    """The same picture with nothing beside it but short and whole metadata that may tell its rotation; None where it is no whole PNG."""
    png.seek(0)
    if png.read(len(_SIGNATURE)) != _SIGNATURE:
        return None
    try:
        kept = [chunk for chunk in _chunks(png) if chunk.kind in _PICTURE or _is_sound(png, chunk)]
    except OSError:
        return None
    return _SIGNATURE + b"".join(_content(png, chunk.start - 8, chunk.length + 12) for chunk in kept)  # with head and check sum


def _chunks(png: IO[bytes]) -> Iterator[_Chunk]:
    start, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        png.seek(start)
        length, kind = int.from_bytes(png.read(4), "big"), png.read(4)
        if len(kind) < 4:
            raise OSError("it ends before its last chunk")
        yield _Chunk(kind, start + 8, length)
        start += length + 12


def _is_sound(png: IO[bytes], chunk: _Chunk) -> bool:
    """Whether a chunk may tell the rotation, and cannot stand in the way of the pixels."""
    if chunk.kind not in _METADATA or chunk.length > _MOST_METADATA:
        return False
    content = _content(png, chunk.start, chunk.length + 4)
    is_whole = zlib.crc32(chunk.kind + content[:-4]) == int.from_bytes(content[-4:], "big")
    return is_whole and (chunk.kind == b"eXIf" or (content.startswith(_ROTATED_BY) and _unfolds(_packed(chunk.kind, content[:-4]))))


def _packed(kind: bytes, text: bytes) -> bytes:
    """The compressed part of a text chunk; empty where nothing is compressed."""
    after_keyword = text.partition(b"\0")[2]
    if kind == b"zTXt":
        return after_keyword[1:]
    return after_keyword[2:].split(b"\0", 2)[-1] if kind == b"iTXt" and after_keyword[:1] == b"\1" else b""


def _unfolds(packed: bytes) -> bool:
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed, _MOST_METADATA)
    except zlib.error:
        return False
    return not unpacking.unconsumed_tail


def _content(png: IO[bytes], start: int, length: int) -> bytes:
    png.seek(start)
    return png.read(length)
