"""Pages of text with known places, for a tower that shall name what stands in each of its patches.

A page is as hard as its level: at 0 it is black on white in one font and one size, upright; at 1 it may be in any font, size and colour,
on tinted, badly lit, grainy paper, turned, stretched, sheared, seen at an angle and blurred. A tower is led from 0 to 1 (README.md)."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from PIL import Image

from nano.geometry import SLOTS
from nano.views import draw_photograph, map_points, shift, turn
from smvl.augment.opencv import opencv
from smvl.config import SceneSourceConfig
from smvl.processing.laid_out import IGNORED_LABEL
from smvl.scenes.fonts import Face
from smvl.scenes.glyphs import MIDDLE_ABOVE_BASELINE, Mark, advance, ink_of
from smvl.scenes.source import SceneRows

BARE, UNKNOWN = 0, 1
"""Labels of a patch in which nothing stands, and of a character that is not in the alphabet."""
_MARGIN = 32
"""Pixels around a page that the camera may bring into view."""
_MIDDLE_SIZE = 22
_NOISE_SIDE = 1024
_SIZE_STEP = 1.15


_ink_of = lru_cache(maxsize=300_000)(ink_of.__wrapped__)
"""Kept longer than for scenes: random characters come back seldom."""


@dataclass(frozen=True)
class LabelledPage:
    pixels: np.ndarray
    """(tile, tile, 3), uint8."""
    centres: np.ndarray
    """(characters, 2): x and y of each character's middle in pixels, also of those beyond the edge."""
    labels: np.ndarray
    """(characters,), int64: places in the alphabet + 2, or `UNKNOWN`."""
    sizes: np.ndarray
    """(characters,): size of the type in pixels, before the camera."""


