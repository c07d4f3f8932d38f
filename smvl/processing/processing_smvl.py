"""SmVLMProcessor: messages and images -> ids, loss mask and pixels. Training, inference, evaluation and export all enter here.

The stock SmolVLMProcessor needs torchvision, and takes a marker that a user types for a real one. This one needs neither, and
what it saves is laid out so that the stock class can read it too.
"""

import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from smvl.processing.control_text import ControlText
from smvl.processing.exported import has_smolvlm_names, with_own_names
from smvl.processing.images import read_image
from smvl.processing.layout import (
    EARLY_TURNS_DROPPED,
    FEWER_TILES,
    IGNORED_LABEL,
    Layout,
    TooLongError,
    count_images,
    without_first_turn,
)
from smvl.processing.pixel_settings import check_pixel_scale
from smvl.processing.tiles import TileGrid, check_image_settings, cut_byte_tiles, cut_tiles, longest_edges, plan_grid, scale_to_grid
from smvl.processing.tokens import IMAGE_TOKEN, STOCK_ATTRIBUTES, check_tokens, marker_ids
from smvl.settings_files import PROCESSOR_FILES, SettingsFileError, check_objects, reading


class SmVLMProcessor(ProcessorMixin):
    """A PIL image processor and a tokenizer that know each other.

    Args:
        image_processor: SmolVLM's stock image processor (PIL backend).
        tokenizer: the text model's tokenizer with the markers added (`smvl.processing.tokens.add_missing_tokens`).
        image_seq_len: features of one tile after pixel shuffle, (image_size / patch_size / scale_factor) ** 2.
        chat_template: Jinja text; by default the project's own.

    Raises:
        ValueError: a marker is not one token of the tokenizer, or the tile settings cannot be described by markers.
    """

    def __init__(
        self,
        image_processor: SmolVLMImageProcessorPil,
        tokenizer: PreTrainedTokenizerBase,
        image_seq_len: int = 64,
        chat_template: str | None = None,
    ):
        check_tokens(tokenizer)
        check_image_settings(image_processor)
        check_pixel_scale(image_processor)
        if type(image_seq_len) is not int or image_seq_len < 1:
            raise ValueError(f"image_seq_len is {image_seq_len!r}; expected the number of features of one tile.")
        self.image_seq_len = image_seq_len
        self.image_token = IMAGE_TOKEN
        self.image_token_id = marker_ids(tokenizer).image
        super().__init__(image_processor, tokenizer, chat_template=chat_template or default_chat_template())
        self._control_text = ControlText(tokenizer)
        self._most_tiles: int | None = None

    def limit_images(self, *, longest_edge: int | None = None, most_tiles: int | None = None) -> None:
        """Show images with fewer tiles from now on than the model was trained with: less memory and time, less to be read in them.

        Args:
            longest_edge: what an image's longest edge is scaled to, in pixels; whole tiles.
            most_tiles: tiles of one image at most, the global view among them.

        Raises:
            ValueError: a value that no grid of tiles can have.
        """
        if longest_edge is not None:
            before = self.image_processor.size
            self.image_processor.size = {"longest_edge": longest_edge}
            try:
                check_image_settings(self.image_processor)
            except ValueError:
                self.image_processor.size = before
                raise
        if most_tiles is not None and most_tiles < 1:
            raise ValueError(f"at most {most_tiles} tiles for an image; it needs at least 1.")
        self._most_tiles = most_tiles

    # ---- conversations: the project's own way in -------------------------------------------------------------------------------

    def lay_out(
        self,
        messages: Sequence[dict[str, Any]],
        image_sizes: Sequence[tuple[int, int]] = (),
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        max_length: int | None = None,
        max_tiles: int | None = None,
        add_generation_prompt: bool = False,
        enable_thinking: bool | None = None,
    ) -> Layout:
        """Ids, labels and tile grids of one conversation; no pixel is read.

        Too long for `max_length`, or with more tiles than `max_tiles`, its images first get fewer tiles, then it loses whole early
        turns, finest resolution first for what is left. An image is never cut.

        Args:
            messages: OpenAI / Hugging Face messages; content is a string or a list of parts.
            image_sizes: (height, width) of each image, in the order of the image parts.
            enable_thinking: as in Qwen3's template; False closes the thinking block in the generation prompt.

        Raises:
            TooLongError: even the last turn alone with one tile an image is longer than `max_length` or has more than `max_tiles` tiles.
            ValueError: the number of image parts is not the number of images.
        """
        num_parts = sum(map(count_images, messages))
        if num_parts != len(image_sizes):
            raise ValueError(f"the messages hold {num_parts} image parts, but {len(image_sizes)} images were given; give one each.")
        first_image, shortened = 0, ()
        while True:
            sizes = image_sizes[first_image:]
            rendered, guard = self._render(messages, tools, add_generation_prompt, enable_thinking)
            grids = self._fit_grids(rendered, guard, sizes, max_length, max_tiles)
            if grids is not None:
                break
            remaining = without_first_turn(messages)
            if remaining is None:
                raise _too_long(len(sizes), max_length, max_tiles)
            messages, num_dropped = remaining
            first_image, shortened = first_image + num_dropped, (EARLY_TURNS_DROPPED,)
        ids, asked = self._control_text.encode(rendered, guard, [grid.text(self.image_seq_len) for grid in grids])
        finest = self.image_processor.size["longest_edge"]
        if any(grid.longest_edge < finest for grid in grids):
            shortened = (FEWER_TILES, *shortened)
        return Layout(
            input_ids=ids,
            labels=[token if wanted else IGNORED_LABEL for token, wanted in zip(ids, asked)],
            grids=grids,
            kept_images=list(range(first_image, len(image_sizes))),
            shortened=shortened,
        )

    def shrink(self, image: Image.Image) -> Image.Image:
        """An RGB picture scaled to the grid that it is cut into: of it come the same tiles as of the picture itself."""
        grid = plan_grid(image.height, image.width, self.image_processor, self.image_processor.size["longest_edge"], self._most_tiles)
        tile = self.image_processor.max_image_size["longest_edge"]
        if image.size == (max(grid.columns, 1) * tile, max(grid.rows, 1) * tile):
            return image  # was shrunk before
        return scale_to_grid(image, self.image_processor, grid)

    def pixel_values(self, images: Sequence[Image.Image], layout: Layout) -> np.ndarray:
        """The tiles of the images that `layout` kept: (num_tiles, 3, tile, tile) float32; (0, 3, tile, tile) without images."""
        return self._cut(cut_tiles, np.float32, images, layout)

    def byte_tiles(self, images: Sequence[Image.Image], layout: Layout) -> np.ndarray:
        """The same before they are normalised: (num_tiles, 3, tile, tile) uint8."""
        return self._cut(cut_byte_tiles, np.uint8, images, layout)

    def _cut(self, cut: Callable[..., np.ndarray], dtype: type[np.number], images: Sequence[Image.Image], layout: Layout) -> np.ndarray:
        tile = self.image_processor.max_image_size["longest_edge"]
        tiles = [cut(images[index], self.image_processor, grid) for index, grid in zip(layout.kept_images, layout.grids)]
        return np.concatenate(tiles) if tiles else np.zeros((0, 3, tile, tile), dtype=dtype)

    def _render(
        self, messages: Sequence[dict], tools: Sequence[dict] | None, add_generation_prompt: bool, enable_thinking: bool | None
    ) -> tuple[str, str]:
        guarded, guarded_tools, guard = self._control_text.guard(messages, tools)
        options = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        rendered = self.tokenizer.apply_chat_template(
            guarded,
            tools=guarded_tools,
            chat_template=self.chat_template,
            add_generation_prompt=add_generation_prompt,
            tokenize=False,
            **options,
        )
        return rendered, guard

    def _fit_grids(
        self, rendered: str, guard: str, sizes: Sequence[tuple[int, int]], max_length: int | None, max_tiles: int | None
    ) -> list[TileGrid] | None:
        """The finest grids with which the conversation fits, or None."""
        num_words = None
        for longest_edge in longest_edges(self.image_processor):
            grids = [plan_grid(height, width, self.image_processor, longest_edge, self._most_tiles) for height, width in sizes]
            if max_tiles is not None and sum(grid.num_tiles for grid in grids) > max_tiles:
                continue
            if max_length is None:
                return grids
            if num_words is None:
                num_words = len(self._control_text.encode(rendered, guard, [""] * len(sizes))[0])
            if num_words + sum(len(self._control_text.control_ids(grid.text(self.image_seq_len))) for grid in grids) <= max_length:
                return grids
            if not sizes:
                return None
        return None

    # ---- Hugging Face's own way in ---------------------------------------------------------------------------------------------

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        *,
        padding: bool | str = True,
        padding_side: str = "left",
        return_tensors: str = "pt",
    ) -> BatchFeature:
        """Rendered prompts, one `<|image_pad|>` for each image, and their images, as transformers' pipelines and trainers call it.

        Token texts in `text` become tokens, as with every Hugging Face processor; for words that come from users take `lay_out`.

        Returns `input_ids` and `attention_mask` (batch, length) and, with images, `pixel_values` (batch, most tiles, 3, tile, tile) whose
        missing tiles are zeros.
        """
        if text is None:
            raise ValueError("SmVLMProcessor was called without text; give a rendered prompt, or messages to apply_chat_template.")
        texts = [text] if isinstance(text, str) else list(text)
        nested = _nest_images(images, texts)
        pictures = [[read_image(image) for image in row] for row in nested]
        expanded, tiles = [], []
        for row, prompt in zip(pictures, texts):
            finest = self.image_processor.size["longest_edge"]
            grids = [plan_grid(image.height, image.width, self.image_processor, finest) for image in row]
            expanded.append(_replace_in_turn(prompt, [grid.text(self.image_seq_len) for grid in grids]))
            tiles.append([cut_tiles(image, self.image_processor, grid) for image, grid in zip(row, grids)])
        encoded = self.tokenizer(
            expanded, add_special_tokens=False, padding=padding, padding_side=padding_side, return_tensors=return_tensors
        )
        return BatchFeature({**encoded, **_pad_tiles(tiles)}, tensor_type=return_tensors)

    # ---- saving and loading ----------------------------------------------------------------------------------------------------

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """Write every file that some runtime looks for: the settings and the template each stand in two places, as runtimes differ."""
        folder = Path(save_directory)
        files = super().save_pretrained(folder, push_to_hub=push_to_hub, **kwargs)
        _edit_json(folder / "processor_config.json", processor_class="SmolVLMProcessor", image_seq_len=self.image_seq_len)
        settings = json.loads(self.image_processor.to_json_string())
        _edit_json(folder / "preprocessor_config.json", **settings, processor_class="SmolVLMProcessor")
        _edit_json(
            folder / "tokenizer_config.json",
            **STOCK_ATTRIBUTES,
            chat_template=self.chat_template,
            processor_class="SmolVLMProcessor",
            tokenizer_class="Qwen2Tokenizer" if _is_byte_level(self.tokenizer) else "PreTrainedTokenizerFast",
            add_bos_token=False,
        )
        return files

    @classmethod
    def from_pretrained(cls, folder: str | Path, **kwargs: Any) -> Self:
        """Read what `save_pretrained` wrote, or an export made of it. Nothing is downloaded.

        Raises:
            ValueError: a file is missing or damaged, or does not fit the others; the message names the folder.
        """
        with reading(f"the processor in {folder} cannot be loaded"):
            check_objects(folder, PROCESSOR_FILES)
            _check_files(Path(folder))
            if not has_smolvlm_names(folder):
                processor = super().from_pretrained(folder, local_files_only=True, **kwargs)
            else:
                with with_own_names(folder) as copy:
                    processor = super().from_pretrained(copy, local_files_only=True, **kwargs)
                processor.tokenizer.name_or_path = str(folder)
            _check_template(processor)
        return processor


