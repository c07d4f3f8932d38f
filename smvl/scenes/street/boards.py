"""How the signs of a street look: a board of the size that its text takes, in the colours that such boards have."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from smvl.augment.textures import Colour
from smvl.scenes.fonts import Style
from smvl.scenes.page import Page
from smvl.scenes.street.signs import AHEAD, BUS, DIRECTION, DOOR, LEFT, NOTICE, RIGHT, ROAD, SHOP, UPRIGHT, Sign

Box = tuple[float, float, float, float]

COLOURS: dict[str, Colour] = {
    "红": (182, 32, 36),
    "蓝": (30, 84, 166),
    "绿": (24, 116, 72),
    "黄": (246, 204, 48),
    "白": (246, 246, 242),
    "黑": (34, 32, 34),
    "棕": (112, 72, 44),
    "紫": (104, 54, 128),
}
_INKS: dict[str, tuple[Colour, ...]] = {
    "红": ((255, 255, 255), (255, 226, 120)),
    "黄": ((30, 30, 30), (168, 20, 24)),
    "白": ((30, 30, 34), (178, 24, 30), (26, 70, 150)),
    "黑": ((236, 200, 110), (250, 250, 250)),
    "棕": ((250, 236, 200), (255, 255, 255)),
}
_WHITE_INK: tuple[Colour, ...] = ((255, 255, 255),)
TYPE_COLOURS: dict[str, str] = {
    SHOP: "红蓝绿黄白黑棕紫",
    UPRIGHT: "红蓝绿黄白黑棕紫",
    DIRECTION: "绿蓝棕",
    ROAD: "蓝绿白",
    DOOR: "蓝绿白",
    NOTICE: "黄白红蓝绿",
    BUS: "白蓝绿",
}
_SHOP_STYLES: tuple[Style, ...] = ("heavy", "sans", "serif", "brush", "heavy")


@dataclass(frozen=True)
class Board:
    """A sign with its looks; `width` and `height` in units of its text's size."""

    sign: Sign
    colour: str
    """A key of `COLOURS`."""
    ink: Colour
    style: Style
    width: float
    height: float

    @property
    def hangs(self) -> bool:
        """Whether it is fixed to a house; the others stand on poles."""
        return self.sign.type in (SHOP, UPRIGHT, DOOR)


def make_board(sign: Sign, colour: str, generator: random.Random) -> Board:
    ink = generator.choice(_INKS.get(colour, _WHITE_INK))
    style = generator.choice(_SHOP_STYLES) if sign.type in (SHOP, UPRIGHT) else generator.choice(("sans", "heavy"))
    longest = max(map(len, sign.lines))
    sizes = {
        SHOP: (longest + 1.0, 1.8 if len(sign.lines) == 1 else 2.6),
        UPRIGHT: (1.9, 1.12 * longest + 0.7),
        DIRECTION: (longest + 2.8, 3.2),
        ROAD: (longest + 1.4, 1.9),
        DOOR: (longest + 0.9, 3.2),
        NOTICE: (longest + 0.9, 3.4),
        BUS: (longest + 1.0, 0.6 + 1.35 * len(sign.lines)),
    }
    width, height = sizes[sign.type]
    return Board(sign, colour, ink, style, width, height)


def paint_board(page: Page, board: Board, box: Box, pixels: float) -> None:
    """Draw a board in its box with text of so many pixels."""
    rim = max(1, round(pixels / 12))
    radius = 0 if board.sign.type in (SHOP, UPRIGHT) else pixels / 4
    page.pen.rounded_rectangle([box[0] + rim, box[1] + rim * 2, box[2] + rim, box[3] + rim * 2], radius, fill=(60, 60, 62))
    page.pen.rounded_rectangle(box, radius, fill=COLOURS[board.colour])
    if board.sign.type not in (SHOP, UPRIGHT):
        inner = [box[0] + 2 * rim, box[1] + 2 * rim, box[2] - 2 * rim, box[3] - 2 * rim]
        page.pen.rounded_rectangle(inner, radius, outline=board.ink, width=rim)
    _PAINT[board.sign.type](page, board, box, pixels)


def _paint_shop(page: Page, board: Board, box: Box, pixels: float) -> None:
    middle = (box[0] + box[2]) / 2
    name, *others = board.sign.lines
    page.write((middle, box[1] + pixels * 0.9), name, board.style, pixels, fill=board.ink, anchor="mm")
    for phone in others:
        page.write((middle, box[1] + pixels * 2.0), phone, "sans", pixels * 0.7, fill=board.ink, anchor="mm")


def _paint_upright(page: Page, board: Board, box: Box, pixels: float) -> None:
    page.write_column(((box[0] + box[2]) / 2, box[1] + pixels * 0.4), board.sign.text, board.style, pixels, step=1.12, fill=board.ink)


