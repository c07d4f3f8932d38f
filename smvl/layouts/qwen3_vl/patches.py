"""How a picture becomes patches of its own resolution, and where its tokens stand.

The rule is Qwen2-VL's (arXiv 2409.12191), whose stock image processor does the pixels: both sides are rounded to whole squares of merged
patches, within a least and a largest number of pixels and with the proportions kept. Positions are Qwen3-VL's: a text token has one number
on all axes, a picture's tokens count rows and columns from where it stands, and the words after it go on behind the longer side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from smvl.layouts.qwen3_vl.stock_patches import MOST_PIXELS, stock_patches
from smvl.layouts.settings import LAYOUT_KEYS
from smvl.layouts.tokens import IMAGE_TOKEN, PATCH_MARKERS, PICTURE_TEXTS, VIDEO_TOKEN, VISION_END_TOKEN, VISION_START_TOKEN

MERGE = 2
"""Side of the square of patches that becomes one token: llama.cpp knows no other, and the mergers grow with its fourth power."""
FRAMES = 2
"""That a patch is cut out of; of a picture both are the same."""
NUM_AXES = 4
"""Of positions: the token's own number, which keeps packed samples apart, then time, height and width."""
MOST_SIDE = 4096
"""Of a patch in pixels."""
MOST_ASPECT = 200
"""Of the longer side to the shorter, as the stock processor has it."""
VIDEO_PIXELS = {"shortest_edge": 4096, "longest_edge": 25165824}


@dataclass(frozen=True)
class PatchGrid:
    """One picture as `rows` x `columns` patches; `level` is the largest number of pixels it was allowed."""

    rows: int
    columns: int
    level: int

    @property
    def num_units(self) -> int:
        return self.rows * self.columns

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns


class PatchPictures:
    """Qwen3-VL's rule, as `smvl.layouts.pictures.Pictures` has it; a unit is a patch."""

    layout = "qwen3_vl"
    unit = LAYOUT_KEYS["qwen3_vl"].unit
    picture_text = PICTURE_TEXTS[1]
    special_tokens = PATCH_MARKERS
    trained_tokens = (VISION_START_TOKEN, VISION_END_TOKEN)
    takes_any_shape = True
    config_tokens = {
        "image_token_id": IMAGE_TOKEN,
        "video_token_id": VIDEO_TOKEN,
        "vision_start_token_id": VISION_START_TOKEN,
        "vision_end_token_id": VISION_END_TOKEN,
    }
    names_token_types = True
    processor_class = "Qwen3VLProcessor"
    stock_attributes: dict[str, str] = {}
    processor_settings: dict[str, Any] = {}

    def __init__(self, image_processor: Qwen2VLImageProcessorPil):
        self.image_processor = image_processor

    def check(self) -> None:
        """Raise `ValueError` for settings that no picture can be cut by."""
        settings = self.image_processor
        for name in ("patch_size", "merge_size", "temporal_patch_size"):
            value = getattr(settings, name)
            if type(value) is not int or not 1 <= value <= MOST_SIDE:
                raise ValueError(f"{name} is {value!r}; expected a whole number from 1 to {MOST_SIDE:,}. Restore preprocessor_config.json.")
        check_pixels(settings.size["shortest_edge"], settings.size["longest_edge"], self.factor)

    def check_against_config(self, config: dict[str, Any]) -> None:
        """Raise `ValueError` unless patches are as the model's config.json says, so far as it does."""
        vision = config.get("vision_config")
        if not isinstance(vision, dict):
            return
        for ours, theirs in (("patch_size", "patch_size"), ("merge_size", "spatial_merge_size"), ("temporal_patch_size",) * 2):
            found, expected = getattr(self.image_processor, ours), vision.get(theirs)
            if type(expected) is int and found != expected:
                raise ValueError(
                    f"the image processor's {ours} is {found}, but by config.json the vision encoder's {theirs} is {expected}. Take "
                    "config.json and preprocessor_config.json of one checkpoint."
                )

    @property
    def factor(self) -> int:
        """Side in pixels of the square that becomes one token."""
        return self.image_processor.patch_size * self.image_processor.merge_size

    @property
    def levels(self) -> list[int]:
        """Largest numbers of pixels, each half of the one before, down to the least that a picture is shown with."""
        finest, coarsest = self.image_processor.size["longest_edge"], self.image_processor.size["shortest_edge"]
        levels = [finest]
        while levels[-1] // 2 > coarsest:
            levels.append(levels[-1] // 2)
        return levels if levels[-1] == coarsest else [*levels, coarsest]

    def limit(self, *, longest_edge: int | None, min_pixels: int | None, max_pixels: int | None, most_tiles: int | None) -> None:
        for name, value in (("longest edge", longest_edge), ("most tiles", most_tiles)):
            if value is not None:
                raise ValueError(f"found {name} {value!r}, but this model sees pictures at their own resolution. Set the most pixels.")
        size = self.image_processor.size
        least = size["shortest_edge"] if min_pixels is None else min_pixels
        most = size["longest_edge"] if max_pixels is None else max_pixels
        check_pixels(least, most, self.factor)
        self.image_processor.size = {"shortest_edge": least, "longest_edge": most}

    def plan(self, height: int, width: int, level: int | None = None, most_units: int | None = None) -> PatchGrid:
        finest = self._grid(height, width, self.levels[0])
        for pixels in (each for each in self.levels if level is None or each <= level):
            grid = self._grid(height, width, pixels)
            if most_units is None or grid.num_units <= most_units:
                break
        return finest if grid.shape == finest.shape else grid

    def _grid(self, height: int, width: int, pixels: int) -> PatchGrid:
        if max(height, width) > MOST_ASPECT * min(height, width):
            raise ValueError(
                f"found a picture of {width} x {height} pixels, more than {MOST_ASPECT} times as long as wide, which this model cannot be "
                "shown. Cut it into pieces."
            )
        least, patch = min(pixels, self.image_processor.size["shortest_edge"]), self.image_processor.patch_size
        rows, columns = (side // patch for side in smart_resize(height, width, self.factor, least, pixels))
        return PatchGrid(rows, columns, pixels)

    def text(self, plan: PatchGrid) -> str:
        return IMAGE_TOKEN * self.num_tokens(plan)

    def describe(self, plan: PatchGrid) -> str:
        return f"an image of {plan.rows} x {plan.columns}"

    def num_tokens(self, plan: PatchGrid) -> int:
        return plan.num_units // self.image_processor.merge_size**2

    def cut(self, image: Image.Image, plan: PatchGrid) -> np.ndarray:
        return self._patches(image, plan)

    def cut_bytes(self, image: Image.Image, plan: PatchGrid) -> np.ndarray:
        return self._patches(image, plan, do_rescale=False, do_normalize=False).astype(np.uint8)

    def _patches(self, image: Image.Image, plan: PatchGrid, **options: bool) -> np.ndarray:
        """The stock processor's patches, square after square; of a picture both frames are the same, and one is kept."""
        settings = self.image_processor
        batch = settings([self.scale(image, plan)], do_resize=False, return_tensors="np", **options)
        patches = np.asarray(batch["pixel_values"], dtype=np.float32)
        return patches.reshape(len(patches), 3, settings.temporal_patch_size, settings.patch_size, settings.patch_size)[:, :, 0]

    def scale(self, image: Image.Image, plan: PatchGrid) -> Image.Image:
        patch = self.image_processor.patch_size
        size = (plan.columns * patch, plan.rows * patch)
        return image if image.size == size else image.resize(size, self.image_processor.resample)

    def no_pixels(self, dtype: Any) -> np.ndarray:
        return np.zeros((0, 3, self.image_processor.patch_size, self.image_processor.patch_size), dtype=dtype)

    def positions(self, input_ids: Sequence[int], image_token_id: int, plans: Sequence[PatchGrid]) -> np.ndarray:
        is_image = np.asarray(input_ids) == image_token_id
        places = np.empty((NUM_AXES, len(is_image)), dtype=np.int64)
        places[0] = np.arange(len(is_image))
        done = following = 0
        for plan in plans:
            rows, columns = (side // self.image_processor.merge_size for side in plan.shape)
            start = done + int(np.argmax(is_image[done:]))
            end = start + rows * columns
            places[1:, done:start] = following + np.arange(start - done)
            following += start - done
            places[1:, start:end] = following
            places[2, start:end] += np.repeat(np.arange(rows), columns)
            places[3, start:end] += np.tile(np.arange(columns), rows)
            following += max(rows, columns)
            done = end
        places[1:, done:] = following + np.arange(len(is_image) - done)
        return places

    def batch(self, cut: Sequence[Sequence[np.ndarray]], plans: Sequence[Sequence[PatchGrid]]) -> dict[str, np.ndarray]:
        pictures = [patches for row in cut for patches in row]
        shapes = [plan.shape for row in plans for plan in row]
        return stock_patches(pictures, shapes, self.image_processor.temporal_patch_size) if pictures else {}

    @property
    def other_files(self) -> dict[str, dict[str, Any]]:
        """The stock processor has a video half, and is not made without its settings. The budgets are Qwen3-VL's own."""
        names = ("patch_size", "merge_size", "temporal_patch_size", "image_mean", "image_std", "rescale_factor", "resample")
        settings = {name: getattr(self.image_processor, name) for name in names}
        return {"video_preprocessor_config.json": {"video_processor_type": "Qwen3VLVideoProcessor", "size": VIDEO_PIXELS, **settings}}

    @property
    def settings(self) -> dict[str, int]:
        size = self.image_processor.size
        return {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}

    @property
    def example_size(self) -> tuple[int, int]:
        return self.factor, self.factor


def fewest_and_most_tokens(size: Mapping[str, int], factor: int) -> tuple[int, int]:
    """Of a picture, by `size` of the stock image processor; `factor` is the side in pixels of the square that becomes one."""
    return -(-size["shortest_edge"] // factor**2), max(1, size["longest_edge"] // factor**2)


def check_pixels(least: Any, most: Any, factor: int) -> None:
    """Raise `ValueError` for a budget of pixels that no picture can be shown with.

    Args:
        factor: side in pixels of the square that becomes one token.
    """
    if type(least) is not int or type(most) is not int or not factor**2 <= least <= most <= MOST_PIXELS:
        raise ValueError(
            f"pictures are shown with {least!r} to {most!r} pixels; expected whole numbers from {factor**2:,} (one token) to "
            f"{MOST_PIXELS:,}, the first no larger than the second."
        )
