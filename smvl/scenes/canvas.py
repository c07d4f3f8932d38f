"""Shapes with smooth edges on a page: drawn at twice the size and brought down, as Pillow's own shapes have stairs."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from smvl.scenes.page import Colour, Page

_SCALE = 2

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Canvas:
    """A part of a page to draw shapes on. It begins with what the page shows; `lay` brings it back.

    All places and lengths are in pixels of the page and may be fractions; angles are degrees clockwise from the right, as Pillow has them.

    Args:
        page: what is drawn on.
        box: (left, top, right, bottom), the part; all of the page when not given.
    """

    def __init__(self, page: Page, box: Box | None = None):
        left, top, right, bottom = box or (0, 0, page.width, page.height)
        self._box = (max(0, int(left)), max(0, int(top)), min(page.width, int(right) + 1), min(page.height, int(bottom) + 1))
        self._page = page
        part = page.image.crop(self._box)
        self._image = part.resize((part.width * _SCALE, part.height * _SCALE), Image.Resampling.NEAREST)
        self._pen = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[Point], fill: Colour, width: float = 1) -> None:
        self._pen.line([self._at(point) for point in points], fill=fill, width=max(1, round(width * _SCALE)), joint="curve")

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        self._pen.polygon([self._at(point) for point in points], fill=fill)

    def disc(self, centre: Point, radius: float, fill: Colour | None, outline: Colour | None = None, width: float = 1) -> None:
        self._pen.ellipse(self._around(centre, radius), fill=fill, outline=outline, width=max(1, round(width * _SCALE)))

    def arc(self, centre: Point, radius: float, start: float, end: float, fill: Colour, width: float) -> None:
        """A band along a circle; `radius` is its outer edge, `width` goes inwards."""
        self._pen.arc(self._around(centre, radius), start, end, fill=fill, width=max(1, round(width * _SCALE)))

    def sector(self, centre: Point, radius: float, start: float, end: float, fill: Colour) -> None:
        self._pen.pieslice(self._around(centre, radius), start, end, fill=fill)

    def rectangle(self, box: Box, fill: Colour | None, outline: Colour | None = None, width: float = 1, radius: float = 0) -> None:
        corners = [*self._at(box[:2]), *self._at(box[2:])]
        self._pen.rounded_rectangle(corners, radius * _SCALE, fill=fill, outline=outline, width=max(1, round(width * _SCALE)))

    def lay(self) -> None:
        """Bring what was drawn onto the page."""
        self._page.image.paste(self._image.reduce(_SCALE), self._box)

    def _at(self, point: Point) -> Point:
        return (point[0] - self._box[0]) * _SCALE, (point[1] - self._box[1]) * _SCALE

    def _around(self, centre: Point, radius: float) -> Box:
        x, y = self._at(centre)
        return x - radius * _SCALE, y - radius * _SCALE, x + radius * _SCALE, y + radius * _SCALE
