"""How messages call an image of a sample."""

from smvl.data.sample import Sample
from smvl.processing.data_url import is_data_url


def image_label(sample: Sample, index: int) -> str | None:
    """A name for an image that has no path of its own; None for one that has."""
    image = sample.images[index]
    has_path = isinstance(image, str) and not is_data_url(image) or isinstance(image, dict) and image.get("path")
    return None if has_path else f"image {index} of {sample.source} {sample.id}"
