"""Draws boxes and points on a picture, with their labels."""

from PIL import Image, ImageDraw, ImageFont

from smvl.grounding import Box, Grounding, Point
from smvl.infer.drawing.fonts import font_for

COLOURS = ((230, 25, 75), (0, 130, 200), (60, 160, 60), (245, 130, 48), (145, 30, 180), (0, 128, 128), (240, 50, 230), (128, 64, 0))
"""In turn, so that neighbours in the answer differ."""
Colour = tuple[int, int, int]
Place = tuple[int, int, int, int]
"""First column and row, last column and row."""

_MOST_CHARACTERS = 60
"""Of a label that are looked at; far fewer fit on a picture."""


def draw_marks(picture: Image.Image, grounding: Grounding) -> dict[int, str]:
    """Draw what an answer points at on an RGB picture itself, boxes before points.

    A box's line is within its edges. A label that no font of this machine can write is drawn as its number in the order of drawing, from 1.

    Args:
        grounding: in the pixels of this picture.

    Returns:
        The labels that were drawn as numbers, by their number.
    """
    line, pixels = max(2, round(min(picture.size) / 200)), max(14, round(min(picture.size) / 40))
    marks: list[Box | Point] = [*grounding.boxes, *grounding.points]
    places = [_draw_shape(picture, mark, line, _colour(number)) for number, mark in enumerate(marks, 1)]
    numbered: dict[int, str] = {}
    taken: list[Place] = []
    for number, (mark, place) in enumerate(zip(marks, places), 1):  # above every line
        label = " ".join(mark.label.split())
        font = font_for(label[:_MOST_CHARACTERS], pixels)
        if font is None:
            numbered[number] = label
            label, font = str(number), ImageFont.load_default(pixels)
        if label:
            _write_label(picture, label[:_MOST_CHARACTERS], font, place, _colour(number), taken)
    return numbered


def _colour(number: int) -> Colour:
    return COLOURS[(number - 1) % len(COLOURS)]


def _draw_shape(picture: Image.Image, mark: Box | Point, line: int, colour: Colour) -> Place:
    """Draw a box or a point; returns where it is."""
    pen = ImageDraw.Draw(picture)
    if isinstance(mark, Point):
        x, y, radius = round(mark.x), round(mark.y), 2 * line
        place = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(place, fill=colour, outline="white")
        return place
    left, top = min(round(mark.left), picture.width - 1), min(round(mark.top), picture.height - 1)
    place = (left, top, max(left, round(mark.right) - 1), max(top, round(mark.bottom) - 1))  # a box without width has a line all the same
    pen.rectangle(place, outline=colour, width=line)
    return place


def _write_label(picture: Image.Image, label: str, font: ImageFont.FreeTypeFont, place: Place, colour: Colour, taken: list[Place]) -> None:
    """On a ground of the box's colour.

    Args:
        taken: where labels stand already; this one's place is added.
    """
    pen, pad = ImageDraw.Draw(picture), round(font.size / 5)
    label = _cut(label, font, picture.width - 2 * pad)
    width, height = round(font.getlength(label)) + 2 * pad, round(font.size) + 2 * pad
    left = max(0, min(place[0], picture.width - width))
    found = _find_place(left, width, height, place, picture.height, taken)
    taken.append(found)
    pen.rectangle(found, fill=colour)
    pen.text((left + pad, found[1] + height / 2), label, font=font, fill="white", anchor="lm")


def _find_place(left: int, width: int, height: int, box: Place, picture_height: int, taken: list[Place]) -> Place:
    """Above the box, below it or within: the first that is on the picture and on no other label, or failing that on the picture."""
    tops = (box[1] - height, box[3] + 1, box[1], box[3] + 1 - height)
    places = [(left, top, left + width - 1, top + height - 1) for top in tops if 0 <= top <= picture_height - height]
    free = (place for place in places if not any(_overlap(place, other) for other in taken))
    return next(free, places[0] if places else (left, 0, left + width - 1, height - 1))


def _overlap(one: Place, other: Place) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _cut(label: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """As much of a label as there is room for, with dots where some of it is left out."""
    if font.getlength(label) <= width:
        return label
    for length in range(len(label) - 1, 0, -1):
        if font.getlength(label[:length] + "...") <= width:
            return label[:length] + "..."
    return label[:1]
