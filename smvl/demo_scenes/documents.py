"""Small forms of the scenes that `python -m smvl scenes` draws in full: signs in a street, calligraphy, price tags, tables, receipts,
charts and dials, each in 96 pixels and with the characters that the demo's donors know."""

import math
import random
from collections.abc import Callable

from smvl.demo_scenes.picture import GLYPH, LONG_EDGE, Line, Mark, Panel, Picture, Scene, Turn
from smvl.demo_scenes.words import COLOURS, SIGN_CHARACTERS, split_of_text

LINE = LONG_EDGE / 2
"""Height of a line: no character is cut by the edge of a tile, as none is on the signs that the vision donor has looked at."""
SLOT = LONG_EDGE / 4
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


def write(generator: random.Random, text: str, slot: int, line: int) -> list[Mark]:
    """Characters in one of the two lines, from a slot on."""
    drift = generator.uniform(-4, 4)
    return [
        place_mark(generator, character, (slot + place + 0.5) * SLOT, (line + 0.5) * LINE + drift, SLOT * 0.92)
        for place, character in enumerate(text)
    ]


def place_mark(generator: random.Random, character: str, x: float, y: float, size: float) -> Mark:
    return Mark(GLYPH, character, x + generator.uniform(-1, 1), y + generator.uniform(-1.5, 1.5), size * generator.uniform(0.92, 1.06))


def printed_lines(picture: Picture) -> list[str]:
    """What is printed on a document, line by line."""
    lines: dict[float, list[Mark]] = {}
    for mark in sorted(picture.marks, key=lambda mark: mark.y):
        line = next((line for line in lines if abs(line - mark.y) < LINE / 4), None)
        lines.setdefault(mark.y if line is None else line, []).append(mark)
    return ["".join(mark.label for mark in sorted(line, key=lambda mark: mark.x)) for line in lines.values()]


def read_all(generator: random.Random, scene: Scene) -> Scene:
    """The same document with all that is printed on it for an answer, where anything is."""
    picture = scene.pictures[0]
    question = generator.choice(["请读出图中所有的文字。", "图中都写着什么?"])
    return Scene(scene.task, (Turn(question, "\n".join(printed_lines(picture)), (picture,)),)) if picture.marks else scene


def picture_of(generator: random.Random, marks: list[Mark], *, panels=(), lines=(), width=LONG_EDGE, height=LONG_EDGE) -> Picture:
    return Picture(width, height, tuple(marks), generator.getrandbits(32), tuple(panels), tuple(lines))


def _ask(task: str, picture: Picture, question: str, answer: str) -> Scene:
    return Scene(task, (Turn(question, answer, (picture,)),))


def street_sign(generator: random.Random, split: str) -> Scene:
    """One or two boards above each other."""
    lines = generator.choice([[0], [1], [0, 1], [0, 1]])
    texts = _draw_signs(generator, split, len(lines))
    slots = [generator.randint(0, 4 - len(text)) for text in texts]
    marks = [write(generator, text, slot, line) for text, slot, line in zip(texts, slots, lines)]
    colour = generator.choice(["蓝牌", "绿牌", "白纸", "黄纸", "白纸", "黄纸"])
    panels = [
        Panel((slot - 0.1) * SLOT, line[0].y - 16, (slot + len(text) + 0.1) * SLOT, line[0].y + 16, colour)
        for text, slot, line in zip(texts, slots, marks)
    ]
    picture = picture_of(generator, [mark for line in marks for mark in line], panels=panels)
    if generator.random() < 0.2:
        return _ask("street_sign", picture, "路边有几个牌子?", f"{len(lines)}个")
    pick = generator.randrange(len(lines))
    where = ["上边的", "下边的"][pick] if len(lines) == 2 else generator.choice(["", "这个"])
    return _ask("street_sign", picture, f"{where}牌子上写着什么?", texts[pick])


def _draw_signs(generator: random.Random, split: str, num: int) -> list[str]:
    """Signs of this split, each of them and all in a row, as the same characters may stand on one sign elsewhere."""
    while True:
        texts = [_sign_text(generator, split, 2) for _ in range(num)]
        if split_of_text("".join(texts)) == split:
            return texts


def calligraphy(generator: random.Random, split: str) -> Scene:
    """Two large characters downwards on a strip of paper."""
    text, column = _sign_text(generator, split, 2), generator.choice([0, 1])
    marks = [
        place_mark(generator, character, (column + 0.5) * LINE, (line + 0.5) * LINE, LINE * 0.76) for line, character in enumerate(text)
    ]
    strip = Panel(column * LINE + 2, 0, (column + 1) * LINE - 2, LONG_EDGE, generator.choice(["红纸", "黄纸", "白纸"]))
    picture = picture_of(generator, marks, panels=[strip])
    return _ask("calligraphy", picture, generator.choice(["这幅书法写的是什么?", "从上到下读出这幅字。"]), text)


def price_tag(generator: random.Random, split: str) -> Scene:
    """What it is, and below it the price; asked for a price, a name, or something that is not there."""
    name, price, picture = draw_price_tag(generator, split)
    kind = generator.random()
    if kind < 0.5:
        return _ask("price_tag", picture, generator.choice([f"{name}多少钱?", "价签上的价格是多少?"]), price)
    if kind < 0.8:
        return _ask("price_tag", picture, generator.choice(["这是什么的价签?", "价签上写的是什么?"]), name)
    other = generator.choice([one for one in GOODS if one not in name])
    return _ask("price_tag", picture, f"{other}多少钱?", f"图中没有{other}。")


