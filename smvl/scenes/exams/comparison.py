"""Questions about two pictures of exam questions."""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.exams import phrases
from smvl.scenes.exams.item import formulas_of
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import COMPARE, Question

FIRST, SECOND = "第一张", "第二张"


def compare_exams(first: Mapping[str, Any], second: Mapping[str, Any], contents: Contents) -> Question:
    """Which has more questions, which holds a formula, or which numbers they begin with."""
    asked = contents.random.choice(("count", "formula", "numbers"))
    here, there = ([latex for item in one["items"] for latex in formulas_of(item["stem"])] for one in (first, second))
    only = [(latex, FIRST) for latex in here if latex not in there] + [(latex, SECOND) for latex in there if latex not in here]
    if asked == "formula" and only:
        latex, which = contents.random.choice(only)
        return Question(COMPARE, phrase(contents, phrases.WHICH_FORMULA, formula=latex), which)
    if asked == "numbers":
        numbers = f"{FIRST}：{first['items'][0]['number']}；{SECOND}：{second['items'][0]['number']}"
        return Question(COMPARE, phrase(contents, phrases.BOTH_NUMBERS), numbers)
    more = len(first["items"]) - len(second["items"])
    return Question(COMPARE, phrase(contents, phrases.MORE_ITEMS), FIRST if more > 0 else SECOND if more < 0 else "一样多")
