"""Red seals of companies: the name along the rim, a star in the middle, what the seal is for below it."""

import math
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from smvl.scenes.page import Colour, Page

RED: Colour = (206, 30, 36)
_SPAN = 250
"""Degrees of the rim that the name takes at most."""


def paint_seal(
    page: Page, centre: tuple[float, float], radius: float, name: str, purpose: str, *, flat: float = 1.0, tilt: float = 0
) -> None:
    """Press a seal onto the page. Its writing counts as one run, the name and the purpose.

    Args:
        centre: in pixels.
        radius: of its width, in pixels.
        flat: its height by its width: 1 for a round one, about 0.7 for an oval one.
        tilt: in degrees.
    """
    font = page.font("serif", max(6, round(min(radius * 0.27, radius * 0.72 * math.radians(_SPAN) / len(name)))), name + purpose)
    ink = Image.new("L", (round(radius * 2), round(radius * 2)))
    pen = ImageDraw.Draw(ink)
    pen.ellipse((1, 1, ink.width - 2, ink.height - 2), outline=225, width=max(2, round(radius / 18)))
    _write_rim(ink, name, font, radius * 0.76)
    _paint_star(pen, radius)
    pen.text((radius, radius * 1.48), purpose, font=font, fill=225, anchor="mm")
    ink = ink.resize((ink.width, max(1, round(ink.height * flat))), Image.Resampling.BILINEAR).rotate(
        tilt, Image.Resampling.BILINEAR, expand=True
    )
    place = round(centre[0] - ink.width / 2), round(centre[1] - ink.height / 2)
    page.image.paste(RED, place, ink)
    page.texts.append(name + purpose)
    page.boxes.append((*place, place[0] + ink.width, place[1] + ink.height))


def _write_rim(ink: Image.Image, name: str, font: ImageFont.FreeTypeFont, radius: float) -> None:
    """Characters along the upper rim, their feet to the middle."""
    middle, step = ink.width / 2, min(_SPAN / len(name), 26)
    for index, character in enumerate(name):
        angle = (index - (len(name) - 1) / 2) * step
        glyph = _turned(font, character, round(angle))
        x, y = middle + radius * math.sin(math.radians(angle)), middle - radius * math.cos(math.radians(angle))
        ink.paste(225, (round(x - glyph.width / 2), round(y - glyph.height / 2)), glyph)


@lru_cache(maxsize=4096)
def _turned(font: ImageFont.FreeTypeFont, character: str, degrees: int) -> Image.Image:
    side = round(font.size * 1.5)
    glyph = Image.new("L", (side, side))
    ImageDraw.Draw(glyph).text((side / 2, side / 2), character, font=font, fill=255, anchor="mm")
    return glyph.rotate(-degrees, Image.Resampling.BICUBIC)


def _paint_star(pen: ImageDraw.ImageDraw, radius: float) -> None:
    points = []
    for corner in range(10):
        reach = radius * (0.26 if corner % 2 == 0 else 0.105)
        angle = math.radians(36 * corner)
        points.append((radius + reach * math.sin(angle), radius - reach * math.cos(angle)))
    pen.polygon(points, fill=225)
