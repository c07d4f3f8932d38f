"""Advertisements: brand, product, slogan, price, discount, selling points, period, telephone; each but the first two may be missing."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from smvl.scenes.advertising.offers import draw_offer
from smvl.scenes.advertising.posters import LABELS, lay_out
from smvl.scenes.contents import Contents
from smvl.scenes.money import amount_text, cents_of
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COMPARE, COUNT, FIELD, READ, Drawing, Kind, Question
from smvl.scenes.schema import Entry, ask_json, draw_entries

Facts = Mapping[str, Any]


def _draw(contents: Contents, longest_edge: int) -> Drawing:
    offer = draw_offer(contents)
    page, rows = lay_out(contents, offer, longest_edge)
    facts = {**asdict(offer), "praises": list(offer.praises), "rows": [" ".join(row) for row in rows]}
    return Drawing(page.image, facts, tuple(page.texts), tuple(page.marks))


# Key of the facts: (its name, questions for it).
_PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "brand": ("品牌", ("广告上的品牌叫什么？", "这是哪个品牌的广告？")),
    "product": ("产品", ("广告宣传的产品是什么？", "这则广告在卖什么？写产品全称。")),
    "slogan": ("广告语", ("广告语是什么？", "这则广告的宣传语怎么写的？")),
    "price": ("现价", ("现在的价格是多少元？只写数字。", "买这件商品要付多少元？只写数字。")),
    "original": ("原价", ("原价是多少元？只写数字。", "图中标的原价是几元？只写数字。")),
    "discount": ("折扣", ("打几折？", "图中的折扣是多少？")),
    "period": ("活动时间", ("活动时间是哪天到哪天？", "优惠活动什么时候开始、什么时候结束？照图中写法回答。")),
    "phone": ("订购热线", ("订购热线是多少？", "想订购打哪个电话？")),
    "shop": ("门店", ("在哪家门店可以买到？", "图中写的门店是哪一家？")),
}


def _ask_part(facts: Facts, contents: Contents) -> Question:
    key = contents.random.choice([key for key in _PARTS if facts[key]])
    return Question(FIELD, contents.random.choice(_PARTS[key][1]), facts[key])


def _ask_all(facts: Facts, contents: Contents) -> Question:
    question = contents.random.choice(
        ("从上到下读出广告上的全部文字，每行一条，同一行的几段用空格隔开。", "请逐行读出这张广告，同一行里的各段文字之间写一个空格。")
    )
    return Question(READ, question, "\n".join(facts["rows"]))


def _ask_json(facts: Facts, contents: Contents) -> Question:
    entries = [
        Entry(
            name,
            "number" if key in ("price", "original") else "string",
            _value(key, facts[key]),
            optional=key not in ("brand", "product", "price"),
        )
        for key, (name, _) in _PARTS.items()
    ]
    return ask_json(contents, "广告信息", draw_entries(contents, entries, least=3))


def _value(key: str, text: str) -> str | float | int | None:
    if not text or key not in ("price", "original"):
        return text or None
    return float(text) if float(text) % 1 else int(float(text))


def _ask_praises(facts: Facts, contents: Contents) -> Question:
    if not facts["praises"]:
        return refuse(contents.random.choice(("广告列出了哪些卖点？", "图中写了哪几条产品特点？")), "列出卖点")
    question = contents.random.choice(("广告列出了哪些卖点？用顿号隔开。", "图中价格下面写了哪几条产品特点？用顿号隔开。"))
    return Question(FIELD, question, "、".join(facts["praises"]))


def _ask_count(facts: Facts, contents: Contents) -> Question:
    if not facts["praises"]:
        return Question(COUNT, contents.random.choice(("广告上一共有几行文字？", "图中的文字共几行？")), f"{len(facts['rows'])}行")
    return Question(COUNT, contents.random.choice(("广告列出了几条卖点？", "图中写了几条产品特点？")), f"{len(facts['praises'])}条")


def _ask_saving(facts: Facts, contents: Contents) -> Question:
    """What is left of the original price is a sum to do."""
    if not facts["original"]:
        return refuse(contents.random.choice(("比原价便宜多少元？", "现在买能比原价省多少元？")), "标原价")
    saving = amount_text(cents_of(facts["original"]) - cents_of(facts["price"]))
    return Question(FIELD, contents.random.choice(("比原价便宜多少元？写两位小数。", "现在买能比原价省多少元？写两位小数。")), saving)


def _ask_absent(facts: Facts, contents: Contents) -> Question:
    absent = [key for key in _PARTS if not facts[key]]
    if not absent:
        return refuse(contents.random.choice(("这件商品的保质期是多久？", "图中写的保质期是几个月？")), "写保质期")
    name, questions = _PARTS[contents.random.choice(absent)]
    return refuse(contents.random.choice(questions).removesuffix("只写数字。"), f"写{name}")


def _compare(first: Facts, second: Facts, contents: Contents) -> Question:
    """Which is cheaper, or by how much."""
    prices = cents_of(first["price"]), cents_of(second["price"])
    if contents.random.random() < 0.3:
        return Question(COMPARE, "两张图中商品的现价相差多少元？写两位小数。", amount_text(abs(prices[0] - prices[1])))
    answer = "一样" if prices[0] == prices[1] else ("第一张" if prices[0] < prices[1] else "第二张")
    return Question(
        COMPARE, contents.random.choice(("哪张图的商品更便宜？", "两张图中哪件商品的现价更低？")) + "回答第一张、第二张或一样。", answer
    )


_QUESTIONS: dict[Callable[[Facts, Contents], Question], float] = {
    _ask_part: 0.36,
    _ask_all: 0.14,
    _ask_json: 0.2,
    _ask_praises: 0.08,
    _ask_count: 0.06,
    _ask_saving: 0.06,
    _ask_absent: 0.1,
}

KIND = Kind(name="advertisement", draw=_draw, questions=_QUESTIONS, compare=_compare, labels=LABELS, papers=("plain", "plain", "worn"))
