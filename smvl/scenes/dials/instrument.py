"""One instrument of a plant: what it measures, where its hands stand, which range it is marked with, and so whether it is at fault.

gauge    round, with a hand over most of a circle     meter        square, with a hand over a quarter of one
column   a level in a glass tube                      thermometer  a red column over a bulb
readout  lit digits                                   counter      digits on reels
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from smvl.scenes.decimals import shortest
from smvl.scenes.dials.scale import Scale

GAUGE, METER, COLUMN, THERMOMETER, READOUT, COUNTER = FORMS = ("gauge", "meter", "column", "thermometer", "readout", "counter")

NORMAL, HIGH, LOW = "正常", "偏高", "偏低"


@dataclass(frozen=True)
class Hand:
    """Something that points at a graduation: a needle, a set hand, the top of a column."""

    halves: int
    """Half graduations above the low end of the scale."""
    colour: str
    """In Chinese."""
    role: str = "读数"
    """`读数` (what is measured), `上限` or `下限` (set by hand)."""


@dataclass(frozen=True)
class Instrument:
    """All that is drawn and asked of one instrument."""

    form: str
    name: str
    number: str
    quantity: str
    unit: str
    reading: str = ""
    """As it is read: the shortest decimal of a pointed one, exactly the digits of a lit one, without leading zeros on reels."""
    shown: str = ""
    """The digits of a readout or of reels."""
    scale: Scale | None = None
    hands: tuple[Hand, ...] = ()
    limits: tuple[str | None, str | None] | None = None
    """Lowest and highest normal reading; None where none is marked."""
    marks: str = ""
    """How the limits are shown: `both` (green within, red outside), `green`, `red`, `hands` (two set hands) or `text`."""
    limits_text: str = ""
    """What is printed where they are shown as text."""

    @property
    def state(self) -> str | None:
        """`正常`, `偏高` or `偏低`; None where no range is marked."""
        if self.limits is None:
            return None
        low, high = self.limits
        if low is not None and Decimal(self.reading) < Decimal(low):
            return LOW
        return HIGH if high is not None and Decimal(self.reading) > Decimal(high) else NORMAL

    def facts(self) -> dict[str, Any]:
        scale = self.scale
        ends = {"low": shortest(scale.low), "high": shortest(scale.high), "minor": shortest(scale.minor)} if scale else {}
        hands = [{"colour": hand.colour, "role": hand.role, "reading": shortest(scale.value(hand.halves))} for hand in self.hands]
        own = {"form": self.form, "name": self.name, "number": self.number, "quantity": self.quantity, "unit": self.unit}
        judged = {"limits": list(self.limits) if self.limits else None, "marks": self.marks, "state": self.state}
        return own | {"reading": self.reading, "shown": self.shown, "hands": hands} | ends | judged
