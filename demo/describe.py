"""Scenes told in words instead of pixels: what the text donor reads in its pretraining. No picture is ever painted for it.

A picture is told as its tiles would be looked at: tile by tile, nine places each, then the whole once more, small.

    〔甲。。。。红圆。。。。〔乙。。。。蓝方。。。。
    ...

    〔全。。。红圆。蓝方。。。〔
"""

import random

from smvl.demo_scenes.picture import LONG_EDGE, SHAPE, Mark, Picture, Turn
from smvl.demo_scenes.words import COLOURS, SHAPES

TILE = LONG_EDGE // 2
PLACES = 3
OPEN, WHOLE, NOTHING, SEVERAL = "〔", "全", "。", "某"
TILE_NAMES = (("甲", "乙"), ("丙", "丁"))
SHAPE_WORDS = tuple(colour + shape for colour in COLOURS for shape in SHAPES)
EDGE = 5  # a shape whose centre is this near a tile's edge is half cut away: it may be told or not


def _word(mark: Mark) -> str:
    return mark.colour + mark.label if mark.kind == SHAPE else mark.label


def _tell_places(marks: list[tuple[Mark, float, float]]) -> str:
    """Nine places from left to right and from top to bottom; positions are shares of the view."""
    places = [NOTHING] * (PLACES * PLACES)
    for mark, x, y in marks:
        place = int(y * PLACES) * PLACES + int(x * PLACES)
        places[place] = _word(mark) if places[place] == NOTHING else SEVERAL
    return "".join(places)


def _is_told(generator: random.Random, mark: Mark, left: int, top: int) -> bool:
    x, y = mark.x - left, mark.y - top
    if not (0 <= x < TILE and 0 <= y < TILE):
        return False
    return min(x, y, TILE - x, TILE - y) >= EDGE or generator.random() < 0.5


def tell_picture(generator: random.Random, picture: Picture) -> str:
    text = ""
    for row in range(picture.height // TILE):
        for column in range(picture.width // TILE):
            left, top = column * TILE, row * TILE
            inside = [mark for mark in picture.marks if _is_told(generator, mark, left, top)]
            placed = [(mark, (mark.x - left) / TILE, (mark.y - top) / TILE) for mark in inside]
            text += OPEN + TILE_NAMES[row][column] + _tell_places(placed)
        text += "\n"
    whole = [(mark, mark.x / picture.width, mark.y / picture.height) for mark in picture.marks]
    return text + "\n" + OPEN + WHOLE + _tell_places(whole) + OPEN


def tell_turn(generator: random.Random, turn: Turn) -> str:
    """What the user says in this turn: the pictures told in words, then the question."""
    return "".join(tell_picture(generator, picture) for picture in turn.pictures) + turn.question