def _check_template(processor: SmVLMProcessor) -> None:
    """Raise `ValueError` unless the chat template shows a picture where it stands; a damaged one may leave it out and say nothing."""
    tile = processor.image_processor.max_image_size["longest_edge"]
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}
    layout = processor.lay_out([asked], [(tile, tile)], add_generation_prompt=True)
    if layout.input_ids.count(processor.image_token_id) != layout.num_tiles * processor.image_seq_len:
        raise ValueError("chat_template.jinja leaves out the images of a conversation; take the template of the checkpoint")


def _check_files(folder: Path) -> None:
    """Raise `SettingsFileError` for a file whose lack transformers does not tell."""
    for name in ("processor_config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise SettingsFileError(f"{folder} has no {name}; copy the folder whole.")


def default_chat_template() -> str:
    """The project's chat template: Qwen3's format, with images."""
    return resources.files("smvl.processing").joinpath("chat_template.jinja").read_text(encoding="utf-8")


def _too_long(num_images: int, max_length: int | None, max_tiles: int | None) -> TooLongError:
    """Which limit the last turn alone is over."""
    if max_tiles is not None and num_images > max_tiles:
        return TooLongError(f"{num_images} images in the last turn, which is more than max_tiles {max_tiles} even with one tile an image")
    return TooLongError(f"longer than max_length {max_length} even with one tile an image and no earlier turn")


def _nest_images(images: Any, texts: Sequence[str]) -> list[list[Any]]:
    """One list of images for each text, however they were handed over; raises `ValueError` when the counts do not match."""
    if images is None:
        nested = [[] for _ in texts]
    elif not isinstance(images, (list, tuple)):
        nested = [[images]]
    elif any(isinstance(entry, (list, tuple)) for entry in images):
        nested = [list(row or ()) for row in images]
    else:
        nested = [list(images)] if len(texts) == 1 else [[image] for image in images]
    wanted, given = [text.count(IMAGE_TOKEN) for text in texts], [len(row) for row in nested]
    if wanted != given:
        raise ValueError(f"the prompts hold {wanted} {IMAGE_TOKEN} each, but {given} images were given; give one image for each.")
    return nested


def _replace_in_turn(prompt: str, image_texts: Sequence[str]) -> str:
    first, *rest = prompt.split(IMAGE_TOKEN)
    return first + "".join(image_text + words for image_text, words in zip(image_texts, rest))


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


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    return "ByteLevel" in str(tokenizer.backend_tokenizer.pre_tokenizer)


def _edit_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for leftover in ("is_local", "local_files_only"):  # how this machine loaded it
        content.pop(leftover, None)
    path.write_text(json.dumps({**content, **changes}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
