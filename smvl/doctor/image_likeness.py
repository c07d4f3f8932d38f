"""What is kept of an image: its size, a digest of its bytes, and how it looks, in 80 bytes.

How it looks is a difference hash (Krawetz, Kind of Like That, 2013) of 16 x 16 bits, each saying whether a place of the shrunken grey
picture is clearly darker than the place to its right, and the colours of 4 x 4 places. The hash survives another size and
JPEG; the colours tell a red circle from a green one. Pages of text differ by little else than where the ink is, hence 256 bits and not
the usual 64, and hence a difference that must be clear: on a white page most are none.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smvl.processing.data_url import decode_data_url, is_data_url
from smvl.processing.images import image_header, read_image

SIDE, COLOUR_SIDE = 16, 4
HASH_BYTES, COLOUR_BYTES = SIDE * SIDE // 8, COLOUR_SIDE * COLOUR_SIDE * 3
LOOK_BYTES = HASH_BYTES + COLOUR_BYTES
CLEAR_STEP = 6
"""Grey levels between neighbours that count as a difference: more than JPEG makes."""
MAX_DIFFERENT_BITS = 0.2
"""Share of the bits set in either of two hashes that may differ in images that look the same. On drawn pictures that finds all smooth
ones at a quarter of their size, nine pages of text in ten at half of theirs, all in JPEG, and no pair of different pages among 5,000."""
MIN_BITS = 12
"""A hash with fewer bits set says too little: such an image is only compared byte for byte."""
MAX_COLOUR_STEP = 12
"""Levels by which any of the colours may differ."""

_KEPT = 4096
"""Images whose facts a process remembers: rows about one image are often neighbours."""


@dataclass(frozen=True)
class ImageFacts:
    """What is kept of an image."""

    height: int
    width: int
    digest: int
    """64 bits of BLAKE2b of its bytes as they are stored."""
    look: bytes
    """`LOOK_BYTES`: difference hash, then colours; zeros where pixels are not read."""
    has_more_frames: bool = False
    """It is an animation or has several pages, of which only the first is read."""


class ImageReader:
    """Opens images, each file once while it is remembered.

    Args:
        pixels: decode them, for how they look and to find damage; False opens headers and hashes bytes.
    """

    def __init__(self, *, pixels: bool):
        self.pixels = pixels
        self._kept: OrderedDict[Any, ImageFacts] = OrderedDict()

    def __call__(self, image: Any, *, name: str | None = None) -> ImageFacts:
        """Raises `ImageError` as `read_image` does; without pixels, as `image_header` does."""
        path = _path_of(image)
        if path is not None and path in self._kept:
            return self._kept[path]
        header = image_header(image, name=name)
        digest = _digest_of(image)
        key = path or (digest, header)
        if key not in self._kept:
            look = look_of(read_image(image, name=name)) if self.pixels else bytes(LOOK_BYTES)
            self._kept[key] = ImageFacts(header.height, header.width, digest, look, header.has_more_frames)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]


def look_of(picture: Image.Image) -> bytes:
    """How an upright RGB picture looks."""
    small = picture.resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    grey = np.asarray(small.convert("L"), dtype=np.int16)
    brighter = grey[:, 1:] - grey[:, :-1] >= CLEAR_STEP
    colours = small.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX)
    return np.packbits(brighter).tobytes() + colours.tobytes()


def look_alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which pairs look the same: (pairs,) bool from two (pairs, LOOK_BYTES) uint8."""
    bits, other_bits = one[:, :HASH_BYTES], other[:, :HASH_BYTES]
    either = np.bitwise_count(bits | other_bits).sum(axis=1, dtype=np.int64)
    different = np.bitwise_count(bits ^ other_bits).sum(axis=1, dtype=np.int64)
    colours = np.abs(one[:, HASH_BYTES:].astype(np.int16) - other[:, HASH_BYTES:]).max(axis=1)
    return (either >= MIN_BITS) & (different <= MAX_DIFFERENT_BITS * either) & (colours <= MAX_COLOUR_STEP)


def _path_of(image: Any) -> str | None:
    if isinstance(image, dict) and image.get("bytes") is None:
        image = image.get("path")
    return str(image) if isinstance(image, (str, Path)) and not is_data_url(str(image)) else None


def _digest_of(image: Any) -> int:
    """Of the bytes of an image that `image_header` could open."""
    if (path := _path_of(image)) is not None:
        with open(path, "rb") as file:
            return int.from_bytes(hashlib.file_digest(file, _new_digest).digest(), "little")
    hashed = _new_digest()
    hashed.update(_bytes_of(image))
    return int.from_bytes(hashed.digest(), "little")


def _new_digest() -> Any:
    return hashlib.blake2b(digest_size=8)


def _bytes_of(image: Any) -> bytes:
    if isinstance(image, dict):
        image = image["bytes"]
    if isinstance(image, str):
        return decode_data_url(image)
    if isinstance(image, Image.Image):
        return f"{image.mode} {image.size}".encode() + image.tobytes()
    return image
