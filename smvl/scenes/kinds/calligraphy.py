"""Calligraphy: scrolls and leaves of verse with inscription and seal, spring couplets, plaques read from the right."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from smvl.scenes.calligraphy.hanging import hang
from smvl.scenes.calligraphy.works import COUPLET, FORMS, PLAQUE, Work, draw_work
from smvl.scenes.contents import Contents
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COMPARE, COUNT, FIELD, READ, Drawing, Kind, Question
from smvl.scenes.schema import Entry, ask_json

Facts = Mapping[str, Any]

_UPPER, _LOWER, _BANNER = "上联", "下联", "横批"


def _draw(contents: Contents, longest_edge: int) -> Drawing:
    work = draw_work(contents)
    page = hang(contents, work, longest_edge)
    return Drawing(page.image, {**asdict(work), "parts": _parts(work)}, tuple(page.texts), tuple(page.marks))


def _parts(work: Work) -> dict[str, str]:
    """What can be asked for by name."""
    parts = {"落款": work.inscription, "印章": work.seal, "作者": work.author, "诗题": work.title, "书写者": work.writer}
    if work.form == COUPLET:
        parts |= dict(zip((_UPPER, _LOWER, _BANNER), (*work.lines, work.banner)))
    elif work.form == PLAQUE:
        parts["匾文"] = work.lines[0]
    else:
        parts |= {"第一句": work.lines[0], "最后一句": work.lines[-1]}
    return {name: text for name, text in parts.items() if text}


_READ_QUESTIONS = {
    COUPLET: (
        "这副对联写的是什么？上联、下联、横批各占一行，不写“上联”等字样。",
        "读出这副春联：右边上联，左边下联，最后横批，每项一行。",
        "请按上联、下联、横批的顺序写出对联内容，一项一行。",
    ),
    PLAQUE: ("匾额上的大字写着什么？从右往左读。", "请从右到左读出这块匾。", "这块匾上题的是什么？"),
    "": (
        "按从右到左、从上到下的顺序读出正文，每句一行。",
        "这幅书法的正文写了什么？从右边一列读起，一列一行。",
        "请读出这幅字的诗句，每句占一行，不要落款。",
    ),
}


def _ask_all(facts: Facts, contents: Contents) -> Question:
    question = contents.random.choice(_READ_QUESTIONS.get(facts["form"], _READ_QUESTIONS[""]))
    lines = [*facts["lines"], facts["banner"]] if facts["form"] == COUPLET else facts["lines"]
    return Question(READ, question, "\n".join(lines))


_PART_QUESTIONS: dict[str, tuple[str, ...]] = {
    "落款": ("落款写的是什么？", "请读出左侧的落款小字。"),
    "印章": ("印章上刻的是哪几个字？从右往左、从上往下读。", "请认读红色印章。"),
    "作者": ("按落款，这首诗的作者是谁？", "落款说这是谁的诗？"),
    "诗题": ("按落款，这首诗的题目是什么？只写诗题。", "落款中写的诗题是什么？"),
    "书写者": ("按落款，这幅字是谁写的？", "书写者叫什么名字？"),
    _UPPER: ("上联（右边）写的是什么？", "右边一联写着什么？"),
    _LOWER: ("下联（左边）写的是什么？", "左边一联写着什么？"),
    _BANNER: ("横批是什么？从右往左读。", "门上方的横批写着哪几个字？"),
    "匾文": ("匾上的大字是什么？", "这块匾题了哪几个字？从右往左读。"),
    "第一句": ("诗的第一句（最右一列）是什么？", "最右边一列写的是哪一句？"),
    "最后一句": ("正文的最后一句是什么？", "正文最左一列写的是什么？不算落款。"),
}


def _ask_part(facts: Facts, contents: Contents) -> Question:
    name = contents.random.choice(list(facts["parts"]))
    return Question(FIELD, contents.random.choice(_PART_QUESTIONS[name]), facts["parts"][name])


def _ask_form(facts: Facts, contents: Contents) -> Question:
    return Question(FIELD, f"这件书法作品是什么形式？从{'、'.join(FORMS)}中选一个。", facts["form"])


def _ask_json(facts: Facts, contents: Contents) -> Question:
    keys = ("落款", "印章", _UPPER, _LOWER, _BANNER) if facts["form"] == COUPLET else ("落款", "印章")
    entries = [Entry(key, "string", facts["parts"].get(key), optional=key in ("落款", "印章")) for key in keys]
    if facts["form"] != COUPLET:
        entries.insert(0, Entry("正文", "string", "".join(facts["lines"])))
    return ask_json(contents, "这件书法作品的文字", [Entry("形式", "string", facts["form"]), *entries])


def _ask_count(facts: Facts, contents: Contents) -> Question:
    form, lines = facts["form"], facts["lines"]
    if form == COUPLET:
        return Question(COUNT, contents.random.choice(("上联有几个字？", "每一联各有多少个字？")), f"{len(lines[0])}个字")
    if form == PLAQUE:
        return Question(COUNT, contents.random.choice(("匾上有几个大字？", "这块匾题了几个大字？")), f"{len(lines[0])}个字")
    if contents.random.random() < 0.5:
        return Question(
            COUNT, contents.random.choice(("正文一共多少个字？不算落款和印章。", "诗句总共有几个字？")), f"{sum(map(len, lines))}个字"
        )
    return Question(COUNT, contents.random.choice(("正文写了几列？不算落款。", "诗句占了几列？")), f"{len(lines)}列")


_ABSENT = {
    "印章": ("印章上刻的是什么字？", "请读出图中印章的文字。"),
    "落款": ("图中的落款写了什么？", "落款是什么？"),
    _BANNER: ("横批写的是什么？", "图中的横批是哪几个字？"),
    "作者": ("落款写明这是谁的诗吗？是谁的？", "图中写的诗作者是谁？"),
}


def _ask_absent(facts: Facts, contents: Contents) -> Question:
    absent = [name for name in _ABSENT if name not in facts["parts"]]
    if not absent:
        return refuse(contents.random.choice(("图中题写的日期是哪一天？", "这幅字写于哪一年？图中有写吗？")), "写日期")
    name = contents.random.choice(absent)
    return refuse(contents.random.choice(_ABSENT[name]), "注明诗的作者" if name == "作者" else name)


def _compare(first: Facts, second: Facts, contents: Contents) -> Question:
    """Which has more characters, or which shows a line."""
    if contents.random.random() < 0.5:
        lengths = [sum(map(len, facts["lines"])) for facts in (first, second)]
        answer = "一样多" if lengths[0] == lengths[1] else ("第一张" if lengths[0] > lengths[1] else "第二张")
        return Question(COMPARE, "两张图的正文（不算横批、落款和印章）哪一张字数更多？回答第一张、第二张或一样多。", answer)
    place = contents.random.randrange(2)
    line = contents.random.choice((first, second)[place]["lines"])
    if line in (second, first)[place]["lines"]:
        return Question(COMPARE, f"哪张图上写有“{line}”？回答第一张、第二张或两张都有。", "两张都有")
    return Question(COMPARE, f"哪张图上写有“{line}”？回答第一张、第二张或两张都有。", ("第一张", "第二张")[place])


_QUESTIONS: dict[Callable[[Facts, Contents], Question], float] = {
    _ask_all: 0.36,
    _ask_part: 0.28,
    _ask_form: 0.05,
    _ask_json: 0.11,
    _ask_count: 0.1,
    _ask_absent: 0.1,
}

KIND = Kind(name="calligraphy", draw=_draw, questions=_QUESTIONS, compare=_compare, papers=())
