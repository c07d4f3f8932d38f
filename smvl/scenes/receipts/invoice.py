"""An invoice on a form: parties, a ruled table of goods with tax rates, sums in figures and in capitals, a seal."""

from typing import Any

from smvl.scenes.addresses import draw_company
from smvl.scenes.contents import Contents
from smvl.scenes.dates import CHINESE, date_text, draw_day
from smvl.scenes.goods import CATEGORIES, draw_good, draw_spec
from smvl.scenes.money import amount_text, capital_amount, cents_of
from smvl.scenes.page import INK, Colour, Page
from smvl.scenes.people import draw_name
from smvl.scenes.seal import paint_seal

RATES = (13, 9, 6, 3, 1)
_TITLES = ("电子普通发票", "销售发票", "货物销售发票", "普通发票")
_COLUMNS = ("项目名称", "规格型号", "单位", "数量", "单价", "金额", "税率")
_WORDS = (
    "发票号码：",
    "开票日期：",
    "购买方：",
    "销售方：",
    "合计",
    "税额：",
    "价税合计",
    "价税合计（大写）",
    "（小写）",
    "收款人：",
    "复核：",
    "开票人：",
    "¥",
)
_SEAL = "发票专用章"
_UNITS = {"电器": ("台", "件"), "家居": ("套", "件", "批")}
_BULK = ("箱", "批")
"""What goods are sold by at the prices of an invoice."""
LABELS = frozenset(
    (
        *_TITLES,
        *_COLUMNS,
        *_WORDS,
        *_BULK,
        *_UNITS["电器"],
        *_UNITS["家居"],
        *(f"{rate}%" for rate in RATES),
        *(str(number) for number in range(1, 21)),
    )
)
_INKS: tuple[Colour, ...] = ((150, 50, 30), (40, 60, 130), (0, 96, 72), (96, 72, 48))
_LEAST = 11.2


def draw_invoice(contents: Contents, longest_edge: int) -> tuple[dict[str, Any], Page]:
    """(receipt, page)."""
    generator = contents.random
    day = draw_day(contents)
    entries = {
        "购买方": draw_company(contents),
        "销售方": draw_company(contents),
        "发票号码": contents.text(lambda each: f"{each.randrange(10**8):08d}"),
        "日期": date_text(day, CHINESE),
        "开票人": draw_name(contents),
    }
    entries |= {key: draw_name(contents) for key in ("收款人", "复核") if generator.random() < 0.6}
    items, sums = _draw_goods(contents, generator.choice((1, 1, 2, 2, 3)), generator.choice(RATES), with_spec=longest_edge >= 480)
    page = _paint(contents, longest_edge, entries | sums, items)
    return {"sort": "invoice", "entries": entries | sums, "items": items, "day": day.toordinal()}, page


