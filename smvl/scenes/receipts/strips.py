"""Receipts on a strip of paper: what stands on them, and in which lines. Six sorts: shop, kiosk, restaurant, drinks, taxi, telephone."""

from collections.abc import Callable
from typing import Any

from smvl.scenes.addresses import draw_address, draw_branch, draw_drinks_shop, draw_eatery, draw_shop, random_house_name, random_town
from smvl.scenes.barcodes import draw_barcode
from smvl.scenes.contents import Contents
from smvl.scenes.dates import DASHES, DOTS, FORMS, SLASHES, date_text, draw_day, draw_time
from smvl.scenes.dishes import draw_dish, draw_drink
from smvl.scenes.goods import CATEGORIES, draw_good
from smvl.scenes.money import amount_text, cents_of, draw_price
from smvl.scenes.page import Colour
from smvl.scenes.people import draw_landline, draw_name, draw_phone
from smvl.scenes.receipts.bill import PAYMENTS, Ware, draw_items, draw_payment, total_of
from smvl.scenes.receipts.roll import Cell, Line, left, middle, right
from smvl.scenes.receipts.strip_words import CUPS, ICES, SUGARS, THANKS, draw_word

_GREEN: Colour = (18, 150, 84)
Receipt = dict[str, Any]
"""{"sort", "entries": what is asked for -> what is printed, "items"}."""


def _pair(contents: Contents, entries: dict[str, str], key: str) -> Cell:
    return left(f"{draw_word(contents, key)}：", entries[key])


def _spread(contents: Contents, entries: dict[str, str], key: str, *, before: str = "") -> Line:
    """The word at the left, the value at the right."""
    return Line((left(draw_word(contents, key)), right(*filter(None, (before, entries[key])))))


def _draw_number(contents: Contents, digits: int) -> str:
    return contents.text(lambda generator: f"{generator.randrange(10 ** (digits - 1), 10**digits)}")


def _draw_when(contents: Contents, first_hour: int = 7, last_hour: int = 22) -> tuple[dict[str, str], int]:
    """日期 and 时间, and the day as a number to compare by."""
    form = contents.random.choice((DASHES, DASHES, DOTS, SLASHES, FORMS[3]))
    day = draw_day(contents, form)
    time = draw_time(contents, first_hour, last_hour, seconds=contents.random.random() < 0.6)
    return {"日期": date_text(day, form), "时间": time}, day.toordinal()


def _items_in_columns(contents: Contents, items: list[dict[str, Any]], first: str, *, prices: bool) -> list[Line]:
    """A heading and a line for each item; with or without 单价."""
    amount = contents.random.choice(("金额", "小计"))
    places = (0.62, 0.8) if prices else (0.74, 0.74)
    heading = [left(first), right("数量", place=places[0])]
    lines = [Line((*heading, *([right("单价", place=places[1])] if prices else []), right(amount)))]
    for item in items:
        cells = [left(item["品名"]), right(str(item["数量"]), place=places[0])]
        lines.append(Line((*cells, *([right(item["单价"], place=places[1])] if prices else []), right(item["金额"]))))
    return lines


def _items_in_two_lines(contents: Contents, items: list[dict[str, Any]]) -> list[Line]:
    """The name, and below it how many at which price."""
    lines = []
    for item in items:
        sign = contents.random.choice(("×", "*"))
        lines.append(Line((left(item["品名"]),)))
        lines.append(Line((Cell((item["单价"], sign, str(item["数量"])), 0.08), right(item["金额"])), leading=1.3))
    return lines


def _sums(contents: Contents, entries: dict[str, str], *, large: float = 1.0) -> list[Line]:
    lines = [_spread(contents, entries, key) for key in ("合计", "优惠", "应付", "支付方式", "实收", "找零") if key in entries]
    last = "应付" if "应付" in entries else "合计"
    place = [key for key in ("合计", "优惠", "应付") if key in entries].index(last)
    lines[place] = Line((left(draw_word(contents, last)), right("¥", entries[last])), size=large, style="heavy")
    return lines


