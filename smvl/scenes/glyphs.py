"""Characters as ink, each rendered once for a font and size: a page has hundreds, and rendering them is most of what drawing it takes.

Positions are whole pixels and advances are added up as Pillow's basic layout does; Chinese type knows no kerning.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw

from smvl.augment.textures import Colour
from smvl.scenes.fonts import Face, load_font

Box = tuple[int, int, int, int]

MIDDLE_ABOVE_BASELINE = 0.36
"""Of the square that a Chinese character stands in, as a share of its size."""


class Mark(NamedTuple):
    """A character that leaves ink: the middle of its place, and the size of its type, in pixels."""

    character: str
    x: float
    y: float
    size: int


_BASELINES: dict[str, Callable[[int, int], float]] = {
    "a": lambda ascent, descent: ascent,
    "m": lambda ascent, descent: (ascent - descent) / 2,
    "s": lambda ascent, descent: 0,
    "d": lambda ascent, descent: -descent,
}
"""From an anchor's second letter to how far below it the baseline lies, in pixels."""
_SHIFTS = {"l": 0.0, "m": 0.5, "r": 1.0}
"""From an anchor's first letter to the share of the text's width that lies before it."""


def write_text(
    image: Image.Image,
    position: tuple[float, float],
    text: str,
    face: Face,
    pixels: int,
    fill: Colour,
    anchor: str,
    marks: list[Mark] | None = None,
) -> Box:
    """Write one line on an RGB picture. Returns the box from its origin to the end of its last advance, as high as its ink.

    Args:
        marks: where what was written is added, character by character.
        pixels: the font's size.
        anchor: Pillow's: `l`, `m` or `r`, then `a` (ascender), `m`, `s` (baseline) or `d` (descender).
    """
    x = position[0] - _SHIFTS[anchor[0]] * text_length(text, face, pixels)
    baseline = round(position[1] + _BASELINES[anchor[1]](*line_metrics(face, pixels)))
    boxes = []
    left = round(x)
    for character in text:
        ink, offset_x, offset_y = ink_of(face, pixels, character)
        if ink is not None:
            corner = round(x) + offset_x, baseline + offset_y
            image.paste(fill, corner, ink)
            boxes.append((*corner, corner[0] + ink.width, corner[1] + ink.height))
        width = advance(face, pixels, character)
        if marks is not None and ink is not None:
            marks.append(Mark(character, x + width / 2, baseline - MIDDLE_ABOVE_BASELINE * pixels, pixels))
        x += width
    if not boxes:
        return left, baseline, round(x), baseline
    lefts, tops, rights, bottoms = zip(*boxes)
    return min(left, *lefts), min(tops), max(round(x), *rights), max(bottoms)


def text_length(text: str, face: Face, pixels: int) -> float:
    """Pixels from the first character's origin to the end of the last one's advance."""
    return sum(advance(face, pixels, character) for character in text)


@lru_cache(maxsize=100_000)
def advance(face: Face, pixels: int, character: str) -> float:
    """Pixels from a character's origin to the next one's."""
    return load_font(face, pixels).getlength(character)


@lru_cache(maxsize=10_000)
def line_metrics(face: Face, pixels: int) -> tuple[int, int]:
    """(ascent, descent) in pixels."""
    return load_font(face, pixels).getmetrics()


@lru_cache(maxsize=10_000)
def baseline_below_middle(face: Face, pixels: int) -> float:
    """How far below the middle of the square that a Chinese character stands on its baseline is, in pixels."""
    _, top, _, bottom = load_font(face, pixels).getbbox("国", anchor="ls")
    return -(top + bottom) / 2


@lru_cache(maxsize=40_000)
def ink_of(face: Face, pixels: int, character: str) -> tuple[Image.Image | None, int, int]:
    """(coverage as L, its left edge from the origin, its upper edge from the baseline), without blank rims; None for a blank."""
    font = load_font(face, pixels)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(character, anchor="ls"))
    if right <= left or bottom <= top:
        return None, 0, 0
    ink = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(ink).text((-left, -top), character, font=font, fill=255, anchor="ls")
    rims = ink.getbbox()
    return (ink.crop(rims), left + rims[0], top + rims[1]) if rims else (None, 0, 0)
