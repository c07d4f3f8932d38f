"""Instruments that are read off the top of a column: the level gauge beside a tank and the glass thermometer."""

import random
from typing import Any

from smvl.scenes.canvas import Box, Canvas
from smvl.scenes.dials.face import bands
from smvl.scenes.dials.instrument import THERMOMETER, Instrument
from smvl.scenes.page import Colour, Page

_LIQUIDS: tuple[Colour, ...] = ((214, 40, 40), (36, 96, 190), (40, 140, 80), (196, 124, 30))
_PLATES: tuple[Colour, ...] = ((250, 250, 248), (240, 236, 222), (226, 232, 236), (232, 214, 150))
_INK: Colour = (28, 28, 30)
_GLASS: Colour = (232, 240, 244)


def column_length(box: Box, pixels: float) -> float:
    """The height of the scale in pixels, below a line for the unit and above a bulb."""
    height = box[3] - box[1]
    return height * 0.84 - max(height * 0.08, 2 * pixels)


def draw_column(page: Page, box: Box, instrument: Instrument, generator: random.Random, pixels: float) -> dict[str, Any]:
    """A graduated plate with a tube before it. Returns where the column ends: the scale's ends and the top, heights in pixels.

    Args:
        pixels: the size of the smallest text.
    """
    width = min(box[2] - box[0], max(7.5 * pixels, (box[3] - box[1]) * 0.36))
    middle = (box[0] + box[2]) / 2
    plate = (middle - width / 2, box[1] + 1, middle + width / 2, box[3] - 1)
    bulb = instrument.form == THERMOMETER
    bottom = box[3] - (box[3] - box[1]) * (0.16 if bulb else 0.1)
    top = bottom - column_length(box, pixels)
    tube = plate[0] + width * 0.3
    level = bottom - (bottom - top) * instrument.scale.share(instrument.hands[0].halves)
    canvas = Canvas(page, plate)
    canvas.rectangle(plate, generator.choice(_PLATES), outline=(120, 124, 128), width=1.5, radius=width * 0.06)
    _draw_tube(canvas, tube, (top, bottom), level, width * 0.07, RED_SPIRIT if bulb else generator.choice(_LIQUIDS), bulb)
    ruler = tube + width * (0.13 if bulb else 0.15)
    _graduate(canvas, instrument, ruler, (top, bottom), width * 0.1)
    canvas.lay()
    size = max(pixels, width * 0.1)
    for index, text in enumerate(instrument.scale.numbers):
        y = bottom - (bottom - top) * index * instrument.scale.per_major / instrument.scale.num_graduations
        page.write((ruler + width * 0.13, y), text, "sans", size, fill=_INK, anchor="lm")
    page.write((plate[2] - width * 0.22, (box[1] + top - size * 0.4) / 2), instrument.unit, "sans", size, fill=_INK, anchor="mm")
    return {"bottom": bottom, "top": top, "level": level, "tube": tube}


RED_SPIRIT: Colour = (210, 30, 34)


def _draw_tube(canvas: Canvas, x: float, ends: tuple[float, float], level: float, half: float, liquid: Colour, bulb: bool) -> None:
    top, bottom = ends
    end = bottom + half * (1 if bulb else 1.4)
    canvas.rectangle((x - half, top - half * 2, x + half, end), _GLASS, outline=(130, 136, 142), width=1, radius=half)
    if bulb:
        canvas.disc((x, bottom + half * 2.2), half * 1.7, liquid, outline=(130, 136, 142))
    else:
        canvas.rectangle((x - half * 1.7, end - half * 0.4, x + half * 1.7, end + half), (110, 114, 118))
        canvas.rectangle((x - half * 1.7, top - half * 3, x + half * 1.7, top - half * 1.8), (110, 114, 118))
    canvas.rectangle((x - half * 0.62, level, x + half * 0.62, end), liquid)


def _graduate(canvas: Canvas, instrument: Instrument, x: float, ends: tuple[float, float], length: float) -> None:
    """Graduations to the right of the tube, the coloured ranges at their left ends."""
    (top, bottom), scale = ends, instrument.scale
    for first, last, colour in bands(instrument):
        canvas.rectangle((x - length * 0.5, bottom - (bottom - top) * last, x - length * 0.1, bottom - (bottom - top) * first), colour)
    for index in range(scale.num_graduations + 1):
        y = bottom - (bottom - top) * index / scale.num_graduations
        numbered = index % scale.per_major == 0
        canvas.line([(x, y), (x + length * (1.0 if numbered else 0.55), y)], _INK, 1.5 if numbered else 1)
