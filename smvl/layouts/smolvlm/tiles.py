"""How an image becomes tiles, and what its tiles look like as text.

The rule is SmolVLM's own (its stock image processor does the pixels): the longest edge is scaled to `size.longest_edge`, both sides
are rounded up to whole tiles, the picture is cut row by row, and a squeezed view of the whole follows. At `longest_edge` equal to
the tile the picture is one squeezed tile and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil, get_resize_output_image_size

from smvl.layouts.settings import LAYOUT_KEYS
from smvl.layouts.smolvlm.image_limits import check_longest_edge
from smvl.layouts.tokens import (
    AROUND_IMAGE_TOKEN,
    GLOBAL_TOKEN,
    IMAGE_TOKEN,
    PICTURE_TEXTS,
    STOCK_ATTRIBUTES,
    TILE_MARKERS,
    TILE_TOKENS,
    tile_token,
)

MOST_TILE_PIXELS = 4096
"""Of a tile's side; encoders read some hundred."""


@dataclass(frozen=True)
class TileGrid:
    """The tiles of one image: `rows` x `columns` of them and the global view; 0 x 0 means the global view alone."""

    rows: int
    columns: int
    longest_edge: int
    """What the image's longest edge is scaled to, in pixels."""

    @property
    def num_tiles(self) -> int:
        return self.rows * self.columns + 1

    num_units = num_tiles

    @property
    def level(self) -> int:
        return self.longest_edge

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns

    def text(self, tokens_per_tile: int) -> str:
        """The image as marker text, the same string that the stock SmolVLM processor builds."""
        features = IMAGE_TOKEN * tokens_per_tile
        whole = AROUND_IMAGE_TOKEN + GLOBAL_TOKEN + features + AROUND_IMAGE_TOKEN
        if not self.rows:
            return whole
        lines = (
            "".join(AROUND_IMAGE_TOKEN + tile_token(row, column) + features for column in range(1, self.columns + 1)) + "\n"
            for row in range(1, self.rows + 1)
        )
        return "".join(lines) + "\n" + whole


def check_image_settings(image_processor: SmolVLMImageProcessorPil) -> None:
    """Raise `ValueError` for tile settings that cannot be described by the markers."""
    tile, longest_edge = image_processor.max_image_size["longest_edge"], image_processor.size["longest_edge"]
    if type(tile) is not int or type(longest_edge) is not int or not 1 <= tile <= MOST_TILE_PIXELS:
        raise ValueError(
            f"longest_edge is {longest_edge!r} and the tile is {tile!r} pixels; expected whole numbers, and a tile of 1 to "
            f"{MOST_TILE_PIXELS:,}. Restore preprocessor_config.json, or set data.image."
        )
    check_longest_edge(longest_edge, tile, "Set data.image.longest_edge.")


def check_features(image_seq_len: int, image_processor: SmolVLMImageProcessorPil) -> None:
    """Raise `ValueError` unless a tile can have so many features: one a pixel at most."""
    tile = image_processor.max_image_size["longest_edge"]
    if type(image_seq_len) is not int or not 1 <= image_seq_len <= tile**2:
        raise ValueError(
            f"image_seq_len is {image_seq_len!r}; expected 1 to {tile**2:,} features of a tile of {tile} pixels. "
            "Restore processor_config.json."
        )


