"""Graduations, numbers, coloured ranges and hands along an arc: the face of every instrument with a needle."""

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from PIL import ImageFont

from smvl.scenes.canvas import Box, Canvas, Point
from smvl.scenes.dials.instrument import Hand, Instrument
from smvl.scenes.page import Colour, Page

GREEN: Colour = (38, 158, 76)
RED: Colour = (208, 36, 40)
HAND_COLOURS: dict[str, Colour] = {"黑色": (24, 24, 26), "红色": RED, "绿色": (20, 130, 60)}


@dataclass(frozen=True)
class Arc:
    """Where a scale runs: shares of it, from 0 to 1, stand on a circle, clockwise."""

    centre: Point
    radius: float
    """Of the graduations' outer ends, in pixels."""
    start: float
    """Of the low end, in degrees clockwise from the right."""
    sweep: float

    @property
    def length(self) -> float:
        """In pixels."""
        return math.radians(self.sweep) * self.radius

    def angle(self, share: float) -> float:
        return self.start + self.sweep * share

    def point(self, share: float, distance: float) -> Point:
        """What stands at a share of the scale, at `distance` radii from the centre."""
        angle = math.radians(self.angle(share))
        return self.centre[0] + distance * self.radius * math.cos(angle), self.centre[1] + distance * self.radius * math.sin(angle)


def bands(instrument: Instrument) -> list[tuple[float, float, Colour]]:
    """The coloured stretches of a scale: (first share, last share, colour)."""
    if instrument.limits is None or instrument.marks == "hands":
        return []
    scale = instrument.scale
    low, high = (None if limit is None else float((Decimal(limit) - scale.low) / (scale.high - scale.low)) for limit in instrument.limits)
    red = ([(0.0, low, RED)] if low is not None else []) + [(high, 1.0, RED)]
    green = [(low or 0.0, high, GREEN)]
    return {"both": green + red, "green": green, "red": red}[instrument.marks]


def graduate(canvas: Canvas, arc: Arc, instrument: Instrument, ink: Colour, *, band: tuple[float, float]) -> None:
    """Graduations from the arc inwards, and the coloured ranges in a band between two distances (in radii)."""
    for first, last, colour in bands(instrument):
        canvas.arc(arc.centre, band[1] * arc.radius, arc.angle(first), arc.angle(last), colour, (band[1] - band[0]) * arc.radius)
    scale = instrument.scale
    for index in range(scale.num_graduations + 1):
        share, numbered = index / scale.num_graduations, index % scale.per_major == 0
        width = arc.radius * (0.024 if numbered else 0.013)
        canvas.line([arc.point(share, 1.0), arc.point(share, 0.87 if numbered else 0.93)], ink, max(0.5, width))


def number(page: Page, arc: Arc, instrument: Instrument, ink: Colour, pixels: float, *, inside: bool, within: tuple[float, float]) -> None:
    """The numbers, just inside or just outside of the graduations, and not beyond two places from the left."""
    scale = instrument.scale
    for index, text in enumerate(scale.numbers):
        share = index * scale.per_major / scale.num_graduations
        width, height = _width(page.font("sans", pixels, text), text), pixels * 0.8
        angle = math.radians(arc.angle(share))
        away = math.hypot(width / 2 * math.cos(angle), height / 2 * math.sin(angle)) / arc.radius
        x, y = arc.point(share, 0.83 - away if inside else 1.06 + away)
        x = min(max(x, within[0] + width / 2), within[1] - width / 2)
        page.write((x, y), text, "sans", pixels, fill=ink, anchor="mm")


@lru_cache(maxsize=10_000)
def _width(font: ImageFont.FreeTypeFont, text: str) -> float:
    return font.getlength(text)


def point(page: Page, arc: Arc, instrument: Instrument, colours: list[Colour], *, hub: float, tail: float) -> dict[str, Any]:
    """Draw the hands, the set ones first. Returns where they stand: pivot and tips in pixels, start and sweep in degrees."""
    tips = [arc.point(instrument.scale.share(hand.halves), _reach(hand)) for hand in instrument.hands]
    tails = [arc.point(instrument.scale.share(hand.halves), -tail) for hand in instrument.hands]
    canvas = Canvas(page, _around([*tips, *tails, arc.centre], arc.radius * hub * 1.1))
    for hand, colour in sorted(zip(instrument.hands, colours), key=lambda pair: pair[0].role == "读数"):
        (_draw_needle if hand.role == "读数" else _draw_set_hand)(canvas, arc, instrument.scale.share(hand.halves), colour, tail)
    canvas.disc(arc.centre, hub * arc.radius, (70, 72, 76))
    canvas.disc(arc.centre, hub * arc.radius * 0.55, (150, 152, 156))
    canvas.lay()
    return {"pivot": list(arc.centre), "tips": [list(tip) for tip in tips], "start": arc.start, "sweep": arc.sweep}


def _around(points: list[Point], margin: float) -> Box:
    xs, ys = zip(*points)
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin


def _reach(hand: Hand) -> float:
    return 0.96 if hand.role == "读数" else 0.86


def _draw_needle(canvas: Canvas, arc: Arc, share: float, colour: Colour, tail: float) -> None:
    canvas.polygon([arc.point(share, -tail), *_beside(arc, share, 0.0, 0.036), *_beside(arc, share, 0.96, 0.008)[::-1]], colour)
    canvas.polygon([*_beside(arc, share, -tail, 0.04), *_beside(arc, share, 0.0, 0.03)[::-1]], colour)


def _draw_set_hand(canvas: Canvas, arc: Arc, share: float, colour: Colour, tail: float) -> None:
    """A thin hand with an arrow head that ends short of the graduations."""
    canvas.line([arc.centre, arc.point(share, 0.7)], colour, max(1.0, arc.radius * 0.018))
    canvas.polygon([arc.point(share, 0.86), *_beside(arc, share, 0.68, 0.05)], colour)


def _beside(arc: Arc, share: float, distance: float, half_width: float) -> list[Point]:
    """The two points at both sides of the middle line of a hand."""
    x, y = arc.point(share, distance)
    angle = math.radians(arc.angle(share))
    across = -math.sin(angle) * half_width * arc.radius, math.cos(angle) * half_width * arc.radius
    return [(x + across[0], y + across[1]), (x - across[0], y - across[1])]
