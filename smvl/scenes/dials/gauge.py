"""Instruments with a needle: the round gauge on a pipe and the square meter in a cabinet's door."""

import random
from typing import Any

from smvl.scenes.canvas import Box, Canvas
from smvl.scenes.dials.face import HAND_COLOURS, Arc, graduate, number, point
from smvl.scenes.dials.instrument import Instrument
from smvl.scenes.page import Colour, Page

_BEZELS: tuple[tuple[Colour, Colour], ...] = (
    ((176, 180, 184), (120, 124, 128)),
    ((52, 54, 58), (84, 86, 90)),
    ((196, 170, 106), (150, 124, 66)),
    ((70, 96, 140), (48, 66, 100)),
    ((168, 52, 46), (120, 36, 32)),
)
_LIGHT_FACES: tuple[Colour, ...] = ((252, 252, 250), (246, 243, 232), (238, 242, 244), (255, 255, 255))
_DARK_FACE: Colour = (30, 32, 36)
_LIGHT_INK, _DARK_INK = (240, 240, 236), (26, 26, 30)
_LIGHT_HANDS: tuple[Colour, ...] = ((250, 250, 250), (255, 150, 30), (255, 214, 40))
_DARK_HANDS: tuple[Colour, ...] = ((24, 24, 26), (24, 24, 26), (204, 30, 34), (24, 60, 140))

GAUGE_WORDS = {"压力": "压力表", "温度": "温度表", "湿度": "湿度表", "液位": "液位表", "流量": "流量表", "转速": "转速表"}


def gauge_length(box: Box, pixels: float) -> float:
    """The length of a gauge's scale in pixels, at least."""
    return 240 / 180 * 3.14 * 0.78 * _round_radius(box)


def meter_length(box: Box, pixels: float) -> float:
    """The length of a meter's scale in pixels."""
    return 90 / 180 * 3.14 * _square_radius(box)


def gauge_size(box: Box, pixels: float) -> float:
    """The size of a gauge's numbers."""
    return max(pixels, _round_radius(box) * 0.11)


def meter_size(box: Box, pixels: float) -> float:
    """The size of a meter's numbers."""
    return max(pixels, _square_width(box) * 0.055)


def draw_gauge(page: Page, box: Box, instrument: Instrument, generator: random.Random, pixels: float) -> dict[str, Any]:
    """A round gauge as large as the box allows. Returns where its hands stand.

    Args:
        pixels: the size of the smallest text.
    """
    radius = _round_radius(box)
    centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    start, sweep = generator.choice(((135.0, 270.0), (135.0, 270.0), (150.0, 240.0)))
    arc = Arc(centre, radius * 0.78, start, sweep)
    face, ink, hands = _choose_face(instrument, generator)
    bezel, rim = generator.choice(_BEZELS)
    canvas = Canvas(page, (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius))
    for share, colour in ((1.0, rim), (0.975, bezel), (0.885, rim), (0.87, face)):
        canvas.disc(centre, radius * share, colour)
    graduate(canvas, arc, instrument, ink, band=(1.0, 1.08))
    canvas.lay()
    number(page, arc, instrument, ink, gauge_size(box, pixels), inside=True, within=(centre[0] - radius, centre[0] + radius))
    large = radius > 7 * pixels
    place = centre[0], centre[1] + radius * (0.36 if large else 0.62)
    page.write(place, instrument.unit, "sans", max(pixels, radius * 0.13), fill=ink, anchor="mm")
    if large:
        size = max(pixels, radius * 0.09)
        page.write((centre[0], centre[1] + radius * 0.58), GAUGE_WORDS[instrument.quantity], "sans", size, fill=ink, anchor="mm")
    return point(page, arc, instrument, hands, hub=0.1, tail=0.24)


def draw_meter(page: Page, box: Box, instrument: Instrument, generator: random.Random, pixels: float) -> dict[str, Any]:
    """A square meter as large as the box allows. Returns where its hand stands."""
    width = _square_width(box)
    left, top = (box[0] + box[2] - width) / 2, (box[1] + box[3] - 0.86 * width) / 2
    frame = (left, top, left + width, top + 0.86 * width)
    arc = Arc((left + width / 2, top + 0.7 * width), _square_radius(box), 225.0, 90.0)
    face, ink, hands = _choose_face(instrument, generator)
    canvas = Canvas(page, frame)
    canvas.rectangle(frame, generator.choice(((44, 46, 50), (96, 100, 104), (28, 30, 32))), radius=width * 0.04)
    inner = (left + width * 0.035, top + width * 0.035, left + width * 0.965, top + width * 0.76)
    canvas.rectangle(inner, face, radius=width * 0.02)
    graduate(canvas, arc, instrument, ink, band=(0.8, 0.86))
    canvas.lay()
    number(page, arc, instrument, ink, meter_size(box, pixels), inside=False, within=(inner[0] + 2, inner[2] - 2))
    page.write((arc.centre[0], arc.centre[1] - arc.radius * 0.5), instrument.unit, "sans", max(pixels, width * 0.1), fill=ink, anchor="mm")
    return point(page, arc, instrument, hands, hub=0.12, tail=0.0)


def _choose_face(instrument: Instrument, generator: random.Random) -> tuple[Colour, Colour, list[Colour]]:
    """(face, ink, colours of the hands); several hands have the colours that they are asked by, on a light face."""
    if len(instrument.hands) > 1:
        return generator.choice(_LIGHT_FACES), _DARK_INK, [HAND_COLOURS[hand.colour] for hand in instrument.hands]
    if generator.random() < 0.2:
        return _DARK_FACE, _LIGHT_INK, [generator.choice(_LIGHT_HANDS)]
    return generator.choice(_LIGHT_FACES), _DARK_INK, [generator.choice(_DARK_HANDS)]


def _round_radius(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1]) / 2 - 1


def _square_width(box: Box) -> float:
    return min(box[2] - box[0], (box[3] - box[1]) / 0.86) - 2


def _square_radius(box: Box) -> float:
    return 0.47 * _square_width(box)
