"""From a picture to pixels: the only place that knows about fonts, ink and noise."""

import math
import random
from functools import cache
from pathlib import Path

import numpy
from PIL import Image, ImageDraw, ImageFont

from smvl.demo_scenes.digits import FULL_INK, load_digits
from smvl.demo_scenes.picture import DIGIT, GLYPH, Line, Mark, Panel, Picture
from smvl.demo_scenes.words import COLOURS

FONT = Path(__file__).parent / "NotoSansCJK-demo-subset.otf"
ZOOMS = (1.0, 1.0, 1.25, 1.5, 2.0)
SMOOTH = 2  # shapes are drawn this much larger and scaled down, for smooth edges

PAPERS = {"红纸": (200, 50, 45), "白纸": (246, 244, 238), "黄纸": (240, 222, 170), "蓝牌": (40, 80, 160), "绿牌": (30, 110, 70)}
"""What signs and notes are written on, with the ink that is read on it."""
LIGHT_INK = ("蓝牌", "绿牌")

Colour = tuple[int, int, int]


@cache
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), pixels, layout_engine=ImageFont.Layout.BASIC)


def _jitter(generator: random.Random, colour: Colour, amount: int) -> Colour:
    return tuple(max(0, min(255, value + generator.randint(-amount, amount))) for value in colour)


def _background(generator: random.Random, size: tuple[int, int], dark: bool) -> Image.Image:
    """A plain tint that grows a little lighter or darker across the picture."""
    low, high = (10, 70) if dark else (195, 250)
    tint = numpy.array([generator.randint(low, high) for _ in range(3)], dtype=numpy.float32)
    slope_x, slope_y = generator.uniform(-15, 15), generator.uniform(-15, 15)
    across = numpy.linspace(-0.5, 0.5, size[0])[None, :, None] * slope_x
    down = numpy.linspace(-0.5, 0.5, size[1])[:, None, None] * slope_y
    return Image.fromarray(numpy.clip(tint + across + down, 0, 255).astype(numpy.uint8))


def _corners(label: str, size: float, turn: float) -> list[tuple[float, float]]:
    """Outline of a shape around the origin; a circle is a polygon of many corners."""
    radius = size / 2
    if label == "十":
        arm = radius / 3
        outline = [(-arm, -radius), (arm, -radius), (arm, -arm), (radius, -arm), (radius, arm), (arm, arm)]
        points = outline + [(-x, -y) for x, y in outline]
    else:
        num, start = {"圆": (40, 0.0), "方": (4, math.pi / 4), "角": (3, -math.pi / 2), "星": (10, -math.pi / 2)}[label]
        reach = {"方": 1.2, "角": 1.15, "星": 1.15}.get(label, 1.0) * radius
        radii = [reach * (0.42 if label == "星" and step % 2 else 1.0) for step in range(num)]
        angles = [start + 2 * math.pi * step / num for step in range(num)]
        points = [(length * math.cos(angle), length * math.sin(angle)) for length, angle in zip(radii, angles)]
    cos, sin = math.cos(turn), math.sin(turn)
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in points]