def draw_price_tag(generator: random.Random, split: str) -> tuple[str, str, Picture]:
    """A name of two characters, a price with its unit, and the tag."""
    tag = _draw_text(generator, split, lambda: f"{generator.choice(GOODS)}{generator.choice(SIGN_CHARACTERS)}{generator.randint(10, 99)}元")
    name, price = tag[:2], tag[2:]
    marks = write(generator, name, generator.randint(0, 2), 0) + write(generator, price, generator.randint(0, 1), 1)
    paper = Panel(2, 2, LONG_EDGE - 2, LONG_EDGE - 2, generator.choice(["白纸", "黄纸"]))
    return name, price, picture_of(generator, marks, panels=[paper])


def draw_lines(generator: random.Random, split: str, write_line: Callable[[str], str], names: str) -> list[str]:
    """Two lines of one length that begin with different names; together of this split, so that no name has numbers of its own."""
    text = _draw_text(generator, split, lambda: "".join(write_line(name) for name in generator.sample(names, 2)))
    return [text[: len(text) // 2], text[len(text) // 2 :]]


def rules_of_table() -> list[Line]:
    """Around two lines and between them, and behind the first column."""
    across = [Line(((2, y), (94, y))) for y in (1, LINE, LONG_EDGE - 1)]
    return across + [Line(((x, 1), (x, LONG_EDGE - 1))) for x in (1, 1.5 * SLOT, 95)]


def table(generator: random.Random, split: str) -> Scene:
    """Two rows with rules: what there is, and how much of it."""
    entries = draw_lines(generator, split, lambda good: f"{good}{generator.randint(0, 9)}", GOODS)
    marks = [mark for row, text in enumerate(entries) for slot in (0, 1) for mark in write(generator, text[slot], 2 * slot, row)]
    picture = picture_of(generator, marks, lines=rules_of_table())
    if generator.random() < 0.3:
        rows = "\n".join(f"|{good}|{number}|" for good, number in entries)
        return _ask("table", picture, "请把表格写成Markdown。", rows)
    good, number = generator.choice(entries)
    return _ask("table", picture, generator.choice([f"表格里{good}的数量是多少?", f"表中{good}是多少?"]), number)


def receipt(generator: random.Random, split: str) -> Scene:
    """One good with its price, and the sum that was paid; asked for either."""
    good, price, total, picture = draw_receipt(generator, split)
    if generator.random() < 0.6:
        return _ask("receipt", picture, generator.choice(["小票上一共多少钱?", "这张小票的总价是多少?"]), f"{total}元")
    return _ask("receipt", picture, f"小票上{good}多少钱?", price)


def draw_receipt(generator: random.Random, split: str) -> tuple[str, str, str, Picture]:
    """A good, its price, the sum that was paid, and the receipt."""
    price, total = "1", "0"
    while int(total) < int(price):
        line = _draw_text(generator, split, lambda: f"{generator.choice(GOODS)}{generator.randint(10, 99)}")
        good, price = line[0], line[1:]
        total = _draw_text(generator, split, lambda: f"金{generator.randint(10, 99)}")[1:]
    marks = write(generator, f"{good}{price}", 0, 0) + write(generator, f"金{total}元", 0, 1)
    rule = Line(((4, LINE), (92, LINE)))
    return good, price, total, picture_of(generator, marks, panels=[Panel(1, 0, LONG_EDGE - 1, LONG_EDGE, "白纸")], lines=[rule])


def chart(generator: random.Random, split: str) -> Scene:
    """Bars of different colours and heights on a line."""
    num = generator.choice([2, 3])
    colours = generator.sample(list(COLOURS), num)
    heights = generator.sample([20, 47, 74], num)
    width = 88 / num
    bars = [
        Panel(6 + (place + 0.15) * width, 88 - height, 6 + (place + 0.85) * width, 88, colour)
        for place, (colour, height) in enumerate(zip(colours, heights))
    ]
    axes = [Line(((5, 4), (5, 88)), 1.5), Line(((5, 88), (94, 88)), 1.5)]
    picture = picture_of(generator, [], panels=bars, lines=axes)
    kind = generator.random()
    if kind < 0.25:
        return _ask("chart", picture, generator.choice(["柱状图有几条?", "图中有几个柱子?"]), f"{num}条")
    best = max if kind < 0.65 else min
    which = "高" if best is max else "矮"
    return _ask("chart", picture, f"柱状图中什么颜色的最{which}?", f"{colours[heights.index(best(heights))]}色")


def dial(generator: random.Random, split: str) -> Scene:
    """A round gauge of ten ticks, counted from 0 at the lower left, with a needle on one of them."""
    value, picture = draw_dial(generator)
    return _ask("dial", picture, generator.choice(["指针指着几?", "仪表的读数是多少?"]), str(value))


def draw_dial(generator: random.Random) -> tuple[int, Picture]:
    """A reading, and the gauge."""
    value, centre, radius = generator.randrange(NUM_TICKS), LONG_EDGE / 2, 40
    last = FIRST_TICK + TICK_ANGLE * (NUM_TICKS - 1)

    def at(tick: int, share: float) -> tuple[float, float]:
        angle = math.radians(FIRST_TICK + TICK_ANGLE * tick)
        return centre + share * radius * math.cos(angle), centre + share * radius * math.sin(angle)

    ring = Line(((centre - radius, centre - radius), (centre + radius, centre + radius)), 2, (FIRST_TICK, last))
    ticks = [Line((at(tick, 0.86), at(tick, 1.0)), 2) for tick in range(NUM_TICKS)]
    needle = Line(((centre, centre), at(value, 0.8)), 3.5)
    face = Panel(0, 0, LONG_EDGE, LONG_EDGE, generator.choice(["白纸", "黄纸"]))
    return value, picture_of(generator, [], panels=[face], lines=[ring, *ticks, needle])
