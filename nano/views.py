"""Where a picture's points come to lie in a tile: 3 x 3 matrices, as a camera gives them."""

import math
import random
from collections.abc import Sequence

import numpy as np


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1.0, y], [0, 0, 1.0]])


def turn(angle: float, stretches: tuple[float, float], shear: float, depths: tuple[float, float]) -> np.ndarray:
    """Around the origin: turned by radians, stretched along and across, sheared, and seen at an angle."""
    across, down = stretches
    upper = [math.cos(angle) * across, -math.sin(angle) * down + shear, 0], [math.sin(angle) * across, math.cos(angle) * down, 0]
    return np.array([*upper, [*depths, 1.0]])


def map_points(view: np.ndarray, points: Sequence[tuple[float, float]]) -> np.ndarray:
    """(points, 2): where they come to lie."""
    mapped = np.array([(x, y, 1.0) for x, y in points]).reshape(-1, 3) @ view.T
    return mapped[:, :2] / mapped[:, 2:]


def draw_photograph(size: tuple[int, int], tile: int, generator: random.Random, strength: float = 1.0) -> np.ndarray:
    """A document of a size squeezed into a tile, lying in it as hands hold a telephone: somewhat smaller, turned, from the side."""
    own = strength * generator.random() ** 0.7
    shrink = 1 - 0.3 * own * generator.random()
    stretches = tuple(shrink * math.exp(own * generator.gauss(0, 0.05)) for _ in range(2))
    depths = tuple(own * generator.gauss(0, 0.05 / tile) for _ in range(2))
    turned = turn(math.radians(generator.gauss(0, 3)) * own, stretches, generator.gauss(0, 0.04) * own, depths)
    room = (1 - shrink) * tile / 2
    middle = [tile / 2 + generator.uniform(-room, room) for _ in range(2)]
    return shift(*middle) @ turned @ shift(-tile / 2, -tile / 2) @ np.diag([tile / size[0], tile / size[1], 1.0])