def _shape_mask(generator: random.Random, mark: Mark, size: tuple[int, int], zoom: float) -> Image.Image:
    mask = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH))
    corners = _corners(mark.label, mark.size, generator.uniform(-0.2, 0.2))
    scale = zoom * SMOOTH
    ImageDraw.Draw(mask).polygon([((mark.x + x) * scale, (mark.y + y) * scale) for x, y in corners], fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def _glyph_mask(generator: random.Random, mark: Mark, size: tuple[int, int], zoom: float) -> Image.Image:
    mask = Image.new("L", size)
    font = _font(round(mark.size * zoom))
    bold = 1 if zoom * mark.size > 30 and generator.random() < 0.5 else 0
    draw = ImageDraw.Draw(mask)
    # The box of 国 centres every character on its own square, as type is set; "mm" would need the raqm layout engine to agree.
    left, top, right, bottom = draw.textbbox((0, 0), "国", font=font)
    advance = draw.textlength(mark.label, font=font)
    origin = (mark.x * zoom - advance / 2, mark.y * zoom - (top + bottom) / 2)
    draw.text(origin, mark.label, font=font, fill=255, stroke_width=bold)
    return mask


def _digit_mask(generator: random.Random, mark: Mark, size: tuple[int, int], zoom: float) -> Image.Image:
    ink, _ = load_digits()
    side = round(mark.size * zoom)
    small = Image.fromarray((ink[mark.digit_index] * (255 // FULL_INK)).astype(numpy.uint8))
    large = small.resize((side, side), Image.Resampling.BICUBIC).rotate(generator.uniform(-8, 8), Image.Resampling.BILINEAR)
    mask = Image.new("L", size)
    mask.paste(large, (round(mark.x * zoom - side / 2), round(mark.y * zoom - side / 2)))
    return mask


def _paint_panel(generator: random.Random, image: Image.Image, panel: Panel, zoom: float) -> None:
    box = [round(edge * zoom) for edge in (panel.left, panel.top, panel.right, panel.bottom)]
    colour = _jitter(generator, {**COLOURS, **PAPERS}[panel.colour], 12)
    ImageDraw.Draw(image).rectangle(box, fill=colour)


def _paint_line(image: Image.Image, line: Line, ink: Colour, zoom: float) -> None:
    mask = Image.new("L", (image.width * SMOOTH, image.height * SMOOTH))
    pen, scale = ImageDraw.Draw(mask), zoom * SMOOTH
    points, width = [(x * scale, y * scale) for x, y in line.points], max(1, round(line.width * scale))
    if line.sweep is None:
        pen.line(points, fill=255, width=width)
    else:
        pen.arc([*points[0], *points[1]], *line.sweep, fill=255, width=width)
    image.paste(ink, (0, 0), mask.resize(image.size, Image.Resampling.BOX))


def paint(picture: Picture) -> Image.Image:
    """The same picture always gives the same pixels."""
    generator = random.Random(picture.seed)
    zoom = generator.choice(ZOOMS)
    size = (round(picture.width * zoom), round(picture.height * zoom))
    if picture.panels or picture.lines:
        return _paint_document(generator, picture, size, zoom)
    writing = picture.marks[0].kind in (GLYPH, DIGIT)
    dark = writing and generator.random() < 0.25
    image = _background(generator, size, dark)
    ink = _jitter(generator, (235, 235, 235) if dark else (45, 45, 45), 20)
    if writing and not dark and generator.random() < 0.4:
        ink = _jitter(generator, COLOURS[generator.choice(["红", "绿", "蓝", "紫"])], 20)
    for mark in picture.marks:
        make_mask = {GLYPH: _glyph_mask, DIGIT: _digit_mask}.get(mark.kind, _shape_mask)
        colour = ink if writing else _jitter(generator, COLOURS[mark.colour], 18)
        image.paste(colour, (0, 0), make_mask(generator, mark, size, zoom))
    return _add_noise(generator, image, picture.seed)


def _paint_document(generator: random.Random, picture: Picture, size: tuple[int, int], zoom: float) -> Image.Image:
    """Panels first, then lines, then what is written on them; ink is light on a dark board."""
    image = _background(generator, size, dark=False)
    for panel in picture.panels:
        _paint_panel(generator, image, panel, zoom)
    light = any(panel.colour in LIGHT_INK for panel in picture.panels)
    ink = _jitter(generator, (240, 240, 240) if light else (40, 40, 40), 14)
    for line in picture.lines:
        _paint_line(image, line, ink, zoom)
    for mark in picture.marks:
        image.paste(ink, (0, 0), _glyph_mask(generator, mark, size, zoom))
    return _add_noise(generator, image, picture.seed)


def _add_noise(generator: random.Random, image: Image.Image, seed: int) -> Image.Image:
    noise = numpy.random.default_rng(seed).normal(0, generator.uniform(1, 6), (image.height, image.width, 1))
    return Image.fromarray(numpy.clip(numpy.asarray(image) + noise, 0, 255).astype(numpy.uint8))
