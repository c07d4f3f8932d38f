"""What can be asked about price tags."""

from collections.abc import Sequence

from smvl.scenes.contents import Contents
from smvl.scenes.goods import CATEGORIES, draw_good
from smvl.scenes.markdown import markdown_table
from smvl.scenes.money import amount_text, cents_of
from smvl.scenes.price_tags.calls import ask_call
from smvl.scenes.price_tags.entries import Tag
from smvl.scenes.price_tags.naming import MONEY, Facts, measure_word, name_tag, say
from smvl.scenes.price_tags.wording import PHRASINGS
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COMPARE, COUNT, FIELD, MARKDOWN, READ, Ask, Question
from smvl.scenes.schema import Entry, ask_json, draw_entries

_ALL = tuple(PHRASINGS)


def _ask(facts: Facts, tag: Tag, key: str, contents: Contents) -> str:
    phrasing = contents.random.choice(PHRASINGS[key])
    return phrasing.format(it=name_tag(facts, tag, contents), unit=measure_word(tag))


def ask_price(facts: Facts, contents: Contents) -> Question:
    tag = contents.random.choice(facts["tags"])
    return Question(FIELD, _ask(facts, tag, "价格", contents), say(tag, "价格"))


def ask_field(facts: Facts, contents: Contents) -> Question:
    """Anything else that a tag says."""
    tag = contents.random.choice(facts["tags"])
    alone = len(facts["tags"]) == 1
    keys = [key for key in _ALL if key in tag and key != "价格" and (alone or key != "品名")]
    key = contents.random.choice(keys)
    return Question(FIELD, _ask(facts, tag, key, contents), say(tag, key))


def ask_absent(facts: Facts, contents: Contents) -> Question:
    """Of a ware that is not there, or for something that the tag does not say."""
    tag = contents.random.choice(facts["tags"])
    absent = [key for key in _ALL if key not in tag]
    if contents.random.random() < 0.4 or not absent:
        name = _draw_other(facts, contents)
        asked = contents.random.choice(PHRASINGS["价格"][:-2] + ("价签上有{it}吗？", "图里有没有{it}？", "货架上的{it}卖多少钱？"))
        return refuse(asked.format(it=name, unit=measure_word(tag)), name)
    key = contents.random.choice(absent)
    question = _ask(facts, tag, key, contents)
    return refuse(question, key if len(facts["tags"]) == 1 else f"{tag['品名']}的{key}")


def _draw_other(facts: Facts, contents: Contents) -> str:
    while True:
        name = draw_good(contents, contents.random.choice(CATEGORIES))
        if all(name != tag["品名"] for tag in facts["tags"]):
            return name


def ask_reading(facts: Facts, contents: Contents) -> Question:
    """All names, all prices, or both, from left to right and from top to bottom."""
    tags = facts["tags"]
    order = "" if len(tags) == 1 else "从左到右" if facts["rows"] == 1 else "从上到下、从左到右"
    asked, lines = contents.random.choice(
        (
            ("读出商品名称", [tag["品名"] for tag in tags]),
            ("写出所有商品的名字", [tag["品名"] for tag in tags]),
            ("读出每个商品的价格", [say(tag, "价格") for tag in tags]),
            ("写出价签上的价格", [say(tag, "价格") for tag in tags]),
            ("写出商品名和价格，用空格隔开", [f"{tag['品名']} {say(tag, '价格')}" for tag in tags]),
            ("列出每个价签的品名和价格，用空格隔开", [f"{tag['品名']} {say(tag, '价格')}" for tag in tags]),
            ("抄下品名、价格和单位，写成“品名 价格/单位”", [f"{tag['品名']} {say(tag, '价格')}/{tag['单位']}" for tag in tags]),
        )
    )
    opening, ending = (
        contents.random.choice(("请", "帮我", "")),
        contents.random.choice(("，每行一个。", "，一行写一个。", "，每个占一行。")),
    )
    return Question(READ, f"{opening}{order}{asked}{ending if len(tags) > 1 else '。'}", "\n".join(lines))


def ask_as_json(facts: Facts, contents: Contents) -> Question:
    tags = facts["tags"]
    if len(tags) == 1:
        subject = contents.random.choice(("价签上的信息", "这张价签", "图中价签的内容", "商品标签的内容"))
        return ask_json(contents, subject, draw_entries(contents, _entries(tags[0], _ALL)))
    keys = ["品名", "价格", *(key for key in ("单位", "规格") if key in tags[0] and contents.random.random() < 0.5)]
    subject = contents.random.choice(("货架上所有的价签", "图中每个价签的内容", "全部商品的信息", "每个商品的价签"))
    rows = [_entries(tag, keys, optional=False) for tag in tags]
    return ask_json(contents, subject, [Entry(contents.random.choice(("商品", "价签", "列表")), "array", rows)])


