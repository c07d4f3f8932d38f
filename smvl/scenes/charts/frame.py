"""Around a chart: colours, title, unit, legend, and the place that is left for the chart itself."""

from dataclasses import dataclass

from smvl.scenes.canvas import Box, Canvas
from smvl.scenes.charts.chart import ROUND, Chart
from smvl.scenes.contents import Contents
from smvl.scenes.fonts import Style
from smvl.scenes.page import Colour, Page

COLOURS: dict[str, Colour] = {
    "蓝色": (58, 112, 190),
    "橙色": (240, 138, 50),
    "绿色": (76, 166, 86),
    "红色": (206, 58, 54),
    "紫色": (142, 96, 180),
    "黄色": (240, 202, 62),
    "青色": (58, 182, 190),
    "粉色": (240, 150, 180),
    "棕色": (150, 102, 66),
}
"""By the name that a question may use."""
UNIT_WORD = "单位："


@dataclass(frozen=True)
class Theme:
    background: Colour
    plot: Colour
    ink: Colour
    grid: Colour
    title: Style = "sans"
    style: Style = "sans"
    """Of everything else: small numbers in thin strokes cannot be read."""


THEMES = (
    Theme((255, 255, 255), (255, 255, 255), (40, 42, 46), (218, 220, 224)),
    Theme((255, 255, 255), (236, 238, 242), (44, 46, 52), (255, 255, 255), title="heavy"),
    Theme((250, 246, 234), (250, 246, 234), (62, 50, 36), (222, 212, 190), title="serif"),
    Theme((34, 40, 54), (34, 40, 54), (232, 234, 240), (74, 82, 100), title="heavy"),
    Theme((238, 245, 250), (255, 255, 255), (30, 52, 80), (206, 220, 232), title="heavy"),
    Theme((255, 255, 255), (255, 255, 255), (20, 20, 20), (190, 190, 190), title="serif"),
    Theme((244, 248, 240), (244, 248, 240), (40, 60, 40), (208, 222, 200), title="brush"),
)
PLACES = ("top", "bottom", "right")
_SMALLEST = 11.5 / 512
"""The smallest text by the longest edge."""


@dataclass
class Frame:
    """A page with everything but the chart itself."""

    page: Page
    theme: Theme
    pixels: float
    """The size of the smallest text."""
    plot: Box
    """What is left, in pixels: left, top, right, bottom."""
    palette: tuple[str, ...]
    """Names of the colours, of each series or slice."""

    def colour(self, index: int) -> Colour:
        return COLOURS[self.palette[index]]


def draw_frame(contents: Contents, chart: Chart, size: tuple[int, int]) -> Frame:
    """Title at the top or at the bottom, the unit below it, the legend where it may be."""
    generator = contents.random
    theme = generator.choice(THEMES)
    page = Page(contents, size, theme.background)
    pixels = max(10.0, max(size) * _SMALLEST)
    margin = pixels * 0.9
    seen = [name for name, colour in COLOURS.items() if _differ(colour, theme.plot)]
    palette = tuple(generator.sample(seen, len(seen)))
    frame = Frame(page, theme, pixels, (margin, margin, page.width - margin, page.height - margin), palette)
    _write_title(frame, chart.title, below=generator.random() < 0.2, left=generator.random() < 0.25)
    if chart.form not in ROUND:
        _write_unit(frame, chart.unit)
    names = chart.categories if chart.form in ROUND else tuple(one.name for one in chart.series if one.name)
    if names:
        place = generator.choice(PLACES)
        if place == "right" or (chart.form in ROUND and page.width > page.height):
            _write_column(frame, names)
        else:
            _write_row(frame, names, below=place == "bottom")
    return frame


def _differ(first: Colour, second: Colour) -> bool:
    """Whether a thin line of one colour is seen on the other."""
    return sum(abs(a - b) for a, b in zip(first, second)) > 192


def _write_title(frame: Frame, title: str, *, below: bool, left: bool) -> None:
    page, (x0, y0, x1, y1) = frame.page, frame.plot
    size = page.fit(title, frame.theme.title, frame.pixels * 1.75, x1 - x0)
    y = y1 - size * 0.6 if below else y0 + size * 0.6
    place, anchor = ((x0, y), "lm") if left else (((x0 + x1) / 2, y), "mm")
    page.write(place, title, frame.theme.title, size, fill=frame.theme.ink, anchor=anchor)
    frame.plot = (x0, y0, x1, y1 - size * 1.7) if below else (x0, y0 + size * 1.7, x1, y1)


def _write_unit(frame: Frame, unit: str) -> None:
    page, (x0, y0, x1, y1) = frame.page, frame.plot
    x, y = x0, y0 + frame.pixels * 0.6
    for run in (UNIT_WORD, unit):
        page.write((x, y), run, frame.theme.style, frame.pixels, fill=frame.theme.ink, anchor="lm")
        x += page.measure(run, frame.theme.style, frame.pixels)[0]
    frame.plot = (x0, y0 + frame.pixels * 1.5, x1, y1)


def _write_row(frame: Frame, names: tuple[str, ...], *, below: bool) -> None:
    """Entries side by side, in as many rows as they need."""
    page, pixels, (x0, y0, x1, y1) = frame.page, frame.pixels, frame.plot
    widths = [page.measure(name, frame.theme.style, pixels)[0] + pixels * 2.6 for name in names]
    rows: list[list[int]] = [[]]
    for index, width in enumerate(widths):
        if rows[-1] and sum(widths[i] for i in rows[-1]) + width > x1 - x0:
            rows.append([])
        rows[-1].append(index)
    height = len(rows) * pixels * 1.6
    y = (y1 - height if below else y0) + pixels * 0.8
    for row in rows:
        x = (x0 + x1 - sum(widths[index] for index in row)) / 2
        for index in row:
            _write_entry(frame, (x, y), names[index], index)
            x += widths[index]
        y += pixels * 1.6
    frame.plot = (x0, y0, x1, y1 - height - pixels * 0.3) if below else (x0, y0 + height + pixels * 0.3, x1, y1)


def _write_column(frame: Frame, names: tuple[str, ...]) -> None:
    """Entries below each other at the right."""
    page, pixels, (x0, y0, x1, y1) = frame.page, frame.pixels, frame.plot
    width = max(page.measure(name, frame.theme.style, pixels)[0] for name in names) + pixels * 2
    y = (y0 + y1) / 2 - pixels * 0.9 * (len(names) - 1)
    for index, name in enumerate(names):
        _write_entry(frame, (x1 - width, y), name, index)
        y += pixels * 1.8
    frame.plot = (x0, y0, x1 - width - pixels * 0.6, y1)


def _write_entry(frame: Frame, place: tuple[float, float], name: str, index: int) -> None:
    (x, y), pixels = place, frame.pixels
    canvas = Canvas(frame.page, (x, y - pixels / 2, x + pixels, y + pixels / 2))
    canvas.rectangle((x, y - pixels * 0.45, x + pixels * 0.9, y + pixels * 0.45), frame.colour(index), radius=pixels * 0.15)
    canvas.lay()
    frame.page.write((x + pixels * 1.3, y), name, frame.theme.style, pixels, fill=frame.theme.ink, anchor="lm")
