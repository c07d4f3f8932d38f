"""The histograms as one picture, drawn with Pillow: a row of panels for each source. Words are in English, for the font has no other."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from smvl.doctor.histogram import Histogram

WIDTH, HEIGHT = 420, 260
"""Of a panel, in pixels."""
MARGIN, TITLE, LABELS, WIDEST_BAR = 16, 48, 34, 60
INK, PAPER, BAR, FRAME = "#222222", "#ffffff", "#3b75af", "#bbbbbb"
SMALL, LARGE = 12, 15

Row = tuple[str, Sequence[tuple[str, Histogram]]]
"""A name, and histograms with their titles."""


def draw_histograms(rows: Sequence[Row], path: Path) -> None:
    """Write a PNG."""
    columns = max(len(panels) for _, panels in rows)
    picture = Image.new("RGB", (columns * WIDTH, len(rows) * (HEIGHT + TITLE // 2)), PAPER)
    draw = ImageDraw.Draw(picture)
    for line, (name, panels) in enumerate(rows):
        top = line * (HEIGHT + TITLE // 2)
        draw.text((MARGIN, top + 6), _printable(name), fill=INK, font=ImageFont.load_default(LARGE))
        for column, (title, histogram) in enumerate(panels):
            _draw_panel(draw, column * WIDTH, top + TITLE // 2, title, histogram)
    picture.save(path)


def _draw_panel(draw: ImageDraw.ImageDraw, left: int, top: int, title: str, histogram: Histogram) -> None:
    font = ImageFont.load_default(SMALL)
    ranges = histogram.ranges()
    most = max(part.count for part in ranges)
    low, high = top + TITLE, top + HEIGHT - LABELS
    figures = f"{title}: median {histogram.percentile(0.5):,}, 99% up to {histogram.percentile(0.99):,}"
    draw.text((left + MARGIN, top + 14), _printable(figures), fill=INK, font=font)
    draw.text((left + MARGIN, top + 30), f"tallest bar: {most:,} samples", fill=FRAME, font=font)
    step = min(WIDEST_BAR, (WIDTH - 2 * MARGIN) / len(ranges))
    for number, part in enumerate(ranges):
        x = left + MARGIN + number * step
        height = round((high - low - 4) * part.count / most)
        if part.count:
            draw.rectangle((x + 1, high - max(1, height), x + step - 2, high), fill=BAR)
        if number % max(1, len(ranges) // 6) == 0:
            draw.text((x, high + 4), f"{part.low:,}", fill=INK, font=font)
    draw.line((left + MARGIN, high, left + WIDTH - MARGIN, high), fill=FRAME)


def _printable(text: str) -> str:
    """Pillow's own font knows Latin letters only."""
    return text.encode("ascii", errors="replace").decode()