def _draw_goods(contents: Contents, num: int, rate: int, *, with_spec: bool) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Goods at one tax rate, and the sums: drawn again until every amount on the form is of the split."""
    generator = contents.random
    categories = [category for category in CATEGORIES if not category.weighed]
    items = []
    for _ in range(num):
        category = generator.choice(categories)
        item = {"品名": draw_good(contents, category), "单位": generator.choice(_UNITS.get(category.name, _BULK))}
        items.append(item | ({"规格": draw_spec(contents, category)} if with_spec else {}))
    before = 0
    for place, item in enumerate(items):
        number = generator.choice((1, 1, 2, 3, 5, 10)) if place < num - 1 else 1
        last = place == num - 1
        while True:
            price = generator.randrange(2_000, 480_000)
            total = before + price * number
            tax = round(total * rate / 100)
            follow = (total, tax, total + tax) if last else ()
            if contents.fits(*(amount_text(amount) for amount in {price, price * number, *follow})):
                break
        before = total
        item |= {"数量": number, "单价": amount_text(price), "金额": amount_text(price * number), "税率": f"{rate}%"}
        for key in ("单价", "金额"):
            contents.keep(item[key])
    sums = {"金额合计": amount_text(before), "税额": amount_text(tax), "价税合计": amount_text(before + tax)}
    for amount in sums.values():
        contents.keep(amount)
    return items, sums | {"税率": f"{rate}%", "大写": capital_amount(cents_of(sums["价税合计"]))}


def _paint(contents: Contents, longest_edge: int, entries: dict[str, str], items: list[dict[str, Any]]) -> Page:
    generator = contents.random
    width, height = longest_edge, round(longest_edge / generator.uniform(1.45, 1.65))
    ink = generator.choice(_INKS)
    page = Page(contents, (width, height), generator.choice(((255, 255, 255), (254, 252, 244), (246, 250, 246))))
    pixels, edge, style = max(_LEAST, width * 0.0228), width * 0.03, generator.choice(("sans", "serif"))
    _paint_head(page, entries, generator.choice(_TITLES), pixels, edge, style, ink)
    top, bottom = height * 0.16, height * 0.91
    page.pen.rectangle((edge, top, width - edge, bottom), outline=ink)
    table, sums, row = top + pixels * 3.6, bottom - pixels * 4, pixels * 2
    _paint_parties(page, entries, (edge, top, width - 2 * edge, pixels * 3.6), pixels, style, ink)
    _paint_goods(page, entries, items, (edge, table, width - 2 * edge, sums - table), pixels, style, ink)
    page.pen.line((edge, sums, width - edge, sums), fill=ink)
    _write_row(page, (edge + pixels * 0.4, sums + row / 2), (("合计", ink), ("¥", INK), (entries["金额合计"], INK)), pixels, style)
    _write_row(page, (width * 0.55, sums + row / 2), (("税额：", ink), ("¥", INK), (entries["税额"], INK)), pixels, style)
    page.pen.line((edge, sums + row, width - edge, sums + row), fill=ink)
    word = "价税合计（大写）" if longest_edge >= 480 else "价税合计"
    _write_row(page, (edge + pixels * 0.4, sums + row * 1.5), ((word, ink), (entries["大写"], INK)), pixels, style)
    figures = (("（小写）", ink), ("¥", INK), (entries["价税合计"], INK))
    start = width - edge - pixels * 0.4 - sum(page.measure(text, style, pixels)[0] for text, _ in figures)
    _write_row(page, (start, sums + row * 1.5), figures, pixels, style)
    people = [key for key in ("收款人", "复核", "开票人") if key in entries]
    for place, key in enumerate(people):
        _write_row(page, (edge + place * width * 0.2, height * 0.95), ((f"{key}：", ink), (entries[key], INK)), pixels, style)
    return page


def _paint_head(page: Page, entries: dict[str, str], title: str, pixels: float, edge: float, style: str, ink: Colour) -> None:
    size = page.width * 0.048
    box = page.write((page.width * 0.34, page.height * 0.08), title, style, size, fill=ink, anchor="mm")
    for offset in (2, 5):
        page.pen.line((box[0] - size, box[3] + offset, box[2] + size, box[3] + offset), fill=ink)
    x = min(page.width * 0.66, page.width - edge - page.measure("开票日期：" + entries["日期"], style, pixels)[0])
    _write_row(page, (x, page.height * 0.06), (("发票号码：", ink), (entries["发票号码"], INK)), pixels, style)
    _write_row(page, (x, page.height * 0.115), (("开票日期：", ink), (entries["日期"], INK)), pixels, style)


def _paint_parties(page: Page, entries: dict[str, str], area: tuple[float, ...], pixels: float, style: str, ink: Colour) -> None:
    left, top, width, height = area
    for place, key in enumerate(("购买方", "销售方")):
        y = top + height * (0.27 + 0.46 * place)
        _write_row(page, (left + pixels * 0.4, y), ((f"{key}：", ink), (entries[key], INK)), pixels, style)
    page.pen.line((left, top + height, left + width, top + height), fill=ink)


def _paint_goods(
    page: Page, entries: dict[str, str], items: list[dict[str, Any]], area: tuple[float, ...], pixels: float, style: str, ink: Colour
) -> None:
    left, top, width, height = area
    keys = (
        ["品名", "规格", "单位", "数量", "单价", "金额", "税率"] if "规格" in items[0] else ["品名", "单位", "数量", "单价", "金额", "税率"]
    )
    shares = {"品名": 9.5, "规格": 6.4, "单位": 3.2, "数量": 3.2, "单价": 5.4, "金额": 5.8, "税率": 3.6}
    unit = width / sum(shares[key] for key in keys)
    titles = dict(zip(("品名", "规格", "单位", "数量", "单价", "金额", "税率"), _COLUMNS))
    x = left
    for key in keys:
        column, middle = shares[key] * unit, x + shares[key] * unit / 2
        page.write((middle, top + pixels), titles[key], style, pixels, fill=ink, anchor="mm")
        for row, item in enumerate(items):
            text = str(item[key])
            page.write((middle, top + pixels * (2.9 + 1.7 * row)), text, style, page.fit(text, style, pixels, column * 0.96), anchor="mm")
        x += column
        if key != keys[-1]:
            page.pen.line((x, top, x, top + height), fill=ink)
    page.pen.line((left, top + pixels * 1.9, left + width, top + pixels * 1.9), fill=ink)
    rest = top + pixels * (2.9 + 1.7 * len(items)), top + height
    radius = min((rest[1] - rest[0]) / 1.44, width * 0.16)
    if radius > pixels * 3.4:
        paint_seal(page, (left + width * 0.72, (rest[0] + rest[1]) / 2), radius, entries["销售方"], _SEAL, flat=0.7)


def _write_row(page: Page, place: tuple[float, float], runs: tuple[tuple[str, Colour], ...], pixels: float, style: str) -> None:
    """Runs behind each other."""
    x, y = place
    for text, fill in runs:
        page.write((x, y), text, style, pixels, fill=fill, anchor="lm")
        x += page.measure(text, style, pixels)[0]
