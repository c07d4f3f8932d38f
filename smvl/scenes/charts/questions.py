"""Questions about one chart. Whatever its form, every one of these finds something to ask.

A value is answered with its unit (`35.5万元`, `23.5%`): as it is printed, or as the shortest decimal where it is read off the axis. What is
calculated is exact: differences, sums, ranks.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from smvl.scenes.charts import phrases
from smvl.scenes.charts.chart import BAR, GROUPED, HORIZONTAL, LINE, LINES, PIE, RING
from smvl.scenes.charts.topics import MADE, POOLS, SEQUENCES
from smvl.scenes.contents import Contents
from smvl.scenes.decimals import shortest
from smvl.scenes.phrasing import ask_markdown, phrase
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COUNT, FIELD, READ, Question
from smvl.scenes.schema import Entry, ask_json

Facts = Mapping[str, Any]


def ask_value(facts: Facts, contents: Contents) -> Question:
    name, value = contents.random.choice(_named_values(facts))
    return Question(FIELD, phrase(contents, phrases.VALUE, which=name, what=facts["what"]), value + facts["unit"])


def ask_words(facts: Facts, contents: Contents) -> Question:
    """Title, type, unit, or the categories in their order."""
    named = {"dimension": facts["dimension"]}
    phrasings, answer = contents.random.choice(
        (
            (phrases.TITLE, facts["title"]),
            (phrases.FORM, facts["form_name"]),
            (phrases.UNIT, facts["unit"]),
            (phrases.CATEGORIES, "、".join(facts["categories"])),
        )
    )
    return Question(FIELD if phrasings is not phrases.CATEGORIES else READ, phrase(contents, phrasings, **named), answer)


def ask_extreme(facts: Facts, contents: Contents) -> Question:
    """The category with the largest or smallest value, where there is one such; else a value."""
    series = contents.random.choice(facts["series"])
    values = list(map(Decimal, series["values"]))
    phrasings, extreme = contents.random.choice(((phrases.LARGEST, max(values)), (phrases.SMALLEST, min(values))))
    if values.count(extreme) > 1:
        return ask_value(facts, contents)
    question = phrase(contents, phrasings, dimension=facts["dimension"], what=facts["what"], where=series["name"])
    return Question(FIELD, question, facts["categories"][values.index(extreme)])


def ask_ranking(facts: Facts, contents: Contents) -> Question:
    """Categories from the largest to the smallest, where no two are alike and there is one series; else the higher of two values."""
    values = list(map(Decimal, facts["series"][0]["values"]))
    if len(facts["series"]) > 1 or len(set(values)) < len(values):
        return ask_higher(facts, contents)
    ranked = sorted(range(len(values)), key=lambda index: -values[index])
    question = phrase(contents, phrases.RANKING, dimension=facts["dimension"], what=facts["what"])
    return Question(FIELD, question, "、".join(facts["categories"][index] for index in ranked))


def ask_higher(facts: Facts, contents: Contents) -> Question:
    (larger, high), (smaller, low) = _draw_pair(facts, contents)
    if Decimal(high) == Decimal(low):
        return ask_value(facts, contents)
    a, b = contents.random.sample((larger, smaller), 2)
    return Question(FIELD, phrase(contents, phrases.HIGHER, a=a, b=b, what=facts["what"]), larger)


def ask_sum(facts: Facts, contents: Contents) -> Question:
    """A difference, a sum of two values, or the total of a series."""
    (larger, high), (smaller, low) = _draw_pair(facts, contents)
    asked = contents.random.choice(("difference", "sum", "total"))
    if asked == "total" and facts["unit"] != "%":
        series = contents.random.choice(facts["series"])
        total = sum(map(Decimal, series["values"]))
        question = phrase(contents, phrases.TOTAL, dimension=facts["dimension"], what=facts["what"], where=series["name"])
        return Question(FIELD, question, shortest(total) + facts["unit"])
    if asked == "difference" and high != low:
        result, phrasings = Decimal(high) - Decimal(low), phrases.DIFFERENCE
    else:
        result, phrasings = Decimal(high) + Decimal(low), phrases.SUM
    question = phrase(contents, phrasings, a=larger, b=smaller, what=facts["what"])
    return Question(FIELD, question, shortest(result) + facts["unit"])


def ask_trend(facts: Facts, contents: Contents) -> Question:
    """Rising, falling or unchanged between two neighbours in time, or where it rises most; without a time, the higher of two values."""
    if not facts["ordered"]:
        return ask_higher(facts, contents)
    series = contents.random.choice(facts["series"])
    values, categories = list(map(Decimal, series["values"])), facts["categories"]
    named = {"dimension": facts["dimension"], "what": facts["what"], "where": series["name"]}
    rises = [after - before for before, after in zip(values, values[1:])]
    if contents.random.random() < 0.35 and max(rises) > 0 and rises.count(max(rises)) == 1:
        return Question(FIELD, phrase(contents, phrases.STEEPEST, **named), categories[rises.index(max(rises)) + 1])
    index = contents.random.randrange(len(rises))
    answer = "上升" if rises[index] > 0 else "下降" if rises[index] < 0 else "不变"
    a, b = (_name(category, series["name"]) for category in categories[index : index + 2])
    return Question(FIELD, phrase(contents, phrases.TREND, a=a, b=b, **named), answer)


def ask_legend(facts: Facts, contents: Contents) -> Question:
    """What a colour stands for, or which colour stands for something; a value where there is no legend."""
    if not facts["legend"]:
        return ask_value(facts, contents)
    name, colour = contents.random.choice(list(facts["legend"].items()))
    phrasings, answer = contents.random.choice(((phrases.COLOUR_OF, colour), (phrases.NAME_OF, name)))
    return Question(FIELD, phrase(contents, phrasings, name=name, colour=colour), answer)


def ask_count(facts: Facts, contents: Contents) -> Question:
    """How many bars, lines, slices or categories there are, or how many exceed a value that none of them has."""
    form, count = facts["form"], len(facts["categories"])
    drawn = {LINE: (phrases.NUM_LINES, len(facts["series"]), "条"), LINES: (phrases.NUM_LINES, len(facts["series"]), "条")}
    drawn |= dict.fromkeys((BAR, GROUPED, HORIZONTAL), (phrases.NUM_BARS, count * len(facts["series"]), "根"))
    drawn |= dict.fromkeys((PIE, RING), (phrases.NUM_SLICES, count, "个"))
    choices = [drawn[form], (phrases.NUM_CATEGORIES, count, "个")]
    values = list(map(Decimal, facts["series"][0]["values"]))
    middle = sorted(values)[len(values) // 2]
    limit = (middle / 10).to_integral_value() * 10
    if len(facts["series"]) == 1 and limit not in values and limit > 0:
        choices.append((phrases.NUM_ABOVE, sum(value > limit for value in values), "个"))
    phrasings, number, word = contents.random.choice(choices)
    named = {"dimension": facts["dimension"], "what": facts["what"], "limit": shortest(limit) + facts["unit"]}
    return Question(COUNT, phrase(contents, phrasings, **named), f"{number}{word}")


def ask_as_json(facts: Facts, contents: Contents) -> Question:
    """The data, one object for each category, in most cases with title and unit before them."""
    names = [one["name"] or "数值" for one in facts["series"]]
    rows = []
    for index, category in enumerate(facts["categories"]):
        numbers = [Entry(name, "number", json.loads(one["values"][index])) for name, one in zip(names, facts["series"])]
        rows.append([Entry(facts["dimension"], "string", category), *numbers])
    heads = [Entry("标题", "string", facts["title"]), Entry("单位", "string", facts["unit"])]
    heads = [entry for entry in heads if contents.random.random() < 0.7]
    return ask_json(contents, "图表的数据", [*heads, Entry("数据", "array", rows)])


def ask_table(facts: Facts, contents: Contents) -> Question:
    """The data as a Markdown table; shares keep their sign, other cells are numbers alone."""
    sign = "%" if facts["unit"] == "%" else ""
    header = [facts["dimension"], *(one["name"] or facts["what"] for one in facts["series"])]
    rows = [[category, *(one["values"][index] + sign for one in facts["series"])] for index, category in enumerate(facts["categories"])]
    return ask_markdown(contents, "图表数据（占比带%）" if sign else "图表数据（只写数字）", header, rows)


def ask_absent(facts: Facts, contents: Contents) -> Question:
    """A category that is not in the chart, or something that is not printed on it."""
    name = _draw_absent(facts, contents)
    if name is None or contents.random.random() < 0.3:
        thing = contents.random.choice(phrases.THINGS)
        return refuse(phrase(contents, phrases.ABSENT_THING, thing=thing), thing)
    return refuse(phrase(contents, phrases.ABSENT_CATEGORY, which=name, what=facts["what"]), f"{name}的数据")


def _draw_absent(facts: Facts, contents: Contents) -> str | None:
    dimension = facts["dimension"]
    if dimension in MADE:
        name = contents.text(MADE[dimension])
        return None if name in facts["categories"] else name
    pool = SEQUENCES[dimension] if dimension in SEQUENCES else [word for word in POOLS[dimension] if contents.fits(word)]
    absent = [word for word in pool if word not in facts["categories"]]
    return contents.random.choice(absent) if absent else None


def _named_values(facts: Facts) -> list[tuple[str, str]]:
    """(category and series, value) of all that is drawn."""
    pairs = [(one, index) for one in facts["series"] for index in range(len(facts["categories"]))]
    return [(_name(facts["categories"][index], one["name"]), one["values"][index]) for one, index in pairs]


def _name(category: str, series: str) -> str:
    """A year comes before what it is said of: 2023年4月, 4月线上."""
    return series + category if series.endswith("年") else category + series


def _draw_pair(facts: Facts, contents: Contents) -> list[tuple[str, str]]:
    """Two different names with their values, the larger first."""
    pair = contents.random.sample(_named_values(facts), 2)
    return sorted(pair, key=lambda named: -Decimal(named[1]))
