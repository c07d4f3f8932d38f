"""How works of calligraphy look: scrolls and album leaves, couplets beside a door, plaques over one."""

import random
from collections.abc import Callable

from PIL import Image

from smvl.augment.textures import paper, surroundings
from smvl.scenes.calligraphy.works import COUPLET, LEAF, PLAQUE, SCROLL, Work
from smvl.scenes.contents import Contents
from smvl.scenes.page import Colour, Page
from smvl.scenes.pieces import one_run

Box = tuple[float, float, float, float]

_BLACK: Colour = (26, 24, 24)
_SEAL: Colour = (186, 32, 34)
_SILKS: tuple[Colour, ...] = ((180, 168, 140), (132, 146, 138), (150, 124, 104), (166, 172, 180), (196, 180, 150))
_REDS: tuple[Colour, ...] = ((196, 30, 34), (176, 22, 28), (208, 48, 40))
_GOLD: Colour = (240, 206, 118)


def hang(contents: Contents, work: Work, longest_edge: int) -> Page:
    """A page with the work on it, and everything that is written recorded in reading order."""
    return _HANG[work.form](contents, work, longest_edge)


def _wall(contents: Contents, size: tuple[int, int], work: Work, name: str = "wall") -> Page:
    page = Page(contents, size, surroundings(name, size, contents.random))
    page.choose_face("brush", "".join((*work.lines, work.banner, work.inscription, work.seal)))
    return page


def _lay(page: Page, sheet: Image.Image, box: Box) -> None:
    """A sheet on the wall with its shadow."""
    left, top = round(box[0]), round(box[1])
    page.pen.rectangle([left + 4, top + 5, left + sheet.width + 3, top + sheet.height + 4], fill=(88, 84, 80))
    page.image.paste(sheet, (left, top))


def _sheet(size: tuple[float, float], generator: random.Random) -> Image.Image:
    return paper(generator.choice(("plain", "tinted", "worn")), (round(size[0]), round(size[1])), generator)


def _hang_scroll(contents: Contents, work: Work, longest_edge: int) -> Page:
    """Columns from right to left on a tall sheet, mounted on silk."""
    generator = contents.random
    num_columns = len(work.lines) + 1
    height = longest_edge
    rows = len(work.lines[0])
    pixels = min(height * 0.74 / (rows * 1.12), longest_edge * 0.8 / (num_columns * 1.35)) * generator.uniform(0.85, 1.0)
    sheet_width, sheet_height = pixels * 1.35 * num_columns, pixels * 1.12 * rows + pixels * 1.0
    width = round(min(longest_edge, sheet_width + longest_edge * generator.uniform(0.14, 0.3)))
    page = _wall(contents, (width, height), work)
    left, top = (width - sheet_width) / 2, (height - sheet_height) / 2
    silk = Image.new("RGB", (round(sheet_width + pixels * 0.5), round(sheet_height + pixels * 1.1)), generator.choice(_SILKS))
    _lay(page, silk, (left - pixels * 0.25, top - pixels * 0.55, 0, 0))
    page.image.paste(_sheet((sheet_width, sheet_height), generator), (round(left), round(top)))
    _write_columns(page, work, (left, top, left + sheet_width, top + sheet_height), pixels, 1.35)
    return page


def _hang_leaf(contents: Contents, work: Work, longest_edge: int) -> Page:
    """A square leaf in a frame."""
    generator = contents.random
    size = (longest_edge, round(longest_edge * generator.uniform(0.75, 1.0)))
    page = _wall(contents, size, work)
    rows, num_columns = len(work.lines[0]), len(work.lines) + 1
    pixels = min(size[1] * 0.72 / (rows * 1.12), size[0] * 0.72 / (num_columns * 1.5)) * generator.uniform(0.88, 1.0)
    sheet = pixels * 1.5 * num_columns + pixels * 0.3, pixels * 1.12 * rows + pixels
    left, top = (size[0] - sheet[0]) / 2, (size[1] - sheet[1]) / 2
    rim = longest_edge * generator.uniform(0.02, 0.05)
    frame = Image.new(
        "RGB", (round(sheet[0] + 2 * rim), round(sheet[1] + 2 * rim)), generator.choice(((60, 42, 32), (40, 36, 34), (126, 92, 58)))
    )
    _lay(page, frame, (left - rim, top - rim, 0, 0))
    page.image.paste(_sheet(sheet, generator), (round(left), round(top)))
    _write_columns(page, work, (left, top, left + sheet[0], top + sheet[1]), pixels, 1.5)
    return page


