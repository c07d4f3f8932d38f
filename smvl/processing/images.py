"""Reading an image from wherever a user or a data set keeps it: always upright, always RGB, or refused by name."""

import base64
import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

MAX_PIXELS = 120_000_000
"""Larger pictures are refused: decoding one would take more memory than training has to spare."""

MIN_EDGE = 2
"""A picture of one pixel's width or height is a rule, a spacer or a counter of visits: there is nothing to see in it."""
MAX_ASPECT = 200
"""Longest side by shortest. A chat scrolled through for a whole day (1080 x 100,000) has 93; beyond 200, the short side of a picture that
is scaled to 2048 pixels keeps less than 11, too few for a line of text."""

_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError, struct.error, zlib.error)
"""What Pillow's readers of the many formats raise on broken files."""
_EXIF_ORIENTATION = 0x0112
_ORIENTATIONS_ON_THE_SIDE = (5, 6, 7, 8)


class ImageError(ValueError):
    """An image that cannot be read; the message names it, and `rule` says what is wrong in two words."""

    def __init__(self, message: str, rule: str = "unreadable image"):
        super().__init__(message)
        self.rule = rule


def read_image(source: Any, *, name: str | None = None) -> Image.Image:
    """Decode `source` into an upright RGB picture.

    Args:
        source: a path, raw bytes, a `data:` URL, a `PIL.Image.Image`, or the `{"bytes", "path"}` struct of the `datasets` library.
        name: how errors call the image, where the source does not say it.

    Transparent pixels are laid on white, 16-bit grey is scaled to 8 bits (not clipped), CMYK and palettes are converted, and the EXIF
    rotation is applied.

    Raises:
        ImageError: the image is missing, truncated, not an image, or larger than `MAX_PIXELS`.
    """
    name = name or image_name(source)
    image = _open(source, name)
    _check_size(image, name)
    with _refusing_damage(name):
        image.load()
        image = ImageOps.exif_transpose(image)
    return _to_rgb(image)


def image_size(source: Any, *, name: str | None = None) -> tuple[int, int]:
    """(height, width) in pixels as `read_image` will give them, without decoding any.

    Raises:
        ImageError: as `read_image`, but damaged pixels are not seen.
    """
    name = name or image_name(source)
    image = _open(source, name)
    _check_size(image, name)
    width, height = image.size
    if image.format == "TIFF":  # Pillow has turned its size already, though not its EXIF entry
        return height, width
    with _refusing_damage(name):
        may_skip_pixels = image is not source and isinstance(image, PngImageFile) and not _has_metadata_behind_pixels(image.fp)
        exif = Image.Image.getexif(image) if may_skip_pixels else image.getexif()  # a PNG's own getexif decodes it
        on_its_side = exif.get(_EXIF_ORIENTATION) in _ORIENTATIONS_ON_THE_SIDE
    return (width, height) if on_its_side else (height, width)


def check_shape(height: int, width: int, *, name: str) -> None:
    """Raise `ImageError` for a picture that is a line: nothing can be learned from it, and something must have gone wrong with it."""
    if min(height, width) < MIN_EDGE or max(height, width) > MAX_ASPECT * min(height, width):
        raise ImageError(
            f"{name}: {width} x {height} pixels; expected at least {MIN_EDGE} each way, and at most {MAX_ASPECT} times as many one way as "
            "the other. Cut it into pieces, or remove it from the data.",
            "image shape",
        )


def image_name(source: Any) -> str:
    """A short name of an image source for messages."""
    if isinstance(source, (str, Path)):
        return str(source) if len(str(source)) <= 200 else f"{str(source)[:40]}..."
    if isinstance(source, dict) and source.get("path"):
        return str(source["path"])
    return "an image in memory"


def _open(source: Any, name: str) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    stream = _stream(source, name)
    try:
        return Image.open(stream)
    except FileNotFoundError:
        raise ImageError(f"{name}: there is no such image file.", "missing image") from None
    except Image.DecompressionBombError as error:  # Pillow has read the size and stopped, as we would have
        num_pixels = int(re.search(r"\d+", str(error))[0])
        raise ImageError(_too_large(name, f"{num_pixels:,} pixels"), "image too large") from error
    except _DAMAGE as error:
        if _is_empty(stream):
            raise ImageError(f"{name}: the image is empty (0 bytes). Write it again, or download it again.", "empty image") from None
        raise ImageError(f"{name}: this is not an image that can be read ({error}).") from error


def _is_empty(stream: io.BytesIO | Path) -> bool:
    if isinstance(stream, io.BytesIO):
        return not stream.getbuffer().nbytes
    return "\0" not in str(stream) and stream.is_file() and not stream.stat().st_size


def _too_large(name: str, size: str) -> str:
    return f"{name}: {size}; at most {MAX_PIXELS:,} are read. Scale the image down; a small file of so many pixels is a decompression bomb."


def _stream(source: Any, name: str) -> io.BytesIO | Path:
    if isinstance(source, dict):
        source = source["bytes"] if source.get("bytes") is not None else source.get("path")
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, str) and source.startswith("data:"):
        return io.BytesIO(_decode_data_url(source, name))
    if isinstance(source, (str, Path)):
        return Path(source)
    found = type(source).__name__
    raise ImageError(f"{name}: an image is given as {found}; expected a path, bytes, a data: URL or a PIL image.", "image form")


def _decode_data_url(url: str, name: str) -> bytes:
    header, comma, payload = url.partition(",")
    if not comma or not header.endswith(";base64"):
        raise ImageError(f"{name}: a data: URL must read data:image/...;base64,DATA.", "image base64")
    try:
        return base64.b64decode(payload, validate=True)
    except ValueError as error:  # binascii.Error is one; so is what a character outside of ASCII raises
        raise ImageError(f"{name}: the base64 of this data: URL is damaged ({error}).", "image base64") from error


def _has_metadata_behind_pixels(png: IO[bytes]) -> bool:
    """Whether a chunk that may tell the rotation follows the pixels, where only decoding would find it (PNG specification, 5.3).

    Raises:
        OSError: the file ends before its last chunk does.
    """
    position, kinds = png.tell(), [b""]
    png.seek(8)  # behind the signature
    while kinds[-1] != b"IEND":
        length = int.from_bytes(png.read(4), "big")
        kinds.append(png.read(4))
        if len(kinds[-1]) < 4:
            raise OSError("it ends before its last chunk")
        png.seek(length + 4, io.SEEK_CUR)  # the check sum too
    png.seek(position)
    first_pixels = kinds.index(b"IDAT") if b"IDAT" in kinds else 0
    return any(kind in kinds[first_pixels:] for kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"))


@contextmanager
def _refusing_damage(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        message = f"{name}: the image is damaged or cut short ({error}). Replace the file or remove it from the data."
        raise ImageError(message, "damaged image") from error


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(name, f"{width} x {height} pixels"), "image too large")
    if not width or not height:
        raise ImageError(f"{name}: {width} x {height} pixels; an image needs at least one.", "image shape")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _deep_grey_to_rgb(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion clips every value above 255 to white."""
    values = np.asarray(image, dtype=np.float64)
    full_scale = 65535.0 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 255.0
    if image.mode == "F" and values.max(initial=0) <= 1.0:
        full_scale = 1.0
    grey = np.clip(values / full_scale * 255.0, 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
