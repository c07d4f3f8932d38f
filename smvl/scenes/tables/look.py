"""How a table looks: its rules, colours, letters and where its title stands."""

from dataclasses import dataclass
from typing import Literal

from smvl.scenes.contents import Contents
from smvl.scenes.fonts import Style
from smvl.scenes.page import INK, Colour

Rules = Literal["full", "three", "horizontal", "outer", "none"]


@dataclass(frozen=True)
class Look:
    """All that a table's picture varies in."""

    rules: Rules
    """All cells ruled; three rules as in a paper; rules between rows; a frame; none."""
    style: Style
    ink: Colour
    rule: Colour
    ground: Colour
    head: Colour | None
    """Behind the headings; None for nothing."""
    head_ink: Colour
    stripe: Colour | None
    """Behind every other row."""
    title: Literal["above", "merged", "left"]
    """Above the table, in a first row over all columns, above and to the left."""
    sheet: bool
    """With the letters and numbers of a spreadsheet around it."""
    row: float
    """Height of a row, in sizes of a letter."""
    middle: bool
    """Whether cells stand in the middle of their column; else words to the left and numbers to the right."""


_WHITE: Colour = (255, 255, 255)
_SCHEMES: tuple[tuple[Colour, Colour, Colour | None], ...] = (
    ((32, 84, 150), _WHITE, (232, 240, 250)),
    ((20, 120, 90), _WHITE, (230, 245, 238)),
    ((190, 50, 45), _WHITE, (252, 236, 234)),
    ((70, 70, 80), _WHITE, (240, 240, 242)),
    ((222, 232, 244), INK, None),
    ((250, 230, 190), INK, None),
    ((226, 226, 226), INK, (246, 246, 246)),
    ((96, 60, 140), _WHITE, (242, 236, 250)),
)
"""Behind the headings, headings, behind every other row."""


def draw_look(contents: Contents) -> Look:
    """One of seven sorts, each in its own colours."""
    return contents.random.choice((_plain, _plain, _coloured, _coloured, _coloured, _paper, _sheet, _dark, _written, _bare))(contents)


def _look(contents: Contents, rules: Rules, style: Style, **changes) -> Look:
    generator = contents.random
    defaults = {
        "ink": INK,
        "rule": generator.choice(((30, 30, 34), (110, 110, 116), (150, 150, 158))),
        "ground": generator.choice((_WHITE, _WHITE, (253, 252, 246))),
        "head": None,
        "head_ink": INK,
        "stripe": None,
        "title": generator.choice(("above", "above", "merged", "left")),
        "sheet": False,
        "row": generator.uniform(1.7, 2.3),
        "middle": generator.random() < 0.65,
    }
    return Look(rules=rules, style=style, **(defaults | changes))


def _plain(contents: Contents) -> Look:
    return _look(contents, "full", contents.random.choice(("sans", "serif")))


def _coloured(contents: Contents) -> Look:
    generator = contents.random
    head, head_ink, stripe = generator.choice(_SCHEMES)
    light = tuple(min(255, value + 60) for value in head) if head_ink == _WHITE else (150, 150, 150)
    rules = generator.choice(("full", "horizontal", "outer", "none"))
    return _look(contents, rules, "sans", head=head, head_ink=head_ink, stripe=stripe, rule=light)


def _paper(contents: Contents) -> Look:
    return _look(contents, "three", "serif", title="above", rule=INK)


def _sheet(contents: Contents) -> Look:
    return _look(contents, "full", "sans", title="merged", sheet=True, rule=(200, 200, 204), ground=_WHITE, row=1.7)


def _dark(contents: Contents) -> Look:
    ground = contents.random.choice(((30, 34, 44), (18, 42, 62), (40, 40, 40)))
    head, light = tuple(value + 34 for value in ground), (236, 238, 242)
    return _look(contents, "horizontal", "sans", ground=ground, head=head, ink=light, head_ink=(130, 200, 255), rule=(90, 96, 108))


def _written(contents: Contents) -> Look:
    pen = contents.random.choice(((28, 44, 120), (30, 30, 34), (24, 70, 60)))
    return _look(contents, "full", "brush", ink=pen, head_ink=pen, rule=(150, 120, 100), ground=(254, 250, 238))


def _bare(contents: Contents) -> Look:
    return _look(contents, contents.random.choice(("none", "horizontal")), "sans", rule=(190, 190, 196))
