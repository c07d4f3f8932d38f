"""What can be asked about receipts.

Money is answered as printed with 元 (`128.50元`), a distance with 公里, a number of people with 人; all else exactly as printed.
"""

from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.goods import CATEGORIES, draw_good
from smvl.scenes.markdown import markdown_table
from smvl.scenes.money import amount_text, cents_of
from smvl.scenes.phrasing import ask_markdown, phrase
from smvl.scenes.receipts.calls import ask_call
from smvl.scenes.receipts.comparison import Facts, due_of
from smvl.scenes.receipts.wording import ABSENT, ITEM, PAID, PHRASINGS
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COUNT, FIELD, MARKDOWN, READ, Ask, Question
from smvl.scenes.schema import Entry, ask_json, draw_entries

_MONEY = ("合计", "价税合计", "优惠", "应付", "实收", "找零", "金额合计", "税额", "金额", "单价")
_PLACES = {
    "invoice": ("发票上", "单据上", "图中"),
    "handwritten": ("收据上", "单据上", "图中"),
    "telephone": ("图中", "图片中", "图上"),
    "restaurant": ("账单上", "小票上", "图中"),
}


def _place(facts: Facts, contents: Contents) -> str:
    return contents.random.choice(_PLACES.get(facts["sort"], ("小票上", "单据上", "图中")))


def _say(facts: Facts, key: str) -> str:
    value = facts["entries"][key]
    if facts["sort"] == "taxi" and key == "单价":
        return value + "元/公里"
    return value + ("元" if key in _MONEY else {"里程": "公里", "人数": "人"}.get(key, ""))


def ask_paid(facts: Facts, contents: Contents) -> Question:
    return Question(FIELD, phrase(contents, PAID, place=_place(facts, contents)), due_of(facts) + "元")


def ask_entry(facts: Facts, contents: Contents) -> Question:
    key = contents.random.choice([key for key in facts["entries"] if key in PHRASINGS])
    return Question(FIELD, phrase(contents, PHRASINGS[key], place=_place(facts, contents)), _say(facts, key))


def ask_item(facts: Facts, contents: Contents) -> Question:
    """What an item costs, how many there are, or which item costs this or most; an entry where there are no items."""
    if not facts["items"]:
        return ask_entry(facts, contents)
    if contents.random.random() < 0.3:
        return _ask_which(facts, contents)
    item = contents.random.choice(facts["items"])
    key = contents.random.choice([key for key in ITEM if key in item])
    question = phrase(contents, ITEM[key], item=item["品名"], place=_place(facts, contents))
    return Question(FIELD, question, str(item[key]) + ("元" if key in _MONEY else ""))


def _ask_which(facts: Facts, contents: Contents) -> Question:
    items = facts["items"]
    item = contents.random.choice(items)
    most = max(items, key=lambda each: cents_of(each["金额"]))
    if sum(each["金额"] == most["金额"] for each in items) == 1 and contents.random.random() < 0.5:
        asked = ("花钱最多的是哪一项？", "金额最高的是什么？", "哪一项最贵？", "{place}金额最大的一项叫什么？", "钱主要花在哪一样上？")
        return Question(FIELD, phrase(contents, asked, place=_place(facts, contents)), most["品名"])
    if sum(each["金额"] == item["金额"] for each in items) == 1:
        asked = ("金额是{amount}元的是哪一项？", "{amount}元买的是什么？", "哪一项收了{amount}元？", "{place}{amount}元对应的是什么？")
        return Question(FIELD, phrase(contents, asked, amount=item["金额"], place=_place(facts, contents)), item["品名"])
    place = items.index(item)
    asked = ("{place}第{row}项是什么？", "第{row}行买的是什么？", "按顺序，第{row}样东西叫什么？")
    return Question(FIELD, phrase(contents, asked, row="一二三四五六七八九"[place], place=_place(facts, contents)), item["品名"])


def ask_absent(facts: Facts, contents: Contents) -> Question:
    """For something that this receipt does not say, or a thing that was not bought."""
    place = _place(facts, contents)
    if facts["items"] and contents.random.random() < 0.4:
        name = contents.text(lambda _: draw_good(contents, contents.random.choice(CATEGORIES)))
        if all(name not in item["品名"] for item in facts["items"]):
            asked = ITEM["金额"] + ("{place}有没有{item}？", "买{item}了吗？", "{place}的{item}买了几份？")
            return refuse(phrase(contents, asked, item=name, place=place), name)
    key = contents.random.choice([key for key in ABSENT if key not in facts["entries"]])
    return refuse(phrase(contents, PHRASINGS[key], place=place), key)