def draw_shop_receipt(contents: Contents, room: float) -> tuple[Receipt, list[Line]]:
    """A supermarket's; weighed goods among them."""
    generator = contents.random
    when, order = _draw_when(contents)
    entries = {"商户": draw_shop(contents)} | when | {"单号": _draw_number(contents, generator.choice((8, 10, 12)))}
    optional: dict[str, Callable[[], str]] = {
        "分店": lambda: draw_branch(contents),
        "地址": lambda: draw_address(contents),
        "电话": lambda: draw_landline(contents),
        "收银员": lambda: contents.random.choice((draw_name, lambda each: _draw_number(each, 4)))(contents),
    }
    entries |= {key: make() for key, make in optional.items() if generator.random() < 0.55}
    two_lines = generator.random() < 0.45
    num = generator.randint(2, max(2, min(9, int((room - 17) / (2.8 if two_lines else 1.5)))))
    items = draw_items(contents, [_draw_ware(contents) for _ in range(num)])
    entries |= draw_payment(contents, total_of(items))
    lines = [Line((middle(entries["商户"]),), size=1.5, style="heavy")]
    lines += [Line((middle(entries[key]),)) for key in ("分店",) if key in entries]
    lines += [Line((middle(generator.choice(("购物小票", "销售小票", "收银小票"))),))] if generator.random() < 0.6 else []
    lines += [Line((_pair(contents, entries, "单号"),)), Line((_pair(contents, entries, "日期"), right(entries["时间"])))]
    lines += [Line((_pair(contents, entries, "收银员"),))] if "收银员" in entries else []
    lines.append(_rule(contents))
    lines += _items_in_two_lines(contents, items) if two_lines else _items_in_columns(contents, items, "品名", prices=True)
    lines.append(_rule(contents))
    lines += _sums(contents, entries, large=1.25)
    lines.append(_rule(contents))
    lines += [Line((_pair(contents, entries, key),)) for key in ("电话", "地址") if key in entries]
    lines.append(Line((middle(generator.choice(THANKS)),)))
    return {"sort": "shop", "entries": entries, "items": items, "day": order}, lines + _code(contents)


def _code(contents: Contents) -> list[Line]:
    """Bars, a square, or nothing at the end."""
    kind = contents.random.choice(("bars", "square", "", ""))
    return {"bars": [Line(code=draw_barcode(contents), leading=2.6)], "square": [Line(square=True, leading=5.0)], "": []}[kind]


def _rule(contents: Contents) -> Line:
    return Line(rule=contents.random.choice(("dashes", "dashes", "line", "double", "stars")), leading=0.9)


def _draw_ware(contents: Contents) -> Ware:
    category = contents.random.choice([each for each in CATEGORIES if each.name not in ("电器", "家居")])
    return Ware(draw_good(contents, category), category.prices, weighed=category.weighed and contents.random.random() < 0.7)


def draw_kiosk_receipt(contents: Contents, room: float) -> tuple[Receipt, list[Line]]:
    """A small shop's, with no columns: `×2` behind the name."""
    generator = contents.random
    when, order = _draw_when(contents)
    entries = {"商户": draw_shop(contents)} | when | {"单号": _draw_number(contents, 6)}
    num = generator.randint(1, max(2, min(8, int((room - 12) / 1.5))))
    categories = [each for each in CATEGORIES if not each.weighed and each.name in ("饮料", "乳品", "零食", "纸品", "文具")]
    wares = [Ware(draw_good(contents, category), category.prices) for category in (generator.choice(categories) for _ in range(num))]
    items = draw_items(contents, wares)
    entries |= draw_payment(contents, total_of(items))
    sign = generator.choice(("×", "x", "*"))
    lines = [Line((left(entries["商户"]), right(entries["时间"])), style="heavy")]
    lines += [Line((left(f"{draw_word(contents, '单号')}：", entries["单号"]), right(entries["日期"]))), _rule(contents)]
    lines += [Line((left(item["品名"]), right(f"{sign}{item['数量']}", place=0.72), right(item["金额"]))) for item in items]
    lines += [_rule(contents), *_sums(contents, entries, large=1.6), _rule(contents)]
    lines.append(Line((middle(generator.choice(THANKS)),), size=0.95))
    for item in items:
        del item["单价"]  # it is not printed
    return {"sort": "kiosk", "entries": entries, "items": items, "day": order}, lines


