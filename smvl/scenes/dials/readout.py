"""Instruments that show digits: lit ones of seven segments, and printed ones on reels."""

import random

from smvl.scenes.canvas import Box, Canvas, Point
from smvl.scenes.dials.instrument import Instrument
from smvl.scenes.page import Colour, Page
from smvl.scenes.pieces import one_run

_SEGMENTS = {
    "0": "abcdef", "1": "bc", "2": "abdeg", "3": "abcdg", "4": "bcfg", "5": "acdfg", "6": "acdefg", "7": "abc", "8": "abcdefg",
    "9": "abcdfg", "-": "g",
}  # fmt: skip
_ENDS: dict[str, tuple[Point, Point]] = {
    "a": ((0, 0), (1, 0)),
    "b": ((1, 0), (1, 1)),
    "c": ((1, 1), (1, 2)),
    "d": ((0, 2), (1, 2)),
    "e": ((0, 1), (0, 2)),
    "f": ((0, 0), (0, 1)),
    "g": ((0, 1), (1, 1)),
}
_LIGHTS: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((255, 46, 38), (54, 14, 14), (22, 8, 8)),
    ((60, 255, 110), (10, 48, 22), (8, 20, 12)),
    ((255, 176, 40), (54, 38, 12), (22, 16, 8)),
    ((90, 200, 255), (14, 40, 56), (8, 14, 22)),
    ((30, 36, 30), (168, 180, 160), (182, 194, 172)),
)
"""(lit, unlit, behind); the last is liquid crystal."""
_SLANT = 0.09


def draw_readout(page: Page, box: Box, instrument: Instrument, generator: random.Random, pixels: float) -> None:
    """A black case with lit digits, its unit at the right."""
    width = min(box[2] - box[0], 2.6 * (box[3] - box[1])) - 2
    height = min(box[3] - box[1] - 2, width * 0.5)
    left, top = (box[0] + box[2] - width) / 2, (box[1] + box[3] - height) / 2
    lit, unlit, behind = generator.choice(_LIGHTS)
    case, ink = generator.choice((((36, 38, 42), (236, 236, 232)), ((216, 218, 220), (30, 30, 34)), ((62, 70, 84), (240, 240, 240))))
    size = max(pixels, height * 0.15)
    unit = page.measure(instrument.unit, "sans", size)[0] + size
    window = (left + width * 0.05, top + height * 0.16, left + width - unit, top + height * 0.84)
    canvas = Canvas(page, (left, top, left + width, top + height))
    canvas.rectangle((left, top, left + width, top + height), case, outline=(90, 92, 96), width=1, radius=height * 0.06)
    canvas.rectangle(window, behind, radius=height * 0.03)
    _draw_digits(canvas, instrument.shown, window, lit, unlit)
    canvas.lay()
    page.texts.append(instrument.shown)
    page.boxes.append(tuple(map(round, window)))
    page.write((left + width - unit / 2, window[3] - size * 0.6), instrument.unit, "sans", size, fill=ink, anchor="mm")


def draw_counter(page: Page, box: Box, instrument: Instrument, generator: random.Random, pixels: float) -> None:
    """A case with a reel for each digit; where tenths are counted, the last one is red."""
    width = min(box[2] - box[0], 2.2 * (box[3] - box[1])) - 2
    height = min(box[3] - box[1] - 2, width * 0.6)
    left, top = (box[0] + box[2] - width) / 2, (box[1] + box[3] - height) / 2
    case, ink = generator.choice((((235, 236, 238), (30, 30, 34)), ((196, 206, 214), (30, 30, 34)), ((70, 84, 100), (244, 244, 244))))
    reel = min(width * 0.9 / len(instrument.shown), height * 0.42)
    first, line = (box[0] + box[2] - reel * len(instrument.shown)) / 2, top + height * 0.42
    canvas = Canvas(page, (left, top, left + width, top + height))
    canvas.rectangle((left, top, left + width, top + height), case, outline=(90, 92, 96), width=1, radius=height * 0.06)
    for index in range(len(instrument.shown)):
        tenths = "." in instrument.reading and index == len(instrument.shown) - 1
        edges = (first + reel * (index + 0.05), line - reel * 0.72, first + reel * (index + 0.95), line + reel * 0.72)
        canvas.rectangle(edges, (176, 28, 30) if tenths else (18, 18, 20), radius=reel * 0.08)
    canvas.lay()
    with one_run(page, instrument.shown):
        for index, digit in enumerate(instrument.shown):
            page.write((first + reel * (index + 0.5), line), digit, "sans", reel * 0.95, fill=(248, 248, 244), anchor="mm")
    page.write(((box[0] + box[2]) / 2, top + height * 0.86), instrument.unit, "sans", max(pixels, height * 0.11), fill=ink, anchor="mm")


def _draw_digits(canvas: Canvas, shown: str, window: Box, lit: Colour, unlit: Colour) -> None:
    """Right-aligned digits; the point takes no place of its own."""
    count = len(shown.replace(".", ""))
    height = min((window[3] - window[1]) * 0.74, (window[2] - window[0]) * 0.92 / count / 0.66)
    pitch, thick = height * 0.66, height * 0.055
    x = window[2] - pitch * count - pitch * 0.04
    y = (window[1] + window[3] - height) / 2
    for character in shown:
        if character == ".":
            canvas.disc((x - pitch * 0.13, y + height - thick), thick * 1.25, lit)
            continue
        for name in _SEGMENTS["8"]:
            colour = lit if name in _SEGMENTS[character] else unlit
            canvas.polygon(_segment(name, x, y, height, thick), colour)
        x += pitch


def _segment(name: str, x: float, y: float, height: float, thick: float) -> list[Point]:
    """A bar with pointed ends, leaning to the right as such digits do."""
    width = height * 0.42
    (x0, y0), (x1, y1) = ((x + thick + column * width, y + thick + row * (height / 2 - thick)) for column, row in _ENDS[name])
    along, across = ((thick, 0.0), (0.0, thick)) if y0 == y1 else ((0.0, thick), (thick, 0.0))
    (ax, ay), (cx, cy) = along, across
    first = [(x0, y0), (x0 + ax + cx, y0 + ay + cy), (x1 - ax + cx, y1 - ay + cy)]
    second = [(x1, y1), (x1 - ax - cx, y1 - ay - cy), (x0 + ax - cx, y0 + ay - cy)]
    return [(px + (y + height - py) * _SLANT, py) for px, py in first + second]
