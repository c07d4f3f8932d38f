"""How a layout shows pictures: decided from their sizes alone, before any pixel is decoded. Nothing here needs torch."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image


class Plan(Protocol):
    """How one picture is shown."""

    @property
    def level(self) -> int:
        """Which of `Pictures.levels` it is shown at."""
        ...

    @property
    def num_units(self) -> int:
        """What it costs the vision encoder, in `Pictures.unit`."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, of tiles or of patches: pictures of one shape differ in nothing but their pixels."""
        ...


class Pictures(Protocol):
    """A layout's rule for pictures, with the settings of one image processor."""

    layout: str
    """Its name."""
    unit: str
    """What is cut of them, in the plural: tiles or patches."""
    picture_text: str
    """What the chat template writes for a picture; of it `<|image_pad|>` becomes `text`."""
    special_tokens: tuple[str, ...]
    """The markers that the tokenizer must know."""
    trained_tokens: tuple[str, ...]
    """Those of them whose rows of the embedding no donor has trained."""
    takes_any_shape: bool
    """Whether any picture can be cut by any plan, scaled to it."""
    config_tokens: dict[str, str]
    """Markers by the keys under which config.json has their ids."""
    names_token_types: bool
    """Whether the stock model's `forward` wants to be told where pictures stand."""
    processor_class: str
    """Of the stock processor that reads what is saved."""
    stock_attributes: dict[str, str]
    """The tokenizer attributes by which it finds the markers."""
    processor_settings: dict[str, Any]
    """Its own settings."""
    other_files: dict[str, dict[str, Any]]
    """JSON files beside that it wants."""
    settings: dict[str, int]
    """As `data.image` has them."""
    example_size: tuple[int, int]
    """Height and width of a small picture."""

    def check(self) -> None:
        """Raise `ValueError` for settings that pictures cannot be shown by."""
        ...

    def check_against_config(self, config: dict[str, Any]) -> None:
        """Raise `ValueError` unless they are as the model's config.json says, so far as it does."""
        ...

    def limit(self, *, longest_edge: int | None, min_pixels: int | None, max_pixels: int | None, most_tiles: int | None) -> None:
        """Take another finest level, by the limit that the layout has. Raises `ValueError` for one that cannot be, or is another's."""
        ...

    @property
    def levels(self) -> Sequence[int]:
        """The resolutions at which pictures may be shown, finest first."""
        ...

    def plan(self, height: int, width: int, level: int | None = None, most_units: int | None = None) -> Plan:
        """For a picture of this size in pixels; at the finest level unless told, or a coarser one where that has more units."""
        ...

    def text(self, plan: Plan) -> str:
        """The picture as marker text."""
        ...

    def describe(self, plan: Plan) -> str:
        """In a few words, for people."""
        ...

    def num_tokens(self, plan: Plan) -> int:
        """How many of them are features of the picture."""
        ...

    def cut(self, image: Image.Image, plan: Plan) -> np.ndarray:
        """(num_units, 3, side, side) float32: an RGB picture scaled, cut and normalised."""
        ...

    def cut_bytes(self, image: Image.Image, plan: Plan) -> np.ndarray:
        """The same before it is normalised, uint8."""
        ...

    def scale(self, image: Image.Image, plan: Plan) -> Image.Image:
        """The picture as large as it is cut; cut in its turn, it gives the same pixels."""
        ...

    def no_pixels(self, dtype: Any) -> np.ndarray:
        """(0, 3, side, side)"""
        ...

    def positions(self, input_ids: Sequence[int], image_token_id: int, plans: Sequence[Plan]) -> np.ndarray:
        """(axes, L) int64: the positions that the text model gives the tokens of one conversation, and after
        its last by one more on each axis."""
        ...

    def batch(self, cut: Sequence[Sequence[np.ndarray]], plans: Sequence[Sequence[Plan]]) -> dict[str, np.ndarray]:
        """The pictures of several prompts, as the stock model's `forward` takes them."""
        ...
