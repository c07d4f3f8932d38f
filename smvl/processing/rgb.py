"""Any of Pillow's modes -> RGB, a strip at a time, so that a large picture is in memory once and not at full depth again."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

_STRIP_PIXELS = 1 << 20
_BLANK = 32
"""Levels within which a picture counts as empty: nobody sees a difference of fewer."""

Convert = Callable[[Image.Image], Image.Image]


def to_rgb(image: Image.Image, reduction: int = 1) -> Image.Image:
    """An RGB picture of `image`: transparency is laid on white, 16-bit grey is scaled to 8 bits and not clipped.

    Args:
        reduction: so many pixels each way become one, their mean.

    A drawing that white would swallow is laid on black.
    """
    is_transparent = image.has_transparency_data and not _is_deep(image)
    if image.mode == "RGB" and not is_transparent and reduction == 1:
        return image
    if not is_transparent:
        return _convert(image, reduction, _converter(image))
    on_white = _convert(image, reduction, _laid_on("white"))
    if min(low for low, _ in on_white.getextrema()) < 256 - _BLANK:
        return on_white
    on_black = _convert(image, reduction, _laid_on("black"))
    is_drawn = any(high - low >= _BLANK for low, high in on_black.getextrema())
    return on_black if is_drawn else on_white


def _convert(image: Image.Image, reduction: int, convert: Convert) -> Image.Image:
    if reduction == 1 and image.width * image.height <= _STRIP_PIXELS:
        return convert(image)
    picture = Image.new("RGB", (-(-image.width // reduction), -(-image.height // reduction)))
    for top, strip in _strips(image, reduction):
        strip = convert(strip)
        picture.paste(strip.reduce(reduction) if reduction > 1 else strip, (0, top // reduction))
    return picture


def _strips(image: Image.Image, reduction: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """(first row, its part of the picture), each of a whole number of rows that become one."""
    num_rows = max(1, _STRIP_PIXELS // image.width // reduction) * reduction
    for top in range(0, image.height, num_rows):
        yield top, image.crop((0, top, image.width, min(top + num_rows, image.height)))


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _converter(image: Image.Image) -> Convert:
    return _scaled_by(_full_scale(image)) if _is_deep(image) else lambda strip: strip.convert("RGB")


def _laid_on(colour: str) -> Convert:
    def convert(strip: Image.Image) -> Image.Image:
        strip = strip.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", strip.size, colour), strip).convert("RGB")

    return convert


def _scaled_by(full_scale: float) -> Convert:
    """Grey of any depth; Pillow's own conversion clips every value above 255 to white."""

    def convert(strip: Image.Image) -> Image.Image:
        grey = np.clip(_values(strip) / full_scale * 255.0, 0, 255).round().astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")

    return convert


def _full_scale(image: Image.Image) -> float:
    """The value that is white: that of the depth which the values fill."""
    if image.mode.startswith("I;16"):
        return 65535.0
    strips = (_values(strip) for _, strip in _strips(image))
    most = max(float(np.max(values, initial=0, where=np.isfinite(values))) for values in strips)
    if image.mode == "F" and most <= 1.0:
        return 1.0
    return 255.0 if most <= 255 else max(65535.0, most)


def _values(strip: Image.Image) -> np.ndarray:
    """(height, width) float64, with 0 for what is no number."""
    values = np.asarray(strip, dtype=np.float64)
    return np.nan_to_num(values, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf) if strip.mode == "F" else values
