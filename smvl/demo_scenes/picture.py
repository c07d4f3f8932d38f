"""A picture before it is painted: what stands where. Questions are asked of this, so an answer cannot disagree with the pixels."""

from dataclasses import dataclass, field
from typing import Any

LONG_EDGE = 96  # layout units; a painted picture is this size times its zoom

SHAPE, GLYPH, DIGIT = "shape", "glyph", "digit"


@dataclass(frozen=True)
class Mark:
    kind: str
    """SHAPE, GLYPH (a printed character) or DIGIT (a handwritten one)."""
    label: str
    """A key of SHAPES, the printed character, or the digit."""
    x: float
    """Centre, in layout units from the left."""
    y: float
    """Centre, in layout units from the top."""
    size: float
    """Side of the box that holds it, in layout units."""
    colour: str = ""
    """A key of COLOURS for shapes; empty for writing, which is inked in any colour."""
    digit_index: int = -1
    """Which of the 1,797 handwritten digits; -1 for anything else."""


@dataclass(frozen=True)
class Panel:
    """A filled rectangle behind the marks: a board, a sheet of paper, a bar."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str
    """A key of COLOURS, or of PAPERS in paint.py."""


@dataclass(frozen=True)
class Line:
    """A straight line, of a colour that stands out from the background; an arc where it has a `sweep`."""

    points: tuple[tuple[float, float], tuple[float, float]]
    """Its ends; the box of the whole circle for an arc."""
    width: float = 1.0
    sweep: tuple[float, float] | None = None
    """Angles in degrees between which an arc is drawn, clockwise from the right."""


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    marks: tuple[Mark, ...]
    seed: int
    """Decides everything that no question asks about: background, ink, noise, zoom."""
    panels: tuple[Panel, ...] = ()
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Call:
    """A function that is called in the place of an answer, and what follows."""

    name: str
    arguments: dict[str, Any]
    result: str
    reply: str
    """What is said to the user when the result is there."""


@dataclass(frozen=True)
class Turn:
    question: str
    answer: str
    pictures: tuple[Picture, ...] = ()
    """Pictures shown with this question, before its text."""
    call: Call | None = None
    """In the place of an answer."""


@dataclass(frozen=True)
class Scene:
    task: str
    turns: tuple[Turn, ...] = field(default_factory=tuple)
    tools: tuple[dict[str, Any], ...] = ()
    """Functions that may be called, as OpenAI describes them."""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(picture for turn in self.turns for picture in turn.pictures)
