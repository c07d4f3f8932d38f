"""What of a vision donor decides how pictures are cut."""

from pathlib import Path

from smvl.layouts.image_processors import EncoderSides
from smvl.model.donors import VisionDonor, read_vision_donor


def sides_of(donor: VisionDonor, scale_factor: int | None) -> EncoderSides:
    """Of one that was read.

    Args:
        scale_factor: side of the square of patches of a tile that becomes one token; None takes the donor's own.

    Raises:
        DonorError: it does not divide the patches of a tile.
    """
    return EncoderSides(donor.tile, donor.config.patch_size, (donor.patches_per_side // donor.scale_factor(scale_factor)) ** 2)


def sides_in(vision: str | Path, scale_factor: int | None) -> EncoderSides:
    """Of a donor's folder; its weights are not read. Raises `DonorError` as `read_vision_donor` and `sides_of`."""
    return sides_of(read_vision_donor(vision), scale_factor)
