"""Signs along a street: shops, directions, road names, house numbers, notices, bus stops; one to five side by side."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.page import Page
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COMPARE, COUNT, FIELD, READ, Drawing, Kind, Question
from smvl.scenes.schema import Entry, ask_json
from smvl.scenes.street.boards import TYPE_COLOURS, Board, make_board, paint_board
from smvl.scenes.street.signs import BUS, BUS_HEADING, DIRECTION, DOOR, DRAW, NOTICE, ROAD, SHOP, TYPES, UPRIGHT, draw_upright
from smvl.scenes.street.view import draw_view

Facts = Mapping[str, Any]

_SHAPES = ((4, 3), (4, 3), (1, 1), (3, 2), (3, 4))
_MOST_UNITS = 25.0
"""Widths of characters that a row of boards may have where the picture is as wide as its longest edge."""
_NUMERALS = "一二三四五"


def _draw(contents: Contents, longest_edge: int) -> Drawing:
    generator = contents.random
    across, down = generator.choice(_SHAPES)
    width, height = (longest_edge * side // max(across, down) for side in (across, down))
    boards = _choose_boards(contents, _MOST_UNITS * width / longest_edge)
    horizon = generator.uniform(0.8, 0.92)
    page = Page(contents, (width, height), draw_view((width, height), horizon, generator))
    _hang(page, boards, horizon, generator)
    signs = [{"类型": board.sign.type, "颜色": board.colour, "文字": board.sign.text, **board.sign.fields} for board in boards]
    return Drawing(page.image, {"signs": signs}, tuple(page.texts), tuple(page.marks))


def _choose_boards(contents: Contents, most_units: float) -> list[Board]:
    """Boards from left to right that fit beside each other; no two with the same text."""
    generator = contents.random
    boards: list[Board] = []
    for number in range(generator.choice((1, 2, 2, 3, 3, 4, 5))):
        type_ = generator.choice(TYPES)
        board = make_board(sign := DRAW[type_](contents), generator.choice(TYPE_COLOURS[sign.type]), generator)
        if number and _units(boards) + board.width + 0.8 > most_units:
            board = make_board(draw_upright(contents), generator.choice(TYPE_COLOURS[UPRIGHT]), generator)
        if _units(boards) + board.width + 0.8 <= most_units and board.sign.text not in {other.sign.text for other in boards}:
            boards.append(board)
    return boards


def _units(boards: Sequence[Board]) -> float:
    return sum(board.width + 0.8 for board in boards)


def _hang(page: Page, boards: Sequence[Board], horizon: float, generator: random.Random) -> None:
    """Each board in a strip of its own, so that left and right are beyond doubt; as large as all can be, or somewhat smaller."""
    unit = page.width * 0.97 / max(_units(boards), 7.0)
    tallest = max(board.height for board in boards)
    unit = min(unit, page.height * 0.8 / tallest)
    spare = page.width - unit * _units(boards)
    left = generator.uniform(0.2, 0.8) * spare / (len(boards) + 1)
    for board in boards:
        pixels = unit * generator.uniform(0.86, 1.0)
        strip = unit * (board.width + 0.8)
        width, height = board.width * pixels, board.height * pixels
        x = left + (strip - width) * generator.uniform(0.3, 0.7)
        low, high = (0.04, 0.5) if board.hangs else (0.12, 0.6)
        y = min(page.height * generator.uniform(low, high), page.height * 0.95 - height)
        if not board.hangs:
            _draw_pole(page, x + width / 2, y + height / 2, page.height * (horizon + 0.05), pixels)
        paint_board(page, board, (x, y, x + width, y + height), pixels)
        left += strip + spare / (len(boards) + 1)


def _draw_pole(page: Page, x: float, top: float, bottom: float, pixels: float) -> None:
    page.pen.line([(x, top), (x, bottom)], fill=(130, 134, 138), width=max(2, round(pixels / 4)))


def _which(signs: Sequence[Facts], number: int, generator: random.Random) -> str:
    """Words that mean one sign alone: its place, its colour or its type."""
    sign = signs[number]
    ways = []
    if len(signs) == 1:
        ways += ["牌子", "这块牌子", sign["类型"]]
    else:
        ways.append(f"从左往右数第{_NUMERALS[number]}块牌子")
        ways += ["最左边的牌子"] * (number == 0) + ["最右边的牌子"] * (number == len(signs) - 1)
    ways += [f"{key}的{name}" for key, name in ((f"{sign['颜色']}色", "牌子"),) if _alone(signs, "颜色", sign["颜色"])]
    ways += [sign["类型"]] if _alone(signs, "类型", sign["类型"]) else []
    return generator.choice(ways)


def _alone(signs: Sequence[Facts], key: str, value: str) -> bool:
    return sum(sign[key] == value for sign in signs) == 1


def _ask_one(facts: Facts, contents: Contents) -> Question:
    signs = facts["signs"]
    number = contents.random.randrange(len(signs))
    which = _which(signs, number, contents.random)
    question = contents.random.choice((f"{which}上写着什么？", f"请读出{which}上的文字。", f"图中{which}上是什么字？"))
    if " " in signs[number]["文字"]:
        question += contents.random.choice(("行与行之间用空格隔开。", "多行文字用空格分开。"))
    return Question(READ, question, signs[number]["文字"])


def _ask_all(facts: Facts, contents: Contents) -> Question:
    question = contents.random.choice(
        (
            "从左到右读出图中每块牌子上的文字，每块一行，同一块牌子的各行用空格隔开。",
            "图中的牌子上都写了什么？从左到右每块牌子占一行，牌子内换行处写空格。",
        )
    )
    return Question(READ, question, "\n".join(sign["文字"] for sign in facts["signs"]))


_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    SHOP: {
        "店名": ("店铺招牌上的店名是什么？", "这家店叫什么名字？（看店铺招牌）"),
        "电话": ("店铺招牌上的电话号码是多少？", "想给这家店打电话，号码是多少？"),
    },
    DIRECTION: {
        "方向": ("按指路牌，去{去向}该往哪边走？只回答左、右或前。", "{去向}在哪个方向？从左、右、前中选一个。"),
        "距离": ("指路牌上写着离{去向}还有多远？", "按指路牌，到{去向}的距离是多少？"),
    },
    ROAD: {"路名": ("路名牌上是哪条路？", "这是什么路？（看路名牌）")},
    DOOR: {"号码": ("门牌号是多少？", "门牌上的号码是什么？"), "路名": ("门牌上写的是哪条路？", "按门牌，这里在哪条路上？")},
    NOTICE: {"内容": ("提示牌要求或提醒什么？照原文回答。", "提示牌上的原文是什么？")},
    BUS: {
        "站名": ("这个公交站叫什么？", "公交站牌上的站名是什么？"),
        "线路": ("公交站牌上有哪些线路？用顿号隔开。", "这一站停哪几路车？按站牌从上到下，用顿号隔开。"),
    },
}


def _ask_field(facts: Facts, contents: Contents) -> Question:
    """A part of a sign whose type stands alone; where there is none, all of one sign is read."""
    options = [
        (sign, key)
        for sign in facts["signs"]
        if _alone(facts["signs"], "类型", sign["类型"])
        for key in _FIELDS.get(sign["类型"], ())
        if key in sign
    ]
    if not options:
        return _ask_one(facts, contents)
    sign, key = contents.random.choice(options)
    question = contents.random.choice(_FIELDS[sign["类型"]][key]).format_map(sign)
    return Question(FIELD, question, sign[key])


def _ask_json(facts: Facts, contents: Contents) -> Question:
    signs = [[Entry(key, "string", sign[key]) for key in ("类型", "颜色", "文字")] for sign in facts["signs"]]
    asked = ask_json(contents, "从左到右的牌子", [Entry("牌子", "array", signs)])
    hint = f"类型从{'、'.join(TYPES)}中选，颜色写一个字，牌子内换行处写空格。"
    return replace(asked, question=f"{asked.question}{hint}")


def _ask_count(facts: Facts, contents: Contents) -> Question:
    signs = facts["signs"]
    if contents.random.random() < 0.5:
        return Question(COUNT, contents.random.choice(("图中有几块牌子？", "数一数图中一共有多少块牌子。")), f"{len(signs)}块")
    colour = contents.random.choice(signs)["颜色"]
    return Question(COUNT, f"图中有几块{colour}色的牌子？", f"{Counter(sign['颜色'] for sign in signs)[colour]}块")


def _ask_absent(facts: Facts, contents: Contents) -> Question:
    """A type of sign that is not there, or a field that the only shop's sign lacks."""
    present = {sign["类型"] for sign in facts["signs"]}
    absent = [type_ for type_ in _FIELDS if type_ not in present and type_ not in (SHOP, DIRECTION)]
    shops = [sign for sign in facts["signs"] if sign["类型"] == SHOP]
    if shops and not any("电话" in sign for sign in shops) and contents.random.random() < 0.4:
        return refuse(contents.random.choice(_FIELDS[SHOP]["电话"]), "写电话号码")
    type_ = contents.random.choice(absent)
    questions = contents.random.choice(list(_FIELDS[type_].values()))
    return refuse(contents.random.choice(questions), type_)


