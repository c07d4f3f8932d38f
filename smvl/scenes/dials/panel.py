"""Draws a panel: its ground, the header, every instrument with its plate, the lamps."""

from typing import Any

from smvl.scenes.canvas import Box, Canvas
from smvl.scenes.contents import Contents
from smvl.scenes.dials.column import column_length, draw_column
from smvl.scenes.dials.gauge import draw_gauge, draw_meter, gauge_length, gauge_size, meter_length, meter_size
from smvl.scenes.dials.instrument import COLUMN, COUNTER, GAUGE, METER, READOUT, THERMOMETER, Instrument
from smvl.scenes.dials.lamp import draw_lamps, paint_lamps
from smvl.scenes.dials.layout import Cell, Layout
from smvl.scenes.dials.names import draw_site
from smvl.scenes.dials.readings import add_second_hand, draw_instrument
from smvl.scenes.dials.readout import draw_counter, draw_readout
from smvl.scenes.dials.scale import Scale
from smvl.scenes.page import Colour, Page

_GROUNDS: tuple[tuple[Colour, Colour], ...] = (
    ((206, 209, 212), (34, 36, 40)),
    ((164, 190, 176), (26, 40, 34)),
    ((222, 214, 196), (46, 40, 30)),
    ((150, 164, 182), (20, 28, 40)),
    ((74, 80, 88), (240, 240, 236)),
    ((236, 238, 240), (30, 32, 36)),
    ((126, 134, 128), (250, 250, 246)),
)
"""(the panel, ink on it)."""
_PLATES: tuple[tuple[Colour, Colour], ...] = (
    ((252, 252, 250), (26, 26, 30)),
    ((30, 70, 150), (250, 250, 250)),
    ((250, 214, 60), (30, 28, 20)),
    ((188, 192, 196), (24, 26, 30)),
    ((24, 110, 70), (250, 250, 250)),
)
NUMBER_WORD, RANGE_WORD = "编号：", "正常范围："
_SMALLEST = 11.5 / 512
"""The smallest text by the longest edge."""
_DRAW = {
    GAUGE: draw_gauge,
    METER: draw_meter,
    COLUMN: draw_column,
    THERMOMETER: draw_column,
    READOUT: draw_readout,
    COUNTER: draw_counter,
}


def draw_panel(contents: Contents, layout: Layout, longest_edge: int) -> tuple[Page, dict[str, Any]]:
    """A panel and its facts: site, instruments (with the place and the geometry of each) and lamps."""
    generator = contents.random
    aspect = layout.aspect
    size = (longest_edge, round(longest_edge / aspect)) if aspect > 1 else (round(longest_edge * aspect), longest_edge)
    ground, ink = generator.choice(_GROUNDS)
    page = Page(contents, size, ground)
    pixels = max(10.0, longest_edge * _SMALLEST)
    _draw_ground(page, layout, ground)
    site = draw_site(contents) if layout.header else ""
    if site:
        _draw_header(page, site, pixels)
    instruments, geometry = [], []
    for cell in layout.cells:
        box = _scaled(cell.box, page)
        body, plate = _split(box, cell, pixels)
        instruments.append(_fill(contents, cell, body, pixels, instruments, alone=len(layout.cells) == 1))
        geometry.append(_paint(page, body, instruments[-1], contents, pixels))
        _draw_plate(page, plate, instruments[-1], generator.choice(_PLATES), pixels)
    lamps = draw_lamps(generator, generator.randint(*layout.num_lamps)) if layout.lamps else []
    if lamps:
        _paint_lamp_rows(page, _scaled(layout.lamps, page), lamps, ink, pixels)
    drawn = [one.facts() | {"place": cell.place, "geometry": where} for one, cell, where in zip(instruments, layout.cells, geometry)]
    return page, {
        "layout": layout.name, "site": site, "instruments": drawn,
        "lamps": [{"name": lamp.name, "colour": lamp.colour, "lit": lamp.lit} for lamp in lamps],
    }  # fmt: skip


def _scaled(box: Box, page: Page) -> Box:
    return box[0] * page.width, box[1] * page.height, box[2] * page.width, box[3] * page.height


def _split(box: Box, cell: Cell, pixels: float) -> tuple[Box, Box]:
    """(for the instrument, for its plate)."""
    gap = pixels * 0.6
    left, top, right, bottom = box[0] + gap, box[1] + gap, box[2] - gap, box[3] - gap
    if cell.beside:
        middle = left + (right - left) * 0.56
        height = min(bottom - top, pixels * 9)
        centre = (top + bottom) / 2
        return (left, top, middle - gap, bottom), (middle + gap, centre - height / 2, right, centre + height / 2)
    height = max(pixels * 3.6, min((bottom - top) * 0.17, pixels * 5.4))
    if READOUT in cell.forms:
        height = max(height, pixels * 5.0)
    return (left, top, right, bottom - height - gap), (left, bottom - height, right, bottom)


