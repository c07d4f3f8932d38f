"""Invented towns: two syllables that sound like a place, so that no real institution is ever named."""

import random

_FIRST = "禾岚霁砚汀芷穗菁榆槐桐枫杉棠茗麓溯澜翎榕苇荻椿檀樟楠"
_SECOND = "川岭湾浦原坪洲渡泉岗桥溪"


def draw_place(generator: random.Random) -> str:
    """The name of a town that does not exist."""
    return generator.choice(_FIRST) + generator.choice(_SECOND)
