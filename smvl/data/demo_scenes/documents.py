"""Small forms of the scenes that `python -m smvl.data scenes` draws in full: signs in a street, calligraphy, price tags, tables, receipts,
charts and dials, each in 96 pixels and with the characters that the demo's donors know."""

import json
import math
import random
from collections.abc import Callable

from smvl.data.demo_scenes.picture import GLYPH, LONG_EDGE, Line, Mark, Panel, Picture, Scene, Turn
from smvl.data.demo_scenes.words import COLOURS, SIGN_CHARACTERS, split_of_text

CELL = LONG_EDGE / 4
GOODS = "茶鱼花羊牛马竹鸟车米"
NUM_TICKS = 10
FIRST_TICK, TICK_ANGLE = 135, 30  # degrees, clockwise from the right: from below left over the top to below right


def _draw_text(generator: random.Random, split: str, make: Callable[[], str]) -> str:
    """Draw until the text belongs to the split."""
    while split_of_text(text := make()) != split:
        pass
    return text


def _sign_text(generator: random.Random, split: str, length: int) -> str:
    return _draw_text(generator, split, lambda: "".join(generator.choices(SIGN_CHARACTERS, k=length)))


def _write(generator: random.Random, text: str, column: float, row: float, *, down: bool = False) -> list[Mark]:
    """Characters from a place of a 4 x 4 board on, to the right or downwards."""
    marks = []
    for place, character in enumerate(text):
        x, y = (column, row + place) if down else (column + place, row)
        shift = generator.uniform(-1, 1), generator.uniform(-1, 1)
        marks.append(Mark(GLYPH, character, (x + 0.5) * CELL + shift[0], (y + 0.5) * CELL + shift[1], CELL * generator.uniform(0.84, 0.94)))
    return marks


def _picture(generator: random.Random, marks: list[Mark], *, panels=(), lines=(), width=LONG_EDGE, height=LONG_EDGE) -> Picture:
    return Picture(width, height, tuple(marks), generator.getrandbits(32), tuple(panels), tuple(lines))


def _ask(task: str, picture: Picture, question: str, answer: str) -> Scene:
    return Scene(task, (Turn(question, answer, (picture,)),))


def street_sign(generator: random.Random, split: str) -> Scene:
    """One or two boards above each other."""
    num = generator.choice([1, 2, 2])
    texts = [_sign_text(generator, split, generator.choice([2, 3])) for _ in range(num)]
    rows = [generator.choice([0.5, 1.5])] if num == 1 else [0.3, 2.5]
    columns = [generator.uniform(0.2, 3.6 - len(text)) for text in texts]
    marks = [mark for text, column, row in zip(texts, columns, rows) for mark in _write(generator, text, column, row)]
    panels = [
        Panel((column - 0.15) * CELL, (row - 0.1) * CELL, (column + len(text) + 0.15) * CELL, (row + 1.1) * CELL, colour)
        for (text, column, row), colour in zip(zip(texts, columns, rows), [generator.choice(["蓝牌", "绿牌"])] * num)
    ]
    picture = _picture(generator, marks, panels=panels)
    if generator.random() < 0.2:
        return _ask("street_sign", picture, "路边有几个牌子?", f"{num}个")
    pick = generator.randrange(num)
    where = ["上边的", "下边的"][pick] if num == 2 else generator.choice(["", "这个"])
    return _ask("street_sign", picture, f"{where}牌子上写着什么?", texts[pick])