def _fill(contents: Contents, cell: Cell, body: Box, pixels: float, others: list[Instrument], *, alone: bool) -> Instrument:
    """An instrument whose scale can be read at this size; now and then, where it stands alone, a gauge with two hands."""
    form = contents.random.choice(cell.forms)
    length = {GAUGE: gauge_length, METER: meter_length}.get(form, column_length)(body, pixels)
    size = {GAUGE: gauge_size, METER: meter_size}.get(form, lambda body, pixels: pixels)(body, pixels)

    def fits(scale: Scale) -> bool:
        """Graduations that can be told apart, and numbers that do not touch; those of a round gauge stand on a smaller circle."""
        widest = 1.4 if form in (COLUMN, THERMOMETER) else 0.62 * max(map(len, scale.numbers)) + 0.7
        per_number = length * (0.66 if form == GAUGE else 1.0) * scale.per_major / scale.num_graduations
        return length / scale.num_graduations >= 0.45 * pixels and per_number >= widest * size

    drawn = draw_instrument(contents, form, others, fits, lambda scale: length / scale.num_graduations >= pixels)
    if form == GAUGE and alone and drawn.marks == "" and contents.random.random() < 0.7:
        return add_second_hand(contents.random, drawn)
    return drawn


def _paint(page: Page, body: Box, instrument: Instrument, contents: Contents, pixels: float) -> dict[str, Any]:
    return _DRAW[instrument.form](page, body, instrument, contents.random, pixels) or {}


def _draw_ground(page: Page, layout: Layout, ground: Colour) -> None:
    """Seams between the cells and screws in the corners."""
    dark, light = tuple(int(channel * 0.86) for channel in ground), tuple(min(255, channel + 14) for channel in ground)
    for cell in layout.cells:
        left, top, right, bottom = map(round, _scaled(cell.box, page))
        page.pen.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline=dark)
        page.pen.line((left + 2, bottom - 2, right - 2, bottom - 2), fill=light)
    inset, radius = page.width * 0.02 + 2, max(2.0, page.width * 0.009)
    for x in (inset, page.width - inset):
        for y in (inset, page.height - inset):
            canvas = Canvas(page, (x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1))
            canvas.disc((x, y), radius, (168, 170, 174), outline=(96, 98, 102), width=0.8)
            canvas.line([(x - radius * 0.6, y - radius * 0.6), (x + radius * 0.6, y + radius * 0.6)], (90, 92, 96), 0.8)
            canvas.lay()


def _draw_header(page: Page, site: str, pixels: float) -> None:
    height = 0.12 * page.height
    size = page.fit(site, "sans", max(pixels * 1.5, height * 0.42), page.width * 0.8)
    width = page.measure(site, "sans", size)[0] + size * 1.6
    edges = ((page.width - width) / 2, height * 0.18, (page.width + width) / 2, height * 0.86)
    canvas = Canvas(page, edges)
    canvas.rectangle(edges, (40, 60, 92), outline=(20, 30, 50), width=1, radius=size * 0.2)
    canvas.lay()
    page.write((page.width / 2, height * 0.52), site, "sans", size, fill=(250, 250, 250), anchor="mm")


def _draw_plate(page: Page, box: Box, instrument: Instrument, colours: tuple[Colour, Colour], pixels: float) -> None:
    """Name, number and, where it is printed, the normal range, below each other."""
    ground, ink = colours
    rows = [[instrument.name], [NUMBER_WORD, instrument.number]]
    if instrument.limits_text:
        rows.append([RANGE_WORD, instrument.limits_text])
    pitch = (box[3] - box[1]) / (len(rows) + 0.3)
    width = box[2] - box[0]
    size = min(pixels * 1.5, pitch * 0.78, *(page.fit("".join(row), "sans", pixels * 1.5, width * 0.88) for row in rows))
    widest = max(page.measure("".join(row), "sans", size)[0] for row in rows) + size * 1.2
    left, right = (box[0] + box[2] - min(widest, width)) / 2, (box[0] + box[2] + min(widest, width)) / 2
    canvas = Canvas(page, (left, box[1], right, box[3]))
    canvas.rectangle((left, box[1], right, box[3]), ground, outline=(90, 92, 96), width=1, radius=size * 0.3)
    canvas.lay()
    for index, row in enumerate(rows):
        x = (box[0] + box[2] - page.measure("".join(row), "sans", size)[0]) / 2
        for run in row:
            page.write((x, box[1] + pitch * (index + 0.65)), run, "sans", size, fill=ink, anchor="lm")
            x += page.measure(run, "sans", size)[0]


def _paint_lamp_rows(page: Page, box: Box, lamps: list[Any], ink: Colour, pixels: float) -> None:
    """One row in a wide box; two in a high one."""
    if box[2] - box[0] > 2 * (box[3] - box[1]):
        return paint_lamps(page, box, lamps, ink, pixels, places=len(lamps))
    half, middle = -(-len(lamps) // 2), (box[1] + box[3]) / 2
    paint_lamps(page, (box[0], box[1], box[2], middle), lamps[:half], ink, pixels, places=half)
    paint_lamps(page, (box[0], middle, box[2], box[3]), lamps[half:], ink, pixels, places=half)
