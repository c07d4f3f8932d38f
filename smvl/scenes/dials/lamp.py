"""A row of indicator lamps, lit and dark, with a word under each."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from smvl.scenes.canvas import Box, Canvas
from smvl.scenes.page import Colour, Page

_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "红色": ((255, 48, 40), (92, 26, 26)),
    "绿色": ((40, 240, 96), (20, 74, 38)),
    "黄色": ((255, 214, 30), (98, 82, 22)),
    "蓝色": ((70, 150, 255), (24, 46, 96)),
    "白色": ((255, 255, 240), (112, 114, 114)),
}
"""Lit and dark."""
LAMP_WORDS = {
    "运行": "绿色红色", "停止": "红色绿色", "故障": "黄色红色", "报警": "黄色红色", "电源": "白色绿色", "合闸": "红色", "分闸": "绿色",
    "储能": "黄色白色", "远方": "蓝色白色", "就地": "黄色白色", "备用": "蓝色白色", "过载": "红色黄色", "超温": "红色黄色",
    "低水位": "黄色红色", "高水位": "红色黄色", "自动": "绿色蓝色", "手动": "黄色白色", "准备好": "蓝色绿色", "通信": "绿色蓝色",
    "断相": "红色黄色",
}  # fmt: skip
"""What stands under a lamp, with the colours that it may have, two characters each."""
FAULT_WORDS = ("故障", "报警", "过载", "超温", "低水位", "高水位", "断相")
"""Lamps that call for a repair when they are lit."""


@dataclass(frozen=True)
class Lamp:
    name: str
    colour: str
    lit: bool


def draw_lamps(generator: random.Random, count: int) -> list[Lamp]:
    """Lamps of different names. One that calls for a repair is lit in about a third of all rows."""
    names = generator.sample(list(LAMP_WORDS), count)
    alarm = generator.random() < 0.45
    lamps = []
    for name in names:
        colours = LAMP_WORDS[name]
        start = generator.randrange(0, len(colours), 2)
        lit = generator.random() < 0.6 and (alarm or name not in FAULT_WORDS)
        lamps.append(Lamp(name, colours[start : start + 2], lit))
    return lamps


def paint_lamps(page: Page, box: Box, lamps: Sequence[Lamp], ink: Colour, pixels: float, *, places: int) -> None:
    """The row, in a box with room for `places` lamps."""
    pitch = (box[2] - box[0]) / places
    size = max(pixels, min(pitch * 0.2, (box[3] - box[1]) * 0.2))
    radius = min(pitch * 0.3, (box[3] - box[1] - 1.5 * size) * 0.44)
    y = box[1] + radius * 1.15
    canvas = Canvas(page, box)
    for index, lamp in enumerate(lamps):
        _paint_lamp(canvas, (box[0] + pitch * (index + 0.5), y), radius, lamp)
    canvas.lay()
    for index, lamp in enumerate(lamps):
        page.write((box[0] + pitch * (index + 0.5), y + radius * 1.3 + size * 0.6), lamp.name, "sans", size, fill=ink, anchor="mm")


def _paint_lamp(canvas: Canvas, centre: tuple[float, float], radius: float, lamp: Lamp) -> None:
    """A metal ring with a lens; a lit lens has a bright middle and a halo."""
    lit, dark = _COLOURS[lamp.colour]
    canvas.disc(centre, radius, (150, 152, 156), outline=(84, 86, 90), width=1)
    canvas.disc(centre, radius * 0.8, lit if lamp.lit else dark)
    if lamp.lit:
        middle = tuple((255 * 2 + channel) // 3 for channel in lit)
        canvas.disc(centre, radius * 0.45, middle)
    else:
        shine = tuple(min(255, channel + 36) for channel in dark)
        canvas.disc((centre[0] - radius * 0.25, centre[1] - radius * 0.25), radius * 0.2, shine)