def calligraphy(generator: random.Random, split: str) -> Scene:
    """Three or four characters downwards on a strip of paper."""
    text = _sign_text(generator, split, generator.choice([3, 4]))
    first = generator.uniform(0, 4 - len(text))
    strip = Panel(0.35 * CELL, 0, 1.65 * CELL, LONG_EDGE, generator.choice(["红纸", "黄纸", "白纸"]))
    picture = _picture(generator, _write(generator, text, 0.5, first, down=True), panels=[strip], width=LONG_EDGE // 2)
    return _ask("calligraphy", picture, generator.choice(["这幅书法写的是什么?", "从上到下读出这幅字。"]), text)


def price_tag(generator: random.Random, split: str) -> Scene:
    """What it is, and below it the price; asked for a price, a name, or something that is not there."""
    tag = _draw_text(generator, split, lambda: f"{generator.choice(GOODS)}{generator.choice(SIGN_CHARACTERS)}{generator.randint(10, 99)}元")
    name, price = tag[:2], tag[2:]
    marks = _write(generator, name, generator.uniform(0.2, 1.6), 0) + _write(generator, price, generator.uniform(0.2, 0.8), 1)
    paper = Panel(2, 2, LONG_EDGE - 2, LONG_EDGE // 2 - 2, generator.choice(["白纸", "黄纸"]))
    picture = _picture(generator, marks, panels=[paper], height=LONG_EDGE // 2)
    kind = generator.random()
    if kind < 0.5:
        return _ask("price_tag", picture, generator.choice([f"{name}多少钱?", "价签上的价格是多少?"]), price)
    if kind < 0.8:
        return _ask("price_tag", picture, generator.choice(["这是什么的价签?", "价签上写的是什么?"]), name)
    other = generator.choice([one for one in GOODS if one not in name])
    return _ask("price_tag", picture, f"{other}多少钱?", f"图中没有{other}。")


def _goods_lines(generator: random.Random, split: str, num: int) -> list[tuple[str, str]]:
    """Goods with numbers of two figures, each pair of this split."""

    def number_of(good: str) -> str:
        return _draw_text(generator, split, lambda: f"{good}{generator.randint(10, 99)}")[1:]

    return [(good, number_of(good)) for good in generator.sample(GOODS, num)]


def table(generator: random.Random, split: str) -> Scene:
    """Two columns with rules: what there is, and how much of it."""
    entries = _goods_lines(generator, split, generator.choice([2, 3, 4]))
    marks = [mark for row, (good, number) in enumerate(entries) for mark in _write(generator, good, 0.25, row)]
    marks += [mark for row, (good, number) in enumerate(entries) for mark in _write(generator, number, 1.75, row)]
    bottom = len(entries) * CELL
    rules = [Line(((2, row * CELL), (94, row * CELL))) for row in range(len(entries) + 1)]
    rules += [Line(((x, 0), (x, bottom))) for x in (2, 1.5 * CELL, 94)]
    picture = _picture(generator, marks, lines=rules)
    good, number = generator.choice(entries)
    if generator.random() < 0.15:
        return _ask("table", picture, "表格有几行?", f"{len(entries)}行")
    return _ask("table", picture, generator.choice([f"表格里{good}的数量是多少?", f"表中{good}是多少?"]), number)


def receipt(generator: random.Random, split: str) -> Scene:
    """Two goods with their prices, and the sum; asked for the sum, one price, or all of it as JSON."""
    while True:
        entries = _goods_lines(generator, split, 2)
        total = f"{sum(int(price) for _, price in entries)}"
        if split_of_text(f"共{total}") == split:
            break
    texts = [*(f"{good}{price}" for good, price in entries), f"金{total}"]
    marks = [mark for row, text in enumerate(texts) for mark in _write(generator, text, 0.25, row + 0.6 * (row == 2))]
    sheet = Panel(1, 0, LONG_EDGE - 1, LONG_EDGE, "白纸")
    rule = Line(((4, 2.3 * CELL), (92, 2.3 * CELL)))
    picture = _picture(generator, marks, panels=[sheet], lines=[rule])
    kind = generator.random()
    if kind < 0.4:
        return _ask("receipt", picture, generator.choice(["小票上一共多少钱?", "这张小票的总价是多少?"]), f"{total}元")
    if kind < 0.7:
        good, price = generator.choice(entries)
        return _ask("receipt", picture, f"小票上{good}多少钱?", f"{price}元")
    prices = {good: int(price) for good, price in entries}
    return _ask("receipt", picture, "请把小票写成JSON。", json.dumps(prices, ensure_ascii=False, separators=(",", ":")))


def chart(generator: random.Random, split: str) -> Scene:
    """Bars of different colours and heights on a line."""
    num = generator.choice([2, 3, 4])
    colours = generator.sample(list(COLOURS), num)
    heights = generator.sample([18, 32, 46, 60, 74], num)
    width = 88 / num
    bars = [
        Panel(6 + (place + 0.15) * width, 88 - height, 6 + (place + 0.85) * width, 88, colour)
        for place, (colour, height) in enumerate(zip(colours, heights))
    ]
    axes = [Line(((5, 4), (5, 88)), 1.5), Line(((5, 88), (94, 88)), 1.5)]
    picture = _picture(generator, [], panels=bars, lines=axes)
    kind = generator.random()
    if kind < 0.25:
        return _ask("chart", picture, generator.choice(["柱状图有几条?", "图中有几个柱子?"]), f"{num}条")
    best = max if kind < 0.65 else min
    which = "高" if best is max else "矮"
    return _ask("chart", picture, f"柱状图中什么颜色的最{which}?", f"{colours[heights.index(best(heights))]}色")


def dial(generator: random.Random, split: str) -> Scene:
    """A round gauge of ten ticks, counted from 0 at the lower left, with a needle on one of them."""
    value, centre, radius = generator.randrange(NUM_TICKS), LONG_EDGE / 2, 40
    last = FIRST_TICK + TICK_ANGLE * (NUM_TICKS - 1)

    def at(tick: int, share: float) -> tuple[float, float]:
        angle = math.radians(FIRST_TICK + TICK_ANGLE * tick)
        return centre + share * radius * math.cos(angle), centre + share * radius * math.sin(angle)

    ring = Line(((centre - radius, centre - radius), (centre + radius, centre + radius)), 2, (FIRST_TICK, last))
    ticks = [Line((at(tick, 0.86), at(tick, 1.0)), 2) for tick in range(NUM_TICKS)]
    needle = Line(((centre, centre), at(value, 0.8)), 3.5)
    face = Panel(0, 0, LONG_EDGE, LONG_EDGE, generator.choice(["白纸", "黄纸"]))
    picture = _picture(generator, [], panels=[face], lines=[ring, *ticks, needle])
    return _ask("dial", picture, generator.choice(["指针指着几?", "仪表的读数是多少?"]), str(value))
