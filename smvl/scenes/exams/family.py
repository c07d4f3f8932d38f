"""A family of questions: its wording, and how its formulas are drawn."""

import random
from collections.abc import Callable
from dataclasses import dataclass

CHOICE, BLANK, SOLVE, CALCULATE = FORMS = ("选择题", "填空题", "解答题", "计算题")


@dataclass(frozen=True)
class Family:
    """Questions of one pattern.

    [Contract] What `draw` returns as `e` is what the question is about, in most cases its formula: no two splits share one. Empty where
    the options alone are it. Where `answer` is returned, that is the result of plain arithmetic, and right.
    """

    subject: str
    form: str
    stems: tuple[str, ...]
    """Ways to say it, with names of what `draw` returns in braces; formulas in dollar signs, `____` where something is to be filled in."""
    draw: Callable[[random.Random], dict[str, str]]
    options: Callable[[random.Random, dict[str, str]], list[str]] | None = None
    """The four options of a choice, formulas in dollar signs, from what `draw` returned."""