def ask_reading(facts: Facts, contents: Contents) -> Question:
    """All lines of a strip, the names of all items, or two entries on two lines."""
    place = _place(facts, contents)
    makers = [_read_entries]
    if facts["items"]:
        makers.append(_read_items)
    if facts.get("lines"):
        makers.append(_read_lines)
    return contents.random.choice(makers)(facts, contents, place)


def _read_lines(facts: Facts, contents: Contents, place: str) -> Question:
    asked = (
        "把{place}的文字逐行抄下来，同一行的内容用空格隔开。",
        "识别图中全部文字，按行输出，行内用空格分隔。",
        "请从上到下逐行读出{place}的所有文字，一行里的各部分用空格隔开。",
        "转写{place}的全部内容，保持原来的行，同行用空格分开。",
    )
    return Question(READ, phrase(contents, asked, place=place), "\n".join(facts["lines"]))


def _read_items(facts: Facts, contents: Contents, place: str) -> Question:
    if contents.random.random() < 0.5:
        asked = (
            "{place}都买了什么？每行写一个名称。",
            "按顺序列出{place}所有项目的名称，每行一个。",
            "读出每一项的名称，一行一个。",
            "列一下买的东西，一行写一样。",
        )
        return Question(READ, phrase(contents, asked, place=place), "\n".join(item["品名"] for item in facts["items"]))
    asked = (
        "列出每一项的名称和金额，用空格隔开，每行一项。",
        "逐项写出名称和金额，中间空一格，每项一行。",
        "{place}每样东西多少钱？按“名称 金额”一行一项。",
    )
    return Question(READ, phrase(contents, asked, place=place), "\n".join(f"{item['品名']} {item['金额']}元" for item in facts["items"]))


def _read_entries(facts: Facts, contents: Contents, place: str) -> Question:
    keys = contents.random.sample([key for key in facts["entries"] if key in PHRASINGS], 2)
    asked = (
        "依次读出{place}的{first}和{second}，各占一行。",
        "写出{first}和{second}，每行一个。",
        "{first}、{second}分别是什么？分两行写。",
        "请把{place}的{first}和{second}抄成两行。",
    )
    question = phrase(contents, asked, place=place, first=keys[0], second=keys[1])
    return Question(READ, question, "\n".join(_say(facts, key) for key in keys))


def ask_as_json(facts: Facts, contents: Contents) -> Question:
    optional = [Entry(key, "string", None, optional=True) for key in ("电话", "优惠", "地址") if key not in facts["entries"]]
    entries = [_entry(key, value) for key, value in facts["entries"].items() if key in PHRASINGS]
    chosen = draw_entries(contents, entries)
    if optional and contents.random.random() < 0.4:
        chosen.append(contents.random.choice(optional))
    if facts["items"] and contents.random.random() < 0.6:
        keys = [key for key in ("品名", "数量", "单价", "金额") if key in facts["items"][0]]
        rows = [[_entry(key, item[key]) for key in keys] for item in facts["items"]]
        chosen = [*chosen[:4], Entry(contents.random.choice(("商品", "明细", "项目")), "array", rows)]
    subject = contents.random.choice(("图中单据的信息", "这张单据", "单据内容", "图里的票据"))
    return ask_json(contents, subject, chosen)


def _entry(key: str, value: Any) -> Entry:
    if key in (*_MONEY, "里程", "数量"):
        return Entry(key, "number", value if isinstance(value, int) else float(value))
    if key == "人数":
        return Entry(key, "integer", int(value))
    return Entry(key, "string", value)


def ask_table(facts: Facts, contents: Contents) -> Question:
    """The items with some of their columns; entries and values where there are no items."""
    if facts["items"]:
        keys = [key for key in ("品名", "规格", "单位", "数量", "单价", "金额", "税率") if key in facts["items"][0]]
        keys = [key for key in keys if key in ("品名", "金额") or contents.random.random() < 0.7]
        subject = contents.random.choice(("购买明细", "单据上的明细", "各项消费", "图中的商品明细"))
        return ask_markdown(contents, subject, keys, [[str(item[key]) for key in keys] for item in facts["items"]])
    keys = [key for key in facts["entries"] if key in PHRASINGS]
    asked = (
        "用Markdown表格列出单据内容，两列：项目、内容。",
        "把图中的信息整理成Markdown表格，列为项目和内容。",
        "做一个两列的Markdown表格（项目、内容）。",
    )
    question = f"{phrase(contents, asked)}项目依次是{'、'.join(keys)}。"
    return Question(MARKDOWN, question, markdown_table(["项目", "内容"], [[key, _say(facts, key)] for key in keys]))


