"""What a phone's camera does to a picture, in the order in which it happens.

    curl of the paper, perspective, tilt -> light and shadow -> focus or motion -> grain of the sensor -> JPEG

OpenCV does the warps and filters: at 512 pixels the whole chain takes it a few milliseconds, Pillow and numpy five times as long.
"""

import io
import math
import random
from collections.abc import Sequence
from dataclasses import fields
from functools import cache

import numpy as np
from PIL import Image

from smvl.augment.camera import draw_view
from smvl.augment.opencv import opencv
from smvl.augment.textures import SURROUNDINGS, surroundings
from smvl.config import DistortionConfig, ImageAugmentConfig

PHONE = DistortionConfig(perspective=0.35, tilt=0.3, curl=0.3, blur=0.28, dim=0.5, noise=0.35, jpeg=0.45)
"""Strengths up to which a photograph by phone goes; still legible."""

ITSELF = "itself"

_REFERENCE = 512
"""Longest edge in pixels at which blur and motion have the lengths below; they grow with the picture."""
_MAX_BLUR = 2.6
_MAX_MOTION = 11.0
_MAX_GRAIN = 42.0
_BEST_QUALITY, _WORST_QUALITY = 90, 6


def distort(
    image: Image.Image, settings: DistortionConfig, generator: random.Random, *, around: Sequence[str] = (*SURROUNDINGS, ITSELF)
) -> Image.Image:
    """The picture as a camera would have taken it, of the same size, RGB.

    Every strength is applied as it is (`draw_strengths` varies them), in a random direction or form; one of 0 leaves no trace, and all
    of 0 give the very image back. Nothing is cut off: what is turned or bent gets smaller and shows what lies around it.

    Args:
        around: of what there can be: `SURROUNDINGS` of a page, or `ITSELF`, the picture's own colours out of focus.
    """
    if not any(getattr(settings, field.name) for field in fields(DistortionConfig)):
        return image
    pixels = np.asarray(image.convert("RGB"))
    if settings.perspective or settings.tilt or settings.curl:
        pixels = _place(pixels, settings, generator, around)
    if settings.dim:
        pixels = _light(pixels, settings.dim, generator)
    if settings.blur:
        pixels = _blur(pixels, settings.blur, generator)
    if settings.noise:
        pixels = _add_grain(pixels, settings.noise, generator)
    distorted = Image.fromarray(pixels)
    return _compress(distorted, settings.jpeg) if settings.jpeg else distorted


def draw_strengths(settings: DistortionConfig, generator: random.Random) -> DistortionConfig:
    """Strengths from 0 up to each of the settings; three in ten are 0, so that each is also seen without the others."""
    strengths = {}
    for field in fields(DistortionConfig):
        strength = generator.uniform(0, getattr(settings, field.name))
        strengths[field.name] = 0.0 if generator.random() < 0.3 else strength
    return DistortionConfig(**strengths)


def augment_image(image: Image.Image, settings: ImageAugmentConfig, *, task: str, generator: random.Random) -> Image.Image:
    """A share of the images distorted, each as strongly as chance has it up to the settings; spared tasks as they are.

    Args:
        task: the sample's; `chart` in `settings.spare` spares `chart` and `chart/read`.
    """
    if any(task == spared or task.startswith(f"{spared}/") for spared in settings.spare):
        return image
    if generator.random() >= settings.share:
        return image
    return distort(image, draw_strengths(settings, generator), generator)


def _place(pixels: np.ndarray, settings: DistortionConfig, generator: random.Random, around: Sequence[str]) -> np.ndarray:
    """The page, curled and seen from the side, before something else."""
    cv2 = opencv()
    size = pixels.shape[1], pixels.shape[0]
    view = draw_view(size, perspective=settings.perspective, tilt=settings.tilt, curl=settings.curl, generator=generator)
    if settings.curl:
        shade = np.repeat((view.shade() * 255).astype(np.uint8)[None, :, None], 3, axis=2)
        pixels = cv2.multiply(pixels, np.broadcast_to(shade, pixels.shape).copy(), scale=1 / 255)
    name = generator.choice(around)
    if name == ITSELF:
        photograph = cv2.resize(cv2.resize(pixels, (12, 12), interpolation=cv2.INTER_AREA), size, interpolation=cv2.INTER_CUBIC)
    else:
        photograph = np.array(surroundings(name, size, generator))
    return cv2.remap(pixels, *view.page_points(), cv2.INTER_LINEAR, dst=photograph, borderMode=cv2.BORDER_TRANSPARENT)


