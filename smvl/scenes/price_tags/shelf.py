"""Shelves with rails of small price tags, in four looks."""

from collections.abc import Sequence

from smvl.scenes.contents import Contents
from smvl.scenes.page import INK, Colour, Page
from smvl.scenes.pieces import write_price
from smvl.scenes.price_tags.entries import BANDS, LEAST, REDS, SHELVES, WHITE, Area, Tag, cross_out, write_name


def paint_shelf(contents: Contents, longest_edge: int, tags: Sequence[Tag], rows: int) -> Page:
    """Rails of tags, with packages standing over each rail."""
    generator = contents.random
    columns = len(tags) // rows
    tag_height, stock = generator.uniform(0.62, 0.7), {1: generator.uniform(0.5, 1.2), 2: generator.uniform(0.2, 0.6), 3: 0.15}[rows]
    row_height = tag_height * 1.16 + stock  # in widths of a tag
    scale = longest_edge / max(columns, rows * row_height)
    page = Page(contents, (round(columns * scale), round(rows * row_height * scale)), generator.choice(SHELVES))
    rail, paint, colour = generator.choice(SHELVES + BANDS), generator.choice(_COMPACT), generator.choice(BANDS)
    for row in range(rows):
        top = row * row_height * scale
        _paint_packages(page, contents, (0, top, page.width, stock * scale))
        page.pen.rectangle((0, top + stock * scale, page.width, top + row_height * scale), fill=rail)
        for column, tag in enumerate(tags[row * columns : (row + 1) * columns]):
            area = ((column + 0.03) * scale, top + (stock + tag_height * 0.08) * scale, 0.94 * scale, tag_height * scale)
            paint(page, area, tag, colour)
    return page


def _paint_packages(page: Page, contents: Contents, area: Area) -> None:
    """Packages without writing, some of each kind beside each other."""
    generator = contents.random
    left, top, width, height = area
    x, same = left, 0
    while x < left + width:
        if same == 0:
            same, package, tall = generator.randint(2, 6), generator.uniform(0.06, 0.11) * width, generator.uniform(0.5, 0.92) * height
            shade = tuple(generator.randint(60, 205) for _ in range(3))
        body = (x + 1, top + height - tall, x + package * 0.93, top + height)
        page.pen.rounded_rectangle(body, package * 0.12, fill=shade)
        band = (x + 1, top + height - tall * 0.65, x + package * 0.93, top + height - tall * 0.3)
        page.pen.rectangle(band, fill=tuple(value + 50 for value in shade))
        x, same = x + package, same - 1


def _paint_small_band(page: Page, area: Area, tag: Tag, colour: Colour) -> None:
    left, top, width, height = area
    page.pen.rectangle((left, top, left + width, top + height), fill=WHITE)
    page.pen.rectangle((left, top, left + width, top + height * 0.28), fill=colour)
    write_name(page, (left + width * 0.04, top + height * 0.14), tag["品名"], height * 0.17, width * 0.92, fill=WHITE, anchor="lm")
    _write_small_foot(page, area, tag, colour, INK)


def _paint_small_plain(page: Page, area: Area, tag: Tag, colour: Colour) -> None:
    left, top, width, height = area
    page.pen.rounded_rectangle((left, top, left + width, top + height), height * 0.06, fill=(246, 246, 242), outline=(120, 120, 120))
    write_name(page, (left + width * 0.05, top + height * 0.16), tag["品名"], height * 0.16, width * 0.9, anchor="lm")
    page.pen.line((left + width * 0.05, top + height * 0.29, left + width * 0.95, top + height * 0.29), fill=INK)
    _write_small_foot(page, area, tag, INK, INK)


def _paint_small_yellow(page: Page, area: Area, tag: Tag, colour: Colour) -> None:
    left, top, width, height = area
    offered = "原价" in tag
    page.pen.rectangle((left, top, left + width, top + height), fill=(255, 226, 60) if offered else (255, 250, 224))
    write_name(page, (left + width / 2, top + height * 0.16), tag["品名"], height * 0.17, width * 0.92, anchor="mm")
    _write_small_foot(page, area, tag, REDS[0], INK)


def _paint_small_dark(page: Page, area: Area, tag: Tag, colour: Colour) -> None:
    left, top, width, height = area
    page.pen.rectangle((left, top, left + width, top + height), fill=(38, 40, 44))
    write_name(page, (left + width * 0.05, top + height * 0.16), tag["品名"], height * 0.16, width * 0.9, fill=WHITE, anchor="lm")
    _write_small_foot(page, area, tag, (255, 210, 80), (226, 226, 226))


def _write_small_foot(page: Page, area: Area, tag: Tag, price: Colour, ink: Colour) -> None:
    """The price with its unit, the packing below, a former price right of it."""
    left, top, width, height = area
    pixels = max(LEAST, height * 0.14)
    box = write_price(
        page, (left + width * 0.06, top + height * 0.69), tag["价格"], min(height * 0.34, width * 0.95 / len(tag["价格"])), fill=price
    )
    unit = f"元/{tag['单位']}"
    page.write(
        (box[2] + width * 0.02, top + height * 0.69),
        unit,
        "sans",
        page.fit(unit, "sans", pixels, left + width * 0.98 - box[2] - width * 0.02),
        fill=ink,
        anchor="ls",
    )
    half = width * 0.43
    if "规格" in tag:
        size = page.fit(tag["规格"], "sans", pixels, half)
        page.write((left + width * 0.05, top + height * 0.86), tag["规格"], "sans", size, fill=ink, anchor="lm")
    if "原价" in tag:
        label = "原价：" if page.measure("原价：" + tag["原价"], "sans", LEAST)[0] <= half else ""  # the line through it says as much
        size = page.fit(label + tag["原价"], "sans", pixels, half)
        amount = page.write((left + width * 0.97, top + height * 0.86), tag["原价"], "sans", size, fill=ink, anchor="rm")
        if label:
            page.write((amount[0], top + height * 0.86), label, "sans", size, fill=ink, anchor="rm")
        cross_out(page, amount, ink)


_COMPACT = (_paint_small_band, _paint_small_plain, _paint_small_yellow, _paint_small_dark)