def _compare(first: Facts, second: Facts, contents: Contents) -> Question:
    numbers = len(first["signs"]), len(second["signs"])
    if contents.random.random() < 0.4:
        answer = "一样多" if numbers[0] == numbers[1] else ("第一张" if numbers[0] > numbers[1] else "第二张")
        return Question(COMPARE, "两张图中哪一张的牌子更多？回答第一张、第二张或一样多。", answer)
    place = contents.random.randrange(2)
    sign, others = contents.random.choice((first, second)[place]["signs"]), (second, first)[place]["signs"]
    shown = sign["文字"].split(" ")[0]
    if any(shown in other["文字"] for other in others):
        return Question(COMPARE, f"哪张图里有写着“{shown}”的牌子？回答第一张、第二张或两张都有。", "两张都有")
    return Question(COMPARE, f"哪张图里有写着“{shown}”的牌子？回答第一张、第二张或两张都有。", ("第一张", "第二张")[place])


KIND = Kind(
    name="street_sign",
    draw=_draw,
    questions={_ask_one: 0.3, _ask_all: 0.17, _ask_field: 0.2, _ask_json: 0.11, _ask_count: 0.1, _ask_absent: 0.12},
    compare=_compare,
    labels=frozenset({BUS_HEADING}),
    papers=(),
)