def ask_count(facts: Facts, contents: Contents) -> Question:
    """How many items, what two of them cost together, what would be given back, how long a ride took."""
    makers = [_count_repeated] if facts["sort"] in ("handwritten", "telephone") else [_count_change]
    if facts["items"]:
        makers += [_count_items, _count_dear]
        if all(isinstance(item["数量"], int) for item in facts["items"]):
            makers.append(_count_pieces)
        if len(facts["items"]) > 1:
            makers.append(_count_two)
    if facts["sort"] == "taxi":
        makers.append(_count_minutes)
    return contents.random.choice(makers)(facts, contents)


def _count_items(facts: Facts, contents: Contents) -> Question:
    asked = (
        "{place}有几种商品？",
        "一共买了几样东西？",
        "{place}的明细有几项？",
        "数一数有多少个项目。",
        "列了几种东西？",
        "明细一共几行？",
    )
    return Question(COUNT, phrase(contents, asked, place=_place(facts, contents)), f"{len(facts['items'])}种")


def _count_pieces(facts: Facts, contents: Contents) -> Question:
    asked = ("所有商品的数量加起来是多少？", "一共买了多少件？", "数量合计是多少？", "{place}总共有多少件东西？", "把各项数量加起来是几？")
    return Question(COUNT, phrase(contents, asked, place=_place(facts, contents)), f"{sum(item['数量'] for item in facts['items'])}件")


def _count_dear(facts: Facts, contents: Contents) -> Question:
    limit = cents_of(contents.random.choice(facts["items"])["金额"]) // 100
    num = sum(cents_of(item["金额"]) > limit * 100 for item in facts["items"])
    asked = (
        "金额超过{limit}元的有几项？",
        "有几项花了超过{limit}元？",
        "{place}超过{limit}元的项目有几个？",
        "哪几项高于{limit}元？告诉我有几项就行。",
    )
    return Question(COUNT, phrase(contents, asked, limit=str(limit), place=_place(facts, contents)), f"{num}项")


def _count_two(facts: Facts, contents: Contents) -> Question:
    first, second = contents.random.sample(facts["items"], 2)
    amounts = cents_of(first["金额"]), cents_of(second["金额"])
    if contents.random.random() < 0.6:
        asked, result = (
            ("{a}和{b}一共多少钱？", "{a}加{b}花了多少？", "只算{a}和{b}，合计多少元？", "{a}与{b}两项的总价是多少？"),
            sum(amounts),
        )
    else:
        asked, result = ("{a}和{b}的金额相差多少？", "{a}与{b}差多少钱？", "{a}和{b}两项差几元？"), abs(amounts[0] - amounts[1])
    return Question(COUNT, phrase(contents, asked, a=first["品名"], b=second["品名"]), amount_text(result) + "元")


def _count_change(facts: Facts, contents: Contents) -> Question:
    due = cents_of(due_of(facts))
    given = (due // 10_000 + 1) * 100 * contents.random.choice((1, 1, 2))
    asked = (
        "如果付{given}元，应该找回多少？",
        "给{given}元要找零多少？",
        "用{given}元现金付这张单，找多少？",
        "拿{given}元结这笔账，还剩多少？",
    )
    return Question(COUNT, phrase(contents, asked, given=str(given)), amount_text(given * 100 - due) + "元")


def _count_repeated(facts: Facts, contents: Contents) -> Question:
    num = contents.random.randint(2, 6)
    asked = (
        "这样的费用付{num}次，一共多少钱？",
        "同样的金额付{num}笔，总共多少？",
        "如果{num}个人各付这么多，合计多少元？",
        "这笔钱的{num}倍是多少元？",
    )
    return Question(COUNT, phrase(contents, asked, num=str(num)), amount_text(cents_of(due_of(facts)) * num) + "元")


def _count_minutes(facts: Facts, contents: Contents) -> Question:
    start, end = (int(facts["entries"][key][:2]) * 60 + int(facts["entries"][key][3:]) for key in ("上车", "下车"))
    asked = ("这趟车坐了多少分钟？", "从上车到下车用了几分钟？", "打车花了多长时间？以分钟回答。", "行程一共多少分钟？")
    return Question(COUNT, phrase(contents, asked), f"{end - start}分钟")


QUESTIONS: dict[Ask, float] = {
    ask_paid: 2.0,
    ask_entry: 3.0,
    ask_item: 2.5,
    ask_reading: 1.5,
    ask_as_json: 2.0,
    ask_table: 1.0,
    ask_count: 2.0,
    ask_absent: 1.5,
    ask_call: 1.5,
}