def _light(pixels: np.ndarray, strength: float, generator: random.Random) -> np.ndarray:
    """Too little light, falling off to one side, of a warm or cold colour, sometimes with a shadow over it."""
    cv2 = opencv()
    across, down = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32))
    angle = generator.uniform(0, 2 * math.pi)
    along = across * math.cos(angle) + down * math.sin(angle)
    gain = 1 - strength * (generator.uniform(0.15, 0.55) + generator.uniform(0, 0.3) * (along + 1) / 2)
    if generator.random() < 0.4:
        edge = generator.uniform(-0.5, 0.6)
        softness = generator.uniform(0.08, 0.4)
        gain = gain * (1 - strength * generator.uniform(0.3, 0.7) / (1 + np.exp((edge - along) / softness)))
    warmth = strength * generator.uniform(-0.3, 0.3)
    colour = np.array([1 + min(0, warmth), 1 - abs(warmth) / 3, 1 - max(0, warmth)])
    field = (np.clip(gain[:, :, None] * colour, 0.05, 1) * 255).astype(np.uint8)
    field = cv2.resize(field, (pixels.shape[1], pixels.shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(pixels, field, scale=1 / 255)


def _blur(pixels: np.ndarray, strength: float, generator: random.Random) -> np.ndarray:
    """Out of focus, or moved while the shutter was open."""
    cv2 = opencv()
    scale = max(pixels.shape[:2]) / _REFERENCE
    if generator.random() < 0.65:
        return cv2.GaussianBlur(pixels, (0, 0), max(0.05, strength * _MAX_BLUR * scale))
    return cv2.filter2D(pixels, -1, _motion(strength * _MAX_MOTION * scale, generator.uniform(0, math.pi)))


def _motion(length: float, angle: float) -> np.ndarray:
    """The path of a point while the shutter is open: a line of so many pixels, (side, side) float32 with sum 1."""
    reach = max(1, math.ceil(length / 2))
    path = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    for place in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        x, y = reach + place * math.cos(angle), reach + place * math.sin(angle)
        left, top = min(int(x), 2 * reach - 1), min(int(y), 2 * reach - 1)
        right, bottom = x - left, y - top
        path[top : top + 2, left : left + 2] += np.outer((1 - bottom, bottom), (1 - right, right))
    return path / path.sum()


@cache
def _grain() -> np.ndarray:
    """Normal noise of deviation 32, of light and of colour, (1024, 1024, 3) int8: drawn once, as that takes longer than all else."""
    generator = np.random.default_rng(0)
    light = generator.standard_normal((1024, 1024, 1), dtype=np.float32) * 0.8
    colour = generator.standard_normal((1024, 1024, 3), dtype=np.float32) * 0.6
    return np.clip((light + colour) * 32, -127, 127).astype(np.int8)


def _add_grain(pixels: np.ndarray, strength: float, generator: random.Random) -> np.ndarray:
    cv2 = opencv()
    rows, columns = (generator.randrange(1024) + np.arange(length) for length in pixels.shape[:2])
    grain = _grain().take(rows, 0, mode="wrap").take(columns, 1, mode="wrap")
    return cv2.addWeighted(pixels, 1, grain, strength * _MAX_GRAIN / 32, 0, dtype=cv2.CV_8U)


def _compress(image: Image.Image, strength: float) -> Image.Image:
    """Through JPEG and back."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=round(_BEST_QUALITY + strength * (_WORST_QUALITY - _BEST_QUALITY)))
    return Image.open(file).convert("RGB")
