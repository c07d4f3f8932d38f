"""What stands on a price tag and how its parts are written, whatever the tag looks like."""

from collections.abc import Mapping, Sequence
from typing import Any

from smvl.scenes.barcodes import paint_bars
from smvl.scenes.goods import CATEGORIES
from smvl.scenes.page import INK, Box, Colour, Page

GRADES = ("合格", "一级", "优级", "特级", "合格品", "一等品", "优等品", "A级", "精选")
_UNITS = tuple(dict.fromkeys(unit for category in CATEGORIES for unit in category.units))
GOODS_KEYS = ("规格", "单位", "产地", "等级", "货号")
OFFER_KEYS = ("原价", "会员价", "促销", "活动时间")
PRICE_WORDS = ("零售价", "现价", "售价", "特价")
HEADINGS = ("今日特惠", "限时特价", "店长推荐", "超值优选", "新鲜到店", "每日鲜选")
_FORM_WORDS = ("商品标价签", "品名", "单价（元）", "价格监督电话12315")
LABELS = frozenset(
    (*GRADES, *_UNITS, *PRICE_WORDS, *HEADINGS, *_FORM_WORDS, *GOODS_KEYS, *OFFER_KEYS, "元")
    + tuple(f"{key}：" for key in (*GOODS_KEYS, *OFFER_KEYS))
    + tuple(f"元/{unit}" for unit in _UNITS)
)

WHITE: Colour = (255, 255, 255)
REDS: tuple[Colour, ...] = ((214, 32, 38), (196, 18, 48), (216, 52, 20))
BANDS: tuple[Colour, ...] = (*REDS, (0, 120, 72), (24, 84, 166), (92, 52, 140), (40, 40, 46))
SHELVES: tuple[Colour, ...] = ((226, 226, 222), (196, 190, 180), (168, 132, 96), (92, 96, 104), (236, 232, 220), (138, 148, 158))
LEAST = 11.5
"""Pixels of the smallest writing."""

Tag = Mapping[str, Any]
Area = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""


def write_name(
    page: Page, place: tuple[float, float], name: str, pixels: float, width: float, *, fill: Colour = INK, anchor: str = "la"
) -> None:
    page.write(place, name, "heavy", page.fit(name, "heavy", pixels, width), fill=fill, anchor=anchor)


def write_entries(
    page: Page, area: Area, tag: Tag, keys: Sequence[str], pixels: float, *, columns: int = 1, fill: Colour = INK, style: str = "sans"
) -> None:
    """What the tag says of these keys as `产地：云川市`, as large as `pixels` or as the area allows; a former price is crossed out."""
    left, top, width, height = area
    shown = [key for key in keys if key in tag]
    rows = -(-len(shown) // columns)
    pixels = max(LEAST, min(pixels, height / max(1, rows) / 1.35))
    for index, key in enumerate(shown):
        row, column = divmod(index, columns)
        label, value = f"{key}：", tag[key]
        size = page.fit(label + value, style, pixels, width / columns * 0.93)
        x, y = left + column * width / columns, top + row * pixels * 1.35
        page.write((x, y), label, style, size, fill=fill)
        box = page.write((x + page.measure(label, style, size)[0], y), value, style, size, fill=fill)
        if key == "原价":
            cross_out(page, box, fill)


def cross_out(page: Page, box: Box, fill: Colour) -> None:
    left, top, right, bottom = box
    page.pen.line((left - 2, (top + bottom) / 2 + 1, right + 2, (top + bottom) / 2 - 1), fill=fill, width=max(1, (bottom - top) // 10))


def write_code(page: Page, area: Area, tag: Tag) -> None:
    """Bars with their digits below, filling an area; nothing where the tag has no code."""
    if "条形码" not in tag:
        return
    left, top, width, height = area
    digits = page.fit(tag["条形码"], "sans", max(LEAST, height * 0.26), width)
    paint_bars(page, (left, top), tag["条形码"], width, height - digits * 1.3)
    page.write((left + width / 2, top + height - digits * 1.2), tag["条形码"], "sans", digits, anchor="ma")
