"""Two axes: values along one, categories along the other."""

from dataclasses import dataclass
from decimal import Decimal

from smvl.scenes.canvas import Box
from smvl.scenes.charts.chart import Chart
from smvl.scenes.charts.frame import Frame
from smvl.scenes.decimals import shortest
from smvl.scenes.pieces import one_run


@dataclass(frozen=True)
class Axes:
    """Where values and categories stand, in pixels."""

    box: Box
    """Left, top, right, bottom of the area between the axes."""
    maximum: Decimal
    """The value at the far end; 0 is at the near end."""
    num_categories: int
    upright: bool
    """Whether values go upwards; else to the right."""

    def place(self, value: Decimal) -> float:
        """Where a value ends: a height, or a place from the left."""
        share = float(value / self.maximum)
        return self.box[3] - (self.box[3] - self.box[1]) * share if self.upright else self.box[0] + (self.box[2] - self.box[0]) * share

    @property
    def pitch(self) -> float:
        """From one category to the next."""
        return ((self.box[2] - self.box[0]) if self.upright else (self.box[3] - self.box[1])) / self.num_categories

    def middle(self, index: int) -> float:
        """The middle of a category."""
        return (self.box[0] if self.upright else self.box[1]) + self.pitch * (index + 0.5)


def draw_axes(frame: Frame, chart: Chart, *, upright: bool) -> Axes:
    """Grid lines with their numbers, and the categories' names."""
    (draw, style), pixels = (frame.page.measure, frame.theme.style), frame.pixels
    ticks = [shortest(chart.step * index) for index in range(chart.num_ticks + 1)]
    left, top, right, bottom = frame.plot
    if upright:
        left += max(draw(tick, style, pixels)[0] for tick in ticks) + pixels * 0.6
        lines = _wrap_names(frame, chart.categories, (right - left) / len(chart.categories) - pixels * 0.5)
        box = (left, top + pixels * 1.4, right, bottom - pixels * (1.3 * max(map(len, lines)) + 0.5))
    else:
        lines = _wrap_names(frame, chart.categories, (right - left) * 0.28)
        left += max(draw(line, style, pixels)[0] for name in lines for line in name) + pixels * 0.6
        box = (left, top, right - pixels * (3.2 if chart.printed else 1.2), bottom - pixels * 1.8)
    axes = Axes(box, chart.maximum, len(chart.categories), upright)
    _draw_grid(frame, axes, chart, ticks)
    for index, (name, parts) in enumerate(zip(chart.categories, lines)):
        _write_name(frame, axes, index, name, parts)
    return axes


def _wrap_names(frame: Frame, names: tuple[str, ...], width: float) -> list[list[str]]:
    return [frame.page.wrap(name, frame.theme.style, frame.pixels, max(width, frame.pixels * 2.2)) for name in names]


def _draw_grid(frame: Frame, axes: Axes, chart: Chart, ticks: list[str]) -> None:
    pen, theme, (left, top, right, bottom) = frame.page.pen, frame.theme, axes.box
    pen.rectangle((left, top, right, bottom), fill=theme.plot)
    for index, tick in enumerate(ticks):
        place = round(axes.place(chart.step * index))
        if axes.upright:
            pen.line((left, place, right, place), fill=theme.grid)
            frame.page.write((left - frame.pixels * 0.5, place), tick, theme.style, frame.pixels, fill=theme.ink, anchor="rm")
        else:
            pen.line((place, top, place, bottom), fill=theme.grid)
            frame.page.write((place, bottom + frame.pixels * 0.9), tick, theme.style, frame.pixels, fill=theme.ink, anchor="mm")
    pen.line((left, top, left, bottom, right, bottom) if axes.upright else (left, top, left, bottom), fill=theme.ink)


def _write_name(frame: Frame, axes: Axes, index: int, name: str, parts: list[str]) -> None:
    page, theme, pixels = frame.page, frame.theme, frame.pixels
    with one_run(page, name):
        for row, part in enumerate(parts):
            if axes.upright:
                place, anchor = (axes.middle(index), axes.box[3] + pixels * (1.0 + 1.3 * row)), "mm"
            else:
                place, anchor = (axes.box[0] - pixels * 0.5, axes.middle(index) + pixels * 1.25 * (row - (len(parts) - 1) / 2)), "rm"
            page.write(place, part, theme.style, pixels, fill=theme.ink, anchor=anchor)
