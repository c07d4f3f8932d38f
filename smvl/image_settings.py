"""What a recipe says of pictures where a checkpoint has settings of its own: training and the data check read it alike."""

from smvl.config import DataConfig
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.strict_yaml import at_key


def show_images_as(processor: SmVLMProcessor, data: DataConfig) -> None:
    """Let a checkpoint's processor show images as `data` says, and as before where it says nothing.

    Raises:
        ValueError: a key is not for the checkpoint's layout, or has a value that its encoder cannot be shown; the message names it.
    """
    pictures = processor.pictures
    data.check_limits(pictures.layout)
    if data.image is None:
        return
    asked, before = data.image.of_layout(pictures.layout, pictures.settings), pictures.settings
    tile = before.get("tile")
    if asked.tile != tile:
        raise ValueError(f"data.image.tile: found {asked.tile}, but the checkpoint's vision encoder reads {tile}. Set it to that.")
    changed = [key for key in ("longest_edge", "min_pixels", "max_pixels") if getattr(asked, key) != before.get(key)]
    with at_key(f"data.image.{changed[0]}" if changed else "data.image"):
        processor.limit_images(longest_edge=asked.longest_edge, min_pixels=asked.min_pixels, max_pixels=asked.max_pixels)