def _entries(tag: Tag, keys: Sequence[str], *, optional: bool = True) -> list[Entry]:
    return [
        Entry(
            key,
            "number" if key in MONEY else "string",
            float(tag[key]) if key in MONEY and key in tag else tag.get(key),
            optional=optional and key not in ("品名", "价格", "单位"),
        )
        for key in keys
    ]


def ask_table(facts: Facts, contents: Contents) -> Question:
    """A row for each ware; for a single one, a row for each thing that its tag says."""
    tags = facts["tags"]
    if len(tags) == 1:
        keys = [key for key in _ALL if key in tags[0]]
        asked = ("把价签内容整理成Markdown表格，两列：项目、内容。", "用Markdown表格列出价签上的信息，列为项目和内容。")
        rows = [[key, say(tags[0], key)] for key in keys]
        question = f"{contents.random.choice(asked)}项目依次是{'、'.join(keys)}。"
        return Question(MARKDOWN, question, markdown_table(["项目", "内容"], rows))
    keys = ["品名", *(key for key in ("规格", "单位") if key in tags[0] and contents.random.random() < 0.6), "价格"]
    if any("原价" in tag for tag in tags) and contents.random.random() < 0.6:
        keys.append("原价")
    asked = contents.random.choice(
        (
            "把货架上的价签整理成Markdown表格，列为{keys}。",
            "用Markdown表格列出所有商品，列：{keys}。",
            "请做一个Markdown表格，包含{keys}。",
            "图中的商品做成表格（Markdown），表头是{keys}。",
        )
    )
    missing = "没有原价的填“-”。" if "原价" in keys else ""
    rows = [[say(tag, key) if key in tag else "-" for key in keys] for tag in tags]
    return Question(MARKDOWN, asked.format(keys="、".join(keys)) + missing, markdown_table(keys, rows))


def ask_count(facts: Facts, contents: Contents) -> Question:
    """How many there are, all of them or those that fit; what several cost; what is saved."""
    tags, tag = facts["tags"], contents.random.choice(facts["tags"])
    makers = [_count_cost] if len(tags) == 1 else [_count_tags, _count_cheaper, _count_reduced, _count_cost, _count_pair]
    if any(key in tag for key in ("原价", "会员价")):
        makers.append(_count_saved)
    return contents.random.choice(makers)(facts, tag, contents)


def _count_tags(facts: Facts, tag: Tag, contents: Contents) -> Question:
    asked = (
        "图中有几个价签？",
        "一共有多少个价签？",
        "货架上标了几种商品的价格？",
        "数一数有几张价签。",
        "这里一共有几种商品？",
        "图里共有多少张价签？",
    )
    return Question(COUNT, contents.random.choice(asked), f"{len(facts['tags'])}个")


def _count_cheaper(facts: Facts, tag: Tag, contents: Contents) -> Question:
    prices = [cents_of(each["价格"]) for each in facts["tags"]]
    limit = cents_of(tag["价格"]) // 100 + contents.random.choice((0, 1))
    below = contents.random.random() < 0.5
    num = sum(price < limit * 100 if below else price > limit * 100 for price in prices)
    asked = (
        "价格{word}{limit}元的商品有几个？",
        "有几个商品的价格{word}{limit}元？",
        "{word}{limit}元的价签有多少个？",
        "数一数价格{word}{limit}元的商品。",
    )
    word = contents.random.choice(("低于", "不到") if below else ("高于", "超过"))
    return Question(COUNT, contents.random.choice(asked).format(word=word, limit=limit), f"{num}个")


def _count_reduced(facts: Facts, tag: Tag, contents: Contents) -> Question:
    asked = ("有几个商品标了原价？", "几个价签上有划掉的原价？", "正在降价的商品有几个？", "有多少个价签写了原价？")
    return Question(COUNT, contents.random.choice(asked), f"{sum('原价' in each for each in facts['tags'])}个")


def _count_cost(facts: Facts, tag: Tag, contents: Contents) -> Question:
    num = contents.random.randint(2, 6)
    asked = (
        "买{num}{unit}{it}一共多少钱？",
        "{it}买{num}{unit}要花多少钱？",
        "要{num}{unit}{it}，总共多少钱？",
        "{num}{unit}{it}合计多少元？",
        "按标价，{num}{unit}{it}要付多少？",
    )
    question = contents.random.choice(asked).format(num=num, unit=measure_word(tag), it=name_tag(facts, tag, contents))
    return Question(COUNT, question, amount_text(cents_of(tag["价格"]) * num) + "元")