def draw_restaurant_receipt(contents: Contents, room: float) -> tuple[Receipt, list[Line]]:
    generator = contents.random
    when, order = _draw_when(contents, 10, 22)
    table = contents.text(lambda each: each.choice(("A", "B", "C", "D", "V", "大厅", "包间", "卡座")) + str(each.randrange(1, 89)))
    entries = {"商户": draw_eatery(contents), "桌号": table, "人数": str(generator.randint(1, 12))} | when
    if generator.random() < 0.6:
        entries["服务员"] = draw_name(contents)
    if generator.random() < 0.5:
        entries["单号"] = _draw_number(contents, 10)
    if generator.random() < 0.4:
        entries["电话"] = draw_landline(contents)
    num = generator.randint(2, max(3, min(9, int((room - 16) / 1.5))))
    items = draw_items(contents, [Ware(*draw_dish(contents), tenths=True) for _ in range(num)])
    prices = generator.random() < 0.5
    if not prices:
        for item in items:
            del item["单价"]
    entries |= draw_payment(contents, total_of(items))
    lines = [Line((middle(entries["商户"]),), size=1.6, style="heavy")]
    lines += [Line((middle(generator.choice(("结账单", "消费清单", "预结单"))),), size=1.2)]
    lines += [Line((_pair(contents, entries, "桌号"), right("人数：", entries["人数"])), size=1.1)]
    lines += [Line((_pair(contents, entries, key),)) for key in ("单号", "服务员") if key in entries]
    lines += [Line((left("开台：", entries["日期"]), right(entries["时间"]))), _rule(contents)]
    lines += _items_in_columns(contents, items, "菜品", prices=prices)
    lines += [_rule(contents), *_sums(contents, entries, large=1.4), _rule(contents)]
    lines += [Line((_pair(contents, entries, "电话"),))] if "电话" in entries else []
    lines.append(Line((middle(generator.choice(("祝您用餐愉快", "感谢您的光临", "欢迎下次光临"))),)))
    return {"sort": "restaurant", "entries": entries, "items": items, "day": order}, lines


def draw_drinks_receipt(contents: Contents, room: float) -> tuple[Receipt, list[Line]]:
    """A large number to collect by, and how each drink is wanted."""
    generator = contents.random
    when, order = _draw_when(contents, 9, 22)
    number = contents.text(lambda each: each.choice(("", "A", "B", "C", "T", "M")) + f"{each.randrange(1, 1000):03d}")
    entries = {"商户": draw_drinks_shop(contents), "取餐号": number} | when | {"单号": _draw_number(contents, 9)}
    items = draw_items(
        contents, [Ware(*draw_drink(contents), tenths=True) for _ in range(generator.randint(1, max(1, min(5, int((room - 17) / 2.9)))))]
    )
    entries |= draw_payment(contents, total_of(items))
    lines = [Line((middle(entries["商户"]),), size=1.2), Line((middle("取餐号"),))]
    lines += [Line((middle(number),), size=2.8, style="heavy", leading=1.25), _rule(contents)]
    for item in items:
        del item["单价"]
        lines.append(Line((left(item["品名"]), right(f"×{item['数量']}", place=0.76), right(item["金额"]))))
        item["做法"] = f"{generator.choice(CUPS)}/{generator.choice(ICES)}/{generator.choice(SUGARS)}"
        lines.append(Line((Cell((item["做法"],), 0.06),), size=0.95, leading=1.3))
    lines += [_rule(contents), *_sums(contents, entries, large=1.3), _rule(contents)]
    lines += [Line((_pair(contents, entries, "单号"),)), Line((left(entries["日期"]), right(entries["时间"])))]
    return {"sort": "drinks", "entries": entries, "items": items, "day": order}, lines


