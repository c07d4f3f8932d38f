"""What is behind the signs of a street: sky, houses with windows, pavement; a little out of focus."""

import random

from PIL import Image, ImageDraw

from smvl.augment.textures import Colour, surroundings

_SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((150, 190, 228), (224, 234, 242)),
    ((186, 194, 202), (226, 228, 230)),
    ((118, 160, 214), (232, 226, 214)),
    ((244, 206, 170), (222, 216, 214)),
    ((52, 60, 92), (120, 118, 140)),
)
_WALLS: tuple[Colour, ...] = (
    (196, 184, 166),
    (172, 140, 120),
    (160, 164, 168),
    (206, 200, 190),
    (142, 116, 104),
    (184, 190, 178),
    (120, 128, 136),
)
_LEAVES: tuple[Colour, ...] = ((78, 116, 70), (98, 132, 78), (64, 98, 66))
_SHRINK = 3
"""It is drawn so much smaller and scaled up: quicker, and as soft as a background is."""


def draw_view(size: tuple[int, int], horizon: float, generator: random.Random) -> Image.Image:
    """An empty street, RGB.

    Args:
        horizon: where the pavement begins, as a share of the height.
    """
    width, height = (max(8, side // _SHRINK) for side in size)
    ground = round(height * horizon)
    image = _sky((width, height), generator)
    pen = ImageDraw.Draw(image)
    _draw_houses(pen, width, ground, generator)
    for _ in range(generator.randint(0, 3)):
        _draw_tree(pen, generator.uniform(0, width), ground, height, generator)
    image.paste(surroundings("street", (width, height - ground), generator), (0, ground))
    pen.line([(0, ground), (width, ground)], fill=(90, 90, 88), width=2)
    return image.resize(size, Image.Resampling.BICUBIC)


def _sky(size: tuple[int, int], generator: random.Random) -> Image.Image:
    top, bottom = generator.choice(_SKIES)
    sky = Image.new("RGB", (1, 2), top)
    sky.putpixel((0, 1), bottom)
    return sky.resize(size, Image.Resampling.BILINEAR)


def _draw_houses(pen: ImageDraw.ImageDraw, width: int, ground: int, generator: random.Random) -> None:
    left = -generator.uniform(0, width * 0.15)
    while left < width:
        right = left + width * generator.uniform(0.2, 0.5)
        top = ground * generator.uniform(0.02, 0.45)
        wall = generator.choice(_WALLS)
        pen.rectangle([left, top, right, ground], fill=wall)
        _draw_windows(pen, (left, top, right, ground), wall, generator)
        left = right


def _draw_windows(pen: ImageDraw.ImageDraw, house: tuple[float, float, float, float], wall: Colour, generator: random.Random) -> None:
    left, top, right, bottom = house
    glass = generator.choice(((90, 106, 122), (140, 158, 170), (206, 190, 140), tuple(value * 3 // 4 for value in wall)))
    columns, rows = generator.randint(2, 5), generator.randint(3, 7)
    step_x, step_y = (right - left) / columns, (bottom - top) / rows
    if step_x < 4 or step_y < 4:
        return
    for row in range(rows - 1):
        for column in range(columns):
            x, y = left + (column + 0.25) * step_x, top + (row + 0.3) * step_y
            pen.rectangle([x, y, x + step_x * 0.5, y + step_y * 0.45], fill=glass)


def _draw_tree(pen: ImageDraw.ImageDraw, x: float, ground: int, height: int, generator: random.Random) -> None:
    tall = height * generator.uniform(0.25, 0.5)
    pen.line([(x, ground + 2), (x, ground - tall * 0.6)], fill=(92, 74, 58), width=max(1, height // 60))
    for _ in range(9):
        radius = tall * generator.uniform(0.12, 0.24)
        middle_x, middle_y = x + generator.uniform(-0.3, 0.3) * tall, ground - tall * generator.uniform(0.5, 1.0)
        pen.ellipse([middle_x - radius, middle_y - radius, middle_x + radius, middle_y + radius], fill=generator.choice(_LEAVES))
