"""Where instruments stand on a panel."""

from dataclasses import dataclass

from smvl.scenes.canvas import Box
from smvl.scenes.dials.instrument import COLUMN, COUNTER, GAUGE, METER, READOUT, THERMOMETER


@dataclass(frozen=True)
class Cell:
    """A place for one instrument and its plate."""

    box: Box
    """In shares of the page."""
    forms: tuple[str, ...]
    place: str = ""
    """How a user says where it is; empty where it stands alone."""
    beside: bool = False
    """Whether the plate is at the right instead of below."""


@dataclass(frozen=True)
class Layout:
    name: str
    aspect: float
    """Width by height."""
    cells: tuple[Cell, ...]
    header: bool = False
    """Whether the site's name stands above everything."""
    lamps: Box | None = None
    num_lamps: tuple[int, int] = (0, 0)
    """At least and at most."""
    weight: float = 1.0
    """How often it is drawn, relative to the others."""


_HEADER = 0.12
"""The share of the height that a header takes."""


def _grid(columns: int, rows: int, area: Box, forms: tuple[str, ...], places: tuple[str, ...], *, beside: bool = False) -> tuple[Cell, ...]:
    """Cells of equal size, row by row."""
    width, height = (area[2] - area[0]) / columns, (area[3] - area[1]) / rows
    cells = []
    for index, place in enumerate(places):
        left, top = area[0] + width * (index % columns), area[1] + height * (index // columns)
        cells.append(Cell((left, top, left + width, top + height), forms, place, beside))
    return tuple(cells)


_ALL = (0.0, 0.0, 1.0, 1.0)
_BELOW = (0.0, _HEADER, 1.0, 1.0)
_FOUR = ("左上角", "右上角", "左下角", "右下角")
_SIX = ("上排左边", "上排中间", "上排右边", "下排左边", "下排中间", "下排右边")
_RACK = tuple(f"从上往下第{number}块" for number in range(1, 5))

LAYOUTS = (
    Layout("gauge", 0.84, _grid(1, 1, _ALL, (GAUGE,), ("",))),
    Layout("gauge beside its plate", 1.6, _grid(1, 1, _ALL, (GAUGE,), ("",), beside=True)),
    Layout("meter", 0.98, _grid(1, 1, _ALL, (METER,), ("",))),
    Layout("tube", 0.62, _grid(1, 1, _ALL, (COLUMN, THERMOMETER), ("",))),
    Layout("tube beside its plate", 0.9, _grid(1, 1, _ALL, (COLUMN, THERMOMETER), ("",), beside=True)),
    Layout("digits", 1.5, _grid(1, 1, _ALL, (READOUT, COUNTER), ("",))),
    Layout("pair", 1.62, _grid(2, 1, _ALL, (GAUGE, GAUGE, METER, THERMOMETER, READOUT), ("左边", "右边"))),
    Layout("row", 2.0, _grid(3, 1, _ALL, (GAUGE, METER, COLUMN, THERMOMETER), ("左边", "中间", "右边"))),
    Layout("four", 0.94, _grid(2, 2, _BELOW, (GAUGE, GAUGE, METER, METER, READOUT, COUNTER), _FOUR), header=True),
    Layout("six", 1.22, _grid(3, 2, _BELOW, (GAUGE, GAUGE, METER, METER, READOUT), _SIX), header=True),
    Layout("rack", 0.86, _grid(1, 4, _BELOW, (READOUT, READOUT, COUNTER), _RACK, beside=True), header=True),
    Layout(
        "cabinet", 0.9, _grid(2, 1, (0.0, 0.34, 1.0, 1.0), (METER, METER, READOUT, COUNTER), ("左边", "右边")), header=True,
        lamps=(0.04, 0.15, 0.96, 0.33), num_lamps=(3, 5), weight=2.0,
    ),
    Layout(
        "lamps", 1.25, (Cell((0.0, _HEADER, 0.5, 1.0), (METER, GAUGE, READOUT)),), header=True,
        lamps=(0.52, 0.2, 0.97, 0.9), num_lamps=(4, 6), weight=2.0,
    ),
)  # fmt: skip