def _write_columns(page: Page, work: Work, sheet: Box, pixels: float, step: float) -> None:
    """Verses from the right, the inscription smaller at the left, the seal below it."""
    left, top, right, bottom = sheet
    x = right - pixels * step * 0.55
    for verse in work.lines:
        page.write_column((x, top + pixels * 0.5), verse, "brush", pixels, step=1.12, fill=_BLACK)
        x -= pixels * step
    room = bottom - top - pixels * (1.2 if not work.seal else 2.1)
    small = min(pixels * 0.55, room / (1.08 * len(work.inscription)))
    below = page.write_column((x, top + pixels * 0.6), work.inscription, "brush", small, step=1.08, fill=_BLACK)[3]
    if work.seal:
        side = min(max(pixels, page.height * 0.09), pixels * 1.3)
        _stamp(page, work.seal, (x, min(below + small * 0.6, bottom - side - pixels * 0.2)), side)


def _stamp(page: Page, seal: str, position: tuple[float, float], side: float, *, filled: bool | None = None) -> None:
    """A square seal read from the right column down, its upper edge's middle at `position`; `filled`: white on red."""
    x, y = position
    white = page.contents.random.random() < 0.5 if filled is None else filled
    box = [x - side / 2, y, x + side / 2, y + side]
    page.pen.rectangle(box, fill=_SEAL if white else None, outline=_SEAL, width=max(1, round(side / 18)))
    half = -(-len(seal) // 2)
    columns = (seal[:half], seal[half:]) if len(seal) > 2 else (seal,)
    width = side * 0.9 / len(columns)
    with one_run(page, seal):
        for place, column in enumerate(columns):
            middle = box[2] - side * 0.05 - width * (place + 0.5)
            step = side * 0.9 / len(column)
            pixels = min(width, step) * 0.92
            page.write_column(
                (middle, y + side * 0.05 + (step - pixels) / 2),
                column,
                "brush",
                pixels,
                step=step / pixels,
                fill=(250, 240, 232) if white else _SEAL,
            )


def _hang_couplet(contents: Contents, work: Work, longest_edge: int) -> Page:
    """Two red strips beside a door, the upper line at the right, and one over it."""
    generator = contents.random
    size = (round(longest_edge * generator.uniform(0.7, 0.95)), longest_edge)
    page = _wall(contents, size, work, generator.choice(("wall", "table")))
    red, ink = generator.choice(_REDS), generator.choice((_BLACK, _GOLD))
    door_width = size[0] * generator.uniform(0.42, 0.52)
    middle, top = size[0] / 2, size[1] * 0.2
    door = generator.choice(((96, 62, 44), (120, 40, 36), (70, 84, 96), (150, 120, 90)))
    page.pen.rectangle([middle - door_width / 2, top, middle + door_width / 2, size[1]], fill=door)
    page.pen.line([(middle, top), (middle, size[1])], fill=tuple(value // 2 for value in door), width=3)
    for side in (-1, 1):
        page.pen.ellipse(
            [middle + side * door_width * 0.1 - 5, size[1] * 0.6 - 5, middle + side * door_width * 0.1 + 5, size[1] * 0.6 + 5],
            fill=(200, 170, 90),
        )
    pixels = min(size[1] * 0.7 / (len(work.lines[0]) * 1.15 + 0.6), (size[0] - door_width) / 2 * 0.68)
    for line, x in zip(work.lines, (size[0] - (size[0] - door_width) / 4, (size[0] - door_width) / 4)):
        length = pixels * (1.15 * len(line) + 0.5)
        _paste_red(page, (x - pixels * 0.65, top + pixels * 0.1, x + pixels * 0.65, top + pixels * 0.1 + length), red)
        page.write_column((x, top + pixels * 0.4), line, "brush", pixels, step=1.15, fill=ink)
    _write_banner(page, work, (middle, top / 2), min(pixels * 1.05, top * 0.62, door_width / 5.2), red, ink)
    return page


def _write_banner(page: Page, work: Work, middle: tuple[float, float], pixels: float, red: Colour, ink: Colour) -> None:
    x, y = middle
    reach = pixels * (1.2 * len(work.banner) + 0.6) / 2
    _paste_red(page, (x - reach, y - pixels * 0.68, x + reach, y + pixels * 0.68), red)
    start = x + pixels * (1.2 * (len(work.banner) - 1) + 1) / 2
    page.write_from_right((start, y), work.banner, "brush", pixels, step=1.2, fill=ink)


def _paste_red(page: Page, box: Box, red: Colour) -> None:
    """A strip of red paper, here and there with a speck of gold."""
    page.pen.rectangle(box, fill=red)
    generator = page.contents.random
    for _ in range(14):
        x, y = generator.uniform(box[0], box[2] - 2), generator.uniform(box[1], box[3] - 2)
        page.pen.rectangle([x, y, x + generator.uniform(0, 1.5), y + generator.uniform(0, 1.5)], fill=(214, 150, 70))


def _hang_plaque(contents: Contents, work: Work, longest_edge: int) -> Page:
    """Large characters from right to left on a board, the writer's name and seal small at its left."""
    generator = contents.random
    size = (longest_edge, round(longest_edge * generator.uniform(0.5, 0.7)))
    page = _wall(contents, size, work)
    text = work.lines[0]
    num = len(text) + (1.5 if work.seal else 0.8 if work.inscription else 0)
    pixels = min(size[0] * 0.92 / (num * 1.2 + 0.8), size[1] * 0.5) * generator.uniform(0.88, 1.0)
    board_width, board_height = pixels * (num * 1.2 + 0.8), pixels * generator.uniform(1.7, 2.1)
    left, top = (size[0] - board_width) / 2, (size[1] - board_height) * generator.uniform(0.35, 0.65)
    ground, ink = generator.choice(
        (((52, 34, 26), _GOLD), ((30, 28, 30), _GOLD), ((24, 66, 60), _GOLD), ((196, 166, 120), _BLACK), ((112, 20, 24), _GOLD))
    )
    page.pen.rectangle([left + 4, top + 6, left + board_width + 4, top + board_height + 6], fill=(70, 66, 62))
    page.pen.rectangle([left, top, left + board_width, top + board_height], fill=ground, outline=ink, width=max(2, round(pixels / 16)))
    right, middle = left + board_width - pixels * 0.4, top + board_height / 2
    page.write_from_right((right, middle), text, "brush", pixels, step=1.2, fill=ink)
    if work.inscription:
        small = min(pixels * 0.45, board_height * 0.84 / (len(work.inscription) * 1.1))
        x = left + pixels * (1.6 if work.seal else 0.8)
        page.write_column((x, top + board_height * 0.08), work.inscription, "brush", small, step=1.1, fill=ink)
    if work.seal:
        _stamp(page, work.seal, (left + pixels * 0.75, top + board_height * 0.92 - pixels * 0.9), pixels * 0.9, filled=True)
    return page


_HANG: dict[str, Callable[[Contents, Work, int], Page]] = {
    SCROLL: _hang_scroll,
    LEAF: _hang_leaf,
    COUPLET: _hang_couplet,
    PLAQUE: _hang_plaque,
}
