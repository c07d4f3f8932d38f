"""One large price tag, in eight layouts."""

from collections.abc import Callable

from smvl.scenes.barcodes import paint_square_code
from smvl.scenes.contents import Contents
from smvl.scenes.page import INK, Box, Colour, Page
from smvl.scenes.pieces import write_price
from smvl.scenes.price_tags.entries import (
    BANDS,
    GOODS_KEYS,
    HEADINGS,
    LEAST,
    OFFER_KEYS,
    PRICE_WORDS,
    REDS,
    SHELVES,
    WHITE,
    Area,
    Tag,
    cross_out,
    write_code,
    write_entries,
    write_name,
)

_BOARDS: tuple[Colour, ...] = ((34, 60, 48), (36, 38, 42), (58, 44, 36))


def paint_single(contents: Contents, longest_edge: int, tag: Tag) -> Page:
    """One large tag before a shelf."""
    generator = contents.random
    paint = generator.choice(tuple(_SINGLE))
    ratio = generator.uniform(*_SINGLE[paint])
    size = (longest_edge, round(longest_edge / ratio)) if ratio >= 1 else (round(longest_edge * ratio), longest_edge)
    page = Page(contents, size, generator.choice(SHELVES))
    margin = generator.uniform(0.015, 0.04) * longest_edge
    paint(page, (margin, margin, page.width - 2 * margin, page.height - 2 * margin), tag, contents)
    return page


