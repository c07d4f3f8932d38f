"""The graduations of an instrument: where they stand, which carry a number, and what a hand on one of them reads.

A hand stands exactly on a graduation or exactly in the middle between two, so a reading is exact. It is written as the shortest decimal
that is exact (`0.4`, not `0.40`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property

from smvl.scenes.decimals import shortest

_ENDS = {
    "MPa": "0:0.1 0:0.16 0:0.25 0:0.4 0:0.6 0:1 0:1.6 0:2.5 0:4 0:6 0:10 0:16 0:25 0:40 -0.1:0 -0.1:0.5 -0.1:0.9",
    "kPa": "0:10 0:16 0:25 0:40 0:60 0:100 -40:0 -20:20",
    "℃": "0:50 0:60 0:80 0:100 0:120 0:150 0:160 0:200 0:250 0:300 0:400 0:500 -20:80 -40:60 -30:50 -20:100",
    "A": "0:5 0:10 0:15 0:20 0:30 0:40 0:50 0:60 0:100 0:150 0:200 0:300 0:400 0:600 0:800",
    "V": "0:30 0:50 0:100 0:150 0:250 0:300 0:400 0:450 0:500 0:600",
    "kV": "0:8 0:12 0:15 0:20 0:40 0:50 0:150",
    "Hz": "45:55 46:54 40:60",
    "kW": "0:5 0:10 0:20 0:30 0:50 0:100 0:200 0:300 0:500",
    "r/min": "0:1000 0:1500 0:1600 0:2000 0:3000 0:4000 0:6000",
    "%": "0:100",
    "m": "0:1 0:2 0:3 0:4 0:5 0:6 0:8 0:10",
    "cm": "0:50 0:60 0:80 0:100 0:150 0:200",
    "mm": "0:200 0:300 0:400 0:500 0:600 0:800 0:1000",
    "t/h": "0:10 0:20 0:30 0:50 0:60 0:100 0:150",
    "%RH": "0:100 20:100",
}
"""Measuring ranges as instruments are sold, by unit (pressure: the series of GB/T 1226)."""

UNITS = tuple(_ENDS)


@dataclass(frozen=True)
class Scale:
    """Numbered graduations every `major`, plain ones every `minor`."""

    low: Decimal
    high: Decimal
    major: Decimal
    minor: Decimal

    @cached_property
    def num_graduations(self) -> int:
        """Steps of `minor` from one end to the other."""
        return int((self.high - self.low) / self.minor)

    @cached_property
    def per_major(self) -> int:
        return int(self.major / self.minor)

    def value(self, halves: int) -> Decimal:
        """What a hand reads that stands `halves` half graduations above the low end."""
        return self.low + self.minor * halves / 2

    def share(self, halves: int) -> float:
        """How far along the scale that is, from 0 to 1."""
        return halves / (2 * self.num_graduations)

    @cached_property
    def numbers(self) -> list[str]:
        """What is written at the numbered graduations."""
        return [shortest(self.low + self.major * index) for index in range(self.num_graduations // self.per_major + 1)]


@cache
def scales(unit: str) -> tuple[Scale, ...]:
    """Every way to graduate the ranges of a unit: 3 to 10 numbered steps of 1, 2 or 5, each in 2 to 10 of 1, 2 or 5."""
    found = []
    for ends in _ENDS[unit].split():
        low, high = map(Decimal, ends.split(":"))
        for major in _round_steps(high - low, range(3, 11)):
            if low % major == 0:
                found += [Scale(low, high, major, minor) for minor in _round_steps(major, (2, 4, 5, 10))]
    return tuple(found)


def fitting_scales(unit: str, fits: Callable[[Scale], bool]) -> list[Scale]:
    """Those that `fits` allows; the coarsest where it allows none, so that a small instrument still has a scale."""
    return [scale for scale in scales(unit) if fits(scale)] or [min(scales(unit), key=lambda scale: (scale.num_graduations, scale.high))]


def _round_steps(span: Decimal, parts: range | tuple[int, ...]) -> list[Decimal]:
    """Steps whose only digit is 1, 2 or 5 and that divide a span into one of these numbers of parts."""
    steps = [span / part for part in parts]
    return [step for step in steps if step == round(step, 6) and step.normalize().as_tuple().digits in ((1,), (2,), (5,))]
