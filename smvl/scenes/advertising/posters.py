"""How advertisements look: rows of text over or beside a simple picture of the goods."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from smvl.scenes.advertising.offers import Offer
from smvl.scenes.contents import Contents
from smvl.scenes.fonts import Style
from smvl.scenes.page import Colour, Page

Box = tuple[float, float, float, float]

LABELS = frozenset({"活动价", "特惠价", "到手价", "售价"})


@dataclass(frozen=True)
class Palette:
    top: Colour
    bottom: Colour
    ink: Colour
    accent: Colour
    """Of price and brand, on the background."""


PALETTES = (
    Palette((255, 244, 226), (255, 214, 170), (70, 40, 24), (206, 44, 30)),
    Palette((226, 244, 255), (176, 216, 244), (22, 46, 84), (220, 60, 40)),
    Palette((214, 30, 40), (168, 14, 30), (255, 250, 240), (255, 224, 92)),
    Palette((240, 250, 236), (198, 230, 196), (26, 66, 40), (204, 60, 30)),
    Palette((28, 32, 52), (60, 66, 104), (244, 246, 252), (255, 196, 80)),
    Palette((255, 238, 244), (250, 200, 216), (90, 28, 56), (190, 20, 80)),
    Palette((255, 226, 84), (255, 196, 40), (48, 38, 10), (196, 28, 24)),
    Palette((250, 250, 250), (230, 232, 238), (34, 36, 44), (214, 40, 36)),
)
_SHAPES = ((3, 4), (3, 4), (1, 1), (4, 3), (16, 9))


@dataclass(frozen=True)
class Run:
    text: str
    style: Style
    size: float
    """In units that all rows share."""
    fill: Colour


Row = tuple[Run, ...]


def lay_out(contents: Contents, offer: Offer, longest_edge: int) -> tuple[Page, list[list[str]]]:
    """The poster, and its texts row by row."""
    generator = contents.random
    across, down = generator.choice(_SHAPES)
    size = tuple(longest_edge * side // max(across, down) for side in (across, down))
    palette = generator.choice(PALETTES)
    page = Page(contents, size, _background(size, palette))
    rows = _make_rows(offer, palette, generator)
    if across <= down:
        split = 2 + bool(offer.slogan)
        art_height = size[1] * generator.uniform(0.2, 0.3)
        upper = _write_rows(page, rows[:split], (size[0] * 0.06, size[1] * 0.03, size[0] * 0.94, size[1] * 0.36))
        _draw_art(page, offer.art, (size[0] * 0.3, upper + 4, size[0] * 0.7, upper + art_height), palette, generator)
        _write_rows(page, rows[split:], (size[0] * 0.06, upper + art_height + size[1] * 0.015, size[0] * 0.94, size[1] * 0.98))
    else:
        left = generator.random() < 0.5
        column = (0.36, 0.97) if left else (0.03, 0.64)
        art = (0.04, 0.33) if left else (0.67, 0.96)
        _draw_art(page, offer.art, (size[0] * art[0], size[1] * 0.25, size[0] * art[1], size[1] * 0.75), palette, generator)
        _write_rows(page, rows, (size[0] * column[0], size[1] * 0.03, size[0] * column[1], size[1] * 0.97))
    return page, [[run.text for run in row] for row in rows]


def _background(size: tuple[int, int], palette: Palette) -> Image.Image:
    image = Image.new("RGB", (1, 2), palette.top)
    image.putpixel((0, 1), palette.bottom)
    return image.resize(size, Image.Resampling.BILINEAR)


def _make_rows(offer: Offer, palette: Palette, generator: random.Random) -> list[Row]:
    """From top to bottom, as every poster has them; what stands in one row is read from left to right."""
    ink, accent = palette.ink, palette.accent
    rows: list[Row] = [
        (Run(offer.brand, generator.choice(("heavy", "serif", "brush")), 1.5, accent),),
        (Run(offer.product, "heavy", 2.4, ink),),
    ]
    if offer.slogan:
        rows.append((Run(offer.slogan, generator.choice(("sans", "serif", "brush")), 1.15, ink),))
    label = generator.choice(("活动价", "特惠价", "到手价")) if offer.original else "售价"
    rows.append((Run(label, "sans", 1.1, ink), Run(f"¥{offer.price}", "heavy", 2.3, accent)))
    if offer.original:
        rows.append((Run(f"原价{offer.original}元", "sans", 1.1, ink), Run(offer.discount, "heavy", 1.4, accent)))
    rows += [
        tuple(Run(praise, "sans", 1.1, ink) for praise in offer.praises[start : start + 2]) for start in range(0, len(offer.praises), 2)
    ]
    if offer.period:
        rows.append((Run(f"活动时间：{offer.period}", "sans", 1.05, ink),))
    if offer.phone:
        rows.append((Run(f"订购热线：{offer.phone}", "sans", 1.05, ink),))
    if offer.shop:
        rows.append((Run(f"门店：{offer.shop}", "sans", 1.05, ink),))
    return rows


_GAP = 0.8
"""Between runs of a row, in units."""


def _write_rows(page: Page, rows: list[Row], box: Box) -> float:
    """Write rows centred in a box, as large as it lets them be. Returns where the next would begin."""
    left, top, right, bottom = box
    tall = sum(max(run.size for run in row) * 1.4 for row in rows)
    unit = min((bottom - top) / tall, page.height / 18)
    for row in rows:
        row_unit = min(unit, unit * (right - left) / (_width(page, row, unit) + 1))
        height = max(run.size for run in row) * unit * 1.4
        x = (left + right - _width(page, row, row_unit)) / 2
        for run in row:
            page.write((x, top + height / 2), run.text, run.style, run.size * row_unit, fill=run.fill, anchor="lm")
            x += page.measure(run.text, run.style, run.size * row_unit)[0] + _GAP * row_unit
        top += height
    return top


def _width(page: Page, row: Row, unit: float) -> float:
    return sum(page.measure(run.text, run.style, run.size * unit)[0] for run in row) + _GAP * unit * (len(row) - 1)


def _draw_art(page: Page, art: str, box: Box, palette: Palette, generator: random.Random) -> None:
    """A simple picture in the middle of a box, in front of a pale disc."""
    left, top, right, bottom = box
    middle_x, middle_y, reach = (left + right) / 2, (top + bottom) / 2, min(right - left, bottom - top) / 2
    light = tuple((value + 255 * 2) // 3 for value in palette.top)
    page.pen.ellipse([middle_x - reach, middle_y - reach, middle_x + reach, middle_y + reach], fill=light)
    body = generator.choice(((196, 74, 60), (64, 120, 180), (84, 150, 96), (220, 160, 60), (130, 90, 160), (90, 96, 106)))
    for shape, colour, points in ARTS[art]:
        fill = {"body": body, "dark": tuple(value * 2 // 3 for value in body), "light": (250, 250, 246)}[colour]
        corners = [(middle_x + x * reach * 0.8, middle_y + y * reach * 0.8) for x, y in points]
        draw: Callable = {"box": page.pen.rectangle, "oval": page.pen.ellipse, "polygon": page.pen.polygon}[shape]
        draw(corners, fill=fill)


ARTS: dict[str, tuple[tuple[str, str, tuple[tuple[float, float], ...]], ...]] = {
    # Each a shape, its colour, and its corners in a square from -1 to 1.
    "machine": (
        ("box", "body", ((-0.6, -0.5), (0.6, 0.9))),
        ("box", "dark", ((-0.4, -0.8), (0.4, -0.5))),
        ("oval", "light", ((-0.3, -0.1), (0.3, 0.5))),
        ("oval", "dark", ((-0.12, 0.08), (0.12, 0.32))),
    ),
    "bottle": (
        ("box", "body", ((-0.35, -0.2), (0.35, 0.9))),
        ("polygon", "body", ((-0.35, -0.2), (0.35, -0.2), (0.15, -0.5), (-0.15, -0.5))),
        ("box", "dark", ((-0.18, -0.8), (0.18, -0.5))),
        ("box", "light", ((-0.35, 0.1), (0.35, 0.6))),
    ),
    "box": (
        ("box", "body", ((-0.8, -0.3), (0.8, 0.8))),
        ("polygon", "dark", ((-0.8, -0.3), (0.8, -0.3), (0.6, -0.6), (-0.6, -0.6))),
        ("box", "light", ((-0.12, -0.6), (0.12, 0.8))),
    ),
    "bag": (
        ("polygon", "body", ((-0.6, -0.3), (0.6, -0.3), (0.75, 0.9), (-0.75, 0.9))),
        (
            "polygon",
            "dark",
            ((-0.35, -0.3), (-0.25, -0.8), (0.25, -0.8), (0.35, -0.3), (0.22, -0.3), (0.15, -0.65), (-0.15, -0.65), (-0.22, -0.3)),
        ),
        ("oval", "light", ((-0.2, 0.1), (0.2, 0.5))),
    ),
    "lamp": (
        ("polygon", "body", ((-0.3, -0.8), (0.3, -0.8), (0.7, 0.0), (-0.7, 0.0))),
        ("box", "dark", ((-0.06, 0.0), (0.06, 0.75))),
        ("oval", "dark", ((-0.45, 0.65), (0.45, 0.95))),
    ),
    "phone": (
        ("box", "body", ((-0.45, -0.9), (0.45, 0.9))),
        ("box", "light", ((-0.37, -0.75), (0.37, 0.65))),
        ("oval", "light", ((-0.08, 0.7), (0.08, 0.86))),
    ),
    "book": (
        ("polygon", "body", ((-0.9, -0.5), (0.0, -0.3), (0.0, 0.7), (-0.9, 0.5))),
        ("polygon", "dark", ((0.9, -0.5), (0.0, -0.3), (0.0, 0.7), (0.9, 0.5))),
        ("polygon", "light", ((-0.7, -0.25), (-0.15, -0.12), (-0.15, -0.02), (-0.7, -0.15))),
        ("polygon", "light", ((0.7, -0.25), (0.15, -0.12), (0.15, -0.02), (0.7, -0.15))),
    ),
}
