"""Questions about two charts."""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.charts import phrases
from smvl.scenes.contents import Contents
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import COMPARE, Question

FIRST, SECOND = "第一张", "第二张"


def compare_charts(first: Mapping[str, Any], second: Mapping[str, Any], contents: Contents) -> Question:
    """Which has more categories, what types or titles they have, or which of them holds a category that the other lacks."""
    asked = contents.random.choice(("count", "forms", "titles", "which"))
    (only_first, only_second) = (
        [name for name in one["categories"] if name not in other["categories"]] for one, other in ((first, second), (second, first))
    )
    if asked == "which" and only_first + only_second:
        name = contents.random.choice(only_first + only_second)
        return Question(COMPARE, phrase(contents, phrases.WHICH_PICTURE, name=name), FIRST if name in only_first else SECOND)
    if asked == "forms":
        return Question(COMPARE, phrase(contents, phrases.BOTH_FORMS), f"{FIRST}：{first['form_name']}；{SECOND}：{second['form_name']}")
    if asked == "titles":
        return Question(COMPARE, phrase(contents, phrases.BOTH_TITLES), f"{FIRST}：{first['title']}；{SECOND}：{second['title']}")
    more = len(first["categories"]) - len(second["categories"])
    return Question(COMPARE, phrase(contents, phrases.MORE_CATEGORIES), FIRST if more > 0 else SECOND if more < 0 else "一样多")
