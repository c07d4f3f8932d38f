"""A receipt from a block: a printed form, filled in with a brush or a pen."""

import random
from typing import Any

from smvl.scenes.addresses import draw_company
from smvl.scenes.contents import Contents
from smvl.scenes.dates import CHINESE, date_text, draw_day
from smvl.scenes.money import amount_text, capital_amount, random_price
from smvl.scenes.page import Colour, Page
from smvl.scenes.people import draw_name
from smvl.scenes.seal import paint_seal

_TITLES = ("收　据", "收款收据", "收　条")
_WORDS = ("今收到", "交　来", "人民币（大写）", "金　额", "收款人", "经手人", "No.", "¥", "收款单位（盖章）")
_SEAL = "财务专用章"
LABELS = frozenset((*_TITLES, *_WORDS))
_PURPOSES = (
    "房租 水电费 物业费 货款 定金 培训费 停车费 维修费 押金 咨询费 装修款 运输费 "
    "会务费 保证金 广告费 设备款 劳务费 餐费 书本费 活动经费 清洁费 租车费 设计费 材料款"
).split()
_FORMS: tuple[tuple[Colour, Colour], ...] = (
    ((255, 255, 255), (190, 40, 40)),
    ((255, 246, 246), (180, 50, 60)),
    ((240, 248, 255), (40, 70, 140)),
    ((246, 252, 240), (30, 100, 60)),
    ((255, 252, 230), (90, 70, 40)),
)
_PENS: tuple[Colour, ...] = ((24, 40, 120), (28, 28, 32), (20, 60, 100))


def draw_handwritten(contents: Contents, longest_edge: int) -> tuple[dict[str, Any], Page]:
    """(receipt, page)."""
    day = draw_day(contents)
    cents: list[int] = []

    def amount(generator: random.Random) -> str:
        cents[:] = [random_price(generator, 50, 60_000) if generator.random() < 0.3 else generator.randrange(100, 80_000) * 100]
        return amount_text(cents[0])

    def purpose(generator: random.Random) -> str:
        when = generator.choice(
            (f"{generator.randint(1, 12)}月份", f"{generator.randint(2019, 2031)}年度", f"第{generator.randint(1, 9)}期")
        )
        return when + generator.choice(_PURPOSES)

    payer = contents.random.choice((draw_company, draw_name))(contents)
    entries = {"交款人": payer, "事由": contents.text(purpose), "合计": contents.text(amount), "日期": date_text(day, CHINESE)}
    entries |= {"大写": capital_amount(cents[0]), "收款人": draw_name(contents)}
    entries["编号"] = contents.text(lambda generator: f"{generator.randrange(10**7):07d}")
    if contents.random.random() < 0.6:
        entries["收款单位"] = draw_company(contents)
    page = _paint(contents, longest_edge, entries)
    return {"sort": "handwritten", "entries": entries, "items": [], "day": day.toordinal()}, page


def _paint(contents: Contents, longest_edge: int, entries: dict[str, str]) -> Page:
    generator = contents.random
    paper, ink = generator.choice(_FORMS)
    width, height = longest_edge, round(longest_edge / generator.uniform(1.45, 1.75))
    page = Page(contents, (width, height), paper)
    pen, small, large = generator.choice(_PENS), max(11.5, width * 0.03), width * 0.04
    page.pen.rectangle((width * 0.02, height * 0.03, width * 0.98, height * 0.97), outline=ink, width=2)
    page.write((width / 2, height * 0.12), generator.choice(_TITLES), "serif", width * 0.06, fill=ink, anchor="mm")
    page.write((width * 0.74, height * 0.12), "No.", "sans", small, fill=ink, anchor="lm")
    page.write((width * 0.8, height * 0.12), entries["编号"], "sans", small, fill=(200, 40, 40), anchor="lm")
    page.write((width / 2, height * 0.235), entries["日期"], "brush", large * 0.9, fill=pen, anchor="mm")
    _fill_in(page, height * 0.36, "今收到", entries["交款人"], small, large, ink, pen)
    _fill_in(page, height * 0.49, "交　来", entries["事由"], small, large, ink, pen)
    _fill_in(page, height * 0.62, "人民币（大写）", entries["大写"], small, large, ink, pen)
    _fill_in(page, height * 0.75, "¥", entries["合计"], small, large, ink, pen, end=0.38)
    _fill_in(page, height * 0.88, "收款人", entries["收款人"], small, large, ink, pen, end=0.38)
    if "收款单位" in entries:
        page.write((width * 0.42, height * 0.75), "收款单位（盖章）", "serif", small, fill=ink, anchor="lm")
        paint_seal(page, (width * 0.83, height * 0.82), height * 0.125, entries["收款单位"], _SEAL, tilt=generator.uniform(-14, 14))
    return page


def _fill_in(page: Page, y: float, word: str, value: str, small: float, large: float, ink: Colour, pen: Colour, end: float = 0.94) -> None:
    """A printed word, and the value written on the line behind it."""
    box = page.write((page.width * 0.06, y), word, "serif", small, fill=ink, anchor="lm")
    start = box[2] + small * 0.6
    page.pen.line((start, y + large * 0.72, page.width * end, y + large * 0.72), fill=ink)
    size = page.fit(value, "brush", large, page.width * end - start - small)
    page.write((start + small * 0.5, y), value, "brush", size, fill=pen, anchor="lm")
