"""Questions about two pictures of instruments."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.dials import phrases
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import COMPARE, Question

Facts = Mapping[str, Any]
FIRST, SECOND = "第一张", "第二张"


def compare_panels(first: Facts, second: Facts, contents: Contents) -> Question:
    """The higher reading where both show one instrument in the same unit; else how many, which names, which is at fault."""
    one, other = first["instruments"], second["instruments"]
    asks = [_compare_counts, _compare_numbers]
    if len(one) == len(other) == 1:
        asks += [_compare_names]
        if one[0]["unit"] == other[0]["unit"] and one[0]["reading"] and other[0]["reading"]:
            asks = [_compare_readings]
        elif one[0]["state"] and other[0]["state"]:
            asks += [_compare_states]
    return contents.random.choice(asks)(one, other, contents)


def _compare_counts(first: list[Facts], second: list[Facts], contents: Contents) -> Question:
    return Question(COMPARE, phrase(contents, phrases.MORE_INSTRUMENTS), _larger(len(first), len(second), "一样多"))


def _compare_numbers(first: list[Facts], second: list[Facts], contents: Contents) -> Question:
    """Which picture holds a device number."""
    number = contents.random.choice([*first, *second])["number"]
    in_first, in_second = (any(one["number"] == number for one in side) for side in (first, second))
    answer = "两张都有" if in_first and in_second else FIRST if in_first else SECOND
    return Question(COMPARE, phrase(contents, phrases.WHICH_PICTURE, number=number), answer)


def _compare_names(first: list[Facts], second: list[Facts], contents: Contents) -> Question:
    return Question(COMPARE, phrase(contents, phrases.BOTH_NAMES), f"{FIRST}：{first[0]['name']}；{SECOND}：{second[0]['name']}")


def _compare_readings(first: list[Facts], second: list[Facts], contents: Contents) -> Question:
    return Question(
        COMPARE, phrase(contents, phrases.HIGHER_PICTURE), _larger(Decimal(first[0]["reading"]), Decimal(second[0]["reading"]), "一样高")
    )


def _compare_states(first: list[Facts], second: list[Facts], contents: Contents) -> Question:
    return Question(COMPARE, phrase(contents, phrases.BOTH_STATES), f"{FIRST}：{first[0]['state']}；{SECOND}：{second[0]['state']}")


def _larger(first: Any, second: Any, same: str) -> str:
    return same if first == second else FIRST if first > second else SECOND
