"""One question of an exam, as it is printed."""

import re
from dataclasses import dataclass

from smvl.scenes.contents import Contents
from smvl.scenes.exams.family import Family

BLANK_SPACE = "____"
"""How a line to write on is transcribed."""
LETTERS = "ABCD"
_FORMULA = re.compile(r"\$([^$]+)\$")
_MAX_DRAWS = 5_000


@dataclass(frozen=True)
class Item:
    """A question; formulas stand between dollar signs."""

    subject: str
    form: str
    stem: str
    options: tuple[str, ...] = ()
    answer: str = ""
    """The result where plain arithmetic gives it, in LaTeX; else empty."""

    @property
    def text(self) -> str:
        """All of it: the stem, and each option in a line of its own."""
        return "\n".join([self.stem, *(f"{letter}．{option}" for letter, option in zip(LETTERS, self.options))])


def formulas_of(text: str) -> list[str]:
    """LaTeX of every formula, in order."""
    return _FORMULA.findall(text)


def split_formulas(text: str) -> list[tuple[str, bool]]:
    """(piece, whether it is a formula), in order."""
    pieces = _FORMULA.split(text)
    return [(piece, bool(index % 2)) for index, piece in enumerate(pieces) if piece]


def draw_item(contents: Contents, family: Family) -> Item:
    """A question of a family. What it is about, and all of it together, belong to the split.

    Raises:
        ValueError: the family can hardly ever give one; it needs to vary more.
    """
    for _ in range(_MAX_DRAWS):
        parts = family.draw(contents.random)
        if parts["e"] and not contents.fits(parts["e"]):
            continue
        stem = contents.random.choice(family.stems).format(**parts)
        options = tuple(family.options(contents.random, parts)) if family.options else ()
        item = Item(family.subject, family.form, stem, options, parts.get("answer", ""))
        if contents.fits(item.text):
            contents.keep(item.text)
            return item
    raise ValueError(f"no question like {family.stems[0]!r} came for the split {contents.split} in {_MAX_DRAWS} draws; let it vary more.")
