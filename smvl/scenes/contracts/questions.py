"""What can be asked about a page of a contract.

Sums are answered as printed with 元 (`12800.00元`), in JSON and in calls as numbers; all else exactly as printed.
"""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.contracts.calls import ask_call
from smvl.scenes.contracts.wording import ABSENT, MONEY, PHRASINGS
from smvl.scenes.markdown import markdown_table
from smvl.scenes.money import amount_text, cents_of
from smvl.scenes.phrasing import ask_markdown, phrase
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COUNT, FIELD, MARKDOWN, READ, Ask, Question
from smvl.scenes.schema import Entry, ask_json, draw_entries

Facts = Mapping[str, Any]
"""{"title", "entries": what is asked for -> what is printed, "clauses": [{"number", "heading", "text"}], "day": orders signing dates}."""

_NUMBERS = "一二三四五六七八九十"
_IMPORTANT = ("甲方", "乙方", "金额", "月租金", "大写", "期限", "结束日期", "签订日期", "合同编号")


def _say(facts: Facts, key: str) -> str:
    return facts["entries"][key] + ("元" if key in MONEY else "")


def ask_main_entry(facts: Facts, contents: Contents) -> Question:
    """Parties, sum, term and day."""
    key = contents.random.choice([key for key in _IMPORTANT if key in facts["entries"]])
    return Question(FIELD, phrase(contents, PHRASINGS[key]), _say(facts, key))


def ask_entry(facts: Facts, contents: Contents) -> Question:
    key = contents.random.choice(list(facts["entries"]))
    return Question(FIELD, phrase(contents, PHRASINGS[key]), _say(facts, key))


def ask_absent(facts: Facts, contents: Contents) -> Question:
    shown = facts["title"] + "".join(clause["heading"] + clause["text"] for clause in facts["clauses"])
    words = [key for key in ABSENT if key not in facts["entries"] and key not in shown and key[2:] not in ("代表",)]
    key = contents.random.choice(words)
    return refuse(phrase(contents, PHRASINGS[key]), key)


def ask_reading(facts: Facts, contents: Contents) -> Question:
    """A clause in full, the title, the headings, or two entries."""
    makers = [_read_clause, _read_clause, _read_entries, _read_title] + ([_read_headings] if facts["clauses"][0]["heading"] else [])
    return contents.random.choice(makers)(facts, contents)


def _read_clause(facts: Facts, contents: Contents) -> Question:
    place = contents.random.randrange(len(facts["clauses"]))
    clause = facts["clauses"][place]
    asked = (
        "第{n}条的内容是什么？",
        "读出第{n}条的正文。",
        "合同第{n}条写了什么？",
        "把第{n}条的正文抄下来。",
        "请转写第{n}条条款的文字。",
    )
    question = phrase(contents, asked, n=_NUMBERS[place])
    if clause["heading"] and contents.random.random() < 0.5:
        by_heading = (
            "“{heading}”一条写了什么？",
            "合同关于{heading}是怎么写的？抄下原文。",
            "读出“{heading}”条款的正文。",
            "把“{heading}”那一条的内容抄下来。",
        )
        question = phrase(contents, by_heading, heading=clause["heading"])
    return Question(READ, question, clause["text"])


def _read_entries(facts: Facts, contents: Contents) -> Question:
    first, second = contents.random.sample(list(facts["entries"]), 2)
    asked = ("依次写出合同的{a}和{b}，各占一行。", "{a}、{b}分别是什么？分两行写。", "读出{a}和{b}，每行一个。", "请把{a}和{b}抄成两行。")
    return Question(READ, phrase(contents, asked, a=first, b=second), f"{_say(facts, first)}\n{_say(facts, second)}")


def _read_title(facts: Facts, contents: Contents) -> Question:
    asked = ("这是一份什么合同？", "合同的标题是什么？", "读出合同标题。", "图中是哪种合同？写出标题。", "这份合同叫什么？")
    return Question(READ, phrase(contents, asked), facts["title"])


def _read_headings(facts: Facts, contents: Contents) -> Question:
    asked = (
        "列出各条款的标题，每行一个。",
        "合同有哪些条款？只写标题，一行一个。",
        "按顺序写出每一条的标题，每个占一行。",
        "读出所有条款名称，一行写一个。",
    )
    return Question(READ, phrase(contents, asked), "\n".join(clause["heading"] for clause in facts["clauses"]))


def ask_which_clause(facts: Facts, contents: Contents) -> Question:
    """Where something is agreed."""
    clauses = facts["clauses"]
    if clauses[0]["heading"] and contents.random.random() < 0.5:
        place = contents.random.randrange(len(clauses))
        asked = ("{number}的标题是什么？", "{number}讲的是什么？写出条款标题。", "编号“{number}”的条款叫什么？")
        return Question(FIELD, phrase(contents, asked, number=clauses[place]["number"]), clauses[place]["heading"])
    said = [
        (key, clause["number"])
        for key, text in facts["entries"].items()
        for clause in clauses
        if text in clause["text"] and sum(text in other["text"] for other in clauses) == 1
    ]
    key, number = contents.random.choice(said)
    asked = (
        "{key}是在哪一条约定的？写出条款编号。",
        "哪一条写了{key}？只写编号。",
        "{key}在合同的第几条？照原样写编号。",
        "找出约定{key}的条款编号。",
    )
    return Question(FIELD, phrase(contents, asked, key=key), number)