def check_against_config(image_seq_len: int, image_processor: SmolVLMImageProcessorPil, config: dict[str, Any]) -> None:
    """Raise `ValueError` unless tiles are as the model's config.json says, so far as it does."""
    vision = config.get("vision_config")
    sides = [vision.get("image_size"), vision.get("patch_size"), config.get("scale_factor")] if isinstance(vision, dict) else []
    if not sides or not all(type(side) is int and side > 0 for side in sides):
        return
    (largest, patch, shuffle), tile = sides, image_processor.max_image_size["longest_edge"]
    features = (tile // patch // shuffle) ** 2
    if tile > largest or image_seq_len != features:
        raise ValueError(
            f"the processor has tiles of {tile} pixels and image_seq_len {image_seq_len}, but by config.json the encoder reads {largest} "
            f"at most and makes {features} features of such a tile. Take config.json and processor_config.json of one checkpoint."
        )


def longest_edges(image_processor: SmolVLMImageProcessorPil, finest: int | None = None) -> list[int]:
    """The resolutions at which an image may be shown, finest first: whole tiles down to one."""
    tile = image_processor.max_image_size["longest_edge"]
    return list(range(finest or image_processor.size["longest_edge"], 0, -tile))


def plan_grid(
    height: int, width: int, image_processor: SmolVLMImageProcessorPil, longest_edge: int, most_tiles: int | None = None
) -> TileGrid:
    """The grid that `cut_tiles` will give for a picture of this size, known without its pixels.

    Args:
        longest_edge: what the picture's longest edge is scaled to, in pixels; less where that would make more than `most_tiles`.
    """
    for edge in longest_edges(image_processor, longest_edge):
        _, rows, columns = image_processor.get_number_of_image_patches(height, width, {"size": {"longest_edge": edge}})
        grid = TileGrid(rows=rows, columns=columns, longest_edge=edge)
        if most_tiles is None or grid.num_tiles <= most_tiles:
            break
    return grid  # the last is one tile


def cut_tiles(image: Image.Image, image_processor: SmolVLMImageProcessorPil, grid: TileGrid) -> np.ndarray:
    """Scale, cut and normalise one RGB picture: (num_tiles, 3, tile, tile) float32 in [-1, 1] for SigLIP's mean and deviation of 0.5."""
    return np.asarray(_cut(image, image_processor, grid), dtype=np.float32)


def cut_byte_tiles(image: Image.Image, image_processor: SmolVLMImageProcessorPil, grid: TileGrid) -> np.ndarray:
    """The same before it is normalised: (num_tiles, 3, tile, tile) uint8, a quarter of the memory."""
    return _cut(image, image_processor, grid, do_rescale=False, do_normalize=False).astype(np.uint8, copy=False)


def scale_to_grid(image: Image.Image, image_processor: SmolVLMImageProcessorPil, grid: TileGrid) -> Image.Image:
    """The picture that `cut_tiles` cuts, put together again; cut in its turn, it gives the same tiles."""
    tiles = cut_byte_tiles(image, image_processor, grid)
    rows, columns = max(grid.rows, 1), max(grid.columns, 1)
    _, channels, tile, _ = tiles.shape
    pixels = tiles[: rows * columns].reshape(rows, columns, channels, tile, tile).transpose(0, 3, 1, 4, 2)
    return Image.fromarray(np.ascontiguousarray(pixels.reshape(rows * tile, columns * tile, channels)))


def _scaled_size(size: tuple[int, int], longest_edge: int) -> tuple[int, int]:
    width, height = size
    without_pixels = np.broadcast_to(np.uint8(0), (3, height, width))
    height, width = get_resize_output_image_size(without_pixels, longest_edge)
    return width, height


def _cut(image: Image.Image, image_processor: SmolVLMImageProcessorPil, grid: TileGrid, **options: bool) -> np.ndarray:
    """The stock processor's tiles. Its first step is done on the picture itself: as arrays, a large one would be in memory four times."""
    scaled = image.resize(_scaled_size(image.size, grid.longest_edge), image_processor.resample)
    batch = image_processor([[scaled]], do_resize=False, return_row_col_info=True, do_pad=False, return_tensors="np", **options)
    found = (batch["rows"][0][0], batch["cols"][0][0])
    if found != (grid.rows, grid.columns):
        raise RuntimeError(f"planned {grid.rows} x {grid.columns} tiles, but the image was cut into {found[0]} x {found[1]}")
    return np.asarray(batch["pixel_values"][0])


def _pad_tiles(tiles: Sequence[Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    """(batch, most tiles, 3, tile, tile): the model passes over tiles that are zero throughout."""
    rows = [np.concatenate(row) if row else None for row in tiles]
    shapes = [row.shape for row in rows if row is not None]
    if not shapes:
        return {}
    padded = np.zeros((len(rows), max(shape[0] for shape in shapes), *shapes[0][1:]), dtype=np.float32)
    for target, row in zip(padded, rows):
        if row is not None:
            target[: len(row)] = row
    return {"pixel_values": padded}


class TilePictures:
    """SmolVLM's rule, as `smvl.layouts.pictures.Pictures` has it; a unit is a tile.

    Args:
        image_seq_len: features of one tile.
    """

    layout = "smolvlm"
    unit = LAYOUT_KEYS["smolvlm"].unit
    picture_text = PICTURE_TEXTS[0]
    special_tokens = TILE_MARKERS
    trained_tokens = (AROUND_IMAGE_TOKEN, *TILE_TOKENS)
    takes_any_shape = False
    config_tokens = {"image_token_id": IMAGE_TOKEN}
    names_token_types = False
    processor_class = "SmolVLMProcessor"
    stock_attributes = STOCK_ATTRIBUTES
    other_files: dict[str, dict[str, Any]] = {}

    def __init__(self, image_processor: SmolVLMImageProcessorPil, image_seq_len: int):
        self.image_processor, self.image_seq_len = image_processor, image_seq_len

    def check(self) -> None:
        check_image_settings(self.image_processor)
        check_features(self.image_seq_len, self.image_processor)

    def check_against_config(self, config: dict[str, Any]) -> None:
        check_against_config(self.image_seq_len, self.image_processor, config)

    @property
    def levels(self) -> list[int]:
        return longest_edges(self.image_processor)

    def limit(self, *, longest_edge: int | None, min_pixels: int | None, max_pixels: int | None, most_tiles: int | None) -> None:
        for name, value in (("fewest", min_pixels), ("most", max_pixels)):
            if value is not None:
                raise ValueError(f"found {name} pixels {value!r}, but this model cuts pictures into tiles. Set the longest edge.")
        if longest_edge is not None:
            check_longest_edge(longest_edge, self.tile)
            self.image_processor.size = {"longest_edge": longest_edge}

    def plan(self, height: int, width: int, level: int | None = None, most_units: int | None = None) -> TileGrid:
        return plan_grid(height, width, self.image_processor, level or self.levels[0], most_units)

    def text(self, plan: TileGrid) -> str:
        return plan.text(self.image_seq_len)

    def describe(self, plan: TileGrid) -> str:
        return f"an image of {plan.rows} x {plan.columns} and the whole" if plan.rows else "an image of one"

    def num_tokens(self, plan: TileGrid) -> int:
        return plan.num_tiles * self.image_seq_len

    def cut(self, image: Image.Image, plan: TileGrid) -> np.ndarray:
        return cut_tiles(image, self.image_processor, plan)

    def cut_bytes(self, image: Image.Image, plan: TileGrid) -> np.ndarray:
        return cut_byte_tiles(image, self.image_processor, plan)

    def scale(self, image: Image.Image, plan: TileGrid) -> Image.Image:
        if image.size == (max(plan.columns, 1) * self.tile, max(plan.rows, 1) * self.tile):
            return image  # was scaled before
        return scale_to_grid(image, self.image_processor, plan)

    def no_pixels(self, dtype: Any) -> np.ndarray:
        return np.zeros((0, 3, self.tile, self.tile), dtype=dtype)

    def positions(self, input_ids: Sequence[int], image_token_id: int, plans: Sequence[TileGrid]) -> np.ndarray:
        return np.arange(len(input_ids))[None]

    def batch(self, cut: Sequence[Sequence[np.ndarray]], plans: Sequence[Sequence[TileGrid]]) -> dict[str, np.ndarray]:
        return _pad_tiles(cut)

    @property
    def processor_settings(self) -> dict[str, Any]:
        return {"image_seq_len": self.image_seq_len}

    @property
    def settings(self) -> dict[str, int]:
        return {"tile": self.tile, "longest_edge": self.levels[0]}

    @property
    def example_size(self) -> tuple[int, int]:
        return self.tile, self.tile

    @property
    def tile(self) -> int:
        """Its side in pixels."""
        return self.image_processor.max_image_size["longest_edge"]
