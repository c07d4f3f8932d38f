"""What can be asked about two contracts."""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.money import amount_text, cents_of
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import COMPARE, Question

_LARGER = ("哪份合同的金额更大？", "两份合同，哪张的金额高？", "第一张和第二张合同，哪份钱多？", "合同金额更高的是哪张图？")
_DIFFERENCE = ("两份合同的金额相差多少？", "两张图里的合同金额差多少元？", "两份合同金额的差额是多少？", "金额大的合同比小的多多少？")
_EARLIER = ("哪份合同签得更早？", "两份合同，先签订的是哪张？", "签订日期更早的是哪张图里的合同？", "哪张图的合同签在前面？")
_LATER = ("哪份合同签得更晚？", "两份合同，后签订的是哪张？", "签订日期更晚的是哪张图里的合同？", "哪张图的合同签在后面？")
_LONGER = ("哪份合同的条款更多？", "两张图，哪份合同条数多？", "条款数更多的是哪张？", "第一张和第二张合同，哪份写的条款多？")
_WHOSE = (
    "{name}是哪份合同的{side}？",
    "哪张图的合同里，{side}是{name}？",
    "{side}为{name}的合同是哪张？",
    "和{name}有关的合同是第一张还是第二张？",
)
_SAME_TITLE = ("两份合同是同一种合同吗？", "两张图里的合同标题一样吗？", "这两份合同的种类相同吗？")

Facts = Mapping[str, Any]


def compare(first: Facts, second: Facts, contents: Contents) -> Question:
    makers = [_compare_clauses, _compare_party, _compare_titles]
    if "金额" in first["entries"] and "金额" in second["entries"]:
        makers += [_compare_sums, _compare_difference]
    if first["day"] != second["day"]:
        makers.append(_compare_days)
    return contents.random.choice(makers)(first, second, contents)


def _which(first: int, second: int, *, same: str = "一样") -> str:
    return same if first == second else "第一张" if first > second else "第二张"


def _compare_sums(first: Facts, second: Facts, contents: Contents) -> Question:
    amounts = [cents_of(facts["entries"]["金额"]) for facts in (first, second)]
    return Question(COMPARE, phrase(contents, _LARGER), _which(*amounts))


def _compare_difference(first: Facts, second: Facts, contents: Contents) -> Question:
    amounts = [cents_of(facts["entries"]["金额"]) for facts in (first, second)]
    return Question(COMPARE, phrase(contents, _DIFFERENCE), amount_text(abs(amounts[0] - amounts[1])) + "元")


def _compare_days(first: Facts, second: Facts, contents: Contents) -> Question:
    if contents.random.random() < 0.5:
        return Question(COMPARE, phrase(contents, _EARLIER), _which(second["day"], first["day"]))
    return Question(COMPARE, phrase(contents, _LATER), _which(first["day"], second["day"]))


def _compare_clauses(first: Facts, second: Facts, contents: Contents) -> Question:
    return Question(COMPARE, phrase(contents, _LONGER), _which(len(first["clauses"]), len(second["clauses"]), same="一样多"))


def _compare_party(first: Facts, second: Facts, contents: Contents) -> Question:
    place, side = contents.random.randrange(2), contents.random.choice(("甲方", "乙方"))
    name = (first, second)[place]["entries"][side]
    if name in "".join((first, second)[1 - place]["entries"].values()):
        return _compare_titles(first, second, contents)
    return Question(COMPARE, phrase(contents, _WHOSE, name=name, side=side), ("第一张", "第二张")[place])


def _compare_titles(first: Facts, second: Facts, contents: Contents) -> Question:
    same = first["title"] == second["title"]
    answer = f"相同，都是{first['title']}。" if same else f"不同，第一张是{first['title']}，第二张是{second['title']}。"
    return Question(COMPARE, phrase(contents, _SAME_TITLE), answer)
