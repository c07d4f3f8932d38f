"""Where a page lies before the camera, and whether it is flat: the geometry of a photograph.

    output pixel -> (inverse of the pose) -> flattened plane -> (inverse of the curl) -> pixel of the page

The whole page stays in view: what tilt, perspective and curl push over the border makes it smaller instead.
"""

import math
import random
from dataclasses import dataclass

import numpy as np

from smvl.augment.opencv import opencv

_CELL = 16
"""Pixels between the points at which the inverse is computed; between them it is interpolated."""
_DISTANCE = 2.4
"""From the camera to the page, in halves of the page's longer side."""
_MAX_LEAN = math.radians(42)
_MAX_TURN = math.radians(24)
_MAX_BEND = 0.11
_STRIP = 2.0
"""Longer side by shorter side from which on a page counts as a strip."""


@dataclass(frozen=True)
class View:
    """One photograph's geometry. Coordinates of the plane: the page's middle is 0, its longer side reaches from -1 to 1."""

    size: tuple[int, int]
    """(width, height) in pixels, of the page and of the photograph."""
    pose: np.ndarray
    """(3, 3): a point of the plane to a pixel of the photograph."""
    bend: float
    """How far the page rises and falls, as a share of its longer side."""
    waves: float
    """How many half waves it makes from left to right."""
    phase: float

    def page_points(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the page's pixel that each pixel of the photograph shows, (height, width) float32; outside the page where none."""
        width, height = self.size
        columns, rows = (-(-side // _CELL) + 2 for side in self.size)
        x = ((np.arange(columns) - 0.5) * _CELL - 0.5)[None, :]
        y = ((np.arange(rows) - 0.5) * _CELL - 0.5)[:, None]
        (a, b, c), (d, e, f), (g, h, i) = np.linalg.inv(self.pose)
        depth = g * x + h * y + i
        across, down = (a * x + b * y + c) / depth, (d * x + e * y + f) / depth
        half = max(self.size) / 2
        page = (across * half + width / 2, (down - self.rise(across)) * half + height / 2)
        whole = (columns * _CELL, rows * _CELL)
        maps = [opencv().resize((values - 0.5).astype(np.float32), whole, interpolation=opencv().INTER_LINEAR) for values in page]
        return tuple(np.ascontiguousarray(values[_CELL : _CELL + height, _CELL : _CELL + width]) for values in maps)

    def rise(self, across: np.ndarray) -> np.ndarray:
        """How far the page's points at `across` are moved down by its curl, in the plane's unit."""
        return 2 * self.bend * np.sin(np.pi * self.waves * (across + 1) / 2 + self.phase)

    def shade(self) -> np.ndarray:
        """How much light the page's slope leaves to each column of the page, (width,) float32 from 0 to 1."""
        across = np.linspace(-1, 1, self.size[0]) * self.size[0] / max(self.size)
        slope = self.bend * self.waves * np.cos(np.pi * self.waves * (across + 1) / 2 + self.phase)
        return (1 - np.clip(slope * 3.0, 0, 0.5)).astype(np.float32)


def draw_view(size: tuple[int, int], *, perspective: float, tilt: float, curl: float, generator: random.Random) -> View:
    """A view of so strong a perspective, tilt and curl (each 0 to 1), in a random direction, with the whole page inside.

    A strip much longer than wide is turned and bent less, as all of it would get too small to read.
    """
    direction = generator.uniform(0, 2 * math.pi)
    room = min(1.0, _STRIP * min(size) / max(size))
    lean = perspective * _MAX_LEAN * room
    turn = tilt * _MAX_TURN * room * generator.choice((-1, 1))
    rotation = _rotate_z(turn) @ _rotate_y(lean * math.cos(direction)) @ _rotate_x(lean * math.sin(direction))
    projection = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1 / _DISTANCE]]) @ rotation
    pose = np.column_stack([projection[:, 0], projection[:, 1], (0, 0, 1)])
    flat = View(size, pose, curl * _MAX_BEND * room, generator.uniform(0.8, 1.9), generator.uniform(0, 2 * math.pi))
    return View(size, _into_frame(flat, generator) @ pose, flat.bend, flat.waves, flat.phase)


def _into_frame(view: View, generator: random.Random) -> np.ndarray:
    """(3, 3): moves and scales what the pose makes of the page so that all of it is in the photograph."""
    side = np.linspace(-1, 1, 33)
    reach_x, reach_y = (length / max(view.size) for length in view.size)
    x = np.concatenate([side, side, np.full(33, -1), np.full(33, 1)]) * reach_x
    y = np.concatenate([np.full(33, -1), np.full(33, 1), side, side]) * reach_y
    points = view.pose @ np.stack([x, y + view.rise(x), np.ones_like(x)])
    points = points[:2] / points[2]
    low, high = points.min(axis=1), points.max(axis=1)
    frame = np.array(view.size, dtype=float)
    scale = (frame / (high - low)).min() * generator.uniform(0.94, 0.99)
    room = frame - scale * (high - low)
    corner = room * (generator.uniform(0.3, 0.7), generator.uniform(0.3, 0.7))
    shift = corner - scale * low
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])


def _rotate_x(angle: float) -> np.ndarray:
    return np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])


def _rotate_y(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])


def _rotate_z(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
