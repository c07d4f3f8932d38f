"""What a price tag is called in a question, and how what it says is answered."""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.price_tags.entries import Tag
from smvl.scenes.price_tags.wording import CALLED

Facts = Mapping[str, Any]
"""{"tags": row by row, "rows": how many rails}."""

MONEY = ("价格", "原价", "会员价")


def say(tag: Tag, key: str) -> str:
    """A value as it is answered."""
    return tag[key] + "元" if key in MONEY else tag[key]


def name_tag(facts: Facts, tag: Tag, contents: Contents) -> str:
    """A tag by its name, by where it hangs, or as `这个商品` where there is only one."""
    if contents.random.random() < 0.5:
        return tag["品名"]
    return contents.random.choice(CALLED) if len(facts["tags"]) == 1 else _place(facts, tag, contents)


def _place(facts: Facts, tag: Tag, contents: Contents) -> str:
    rows, index = facts["rows"], facts["tags"].index(tag)
    row, column = divmod(index, len(facts["tags"]) // rows)
    last = len(facts["tags"]) // rows - 1
    which = {1: "", 2: ("上排", "下排")[row % 2], 3: ("上排", "中排", "下排")[row]}[rows]
    if last == 0:
        return f"{which}的商品"
    ends = {0: ("最左边的商品", "左起第一个商品"), last: ("最右边的商品", "右起第一个商品")}
    middle = (f"左起第{'一二三四'[column]}个商品", f"从左数第{'一二三四'[column]}个商品", f"右起第{'一二三四'[last - column]}个商品")
    return which + contents.random.choice(ends.get(column, middle))


def measure_word(tag: Tag) -> str:
    """What the ware is counted by; 份 where the price is for 500 grams."""
    return "份" if tag["单位"][0].isdigit() else tag["单位"]
