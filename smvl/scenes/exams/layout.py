"""The kinds of pages that exam questions stand on."""

from dataclasses import dataclass

from smvl.scenes.exams.family import BLANK, CALCULATE, CHOICE, SOLVE
from smvl.scenes.fonts import Style
from smvl.scenes.page import Colour


@dataclass(frozen=True)
class Layout:
    name: str
    aspect: float
    """Width by height; what is wide is cut below what is written."""
    num_items: tuple[int, int]
    """At least (where they fit) and at most."""
    size: float
    """Of the text, by the longest edge."""
    crop: bool = False
    """Whether it is cut close."""
    columns: int = 1
    header: str = ""
    """`paper` (title and lines to fill in), `app` (a bar with the subject), or none."""
    sections: bool = False
    """Whether questions of a form stand together below a heading."""
    forms: tuple[str, ...] = (CHOICE, BLANK, SOLVE)
    styles: tuple[Style, ...] = ("serif", "sans")
    grounds: tuple[tuple[Colour, Colour], ...] = (((255, 255, 255), (24, 24, 28)), ((250, 248, 242), (36, 32, 28)))
    """(paper, ink)."""
    squared: bool = False


_BOARDS = (((30, 74, 58), (240, 244, 236)), ((38, 42, 46), (244, 240, 220)), ((24, 60, 84), (245, 245, 235)))
LAYOUTS = (
    Layout("crop", 1.0, (1, 1), 0.034, crop=True),
    Layout("wide crop", 1.0, (2, 3), 0.029, crop=True),
    Layout("app", 1.0, (1, 1), 0.033, crop=True, header="app", styles=("sans",)),
    Layout("phone", 0.62, (2, 5), 0.029, header="app", styles=("sans",)),
    Layout("sheet", 0.74, (4, 8), 0.026, header="paper", sections=True),
    Layout("square sheet", 1.0, (3, 5), 0.026, header="paper"),
    Layout("columns", 1.42, (4, 8), 0.025, columns=2, sections=True),
    Layout("squared paper", 1.05, (1, 3), 0.032, squared=True, styles=("brush",), grounds=(((252, 252, 248), (30, 44, 96)),)),
    Layout("board", 1.5, (1, 3), 0.034, styles=("brush", "sans"), grounds=_BOARDS),
    Layout("drill", 1.3, (6, 10), 0.03, columns=2, forms=(CALCULATE,)),
)
