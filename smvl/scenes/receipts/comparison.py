"""What can be asked about two receipts."""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.money import amount_text, cents_of
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import COMPARE, Question

Facts = Mapping[str, Any]
"""{"sort", "entries": what is asked for -> what is printed, "items", "day": a number that orders the dates, "lines" of a strip}."""


def due_of(facts: Facts) -> str:
    """What was to be paid: the sum after what is taken off, or with its tax."""
    return next(facts["entries"][key] for key in ("应付", "价税合计", "合计") if key in facts["entries"])


def compare(first: Facts, second: Facts, contents: Contents) -> Question:
    """Which sum is larger and by how much, both together, which is older, which has more items."""
    makers = [_compare_sums, _compare_difference, _compare_total]
    if first["day"] != second["day"]:
        makers.append(_compare_days)
    if first["items"] and second["items"]:
        makers.append(_compare_items)
    return contents.random.choice(makers)(first, second, contents)


def _which(first: int, second: int, *, same: str = "一样") -> str:
    return same if first == second else "第一张" if first > second else "第二张"


def _compare_sums(first: Facts, second: Facts, contents: Contents) -> Question:
    asked = (
        "哪张单据的金额更大？",
        "两张单据，哪张花得多？",
        "第一张和第二张，哪张付的钱多？",
        "哪张图的总价更高？",
        "比一比，哪一张消费更多？",
    )
    return Question(COMPARE, phrase(contents, asked), _which(cents_of(due_of(first)), cents_of(due_of(second))))


def _compare_difference(first: Facts, second: Facts, contents: Contents) -> Question:
    asked = ("两张单据的金额相差多少？", "两张图的实付金额差多少元？", "多的那张比少的那张多花了多少？", "两笔消费差多少钱？")
    return Question(COMPARE, phrase(contents, asked), amount_text(abs(cents_of(due_of(first)) - cents_of(due_of(second)))) + "元")


def _compare_total(first: Facts, second: Facts, contents: Contents) -> Question:
    asked = ("两张单据一共多少钱？", "两张图的金额加起来是多少？", "这两笔合起来要报销多少？", "两张单子总共付了多少？")
    return Question(COMPARE, phrase(contents, asked), amount_text(cents_of(due_of(first)) + cents_of(due_of(second))) + "元")


def _compare_days(first: Facts, second: Facts, contents: Contents) -> Question:
    if contents.random.random() < 0.5:
        asked = ("哪张单据的日期更早？", "两张图，哪一张在前面开的？", "先发生的是哪张单据？")
        return Question(COMPARE, phrase(contents, asked), _which(second["day"], first["day"]))
    asked = ("哪张单据的日期更晚？", "两张图，哪一张是后开的？", "日期比较近的是哪张单据？")
    return Question(COMPARE, phrase(contents, asked), _which(first["day"], second["day"]))


def _compare_items(first: Facts, second: Facts, contents: Contents) -> Question:
    asked = ("哪张单据的项目更多？", "两张图哪张买的种类多？", "明细行数更多的是哪张？", "哪张单子上的商品种类多？")
    return Question(COMPARE, phrase(contents, asked), _which(len(first["items"]), len(second["items"]), same="一样多"))
