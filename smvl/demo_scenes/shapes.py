"""Coloured shapes on a 3 x 3 board, and the questions one can ask about them."""

import random

from smvl.demo_scenes.picture import LONG_EDGE, SHAPE, Mark, Picture
from smvl.demo_scenes.words import COLOURS, SHAPES, say_shape

BOARD = 3
CELL = LONG_EDGE / BOARD


def _place(generator: random.Random, column: int, row: int, size: float, jitter: float) -> Mark:
    return Mark(
        SHAPE,
        generator.choice(list(SHAPES)),
        (column + 0.5) * CELL + generator.uniform(-jitter, jitter),
        (row + 0.5) * CELL + generator.uniform(-jitter, jitter),
        size,
        generator.choice(list(COLOURS)),
    )


def _picture(generator: random.Random, marks: list[Mark]) -> Picture:
    return Picture(LONG_EDGE, LONG_EDGE, tuple(marks), generator.getrandbits(32))


def draw_one(generator: random.Random) -> Picture:
    """One shape, small ones anywhere, large ones near the middle."""
    if generator.random() < 0.4:
        return _picture(generator, [_place(generator, 1, 1, generator.uniform(36, 60), 6)])
    column, row = generator.randrange(BOARD), generator.randrange(BOARD)
    return _picture(generator, [_place(generator, column, row, generator.uniform(22, 30), 4)])


def draw_pair(generator: random.Random, side_by_side: bool) -> Picture:
    """Two shapes of different shape and colour, clearly beside or clearly above each other."""
    near, far = generator.choice([(0, 1), (0, 2), (1, 2)])
    line = generator.randrange(BOARD)
    places = [(near, line), (far, line)] if side_by_side else [(line, near), (line, far)]
    while True:
        marks = [_place(generator, column, row, generator.uniform(22, 30), 3) for column, row in places]
        if marks[0].label != marks[1].label and marks[0].colour != marks[1].colour:
            return _picture(generator, marks)


def draw_many(generator: random.Random) -> Picture:
    """One to five shapes on distinct places of the board, for counting."""
    places = generator.sample([(column, row) for column in range(BOARD) for row in range(BOARD)], generator.randint(1, 5))
    return _picture(generator, [_place(generator, column, row, generator.uniform(20, 28), 3) for column, row in places])


def ask_describe(generator: random.Random, picture: Picture) -> tuple[str, str]:
    question = generator.choice(["图中有什么?", "请描述这张图。", "这张图画了什么?"])
    return question, "一个" + "和一个".join(say_shape(mark.label, mark.colour) for mark in picture.marks)


def ask_position(generator: random.Random, picture: Picture) -> tuple[str, str]:
    """Which of two shapes stands on one side."""
    first, second = picture.marks
    side_by_side = abs(first.x - second.x) > abs(first.y - second.y)
    words = ("左", "右") if side_by_side else ("上", "下")
    side = generator.randrange(2)
    mark, where = picture.marks[side], words[side]
    kind = generator.randrange(3)
    if kind == 0:
        return generator.choice([f"{where}边是什么?", f"{where}边的图形是什么?"]), say_shape(mark.label, mark.colour)
    if kind == 1:
        return f"{where}边的图形是什么颜色?", f"{mark.colour}色"
    return f"{where}边是什么形状?", SHAPES[mark.label]


def ask_count(generator: random.Random, picture: Picture) -> tuple[str, str]:
    question = generator.choice(["图中有几个图形?", "数一数有几个图形?", "一共有多少个图形?"])
    return question, f"{len(picture.marks)}个"
