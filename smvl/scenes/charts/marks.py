"""What stands for the values: bars, lines, slices. Each returns where it stands, in pixels, as plain values."""

import math
import random
from decimal import Decimal
from typing import Any

from smvl.scenes.canvas import Canvas
from smvl.scenes.charts.axes import Axes
from smvl.scenes.charts.chart import PIE, Chart
from smvl.scenes.charts.frame import Frame
from smvl.scenes.page import Colour


def draw_bars(frame: Frame, axes: Axes, chart: Chart, generator: random.Random) -> dict[str, Any]:
    """Bars upwards or to the right, side by side where there are several series; one series may have a colour for each bar."""
    many = len(chart.series) > 1
    coloured = not many and len(chart.categories) <= len(frame.palette) and generator.random() < 0.3
    thick = axes.pitch * (0.8 if many else generator.choice((0.45, 0.55, 0.65))) / len(chart.series)
    bars = []
    for number, series in enumerate(chart.series):
        for index, value in enumerate(series.values):
            start = axes.middle(index) + thick * (number - len(chart.series) / 2)
            end = axes.place(Decimal(value))
            left, top, right, bottom = axes.box
            box = (start, end, start + thick - 1, bottom) if axes.upright else (left, start, end, start + thick - 1)
            frame.page.pen.rectangle([round(edge) for edge in box], fill=frame.colour(index if coloured else number))
            bars.append([round(edge) for edge in box])
            if chart.printed:
                _write_beside(frame, axes, start + thick / 2, end, value)
    left, top, right, bottom = axes.box
    frame.page.pen.line((left, bottom, right, bottom) if axes.upright else (left, top, left, bottom), fill=frame.theme.ink)
    return {"bars": bars, "zero": axes.place(Decimal(0)), "end": axes.place(chart.maximum), "maximum": str(chart.maximum)}


def _write_beside(frame: Frame, axes: Axes, middle: float, end: float, value: str) -> None:
    """The value above a bar, or at its right."""
    gap = frame.pixels * 0.7
    place, anchor = ((middle, end - gap), "mm") if axes.upright else ((end + gap * 0.6, middle), "lm")
    frame.page.write(place, value, frame.theme.style, frame.pixels, fill=frame.theme.ink, anchor=anchor)


def draw_lines(frame: Frame, axes: Axes, chart: Chart, generator: random.Random) -> dict[str, Any]:
    """Lines with a marker at each value."""
    width, radius = max(1.5, frame.pixels * 0.16), frame.pixels * 0.32
    lines = [[(axes.middle(i), axes.place(Decimal(value))) for i, value in enumerate(series.values)] for series in chart.series]
    left, top, right, bottom = axes.box
    canvas = Canvas(frame.page, (left, top - radius - 1, right, bottom + radius + 1))
    for number, points in enumerate(lines):
        canvas.line(points, frame.colour(number), width)
        for x, y in points:
            if number % 2:
                canvas.rectangle((x - radius, y - radius, x + radius, y + radius), frame.colour(number))
            else:
                canvas.disc((x, y), radius, frame.colour(number))
    canvas.lay()
    if chart.printed:
        _write_along(frame, lines[0], chart.series[0].values)
    points = [[list(point) for point in line] for line in lines]
    return {"points": points, "zero": axes.place(Decimal(0)), "end": axes.place(chart.maximum), "maximum": str(chart.maximum)}


def _write_along(frame: Frame, points: list[tuple[float, float]], values: tuple[str, ...]) -> None:
    """Each value above its point, or below it where the line comes down to it from both sides."""
    for index, ((x, y), value) in enumerate(zip(points, values)):
        beside = [points[i][1] for i in (index - 1, index + 1) if 0 <= i < len(points)]
        below = all(other < y - frame.pixels for other in beside)
        y += frame.pixels * (1.0 if below else -1.0)
        frame.page.write((x, y), value, frame.theme.style, frame.pixels, fill=frame.theme.ink, anchor="mm")


def draw_slices(frame: Frame, chart: Chart, generator: random.Random) -> dict[str, Any]:
    """Slices clockwise from the top; the share stands in its slice, or beside it where the slice is narrow."""
    left, top, right, bottom = frame.plot
    pixels = frame.pixels
    centre = (left + right) / 2, (top + bottom) / 2
    radius = min(right - left - pixels * 6, bottom - top - pixels * 3.4) / 2
    hole = 0.0 if chart.form == PIE else generator.choice((0.45, 0.55))
    values, angle, ends = chart.series[0].values, -90.0, []
    canvas = Canvas(frame.page, (centre[0] - radius - 1, centre[1] - radius - 1, centre[0] + radius + 1, centre[1] + radius + 1))
    for index, value in enumerate(values):
        canvas.sector(centre, radius, angle, angle + 3.6 * float(value), frame.colour(index))
        ends.append([angle, angle + 3.6 * float(value)])
        angle = ends[-1][1]
    for start, _ in ends:
        towards = math.cos(math.radians(start)), math.sin(math.radians(start))
        canvas.line([centre, (centre[0] + radius * towards[0], centre[1] + radius * towards[1])], frame.theme.background, pixels * 0.12)
    if hole:
        canvas.disc(centre, radius * hole, frame.theme.background)
    canvas.lay()
    for index, (value, (start, end)) in enumerate(zip(values, ends)):
        middle, narrow = math.radians((start + end) / 2), math.radians(end - start) * radius * 0.7 < pixels * 4.2
        distance = radius + pixels * 1.6 if narrow else radius * (0.66 if not hole else (1 + hole) / 2)
        place = centre[0] + distance * math.cos(middle), centre[1] + distance * math.sin(middle)
        ink = frame.theme.ink if narrow else _contrast(frame.colour(index))
        frame.page.write(place, value + "%", frame.theme.style, pixels, fill=ink, anchor="mm")
    return {"centre": list(centre), "radius": radius, "slices": ends}


def _contrast(colour: Colour) -> Colour:
    """Black on light colours, white on dark ones."""
    bright = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 140
    return (20, 20, 24) if bright else (255, 255, 255)
