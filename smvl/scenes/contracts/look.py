"""How a page of a contract looks."""

from dataclasses import dataclass
from typing import Literal

from smvl.scenes.contents import Contents
from smvl.scenes.contracts.filling import Pen
from smvl.scenes.fonts import Style
from smvl.scenes.page import INK, Colour

NUMERALS = "一二三四五六七八九十"


@dataclass(frozen=True)
class Look:
    """All that pages of contracts vary in."""

    style: Style
    title: Literal["plain", "band", "red", "spaced", "left"]
    """Black in the middle; white on a coloured band; red over a red rule; with wide gaps; at the left over a rule."""
    parties: Literal["lines", "boxed", "shaded"]
    """Below each other; in two ruled boxes; on a tinted ground."""
    numbering: Literal["第一条", "一、", "1."]
    headings: Literal["above", "before", "none"]
    """A clause's heading on a line of its own, before its words, or left out."""
    filled: Pen
    printed: Pen
    accent: Colour
    ground: Colour
    frame: bool
    folio: bool
    """Whether the page's number stands at its foot."""
    seal_flat: float
    """Height of a seal by its width."""
    ratio: float
    """Width of the page by its height."""

    def numbers(self, num: int) -> list[str]:
        """What the clauses are called."""
        names = {"第一条": "第{}条", "一、": "{}、", "1.": "{}."}[self.numbering]
        return [names.format(number + 1 if self.numbering == "1." else NUMERALS[number]) for number in range(num)]


_ACCENTS: tuple[Colour, ...] = ((30, 80, 150), (140, 30, 36), (24, 100, 84), (60, 60, 70), (96, 60, 130), (170, 96, 20))
_PENS: tuple[Colour, ...] = ((24, 44, 130), (30, 30, 36), (20, 60, 110))


def draw_look(contents: Contents, longest_edge: int) -> Look:
    """A printed page, or a form whose blanks are filled in by hand; small pictures show less of a page, so that it stays
    legible."""
    generator = contents.random
    style = generator.choice(("serif", "serif", "sans"))
    by_hand = generator.random() < 0.35
    pen = generator.choice(_PENS)
    return Look(
        style=style,
        title=generator.choice(("plain", "plain", "band", "red", "spaced", "left")),
        parties=generator.choice(("lines", "lines", "boxed", "shaded")),
        numbering=generator.choice(("第一条", "第一条", "一、", "1.")),
        headings=generator.choice(("before", "above", "none") if longest_edge >= 480 else ("before", "none")),
        filled=Pen("brush", pen, underlined=True) if by_hand else Pen(style, INK, underlined=generator.random() < 0.4),
        printed=Pen(style),
        accent=generator.choice(_ACCENTS),
        ground=generator.choice(((255, 255, 255), (255, 255, 255), (253, 251, 244), (248, 250, 253))),
        frame=generator.random() < 0.2,
        folio=generator.random() < 0.35,
        seal_flat=generator.choice((1.0, 1.0, 0.72)),
        ratio=generator.choice((0.71, 0.71, 0.75, 0.85, 1.0, 1.25) if longest_edge >= 480 else (0.9, 1.0)),
    )
