"""Surfaces computed from noise: papers to print on, and what lies around a photographed page. No picture is shipped or downloaded."""

import random
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from smvl.augment.opencv import opencv

Colour = tuple[int, int, int]

PAPERS = ("plain", "tinted", "lined", "kraft", "worn")
SURROUNDINGS = ("table", "cloth", "wall", "street")

_SIDE = 768
_TINTS: tuple[Colour, ...] = ((255, 250, 232), (250, 244, 224), (238, 246, 255), (255, 240, 240), (240, 250, 238), (246, 242, 250))


def paper(name: str, size: tuple[int, int], generator: random.Random) -> Image.Image:
    """A sheet of one of `PAPERS`, RGB; multiply a picture with it to print on it.

    Args:
        size: (width, height) in pixels.
    """
    if name == "lined":
        return _lined(size, generator)
    tint = generator.choice(_TINTS)
    shades: dict[str, tuple[str, Colour, Colour]] = {
        "plain": ("grain", (238, 238, 236), (255, 255, 255)),
        "tinted": ("grain", tuple(value - 14 for value in tint), tint),
        "kraft": ("fibre", (176, 142, 100), (222, 190, 146)),
        "worn": ("stone", (206, 192, 160), (252, 246, 228)),
    }
    if name not in shades:
        raise ValueError(f"there is no paper {name!r}; expected one of {', '.join(PAPERS)}.")
    pattern, dark, light = shades[name]
    return _coloured(_piece(pattern, size, generator), dark, light)


def _lined(size: tuple[int, int], generator: random.Random) -> Image.Image:
    sheet = np.asarray(paper("plain", size, generator)).copy()
    step = max(8, round(size[1] / generator.uniform(14, 24)))
    for row in range(step, size[1], step):
        sheet[row : row + max(1, size[1] // 500)] = (190, 205, 225)
    return Image.fromarray(sheet)


def surroundings(name: str, size: tuple[int, int], generator: random.Random) -> Image.Image:
    """What lies around a page: one of `SURROUNDINGS`, RGB, in a colour of its own."""
    pattern, colours = {
        "table": ("wood", ((150, 104, 62), (196, 160, 116), (92, 62, 42), (214, 196, 170))),
        "cloth": ("weave", ((70, 84, 110), (120, 60, 60), (96, 110, 96), (150, 146, 140))),
        "wall": ("stone", ((206, 202, 192), (170, 176, 180), (220, 208, 186), (150, 140, 130))),
        "street": ("grain", ((104, 106, 108), (84, 86, 90), (140, 138, 132), (120, 112, 104))),
    }[name]
    light = generator.choice(colours)
    depth = generator.uniform(0.55, 0.8)
    return _coloured(_piece(pattern, size, generator), tuple(round(value * depth) for value in light), light)


def _coloured(heights: np.ndarray, dark: Colour, light: Colour) -> Image.Image:
    """Each height as a colour between two."""
    table = np.linspace(dark, light, 256).round().astype(np.uint8)[:, None, :]
    return Image.fromarray(opencv().applyColorMap(heights, table))


def _piece(pattern: str, size: tuple[int, int], generator: random.Random) -> np.ndarray:
    """A random part of a pattern, scaled to a size; (height, width) uint8."""
    scale = _SIDE * generator.uniform(0.5, 0.95) / max(size)
    width, height = (max(1, round(side * scale)) for side in size)
    left, top = generator.randint(0, _SIDE - width), generator.randint(0, _SIDE - height)
    part = _pattern(pattern)[top : top + height, left : left + width]
    return opencv().resize(part[::-1, ::-1] if generator.random() < 0.5 else part, size, interpolation=opencv().INTER_LINEAR)


@cache
def _pattern(name: str) -> np.ndarray:
    """The heights of a pattern, (_SIDE, _SIDE) uint8, the same in every process."""
    heights = _PATTERNS[name](np.random.default_rng(sum(name.encode())))
    low, high = np.quantile(heights, (0.01, 0.99))
    return (np.clip((heights - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _noise(generator: np.random.Generator, cells_x: int, cells_y: int) -> np.ndarray:
    """Smooth noise of so many cells across and down; (_SIDE, _SIDE) float32 around 0."""
    coarse = Image.fromarray(generator.standard_normal((cells_y, cells_x)).astype(np.float32))
    return np.asarray(coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))


def _grain(generator: np.random.Generator) -> np.ndarray:
    return 0.5 * _noise(generator, 512, 512) + 0.3 * _noise(generator, 90, 90) + 0.5 * _noise(generator, 5, 5)


def _fibre(generator: np.random.Generator) -> np.ndarray:
    return _noise(generator, 60, 500) + _noise(generator, 400, 80) + 0.6 * _noise(generator, 6, 6)


def _stone(generator: np.random.Generator) -> np.ndarray:
    return sum(_noise(generator, cells, cells) * weight for cells, weight in ((4, 1.0), (12, 0.6), (40, 0.35), (150, 0.2), (400, 0.15)))


def _wood(generator: np.random.Generator) -> np.ndarray:
    down = np.linspace(0, 1, _SIDE, dtype=np.float32)[:, None]
    rings = np.sin(2 * np.pi * (9 * down + 0.7 * _noise(generator, 3, 7)))
    return 0.5 * rings + 0.8 * _noise(generator, 14, 380) + 0.4 * _noise(generator, 4, 60)


def _weave(generator: np.random.Generator) -> np.ndarray:
    across = np.arange(_SIDE, dtype=np.float32)
    threads = np.sin(across * 1.1)[None] * np.sin(across * 1.1)[:, None]
    return threads + 0.6 * _noise(generator, 300, 300) + 0.5 * _noise(generator, 6, 6)


_PATTERNS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "grain": _grain,
    "fibre": _fibre,
    "stone": _stone,
    "wood": _wood,
    "weave": _weave,
}