def ask_as_json(facts: Facts, contents: Contents) -> Question:
    """Entries, and at times one that is not there; or the parties alone."""
    entries = [_entry(facts, key) for key in facts["entries"]]
    chosen = draw_entries(contents, entries)[:7]
    absent = [key for key in ("押金", "违约金比例", "保修期", "年利率", "签订地点", "合同编号") if key not in facts["entries"]]
    if absent and contents.random.random() < 0.4:
        key = contents.random.choice(absent)
        chosen.append(Entry(key, "number" if key in MONEY else "string", None, optional=True))
    subject = contents.random.choice(("合同的关键信息", "这份合同", "图中合同的要素", "合同条款里的信息"))
    return ask_json(contents, subject, chosen)


def _entry(facts: Facts, key: str) -> Entry:
    value = facts["entries"][key]
    return Entry(key, "number", float(value)) if key in MONEY else Entry(key, "string", value, optional=key in ("合同编号", "签订地点"))


def ask_table(facts: Facts, contents: Contents) -> Question:
    """Entries by name, or the clauses by number."""
    if facts["clauses"][0]["heading"] and contents.random.random() < 0.35:
        rows = [[clause["number"], clause["heading"]] for clause in facts["clauses"]]
        return ask_markdown(contents, contents.random.choice(("合同的条款目录", "各条款的编号和标题")), ["编号", "标题"], rows)
    keys = list(facts["entries"])
    if len(keys) > 4:
        num = contents.random.randint(4, min(len(keys), 9))
        keys = [keys[place] for place in sorted(contents.random.sample(range(len(keys)), num))]
    asked = (
        "把合同要素整理成Markdown表格，两列：项目、内容。",
        "用Markdown表格列出合同信息，列为项目和内容。",
        "做一个两列的Markdown表格（项目、内容），概括这份合同。",
        "请输出合同要素的Markdown表格，表头是项目、内容。",
    )
    question = f"{phrase(contents, asked)}项目依次是{'、'.join(keys)}。"
    return Question(MARKDOWN, question, markdown_table(["项目", "内容"], [[key, _say(facts, key)] for key in keys]))


def ask_count(facts: Facts, contents: Contents) -> Question:
    """Clauses, and sums that follow from what is agreed."""
    makers = [_count_clauses]
    if "月租金" in facts["entries"]:
        makers += [_count_rent] * 2 + ([_count_rent_and_deposit] if "押金" in facts["entries"] else [])
    if "金额" in facts["entries"]:
        makers += [_count_more, _count_more]
    if "首付款" in facts["entries"]:
        makers += [_count_instalments]
    return contents.random.choice(makers)(facts, contents)


def _count_clauses(facts: Facts, contents: Contents) -> Question:
    asked = ("图中的合同一共有几条？", "这一页列了多少条条款？", "合同条款共几条？", "数一数有几条约定。", "这页合同有多少条？")
    return Question(COUNT, phrase(contents, asked), f"{len(facts['clauses'])}条")


def _count_rent(facts: Facts, contents: Contents) -> Question:
    num = contents.random.choice((2, 3, 4, 6, 12))
    asked = (
        "{num}个月的租金一共多少？",
        "付{num}个月房租要多少钱？",
        "按合同，租{num}个月共付多少租金？",
        "一次付清{num}个月的租金是多少？",
    )
    return Question(COUNT, phrase(contents, asked, num=str(num)), amount_text(cents_of(facts["entries"]["月租金"]) * num) + "元")


def _count_rent_and_deposit(facts: Facts, contents: Contents) -> Question:
    asked = ("押金加第一个月租金一共多少？", "入住时要付押金和首月租金，共多少钱？", "首月租金与押金合计多少？")
    total = cents_of(facts["entries"]["月租金"]) + cents_of(facts["entries"]["押金"])
    return Question(COUNT, phrase(contents, asked), amount_text(total) + "元")


def _count_more(facts: Facts, contents: Contents) -> Question:
    more = 100 * contents.random.randint(1, 90)
    asked = (
        "如果再增加{more}元，合同金额变成多少？",
        "签补充协议追加{more}元后，总额是多少？",
        "在合同金额上加{more}元等于多少？",
        "金额上调{more}元以后是多少？",
    )
    return Question(COUNT, phrase(contents, asked, more=str(more)), amount_text(cents_of(facts["entries"]["金额"]) + more * 100) + "元")


def _count_instalments(facts: Facts, contents: Contents) -> Question:
    first, last = (cents_of(facts["entries"][key]) for key in ("首付款", "尾款"))
    if contents.random.random() < 0.5:
        asked = ("首付款和尾款加起来是多少？", "首付与尾款合计多少元？", "两笔款一共多少？")
        return Question(COUNT, phrase(contents, asked), amount_text(first + last) + "元")
    asked = ("首付款和尾款相差多少？", "首付与尾款差多少钱？", "两笔款的差额是多少？")
    return Question(COUNT, phrase(contents, asked), amount_text(abs(first - last)) + "元")


QUESTIONS: dict[Ask, float] = {
    ask_main_entry: 2.5,
    ask_entry: 2.5,
    ask_which_clause: 1.0,
    ask_reading: 2.0,
    ask_as_json: 2.0,
    ask_table: 1.0,
    ask_count: 1.5,
    ask_absent: 1.5,
    ask_call: 1.5,
}