def _paint_classic(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """White, the name on a coloured band, what it is left, what it costs right."""
    left, top, width, height = area
    band = contents.random.choice(BANDS)
    page.pen.rectangle((left, top, left + width, top + height), fill=WHITE)
    page.pen.rectangle((left, top, left + width, top + height * 0.2), fill=band)
    write_name(page, (left + width * 0.04, top + height * 0.1), tag["品名"], height * 0.125, width * 0.92, fill=WHITE, anchor="lm")
    write_entries(page, (left + width * 0.04, top + height * 0.25, width * 0.42, height * 0.46), tag, GOODS_KEYS, height * 0.08)
    write_price(page, (left + width * 0.96, top + height * 0.53), tag["价格"], min(height * 0.3, width * 0.14), align="right", fill=band)
    write_entries(
        page, (left + width * 0.5, top + height * 0.58, width * 0.47, height * 0.4), tag, OFFER_KEYS, height * 0.075, fill=REDS[1]
    )
    write_code(page, (left + width * 0.04, top + height * 0.74, width * 0.38, height * 0.23), tag)


def _paint_bargain(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """Yellow, a red heading, the price in the middle."""
    left, top, width, height = area
    red, ground = contents.random.choice(REDS), contents.random.choice(((255, 222, 40), (255, 238, 120), (255, 243, 205)))
    page.pen.rectangle((left, top, left + width, top + height), fill=ground)
    page.pen.rectangle((left, top, left + width, top + height * 0.15), fill=red)
    heading = contents.random.choice(HEADINGS)
    page.write((left + width / 2, top + height * 0.07), heading, "heavy", height * 0.1, fill=(255, 236, 110), anchor="mm")
    write_name(page, (left + width / 2, top + height * 0.185), tag["品名"], height * 0.105, width * 0.92, anchor="ma")
    unit, small = f"元/{tag['单位']}", height * 0.07
    price = write_price(
        page, (left + width * 0.5, top + height * 0.58), tag["价格"], min(height * 0.3, width * 0.17), sign="", align="middle", fill=red
    )
    page.write((price[2] + small * 0.3, top + height * 0.58), unit, "sans", small, fill=red, anchor="ls")
    x, share = left + width * 0.04, 0.58 if "条形码" in tag else 0.92
    short = tuple(key for key in (*GOODS_KEYS, "原价", "会员价") if key != "单位" and key in tag)
    rows = -(-len(short) // 2)
    write_entries(page, (x, top + height * 0.64, width * share, height * 0.07 * rows), tag, short, height * 0.07, columns=2)
    y = top + height * (0.645 + 0.07 * rows)
    write_entries(page, (x, y, width * share, height * 0.14), tag, ("促销", "活动时间"), height * 0.07)
    write_code(page, (left + width * 0.65, top + height * 0.7, width * 0.31, height * 0.27), tag)


def _paint_electronic(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """Electronic paper: black and red on grey white, a square code."""
    left, top, width, height = area
    red = contents.random.choice(REDS)
    page.pen.rounded_rectangle((left, top, left + width, top + height), height * 0.05, fill=(250, 250, 250))
    inset = height * 0.05
    page.pen.rectangle((left + inset, top + inset, left + width - inset, top + height - inset), fill=(226, 229, 226))
    write_name(page, (left + width * 0.05, top + height * 0.1), tag["品名"], height * 0.13, width * 0.72)
    side = height * 0.2
    paint_square_code(page, (left + width * 0.95 - side, top + height * 0.09), side, contents.random)
    page.pen.line((left + width * 0.05, top + height * 0.32, left + width * 0.95, top + height * 0.32), fill=INK)
    write_entries(page, (left + width * 0.05, top + height * 0.35, width * 0.4, height * 0.36), tag, GOODS_KEYS, height * 0.075)
    panel = (left + width * 0.48, top + height * 0.36, left + width * 0.95, top + height * 0.64)
    page.pen.rectangle(panel, fill=red)
    write_price(
        page,
        (left + width * 0.715, top + height * 0.59),
        tag["价格"],
        min(height * 0.24, width * 0.13),
        align="middle",
        fill=WHITE,
        style="sans",
    )
    write_entries(page, (left + width * 0.48, top + height * 0.66, width * 0.47, height * 0.29), tag, OFFER_KEYS, height * 0.07)
    write_code(page, (left + width * 0.05, top + height * 0.73, width * 0.38, height * 0.21), tag)


def _paint_vertical(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """A tall strip with the name from top to bottom along one side."""
    left, top, width, height = area
    band = contents.random.choice(BANDS)
    page.pen.rectangle((left, top, left + width, top + height), fill=(255, 252, 244))
    page.pen.rectangle((left + width * 0.78, top, left + width, top + height), fill=band)
    pixels = min(width * 0.16, height * 0.9 / len(tag["品名"]) / 1.1)
    start = top + (height - pixels * 1.1 * len(tag["品名"])) / 2
    page.write_column((left + width * 0.89, start), tag["品名"], "heavy", pixels, fill=WHITE)
    label = contents.random.choice(PRICE_WORDS)
    page.write((left + width * 0.06, top + height * 0.04), label, "heavy", width * 0.1, fill=band)
    write_price(page, (left + width * 0.39, top + height * 0.25), tag["价格"], width * 0.19, align="middle", fill=band)
    write_entries(page, (left + width * 0.06, top + height * 0.3, width * 0.7, height * 0.5), tag, GOODS_KEYS + OFFER_KEYS, height * 0.045)
    write_code(page, (left + width * 0.06, top + height * 0.83, width * 0.66, height * 0.15), tag)


def _paint_panels(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """Two coloured panels: the price, and the member's price or the former one beside it."""
    left, top, width, height = area
    dark, light = contents.random.choice(
        (((24, 84, 166), (224, 236, 250)), ((150, 24, 60), (252, 228, 226)), ((0, 100, 72), (222, 244, 226)))
    )
    page.pen.rectangle((left, top, left + width, top + height), fill=WHITE)
    write_name(page, (left + width * 0.04, top + height * 0.05), tag["品名"], height * 0.13, width * 0.92)
    write_entries(page, (left + width * 0.04, top + height * 0.25, width * 0.92, height * 0.24), tag, GOODS_KEYS, height * 0.07, columns=3)
    beside = next((key for key in ("会员价", "原价") if key in tag), None)
    edges = (0.04, 0.49, 0.51, 0.96) if beside else (0.04, 0.96, 0.96, 0.96)
    panels = [("售价", "价格", dark, WHITE, edges[0], edges[1]), (beside, beside, light, dark, edges[2], edges[3])]
    for label, key, ground, ink, start, end in panels[: 2 if beside else 1]:
        page.pen.rectangle((left + width * start, top + height * 0.48, left + width * end, top + height * 0.76), fill=ground)
        page.write((left + width * (start + 0.02), top + height * 0.5), label, "sans", height * 0.07, fill=ink)
        box = write_price(
            page, (left + width * (end - 0.02), top + height * 0.72), tag[key], min(height * 0.2, width * 0.1), align="right", fill=ink
        )
        if key == "原价":
            cross_out(page, box, ink)
    rest = tuple(key for key in OFFER_KEYS if key != beside)
    write_entries(page, (left + width * 0.04, top + height * 0.78, width * 0.5, height * 0.21), tag, rest, height * 0.065, fill=dark)
    write_code(page, (left + width * 0.6, top + height * 0.785, width * 0.36, height * 0.2), tag)


def _paint_board(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """Written with a brush on a dark board, as at a market."""
    left, top, width, height = area
    page.pen.rectangle((left, top, left + width, top + height), fill=(150, 112, 70))
    edge = height * 0.03
    page.pen.rectangle((left + edge, top + edge, left + width - edge, top + height - edge), fill=contents.random.choice(_BOARDS))
    chalk, accent = (244, 242, 232), contents.random.choice(((255, 222, 90), (255, 180, 160), (170, 230, 255)))
    size = page.fit(tag["品名"], "brush", height * 0.15, width * 0.86)
    page.write((left + width / 2, top + height * 0.15), tag["品名"], "brush", size, fill=chalk, anchor="mm")
    price = write_price(
        page,
        (left + width * 0.46, top + height * 0.5),
        tag["价格"],
        min(height * 0.28, width * 0.16),
        style="brush",
        sign="",
        align="middle",
        small=0.8,
        fill=accent,
    )
    page.write((price[2] + width * 0.01, top + height * 0.5), f"元/{tag['单位']}", "brush", height * 0.09, fill=chalk, anchor="ls")
    keys = tuple(key for key in GOODS_KEYS if key != "单位") + OFFER_KEYS
    share = 0.5 if "条形码" in tag else 0.88
    write_entries(
        page,
        (left + width * 0.06, top + height * 0.57, width * share, height * 0.38),
        tag,
        keys,
        height * 0.075,
        columns=1 if "条形码" in tag else 2,
        fill=chalk,
        style="brush",
    )
    if "条形码" in tag:
        page.pen.rectangle((left + width * 0.58, top + height * 0.64, left + width * 0.95, top + height * 0.93), fill=WHITE)
        write_code(page, (left + width * 0.6, top + height * 0.67, width * 0.33, height * 0.25), tag)


def _paint_form(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """A ruled form, as the price authority's."""
    left, top, width, height = area
    ink = contents.random.choice(((0, 96, 60), (150, 30, 30), (28, 60, 120), INK))
    page.pen.rectangle((left, top, left + width, top + height), fill=(254, 254, 250))
    page.write((left + width / 2, top + height * 0.07), "商品标价签", "heavy", height * 0.085, fill=ink, anchor="mm")
    shown = [key for key in GOODS_KEYS + OFFER_KEYS if key in tag]
    rows = 2 + -(-len(shown) // 2)
    bottom = height * (0.79 if "条形码" in tag else 0.91)
    step = (bottom - height * 0.14) / (rows + 1)
    y = top + height * 0.14
    _write_cell(page, (left + width * 0.03, y, width * 0.94, step), "品名", tag["品名"], ink)
    y += step
    page.pen.rectangle((left + width * 0.03, y, left + width * 0.97, y + step * 2), outline=ink)
    page.write((left + width * 0.05, y + step), "单价（元）", "sans", min(step * 0.55, width * 0.055), fill=ink, anchor="lm")
    write_price(
        page, (left + width * 0.93, y + step * 1.62), tag["价格"], min(step * 1.6, width * 0.16), align="right", small=0.6, fill=REDS[0]
    )
    y += step * 2
    for index, key in enumerate(shown):
        row, column = divmod(index, 2)
        wide = index == len(shown) - 1 and column == 0
        place = (left + width * (0.03 + 0.47 * column), y + row * step, width * (0.94 if wide else 0.47), step)
        box = _write_cell(page, place, key, tag[key], ink)
        if key == "原价":
            cross_out(page, box, INK)
    write_code(page, (left + width * 0.03, top + height * 0.81, width * 0.42, height * 0.17), tag)
    small = max(LEAST, height * 0.05)
    page.write((left + width * 0.97, top + height * 0.98), "价格监督电话12315", "sans", small, fill=ink, anchor="rd")


def _write_cell(page: Page, area: Area, key: str, value: str, ink: Colour) -> Box:
    """One key with its value in a ruled cell. Returns the value's box."""
    left, top, width, height = area
    pixels = max(LEAST, min(height * 0.55, page.width * 0.05))
    label_width = pixels * 4.4
    page.pen.rectangle((left, top, left + width, top + height), outline=ink)
    page.pen.line((left + label_width, top, left + label_width, top + height), fill=ink)
    page.write((left + label_width / 2, top + height / 2), key, "sans", pixels, fill=ink, anchor="mm")
    size = page.fit(value, "sans", pixels, width - label_width - pixels * 0.8)
    return page.write((left + label_width + pixels * 0.4, top + height / 2), value, "sans", size, anchor="lm")


def _paint_hanging(page: Page, area: Area, tag: Tag, contents: Contents) -> None:
    """A rounded tag with a hole, everything in its middle."""
    left, top, width, height = area
    band, ground = contents.random.choice(BANDS), contents.random.choice(((255, 255, 255), (232, 218, 190), (250, 240, 228)))
    middle = left + width / 2
    page.pen.rounded_rectangle((left, top, left + width, top + height), width * 0.07, fill=ground)
    page.pen.ellipse(
        (middle - width * 0.04, top + height * 0.02, middle + width * 0.04, top + height * 0.02 + width * 0.08), fill=(90, 84, 78)
    )
    heading = contents.random.choice(HEADINGS)
    page.write((middle, top + height * 0.085), heading, "sans", max(LEAST, width * 0.06), fill=band, anchor="ma")
    write_name(page, (middle, top + height * 0.195), tag["品名"], width * 0.105, width * 0.88, anchor="mm")
    page.pen.line((left + width * 0.1, top + height * 0.245, left + width * 0.9, top + height * 0.245), fill=band, width=2)
    write_price(page, (middle, top + height * 0.41), tag["价格"], width * 0.23, align="middle", fill=band)
    below = top + height * 0.455
    write_entries(page, (left + width * 0.1, below, width * 0.8, height * 0.38), tag, GOODS_KEYS + OFFER_KEYS, width * 0.055)
    write_code(page, (left + width * 0.2, top + height * 0.85, width * 0.6, height * 0.13), tag)


_SINGLE: dict[Callable[[Page, Area, Tag, Contents], None], tuple[float, float]] = {
    _paint_classic: (1.35, 1.75),
    _paint_bargain: (1.2, 1.5),
    _paint_electronic: (1.4, 1.8),
    _paint_vertical: (0.55, 0.68),
    _paint_panels: (1.3, 1.6),
    _paint_board: (1.15, 1.45),
    _paint_form: (1.2, 1.5),
    _paint_hanging: (0.62, 0.78),
}
"""Layouts with the least and the largest width by height."""
