"""Opening an image wherever it lies: a path, bytes, a data: URL. Nothing is decoded; what is no image is refused by what it is."""

import io
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

from smvl.processing.data_url import decode_data_url, is_data_url
from smvl.processing.file_kinds import NUM_BYTES, kind_of

MAX_PIXELS = 120_000_000
"""Larger pictures are refused: decoding one would take more memory than training has to spare."""
_MAX_PIXELS_OF = {"WEBP": 60_000_000}
"""Of formats that Pillow needs more memory for: WebP takes 16 bytes a pixel, where most take 4."""
PICTURE_ENDINGS = frozenset(
    ".apng .avif .bmp .dib .gif .heic .heif .ico .j2k .jfif .jp2 .jpe .jpeg .jpg .jpx .jxl .mpo .pbm .pgm .png .pnm .ppm .psd .svg .tga "
    ".tif .tiff .webp".split()
)
"""Of the names of pictures, those included that are refused with what to do (HEIC, JPEG XL, SVG): nobody means them to be passed over."""
_FILE_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a directory", stat.S_IFSOCK: "a socket"}
_NOT_PRINTABLE = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]")

ImageStream = io.BytesIO | Path | Image.Image


class ImageError(ValueError):
    """An image that cannot be read; the message names it, and `rule` says what is wrong in two words."""

    def __init__(self, message: str, rule: str = "unreadable image"):
        super().__init__(message)
        self.rule = rule


def image_name(source: Any) -> str:
    """A short name of an image source for messages, of characters that can be printed."""
    if isinstance(source, dict) and source.get("path"):
        source = source["path"]
    if not isinstance(source, (str, Path)):
        return "an image in memory"
    name = str(source) if len(str(source)) <= 200 else f"{str(source)[:40]}...{str(source)[-40:]}"
    return _NOT_PRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), name)


def image_stream(source: Any, name: str) -> ImageStream:
    """What `open_image` opens, of any form that an image may be given in; raises `ImageError` for others, and for damaged base64."""
    if isinstance(source, dict):
        source = source["bytes"] if source.get("bytes") is not None else source.get("path")
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, str) and is_data_url(source):
        try:
            return io.BytesIO(decode_data_url(source))
        except ValueError as error:
            raise ImageError(f"{name}: {error}.", "image base64") from error
    if isinstance(source, (str, Path)):
        return Path(source)
    if isinstance(source, Image.Image):
        return source
    found = type(source).__name__
    raise ImageError(f"{name}: an image is given as {found}; expected a path, bytes, a data: URL or a PIL image.", "image form")


def open_image(stream: ImageStream, name: str) -> Image.Image:
    """The image in a stream, with its header read.

    Raises:
        ImageError: it is no image, or one of too many pixels, or one that a program would have to paint.
    """
    image = stream if isinstance(stream, Image.Image) else _open(stream, name)
    if isinstance(image, ImageFile.StubImageFile) or image.format == "EPS":
        found = f"{image.format} needs another program to paint it"
        raise ImageError(f"{name}: this is not an image that can be read ({found}). Save it as PNG.")
    _check_size(image, name)
    return image


@contextmanager
def refusing_damage(name: str) -> Iterator[None]:
    """Whatever goes wrong while an image is decoded is an `ImageError`."""
    try:
        yield
    except Image.DecompressionBombError as error:  # of a picture within the picture
        raise _too_large(name, _pixels_named_in(error)) from error
    except Exception as error:  # as in opening
        message = f"{name}: the image is damaged or cut short ({_one_line(error)}). Replace the file or remove it from the data."
        raise ImageError(message, "damaged image") from error


def _open(stream: io.BytesIO | Path, name: str) -> Image.Image:
    if isinstance(stream, Path):
        _check_file(stream, name)
    elif not stream.getbuffer().nbytes:
        raise _empty(name)
    try:
        return Image.open(stream)
    except Image.DecompressionBombError as error:  # Pillow has read the size and stopped, as we would have
        raise _too_large(name, _pixels_named_in(error)) from error
    except Exception as error:  # Pillow's readers of forty formats raise whatever broken bytes lead them to
        kind = kind_of(_beginning(stream))
        reason = _one_line(error).replace(repr(stream), "given as bytes") if isinstance(stream, io.BytesIO) else _one_line(error)
        found, advice = (f"it is {kind.name}", f" {kind.advice}") if kind else (reason, "")
        raise ImageError(f"{name}: this is not an image that can be read ({found}).{advice}") from error


def _check_file(path: Path, name: str) -> None:
    """Raise `ImageError` for what is no file: a pipe would be waited for, and a device may have no end."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"{name}: there is no such image file.", "missing image") from None
    except PermissionError as error:
        raise ImageError(f"{name}: this is not an image that can be read ({error.strerror}).") from error
    except (OSError, ValueError) as error:  # a name that is too long, or that no file can have; links that lead in a circle
        raise ImageError(f"{name}: there is no such image file ({_one_line(error)}).", "missing image") from error
    if not stat.S_ISREG(status.st_mode):
        kind = _FILE_KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise ImageError(f"{name}: this is not an image that can be read (it is {kind}; expected a file).")
    if not status.st_size:
        raise _empty(name)


def _beginning(stream: io.BytesIO | Path) -> bytes:
    if isinstance(stream, io.BytesIO):
        return b"" if stream.closed else bytes(stream.getbuffer()[:NUM_BYTES])
    try:
        with stream.open("rb") as file:
            return file.read(NUM_BYTES)
    except OSError:
        return b""


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > _MAX_PIXELS_OF.get(image.format, MAX_PIXELS):
        raise _too_large(name, f"{width} x {height} pixels", image.format)
    if not width or not height:
        raise ImageError(f"{name}: {width} x {height} pixels; an image needs at least one.", "image shape")


def _pixels_named_in(error: Image.DecompressionBombError) -> str:
    return f"{int(re.search('[0-9]+', str(error))[0]):,} pixels"


def _too_large(name: str, found: str, image_format: str | None = None) -> ImageError:
    most = f"at most {_MAX_PIXELS_OF.get(image_format, MAX_PIXELS):,} are read"
    most += f" of {image_format}" if image_format in _MAX_PIXELS_OF else ""
    advice = "Scale the image down; a small file of so many pixels is a decompression bomb."
    return ImageError(f"{name}: {found}; {most}. {advice}", "image too large")


def _empty(name: str) -> ImageError:
    return ImageError(f"{name}: the image is empty (0 bytes). Write it again, or download it again.", "empty image")


def _one_line(error: Exception) -> str:
    """What an error says: not the name of the file again, which may be long, and never more than a line."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split())[:200] or type(error).__name__
