"""Reading an image from wherever a user or a data set keeps it: always upright, always RGB, or refused by name."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile

from smvl.processing.image_files import ImageError, ImageStream, image_name, image_stream, open_image, refusing_damage
from smvl.processing.png_chunks import has_metadata_behind_pixels, without_metadata
from smvl.processing.rgb import to_rgb

LARGE_PIXELS = 50_000_000
"""Larger pictures are read at half their size each way: a square one is still 3,500 pixels wide, more than any grid of tiles shows."""

MIN_EDGE = 2
"""A picture of one pixel's width or height is a rule, a spacer or a counter of visits: there is nothing to see in it."""
MAX_ASPECT = 200
"""Longest side by shortest. A chat scrolled through for a whole day (1080 x 100,000) has 93; beyond 200, the short side of a picture that
is scaled to 2048 pixels keeps less than 11, too few for a line of text."""

_EXIF_ORIENTATION = 0x0112
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of each EXIF orientation upright."""
_ORIENTATIONS_ON_THE_SIDE = (5, 6, 7, 8)
_FIRST_IS_WHOLE = ("MPO", "PSD")
"""Formats whose first frame is the picture, and whose others are previews, gain maps or layers of it."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class ImageHeader:
    """What is known of an image before its pixels are decoded."""

    height: int
    width: int
    """In pixels, as `read_image` will give them."""
    stored_size: tuple[int, int]
    """(width, height) as they are in the file: what decoding may have to hold."""
    has_more_frames: bool
    """It is an animation, or has several pages: only the first is read."""
    seen_size: tuple[int, int]
    """(width, height) as a viewer shows it: upright, and whole where `read_image` halves it."""


def read_image(source: Any, *, name: str | None = None) -> Image.Image:
    """Decode `source` into an upright RGB picture.

    Args:
        source: a path, raw bytes, a `data:` URL, a `PIL.Image.Image`, or the `{"bytes", "path"}` struct of the `datasets` library.
        name: how errors call the image, where the source does not say it.

    Transparent pixels are laid on white (a drawing that white would swallow on black), 16-bit grey is scaled to 8 bits (not clipped),
    CMYK and palettes are converted, and the EXIF rotation is applied. Metadata that is broken or too long is passed over. Of an
    animation the first frame is read. A picture of more than `LARGE_PIXELS` comes out at half its size.

    Raises:
        ImageError: the image is missing, truncated, not an image, or larger than `MAX_PIXELS`.
    """
    name = name or image_name(source)

    def decode(image: Image.Image) -> Image.Image:
        declared, reduction = image.size, _reduction(image)
        if reduction > 1:
            _ask_for_less(image)
        with refusing_damage(name):
            image.load()
            if image.size not in (declared, _reduced(declared, reduction)):
                raise OSError(f"it says that it has {declared[0]} x {declared[1]} pixels and has {image.width} x {image.height}")
            picture = to_rgb(image, reduction if image.size == declared else 1)
        orientation = _orientation(image)
        if orientation not in _TO_UPRIGHT:
            return picture.copy() if picture is source else picture
        upright = picture.transpose(_TO_UPRIGHT[orientation])
        upright.info.clear()  # it says how to turn the picture, which is done
        return upright

    return _decoded(source, name, decode)


def image_header(source: Any, *, name: str | None = None) -> ImageHeader:
    """What the header of an image says, without decoding any pixel.

    Raises:
        ImageError: as `read_image`, but damaged pixels are not seen.
    """
    name = name or image_name(source)

    def look(image: Image.Image) -> ImageHeader:
        stored_size = seen_size = image.size
        width, height = _reduced(image.size, _reduction(image))
        has_more_frames = image is not source and _has_more_frames(image)
        if image.format != "TIFF":  # Pillow has turned its size already, though not its EXIF entry
            with refusing_damage(name):
                is_png = image is not source and isinstance(image, PngImageFile)
                without_pixels = is_png and not has_metadata_behind_pixels(image.fp)
                if is_png and not without_pixels:
                    image.load()
            if _orientation(image, without_pixels=without_pixels) in _ORIENTATIONS_ON_THE_SIDE:
                width, height, seen_size = height, width, seen_size[::-1]
        return ImageHeader(height, width, stored_size, has_more_frames, seen_size)

    return _decoded(source, name, look)


def image_size(source: Any, *, name: str | None = None) -> tuple[int, int]:
    """(height, width) in pixels as `read_image` will give them, without decoding any; raises as `image_header` does."""
    header = image_header(source, name=name)
    return header.height, header.width


def check_shape(height: int, width: int, *, name: str) -> None:
    """Raise `ImageError` for a picture that is a line: nothing can be learned from it, and something must have gone wrong with it."""
    if min(height, width) < MIN_EDGE or max(height, width) > MAX_ASPECT * min(height, width):
        raise ImageError(
            f"{name}: {width} x {height} pixels; expected at least {MIN_EDGE} each way, and at most {MAX_ASPECT} times as many one way as "
            "the other. Cut it into pieces, or remove it from the data.",
            "image shape",
        )


def _decoded(source: Any, name: str, read: Callable[[Image.Image], Result]) -> Result:
    """`read` of the opened image; of a PNG without its metadata where that stands in the way."""
    stream = image_stream(source, name)
    try:
        return read(open_image(stream, name))
    except ImageError as error:
        bare = _bare_png(stream) if error.rule in ("unreadable image", "damaged image") else None
        if bare is None:
            raise
    return read(open_image(io.BytesIO(bare), name))


def _bare_png(stream: ImageStream) -> bytes | None:
    """The bytes of a PNG without its metadata; None where it is none."""
    if isinstance(stream, io.BytesIO):
        return None if stream.closed else without_metadata(stream)  # some of Pillow's readers close what they were given
    if not isinstance(stream, Path) or not stream.is_file():
        return None
    try:
        with stream.open("rb") as png:
            return without_metadata(png)
    except OSError:  # it may not be read, which opening has said already
        return None


def _reduction(image: Image.Image) -> int:
    """How many pixels each way become one."""
    return 2 if image.width * image.height > LARGE_PIXELS else 1


def _reduced(size: tuple[int, int], reduction: int) -> tuple[int, int]:
    return -(-size[0] // reduction), -(-size[1] // reduction)


def _ask_for_less(image: Image.Image) -> None:
    """Let the formats that can decode at half their size do so; the others are reduced afterwards."""
    if isinstance(image, Jpeg2KImageFile):
        image.reduce = 1
    else:
        image.draft(None, (image.width // 2, image.height // 2))


def _orientation(image: Image.Image, *, without_pixels: bool = False) -> int | None:
    """As EXIF has it; None where it says nothing, or cannot be read: good pixels with broken metadata are upright.

    Args:
        without_pixels: a PNG's own `getexif` decodes it, for what may follow its pixels; this one's does not.
    """
    try:
        return (Image.Image.getexif(image) if without_pixels else image.getexif()).get(_EXIF_ORIENTATION)
    except Exception:  # as in opening
        return None


def _has_more_frames(image: Image.Image) -> bool:
    try:
        return image.format not in _FIRST_IS_WHOLE and bool(getattr(image, "is_animated", False))  # only some of Pillow's classes have it
    except Exception:  # a second frame that is broken is none; the first has its own check
        return False
