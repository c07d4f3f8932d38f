"""Shelf price tags, one large or several on a shelf.

Money is answered as it is printed with 元 after it (`12.90元`), in JSON and in calls as a number; a name, a code or a date exactly as it
is printed.
"""

import random
from typing import Any

from smvl.scenes.addresses import draw_town
from smvl.scenes.barcodes import draw_barcode
from smvl.scenes.contents import Contents
from smvl.scenes.goods import CATEGORIES, Category, draw_good, draw_spec
from smvl.scenes.money import amount_text, cents_of, draw_price
from smvl.scenes.price_tags.entries import GRADES, LABELS
from smvl.scenes.price_tags.large import paint_single
from smvl.scenes.price_tags.questions import QUESTIONS, compare
from smvl.scenes.price_tags.shelf import paint_shelf
from smvl.scenes.scene import Drawing, Kind

_SHELF_SHARE = 0.45
_OPTIONAL = {"产地": 0.6, "等级": 0.4, "货号": 0.4, "条形码": 0.6, "原价": 0.45, "会员价": 0.35, "促销": 0.35, "活动时间": 0.3}
"""Shares of single tags that say it."""


def draw(contents: Contents, longest_edge: int) -> Drawing:
    if contents.random.random() < _SHELF_SHARE:
        tags, rows = _draw_shelf(contents, longest_edge)
        page = paint_shelf(contents, longest_edge, tags, rows)
    else:
        tags, rows = [_draw_tag(contents)], 1
        page = paint_single(contents, longest_edge, tags[0])
    return Drawing(page.image, {"tags": tags, "rows": rows}, tuple(page.texts), tuple(page.marks))


def _draw_tag(contents: Contents) -> dict[str, Any]:
    """One tag with all that it says: 品名, 价格, 单位 and whatever else, as printed."""
    category = contents.random.choice(CATEGORIES)
    tag = _draw_ware(contents, category)
    wanted = {key for key, share in _OPTIONAL.items() if contents.random.random() < share}
    makers = {
        "产地": draw_town,
        "等级": lambda contents: contents.random.choice(GRADES),
        "货号": lambda contents: contents.text(lambda generator: str(generator.randrange(100_000, 99_999_999))),
        "条形码": draw_barcode,
        "原价": lambda contents: _draw_dearer(contents, tag["价格"]),
        "会员价": lambda contents: _draw_cheaper(contents, tag["价格"]),
        "促销": _draw_promotion,
        "活动时间": _draw_period,
    }
    return tag | {key: make(contents) for key, make in makers.items() if key in wanted}


def _draw_ware(contents: Contents, category: Category) -> dict[str, Any]:
    tag = {
        "品名": draw_good(contents, category),
        "价格": draw_price(contents, *category.prices),
        "单位": contents.random.choice(category.units),
    }
    return tag if category.weighed else tag | {"规格": draw_spec(contents, category)}


def _draw_shelf(contents: Contents, longest_edge: int) -> tuple[list[dict[str, Any]], int]:
    """(tags row by row, number of rows); names and prices differ, so that each of them names one tag."""
    rows = contents.random.choice((1, 2, 2, 3))
    columns = contents.random.randint(1 if rows > 1 else 2, max(2, min(4, longest_edge // 160)) if rows < 3 else 2)
    category = contents.random.choice(CATEGORIES)
    tags: list[dict[str, Any]] = []
    while len(tags) < rows * columns:
        tag = _draw_ware(contents, category)
        if contents.random.random() < 0.3:
            tag["原价"] = _draw_dearer(contents, tag["价格"])
        if all(tag["品名"] != other["品名"] and tag["价格"] != other["价格"] for other in tags):
            tags.append(tag)
    return tags, rows


def _draw_dearer(contents: Contents, price: str) -> str:
    cents = cents_of(price)
    return contents.text(lambda generator: amount_text(cents + generator.randint(50, max(600, cents // 2))))


def _draw_cheaper(contents: Contents, price: str) -> str:
    cents = cents_of(price)
    return contents.text(lambda generator: amount_text(cents - generator.randint(10, max(cents // 4, 150))))


def _draw_promotion(contents: Contents) -> str:
    def make(generator: random.Random) -> str:
        low, high = generator.randint(2, 9), generator.randrange(20, 400)
        return generator.choice(
            (
                f"满{high}元减{generator.randint(2, high // 4)}元",
                f"第{generator.choice('二三')}件{generator.randrange(10, 90) / 10:g}折",
                f"加{generator.randrange(20, 200) / 10:g}元换购",
                f"{low}件{generator.randrange(50, 98) / 10:g}折",
                f"立减{generator.randrange(5, 200) / 10:g}元",
                f"满{high}元送{generator.randrange(5, 99) / 10:g}元券",
                f"会员积分抵{generator.randrange(5, 99) / 10:g}元",
            )
        )

    return contents.text(make)


def _draw_period(contents: Contents) -> str:
    def make(generator: random.Random) -> str:
        month, day = generator.randint(1, 12), generator.randint(1, 14)
        return f"{month}月{day}日至{day + generator.randint(2, 14)}日"

    return contents.text(make)


KIND = Kind(name="price_tag", draw=draw, questions=QUESTIONS, compare=compare, labels=LABELS)
