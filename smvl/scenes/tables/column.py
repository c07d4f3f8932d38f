"""One column of a table: its heading, and how a cell of it is drawn."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from smvl.scenes.contents import Contents


@dataclass(frozen=True)
class Column:
    """A heading with the maker of its cells."""

    name: str
    make: Callable[[Contents], str]
    number: bool = False
    """Whether its cells are numbers that can be put in order."""
    sums: bool = False
    """Whether it makes sense to add them up."""


def number_column(name: str, low: int, high: int, *, step: int = 1, decimals: int = 0, sums: bool = True) -> Column:
    """A column of numbers from `low` to `high`, in units of the last decimal."""

    def make(generator: random.Random) -> str:
        return in_decimals(generator.randrange(low, high, step), decimals)

    return Column(name, lambda contents: contents.text(make), number=True, sums=sums)


def in_decimals(value: int, decimals: int) -> str:
    """1234 with two decimals is 12.34."""
    return f"{value / 10**decimals:.{decimals}f}"


def add_up(cells: list[str]) -> str:
    """The sum of numbers that are printed with the same decimals, printed so too."""
    decimals = len(cells[0].partition(".")[2])
    return in_decimals(sum(int(cell.replace(".", "")) for cell in cells), decimals)


def spoken(column: str) -> str:
    """A heading without its unit, as people say it."""
    return column.partition("（")[0]