def _draw_ride(contents: Contents) -> dict[str, str]:
    """上车, 下车, 单价, 里程 and 合计 that go together: so much to begin with, then by the kilometre, at the speed of a town."""
    generator = contents.random

    def until_fits(make: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        while not contents.fits(*(words := make())):
            pass
        return words

    (price,) = until_fits(lambda: (amount_text(generator.randrange(160, 480)),))

    def distance_and_fare() -> tuple[str, str]:
        tenths, begin = generator.randrange(20, 480), generator.randrange(800, 1600, 50)
        return f"{tenths / 10:.1f}", amount_text(begin + cents_of(price) * tenths // 10)

    distance, fare = until_fits(distance_and_fare)

    def start_and_end() -> tuple[str, str]:
        start = generator.randint(300, 1260)
        minutes = start, start + 3 + round(float(distance) * generator.uniform(1.4, 5))
        return tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes)

    start, end = until_fits(start_and_end)
    entries = {"上车": start, "下车": end, "单价": price, "里程": distance, "合计": fare}
    return {key: contents.keep(value) for key, value in entries.items()}


def draw_taxi_receipt(contents: Contents, room: float) -> tuple[Receipt, list[Line]]:
    generator = contents.random
    form = generator.choice((DASHES, SLASHES, DOTS))
    day = draw_day(contents, form)
    entries = {
        "商户": contents.text(lambda each: f"{random_town(each)}市{random_house_name(each)}出租汽车公司"),
        "车号": contents.text(lambda each: f"T-{each.randrange(10_000):04d}"),
        "日期": date_text(day, form),
        **_draw_ride(contents),
    }
    lines = [Line((middle("出租汽车客票"),), size=1.35, style="heavy"), Line((middle(entries["商户"]),)), _rule(contents)]
    for key in ("车号", "日期", "上车", "下车", "单价", "里程"):
        unit = {"单价": "元/公里", "里程": "公里"}.get(key, "")
        lines.append(Line((left(key), right(*filter(None, (entries[key], unit))))))
    lines += [_rule(contents), Line((left("金额"), right(entries["合计"], "元")), size=1.5, style="heavy")]
    return {"sort": "taxi", "entries": entries, "items": [], "day": day.toordinal()}, lines + _code(contents)[:1]


def draw_telephone_receipt(contents: Contents, room: float) -> tuple[Receipt, list[Line]]:
    """What a telephone shows after paying."""
    generator = contents.random
    form = generator.choice((DASHES, FORMS[3]))
    day = draw_day(contents, form)
    shop = generator.choice((draw_shop, draw_eatery, draw_drinks_shop))(contents)
    category = generator.choice([each for each in CATEGORIES if not each.weighed])
    entries = {"商户": shop, "合计": draw_price(contents, 5, 900), "支付方式": generator.choice(PAYMENTS)}
    entries |= {"日期": date_text(day, form), "时间": draw_time(contents), "单号": _draw_number(contents, 16)}
    if generator.random() < 0.6:
        entries["商品"] = draw_good(contents, category)
    if generator.random() < 0.4:
        entries["电话"] = draw_phone(contents)
    lines = [
        Line(leading=0.6),
        Line((middle(generator.choice(("付款成功", "支付成功", "交易凭证"))),), size=1.2, style="heavy", fill=_GREEN),
    ]
    lines += [Line((middle("¥", entries["合计"]),), size=2.4, style="heavy", leading=1.7), Line(rule="line", leading=1.0)]
    words = {"商户": "收款方", "商品": "商品说明", "单号": "交易单号"}
    rows = [(words.get(key, key), entries[key]) for key in ("商户", "商品", "支付方式", "日期", "时间", "单号", "电话") if key in entries]
    generator.shuffle(rows)
    lines += [Line((left(word), right(value)), leading=2.0) for word, value in rows]
    return {"sort": "telephone", "entries": entries, "items": [], "day": day.toordinal()}, [*lines, Line(leading=0.8)]


STRIPS = (
    draw_shop_receipt,
    draw_shop_receipt,
    draw_kiosk_receipt,
    draw_restaurant_receipt,
    draw_drinks_receipt,
    draw_taxi_receipt,
    draw_telephone_receipt,
)
