"""What to do about each rule that a row can break: the rules' own advice, and that for errors which no rule foresees."""

from smvl.data.rules import RULES
from smvl.doctor.inspection import UNEXPECTED


def fix_of(rule: str) -> str:
    """What is wrong and what to do, in one sentence."""
    if rule == UNEXPECTED:
        return "no rule foresees it, and training would end with it: mend the row or remove it"
    return RULES[rule]