def draw_number(generator: random.Random) -> str:
    """An amount, a date, a time, a long number, a count or a code."""
    sort = generator.random()
    if sort < 0.35:
        amount = f"{generator.uniform(0, 10 ** generator.randint(1, 4)):.2f}"
        return generator.choice(("¥", "¥", "￥", "", "")) + amount + generator.choice(("", "", "元", "元/斤", "元/盒"))
    if sort < 0.5:
        year, month, day = generator.randint(2015, 2035), generator.randint(1, 12), generator.randint(1, 31)
        if generator.random() < 0.3:
            return f"{year}年{month}月{day}日"
        mark = generator.choice("-./")
        return f"{year}{mark}{month:02d}{mark}{day:02d}"
    if sort < 0.6:
        seconds = f":{generator.randrange(60):02d}" if generator.random() < 0.5 else ""
        return f"{generator.randrange(24):02d}:{generator.randrange(60):02d}{seconds}"
    if sort < 0.78:
        return "".join(generator.choices("0123456789", k=generator.randint(4, 16)))
    if sort < 0.85:
        return generator.choice("x×*") + str(generator.randint(1, 30))
    return "".join(generator.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", k=generator.randint(3, 8)))


class Pages:
    """Draws pages; the same for the same seed and level.

    Args:
        alphabet: characters that have a label.
        lines: texts that pages are set from, beside numbers and random characters.
        faces: fonts, the plainest first: a page of level `l` takes them from the first share `l` of them.
        tile: pixels of a side.
        sizes: smallest and largest type in pixels.
    """

    def __init__(self, alphabet: str, lines: Sequence[str], faces: Sequence[Face], *, tile: int = 256, sizes: tuple[int, int] = (12, 80)):
        self.alphabet, self.lines, self.faces, self.tile, self.sizes = alphabet, lines, tuple(faces), tile, sizes
        self._labels = {character: place + 2 for place, character in enumerate(alphabet)}
        self._side = tile + 2 * _MARGIN

    @property
    def num_labels(self) -> int:
        return len(self.alphabet) + 2

    def draw(self, seed: str, level: float) -> LabelledPage:
        generator = random.Random(seed)
        ease = level * generator.random() ** 0.6
        canvas, marks = self._write(generator, ease)
        view = self._view(generator, ease)
        coverage = self._photograph(canvas, view, generator, ease)
        pixels = self._colour(coverage, generator, ease)
        return self._labelled(pixels, view, marks)

    def _labelled(self, pixels: np.ndarray, view: np.ndarray, marks: Sequence[Mark]) -> LabelledPage:
        labels = np.array([self._labels.get(mark.character, UNKNOWN) for mark in marks], dtype=np.int64)
        sizes = np.array([mark.size for mark in marks], dtype=np.int64)
        return LabelledPage(pixels, map_points(view, [(mark.x, mark.y) for mark in marks]), labels, sizes)

    def _write(self, generator: random.Random, ease: float) -> tuple[np.ndarray, list[Mark]]:
        """(coverage by ink, its characters): lines of text, dense or scattered as on a document."""
        side, sparse, numbers = self._side, generator.random() < 0.25, generator.choice((0.15, 0.3, 0.6))
        low, high = (math.log(_MIDDLE_SIZE) + (math.log(size) - math.log(_MIDDLE_SIZE)) * ease for size in self.sizes)
        faces = self.faces[: max(1, round(len(self.faces) * min(1.0, 1.25 * ease)))]
        usual, face, y = generator.uniform(low, high), generator.choice(faces), generator.uniform(-10, 10)
        canvas, marks = Image.new("L", (side, side)), []
        while True:
            size = _nearest_size(math.exp(generator.uniform(low, high) if generator.random() < 0.15 * ease else usual))
            if generator.random() < 0.25 * ease:
                face = generator.choice(faces)
            y += size * (generator.uniform(1.0, 1.8) if sparse else generator.uniform(1.0, 1.3))
            if y > side:
                break
            x = generator.choice((0.1, 0.6)) * generator.uniform(-0.1, 1) * side if sparse else generator.uniform(-20, 10)
            gap = (generator.uniform(0.5, 5) if sparse else generator.uniform(0.2, 1.2)) * size
            while x < side:
                x = self._set(canvas, marks, (x, round(y)), self._chunk(generator, numbers), face, size) + gap
                if sparse and generator.random() < 0.4:
                    break
        if generator.random() < 0.4 * ease:
            _rule(canvas, generator)
        return np.asarray(canvas), marks

    def _chunk(self, generator: random.Random, numbers: float) -> str:
        if generator.random() < numbers:
            return draw_number(generator)
        if self.lines and generator.random() < 0.6:
            return generator.choice(self.lines)
        return "".join(generator.choices(self.alphabet, k=generator.randint(2, 8)))

    def _set(self, canvas: Image.Image, marks: list, origin: tuple[float, int], text: str, face: Face, size: int) -> float:
        """Set a text on its baseline; returns where it ends."""
        x, baseline = origin
        for character in text:
            width = advance(face, size, character)
            ink, left, top = _ink_of(face, size, character)
            if ink is not None and face.covers(character):
                canvas.paste(255, (round(x) + left, baseline + top), ink)
                marks.append(Mark(character, x + width / 2, baseline - MIDDLE_ABOVE_BASELINE * size, size))
            x += width
        return x

    def _view(self, generator: random.Random, ease: float) -> np.ndarray:
        """(3, 3): from the page to the tile."""
        stretches = tuple(math.exp(ease * generator.uniform(-0.25, 0.25)) for _ in range(2))
        depths = tuple(ease * generator.gauss(0, 0.04 / self.tile) for _ in range(2))
        turned = turn(math.radians(generator.gauss(0, 4)) * ease, stretches, generator.gauss(0, 0.06) * ease, depths)
        return shift(self.tile / 2, self.tile / 2) @ turned @ shift(-self._side / 2, -self._side / 2)

    def _photograph(self, canvas: np.ndarray, view: np.ndarray, generator: random.Random, ease: float) -> np.ndarray:
        cv2 = opencv()
        coverage = cv2.warpPerspective(canvas, view, (self.tile, self.tile), flags=cv2.INTER_LINEAR)
        if generator.random() < 0.5 * ease:
            coverage = cv2.GaussianBlur(coverage, (0, 0), generator.uniform(0.4, 0.5 + 0.7 * ease))
        return coverage

    def _colour(self, coverage: np.ndarray, generator: random.Random, ease: float) -> np.ndarray:
        """Ink on paper; (tile, tile, 3), uint8."""
        paper, ink = _draw_colours(generator, ease)
        shades = np.linspace(0, 1, 256, dtype=np.float32)[:, None] * (ink - paper) + paper
        pixels = shades.clip(0, 255).astype(np.uint8)[coverage]
        return pixels if ease < 0.15 else self._lit(pixels, generator, ease)

    def _lit(self, pixels: np.ndarray, generator: random.Random, ease: float) -> np.ndarray:
        """Unevenly lit and with grain."""
        cv2 = opencv()
        light = np.array([[1 + ease * generator.uniform(-0.35, 0.05) for _ in range(3)] for _ in range(3)], np.float32)
        light = cv2.resize(light * 255, (self.tile, self.tile), interpolation=cv2.INTER_LINEAR)
        grain = generator.choice((0, 2, 4, 8)) * ease
        if grain:
            top, left = (generator.randrange(_NOISE_SIDE - self.tile) for _ in range(2))
            light = light + self._noise[top : top + self.tile, left : left + self.tile] * grain
        light = light.clip(0, 255).astype(np.uint8)
        return cv2.multiply(pixels, cv2.merge([light] * 3), scale=1 / 255)

    @cached_property
    def _noise(self) -> np.ndarray:
        return np.random.default_rng(0).normal(0, 1, (_NOISE_SIDE, _NOISE_SIDE)).astype(np.float32)


class ScenePages(Pages):
    """Drawn scenes with known places, squeezed into a tile as a processor does it, and photographed."""

    def __init__(self, alphabet: str, settings: SceneSourceConfig, split: str, *, tile: int):
        super().__init__(alphabet, (), (), tile=tile)
        self.rows = SceneRows(settings, split, "pages")

    def draw(self, seed: str, level: float) -> LabelledPage:
        generator = random.Random(seed)
        ease = level * generator.random() ** 0.6
        drawing = self.rows.draw(generator.randrange(len(self.rows))).drawings[0]
        view = draw_photograph(drawing.image.size, self.tile, generator, ease)
        cv2 = opencv()
        side = (self.tile, self.tile)
        pixels = cv2.warpPerspective(np.asarray(drawing.image), view, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if generator.random() < 0.5 * ease:
            pixels = cv2.GaussianBlur(pixels, (0, 0), generator.uniform(0.4, 0.5 + 0.7 * ease))
        return self._labelled(self._lit(pixels, generator, ease), view, drawing.marks)


def name_patches(page: LabelledPage, patch: int) -> np.ndarray:
    """(SLOTS, rows, columns), int64: the labels of the characters whose middle lies in a patch, from left to right.

    A patch with more than there are slots counts nothing.
    """
    side = page.pixels.shape[0] // patch
    cells, slots = place_characters(page, patch)
    names = np.full((SLOTS, side * side), BARE, dtype=np.int64)
    named, crowded = (slots >= 0) & (slots < SLOTS), slots >= SLOTS
    names[slots[named], cells[named]] = page.labels[named]
    names[:, cells[crowded]] = IGNORED_LABEL
    return names.reshape(SLOTS, side, side)


def place_characters(page: LabelledPage, patch: int) -> tuple[np.ndarray, np.ndarray]:
    """Each (characters,), int64: the patch in which a character's middle lies, row by row, and how many of its patch stand left of it;
    both -1 beyond the edge."""
    side = page.pixels.shape[0] // patch
    columns, rows = (page.centres // patch).astype(np.int64).T
    inside = (columns >= 0) & (columns < side) & (rows >= 0) & (rows < side)
    cells = np.where(inside, rows * side + columns, -1)
    order = np.lexsort((page.centres[:, 0], cells))
    slots = np.empty_like(cells)
    slots[order] = np.arange(len(cells)) - np.searchsorted(cells[order], cells[order])
    return cells, np.where(inside, slots, -1)


def _draw_colours(generator: random.Random, ease: float) -> tuple[np.ndarray, np.ndarray]:
    """(paper, ink), RGB: dark on light, and sometimes light on dark."""
    if ease > 0.3 and generator.random() < 0.3:
        paper = [generator.uniform(0, 140) for _ in range(3)]
        if generator.random() < 0.5:
            paper[generator.randrange(3)] = generator.uniform(100, 220)
        return np.array(paper, np.float32), np.array([generator.uniform(190, 255) for _ in range(3)], np.float32)
    light = 255 - ease * generator.uniform(0, 90)
    dark = light * 0.7 * ease * generator.random()
    paper = [light + ease * generator.uniform(-25, 25) for _ in range(3)]
    ink = [dark + ease * generator.uniform(-20, 50) for _ in range(3)]
    return np.array(paper, np.float32).clip(0, 255), np.array(ink, np.float32).clip(0, 255)


def _nearest_size(size: float) -> int:
    """Few sizes, so that most characters are rendered already; the camera makes all others of them."""
    return round(_SIZE_STEP ** round(math.log(size, _SIZE_STEP)))


def _rule(canvas: Image.Image, generator: random.Random) -> None:
    for _ in range(generator.choice((1, 2))):
        y = generator.randrange(canvas.height)
        canvas.paste(generator.choice((255, 180)), (0, y, canvas.width, y + generator.choice((1, 1, 2))))
