"""From the bytes of a picture to the numbers that a vision encoder sees."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PixelScale:
    """How the bytes of a picture become what the tower sees: (byte / white - mean) / deviation, in float32, channel by channel."""

    white: float = 255.0
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)

    @classmethod
    def of(cls, image_processor: Any) -> "PixelScale":
        """The stock image processor's own scale."""
        return cls(1 / image_processor.rescale_factor, tuple(image_processor.image_mean), tuple(image_processor.image_std))