def _paint_direction(page: Page, board: Board, box: Box, pixels: float) -> None:
    way = board.sign.fields["方向"]
    text_left, arrow_x = box[0] + pixels * 0.5, box[2] - pixels * 1.1
    if way == LEFT:
        text_left, arrow_x = box[0] + pixels * 2.2, box[0] + pixels * 1.1
    place, distance = board.sign.lines
    page.write((text_left, box[1] + pixels * 1.05), place, board.style, pixels, fill=board.ink, anchor="lm")
    page.write((text_left, box[1] + pixels * 2.25), distance, "sans", pixels * 0.8, fill=board.ink, anchor="lm")
    _paint_arrow(page, (arrow_x, (box[1] + box[3]) / 2), pixels * 0.7, way, board.ink)


def _paint_arrow(page: Page, middle: tuple[float, float], reach: float, way: str, ink: Colour) -> None:
    ahead = [(0, -1), (0.75, -0.15), (0.25, -0.15), (0.25, 1), (-0.25, 1), (-0.25, -0.15), (-0.75, -0.15)]
    turned = {AHEAD: ahead, LEFT: [(y, -x) for x, y in ahead], RIGHT: [(-y, x) for x, y in ahead]}[way]
    page.pen.polygon([(middle[0] + x * reach, middle[1] + y * reach) for x, y in turned], fill=ink)


def _paint_road(page: Page, board: Board, box: Box, pixels: float) -> None:
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    page.write(middle, board.sign.text, board.style, pixels, fill=board.ink, anchor="mm")


def _paint_door(page: Page, board: Board, box: Box, pixels: float) -> None:
    middle = (box[0] + box[2]) / 2
    road, number = board.sign.lines
    page.write((middle, box[1] + pixels * 0.95), road, "sans", pixels * 0.85, fill=board.ink, anchor="mm")
    page.write((middle, box[1] + pixels * 2.2), number, board.style, pixels * 1.15, fill=board.ink, anchor="mm")


def _paint_notice(page: Page, board: Board, box: Box, pixels: float) -> None:
    middle, top, reach = (box[0] + box[2]) / 2, box[1] + pixels * 0.45, pixels * 0.75
    text = board.sign.text
    width = max(2, round(pixels / 7))
    if any(word in text for word in ("禁止", "请勿", "严禁")):
        circle = [middle - reach, top, middle + reach, top + 2 * reach]
        page.pen.ellipse(circle, outline=board.ink, width=width)
        page.pen.line([(middle - reach * 0.7, top + reach * 0.3), (middle + reach * 0.7, top + reach * 1.7)], fill=board.ink, width=width)
    elif any(word in text for word in ("当心", "小心", "注意")):
        corners = [(middle, top), (middle + reach * 1.1, top + 1.9 * reach), (middle - reach * 1.1, top + 1.9 * reach)]
        page.pen.polygon(corners, outline=board.ink, width=width)
        page.pen.line([(middle, top + reach * 0.7), (middle, top + reach * 1.3)], fill=board.ink, width=width)
        page.pen.ellipse([middle - width / 2, top + reach * 1.5, middle + width / 2, top + reach * 1.5 + width], fill=board.ink)
    else:
        page.pen.ellipse([middle - reach, top, middle + reach, top + 2 * reach], fill=board.ink)
        page.pen.line([(middle, top + reach * 0.8), (middle, top + reach * 1.6)], fill=COLOURS[board.colour], width=width * 2)
        page.pen.ellipse([middle - width, top + reach * 0.3, middle + width, top + reach * 0.3 + 2 * width], fill=COLOURS[board.colour])
    page.write((middle, box[3] - pixels * 0.95), text, board.style, pixels, fill=board.ink, anchor="mm")


def _paint_bus(page: Page, board: Board, box: Box, pixels: float) -> None:
    middle = (box[0] + box[2]) / 2
    heading, stop, *routes = board.sign.lines
    page.write((middle, box[1] + pixels * 0.85), heading, "sans", pixels * 0.7, fill=board.ink, anchor="mm")
    page.write((middle, box[1] + pixels * 2.05), stop, board.style, pixels, fill=board.ink, anchor="mm")
    page.pen.line([(box[0] + pixels * 0.6, box[1] + pixels * 2.75), (box[2] - pixels * 0.6, box[1] + pixels * 2.75)], fill=board.ink)
    for row, route in enumerate(routes):
        page.write((middle, box[1] + pixels * (3.45 + 1.25 * row)), route, "sans", pixels * 0.95, fill=board.ink, anchor="mm")


_PAINT: dict[str, Callable[[Page, Board, Box, float], None]] = {
    SHOP: _paint_shop,
    UPRIGHT: _paint_upright,
    DIRECTION: _paint_direction,
    ROAD: _paint_road,
    DOOR: _paint_door,
    NOTICE: _paint_notice,
    BUS: _paint_bus,
}