def _count_pair(facts: Facts, tag: Tag, contents: Contents) -> Question:
    other = contents.random.choice([each for each in facts["tags"] if each is not tag])
    first, second = cents_of(tag["价格"]), cents_of(other["价格"])
    if contents.random.random() < 0.5:
        asked = ("{a}和{b}各买一份，一共多少钱？", "{a}加上{b}总共多少钱？", "买{a}和{b}各一件要付多少？")
        total = first + second
    else:
        asked = ("{a}和{b}的价格相差多少？", "{a}与{b}差多少钱？", "{a}和{b}的差价是多少？")
        total = abs(first - second)
    return Question(COUNT, contents.random.choice(asked).format(a=tag["品名"], b=other["品名"]), amount_text(total) + "元")


def _count_saved(facts: Facts, tag: Tag, contents: Contents) -> Question:
    key = contents.random.choice([key for key in ("原价", "会员价") if key in tag])
    asked = {
        "原价": ("{it}比原价便宜多少？", "{it}降了多少钱？", "现在买{it}比原价省多少？", "{it}的现价和原价差多少？"),
        "会员价": ("会员买{it}能省多少钱？", "{it}的会员价比售价便宜多少？", "用会员价买{it}少付多少？", "{it}的会员价和售价差多少？"),
    }[key]
    saved = abs(cents_of(tag[key]) - cents_of(tag["价格"]))
    return Question(COUNT, contents.random.choice(asked).format(it=name_tag(facts, tag, contents)), amount_text(saved) + "元")


def ask_which(facts: Facts, contents: Contents) -> Question:
    """The dearest or the cheapest, or whose price this is; on a single tag, its name."""
    tags = facts["tags"]
    if len(tags) == 1:
        return Question(FIELD, contents.random.choice(PHRASINGS["品名"]), tags[0]["品名"])
    kind = contents.random.choice(("dearest", "cheapest", "price"))
    if kind == "price":
        tag = contents.random.choice(tags)
        asked = ("哪个商品卖{price}元？", "{price}元的是什么商品？", "标价{price}元的商品叫什么？", "价格是{price}元的是哪一个？")
    elif kind == "dearest":
        tag = max(tags, key=lambda each: cents_of(each["价格"]))
        asked = ("哪个商品最贵？", "价格最高的商品是什么？", "最贵的是哪一个？", "图中卖得最贵的商品叫什么？")
    else:
        tag = min(tags, key=lambda each: cents_of(each["价格"]))
        asked = ("哪个商品最便宜？", "价格最低的商品是什么？", "最便宜的是哪一个？", "想买最便宜的，该选哪个商品？")
    return Question(FIELD, contents.random.choice(asked).format(price=tag["价格"]), tag["品名"])


def compare(first: Facts, second: Facts, contents: Contents) -> Question:
    """Which has more tags, or the dearer ware; for two single tags, by how much."""
    alone = len(first["tags"]) == len(second["tags"]) == 1
    makers = [_compare_dearest] if alone else [_compare_number, _compare_dearest]
    if alone:
        makers.append(_compare_difference)
    return contents.random.choice(makers)(first, second, contents)


def _compare_number(first: Facts, second: Facts, contents: Contents) -> Question:
    left, right = len(first["tags"]), len(second["tags"])
    asked = ("哪张图里的价签更多？", "两张图相比，哪张的价签多？", "第一张和第二张，哪张图的商品更多？", "两张图哪张标价的商品多？")
    return Question(COMPARE, contents.random.choice(asked), "一样多" if left == right else "第一张" if left > right else "第二张")


def _compare_dearest(first: Facts, second: Facts, contents: Contents) -> Question:
    left, right = (max(cents_of(tag["价格"]) for tag in facts["tags"]) for facts in (first, second))
    alone = len(first["tags"]) == len(second["tags"]) == 1
    single = ("哪张图里的商品更贵？", "两张价签，哪张的价格高？", "第一张和第二张，哪个卖得贵？", "比较两张图，价格高的是哪张？")
    several = (
        "最贵的商品在哪张图里？",
        "两张图里价格最高的商品在哪张？",
        "单价最高的商品出现在哪张图？",
        "卖得最贵的商品在第一张还是第二张？",
    )
    answer = "一样" if left == right else "第一张" if left > right else "第二张"
    return Question(COMPARE, contents.random.choice(single if alone else several), answer)


def _compare_difference(first: Facts, second: Facts, contents: Contents) -> Question:
    difference = abs(cents_of(first["tags"][0]["价格"]) - cents_of(second["tags"][0]["价格"]))
    asked = ("两张图里的价格相差多少元？", "这两个商品差价多少？", "两张价签的价格差多少？", "两张图的商品，价格差几元？")
    return Question(COMPARE, contents.random.choice(asked), amount_text(difference) + "元")


QUESTIONS: dict[Ask, float] = {
    ask_price: 3.0,
    ask_field: 3.0,
    ask_which: 1.5,
    ask_reading: 1.5,
    ask_as_json: 2.0,
    ask_table: 1.0,
    ask_count: 2.0,
    ask_absent: 1.5,
    ask_call: 2.0,
}
