"""A font that has every character of a label: one of this machine's, or none. Pillow alone tells, for asking a model installs no more."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from smvl.font_files import SUBSET_FILE, machine_font_files, pip_font_file

_MISSING = "\uffff"
"""No character, so that a font shows what it shows for those that it has not."""
_WEIGHT = 500
"""Of a variable font; the one that pip brings is as thin as a hair unless told."""
_MOST_FACES = 10


def font_for(text: str, pixels: int) -> ImageFont.FreeTypeFont | None:
    """The first font that can write a text; None where no font of this machine has all its characters."""
    return next((font for font in _fonts(pixels) if text.isprintable() and _has(font, text)), None)


def _fonts(pixels: int) -> Iterator[ImageFont.FreeTypeFont]:
    """Cheapest to find first."""
    for file in _files():
        if font := _open(file, pixels):
            yield font
    yield ImageFont.load_default(pixels)


def _files() -> Iterator[Path]:
    try:
        yield pip_font_file()
    except ImportError:
        yield SUBSET_FILE
    yield from _machine_files()


_machine_files = lru_cache(maxsize=1)(machine_font_files)


@lru_cache(maxsize=16)
def _open(file: Path, pixels: int) -> ImageFont.FreeTypeFont | None:
    """The face of a file that simplified Chinese is best written with, or its first; None where it cannot be read."""
    faces = list(_faces(file, pixels))
    font = next((face for face in faces if "SC" in face.getname()[0].split()), faces[0] if faces else None)
    if font is not None and (weight := _weight_axis(font)) is not None:
        axes = [axis["default"] for axis in font.get_variation_axes()]
        axes[weight] = _WEIGHT
        font.set_variation_by_axes(axes)
    return font


def _faces(file: Path, pixels: int) -> Iterator[ImageFont.FreeTypeFont]:
    for index in range(_MOST_FACES):
        try:
            yield ImageFont.truetype(str(file), pixels, index=index, layout_engine=ImageFont.Layout.BASIC)
        except OSError:  # no font, or no further face
            return


def _weight_axis(font: ImageFont.FreeTypeFont) -> int | None:
    try:
        names = [axis["name"] for axis in font.get_variation_axes()]
    except OSError:  # not a variable one
        return None
    return names.index(b"Weight") if b"Weight" in names else None


def _has(font: ImageFont.FreeTypeFont, text: str) -> bool:
    missing = _shape(font, _MISSING)
    return all(character == " " or _shape(font, character) != missing for character in text)


def _shape(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
