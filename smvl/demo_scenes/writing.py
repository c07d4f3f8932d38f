"""Writing in one line: printed signs, price tags, and numbers written by hand."""

import random

from smvl.demo_scenes.digits import split_digits
from smvl.demo_scenes.picture import DIGIT, GLYPH, LONG_EDGE, Mark, Picture
from smvl.demo_scenes.words import SIGN_CHARACTERS, split_of_text

HEIGHT = LONG_EDGE // 2
SLOTS = 4
SLOT = LONG_EDGE / SLOTS


def _line(generator: random.Random, kind: str, text: str, indices: list[int]) -> Picture:
    """Up to two signs are written large, three or four at a quarter of the width each."""
    large = len(text) <= 2 and generator.random() < 0.6
    slot = SLOT * 2 if large else SLOT
    first = generator.randint(0, int(LONG_EDGE // slot) - len(text))
    scale = generator.uniform(0.66, 0.86) if large else generator.uniform(0.84, 0.98)
    drift = generator.uniform(-4, 4)
    marks = []
    for place, character in enumerate(text):
        x = (first + place + 0.5) * slot + generator.uniform(-2, 2)
        y = HEIGHT / 2 + drift + generator.uniform(-1.5, 1.5)
        marks.append(Mark(kind, character, x, y, slot * scale, digit_index=indices[place]))
    return Picture(LONG_EDGE, HEIGHT, tuple(marks), generator.getrandbits(32))


def draw_character(generator: random.Random) -> Picture:
    """One printed character, for training only: the shortest way to learn what it is called."""
    return _line(generator, GLYPH, generator.choice(SIGN_CHARACTERS), [-1])


def draw_sign(generator: random.Random, split: str, characters: str = SIGN_CHARACTERS) -> Picture:
    """Two to four printed characters that belong to this split, as a combination."""
    while True:
        text = "".join(generator.choices(characters, k=generator.choice([2, 3, 4, 4])))
        if split_of_text(text) == split:
            return _line(generator, GLYPH, text, [-1] * len(text))


def draw_price(generator: random.Random, split: str) -> Picture:
    """A price tag of two or three figures."""
    while True:
        text = f"{generator.randint(10, 999)}元"
        if split_of_text(text) == split:
            return _line(generator, GLYPH, text, [-1] * len(text))


def draw_number(generator: random.Random, split: str, num_digits: int) -> Picture:
    """A number of handwritten digits, each one from this split's share of the digits."""
    first = 0 if num_digits == 1 else 1
    text = str(generator.randint(first, 9)) + "".join(generator.choices("0123456789", k=num_digits - 1))
    indices = [generator.choice(split_digits()[split][int(digit)]) for digit in text]
    return _line(generator, DIGIT, text, indices)


def text_of(picture: Picture) -> str:
    return "".join(mark.label for mark in picture.marks)


def ask_sign(generator: random.Random, picture: Picture) -> tuple[str, str]:
    return generator.choice(["图中写着什么?", "请读出图中的文字。", "牌子上写的是什么字?"]), text_of(picture)


def ask_price(generator: random.Random, picture: Picture) -> tuple[str, str]:
    return generator.choice(["价格是多少?", "标价多少?", "这个多少钱?"]), text_of(picture)


def ask_number(generator: random.Random, picture: Picture) -> tuple[str, str]:
    return generator.choice(["这个数字是多少?", "图中手写的数是多少?", "请读出手写的数字。"]), text_of(picture)
