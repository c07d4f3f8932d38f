"""SmVLMProcessor: messages and images -> ids, loss mask and pixels. Training, inference, evaluation and export all enter here.

The stock SmolVLMProcessor needs torchvision, and takes a marker that a user types for a real one. This one needs neither, and
what it saves is laid out so that the stock class can read it too.
"""

import bisect
import functools
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from smvl.model_folder import refuse_other_models, refusing_code
from smvl.processing.chat_template import (
    TRAINING_TEMPLATE_FILE,
    default_chat_template,
    folder_template,
    is_own_template,
    is_unchanged_template,
    serving_template,
    training_template,
    with_thinking_default,
)
from smvl.processing.control_text import ControlText, GuardedText
from smvl.processing.exported import has_smolvlm_names, with_own_names
from smvl.processing.image_limits import check_longest_edge, check_most_tiles
from smvl.processing.images import read_image
from smvl.processing.layout import (
    EARLY_TURNS_DROPPED,
    FEWER_TILES,
    IGNORED_LABEL,
    Layout,
    TooLongError,
    count_characters,
    count_images,
    count_turns,
    is_learned,
    without_first_turns,
)
from smvl.processing.pixel_settings import check_pixel_scale
from smvl.processing.plain_values import check_roles, plain_messages, plain_tools
from smvl.processing.prompt_batch import nest_images, pad_tiles, replace_in_turn, replaced_spans
from smvl.processing.rendering import ChatTemplateError, check_template, render
from smvl.processing.tiles import (
    TileGrid,
    check_against_config,
    check_features,
    check_image_settings,
    cut_byte_tiles,
    cut_tiles,
    longest_edges,
    plan_grid,
    scale_to_grid,
)
from smvl.processing.tokens import IMAGE_TOKEN, STOCK_ATTRIBUTES, check_tokens, marker_ids
from smvl.settings_files import PROCESSOR_FILES, SettingsFileError, check_objects, object_in, reading


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
        check_features(image_seq_len, image_processor)
        check_pixel_scale(image_processor)
        chat_template = chat_template or default_chat_template()
        check_template(chat_template)
        self.image_seq_len = image_seq_len
        self.image_token = IMAGE_TOKEN
        self.image_token_id = marker_ids(tokenizer).image
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self._control_text = ControlText(tokenizer)
        self._longest_token = max(map(len, tokenizer.get_vocab()))  # in bytes or characters: no text has fewer tokens than it has of these
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
            check_longest_edge(longest_edge, self.image_processor.max_image_size["longest_edge"])
        if most_tiles is not None:
            check_most_tiles(most_tiles)
        if longest_edge is not None:
            self.image_processor.size = {"longest_edge": longest_edge}
        self._most_tiles = most_tiles

    def think_by_default(self, thinks: bool) -> None:
        """Let prompts that do not say whether to think be rendered so; what is saved from now on says it to every client."""
        self.chat_template = with_thinking_default(self.chat_template, thinks)

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
        asks_empty_thinking: bool = False,
    ) -> Layout:
        """Ids, labels and tile grids of one conversation; no pixel is read.

        Too long for `max_length`, or with more tiles than `max_tiles`, its images first get fewer tiles, then it loses whole early
        turns, finest resolution first for what is left. An image is never cut.

        Args:
            messages: OpenAI / Hugging Face messages; content is a string or a list of parts. An assistant's with `"weight": 0` is read
                and not asked of the model.
            image_sizes: (height, width) of each image, in the order of the image parts.
            enable_thinking: as in Qwen3's template; False closes the thinking block in the generation prompt, and None leaves it to the
                template's default.
            asks_empty_thinking: whether the empty thinking block of an answer is among what the model is asked for.

        Raises:
            TooLongError: even the last turn alone with one tile an image is longer than `max_length` or has more than `max_tiles` tiles.
            ValueError: the number of image parts is not the number of images, or the messages hold what a template cannot be shown.
        """
        messages, tools = plain_messages(messages), plain_tools(tools)
        num_parts = sum(map(count_images, messages))
        if num_parts != len(image_sizes):
            raise ValueError(f"the messages hold {num_parts} image parts, but {len(image_sizes)} images were given; give one each.")

        options = {"add_generation_prompt": add_generation_prompt, "enable_thinking": enable_thinking}
        num_turns, found = self._shorten(messages, image_sizes, tools, max_length, max_tiles, **options)
        kept, first_image, rendered, originals, grids = found
        shortened = (EARLY_TURNS_DROPPED,) if num_turns else ()
        image_texts = [grid.text(self.image_seq_len) for grid in grids]
        ids, asked = self._control_text.encode(rendered, originals, image_texts, asks_empty_thinking=asks_empty_thinking)
        finest = self.image_processor.size["longest_edge"]
        if any(grid.longest_edge < finest for grid in grids):
            shortened = (FEWER_TILES, *shortened)
        return Layout(
            input_ids=ids,
            labels=[token if wanted else IGNORED_LABEL for token, wanted in zip(ids, _without_unlearned(asked, kept))],
            grids=grids,
            kept_images=list(range(first_image, len(image_sizes))),
            shortened=shortened,
        )

    def _shorten(
        self,
        messages: list[dict[str, Any]],
        image_sizes: Sequence[tuple[int, int]],
        tools: list[Any] | None,
        max_length: int | None,
        max_tiles: int | None,
        **options: Any,
    ) -> tuple[int, "_Fit"]:
        """The fewest first turns that must go, and what is left without them; raises `TooLongError` when the last is too long alone.

        Args:
            options: of the template.
        """

        @functools.cache
        def fit(num_turns: int) -> _Fit:
            """Without so many turns."""
            kept, first_image = without_first_turns(messages, num_turns)
            sizes = image_sizes[first_image:]
            if max_length is not None and count_characters([kept, tools]) > max_length * self._longest_token:
                return _Fit(kept, first_image, "", {}, None)  # no need to tokenize it
            guarded = self._control_text.guard(kept, tools)
            rendered = self._render(guarded, **options)
            grids = self._fit_grids(rendered, guarded.originals, sizes, max_length, max_tiles)
            return _Fit(kept, first_image, rendered, guarded.originals, grids)

        num_turns = _first_that_fits(fit, count_turns(messages))
        if fit(num_turns).grids is None:
            raise _too_long(len(image_sizes) - fit(num_turns).first_image, max_length, max_tiles)
        return num_turns, fit(num_turns)

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

    def _render(self, guarded: GuardedText, add_generation_prompt: bool, enable_thinking: bool | None) -> str:
        options = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        is_own = is_unchanged_template(self.chat_template)
        if is_own:
            check_roles(guarded.messages)
        try:
            rendered = render(
                self.tokenizer,
                self.chat_template,
                is_own=is_own,
                conversation=guarded.messages,
                tools=guarded.tools,
                add_generation_prompt=add_generation_prompt,
                **options,
            )
        except ChatTemplateError as error:  # it may quote the messages
            raise ChatTemplateError(str(error).translate(guarded.originals)) from error
        written, asked = rendered.count(IMAGE_TOKEN), sum(map(count_images, guarded.messages))
        if written != asked:
            raise ChatTemplateError(
                f"the chat template writes {written} images where the messages hold {asked}; expected each of them once. It may pass over "
                "a role, or be made for another model."
            )
        return rendered

    def _fit_grids(
        self, rendered: str, originals: dict[int, str], sizes: Sequence[tuple[int, int]], max_length: int | None, max_tiles: int | None
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
                num_words = len(self._control_text.encode(rendered, originals, [""] * len(sizes))[0])
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
        videos: Any = None,
        audio: Any = None,
        padding: bool | str = True,
        padding_side: str = "left",
        return_tensors: str | None = "pt",
        return_text_replacement_offsets: bool = False,
        add_special_tokens: bool = False,
        **tokenizer_options: Any,
    ) -> BatchFeature:
        """Rendered prompts, one `<|image_pad|>` for each image, and their images, as transformers' pipelines and trainers call it.

        Token texts in `text` become tokens, as with every Hugging Face processor; for words that come from users take `lay_out`.

        Args:
            videos, audio: nothing, which is what transformers hands over where a conversation has none.
            return_text_replacement_offsets: whether to say where images made the text longer, which an assistant's mask is made with.
            add_special_tokens: taken and passed over, as the template has written them all.
            tokenizer_options: as the tokenizer takes them.

        Returns `input_ids` and `attention_mask` (batch, length) and, with images, `pixel_values` (batch, most tiles, 3, tile, tile) whose
        missing tiles are zeros.

        Raises:
            ValueError: there is no text, or a video or sound, or not one image for each placeholder; or an image cannot be read.
        """
        for kind, given in (("videos", videos), ("audio", audio)):
            if given:
                raise ValueError(f"SmVLMProcessor was called with {kind}; it reads text and images. Give frames of a video as images.")
        if text is None:
            raise ValueError("SmVLMProcessor was called without text; give a rendered prompt, or messages to apply_chat_template.")
        texts = [text] if isinstance(text, str) else list(text)
        nested = nest_images(images, texts)
        pictures = [[read_image(image) for image in row] for row in nested]
        expanded, replaced, tiles = [], [], []
        for row, prompt in zip(pictures, texts):
            finest = self.image_processor.size["longest_edge"]
            grids = [plan_grid(image.height, image.width, self.image_processor, finest) for image in row]
            image_texts = [grid.text(self.image_seq_len) for grid in grids]
            expanded.append(replace_in_turn(prompt, image_texts))
            replaced.append(replaced_spans(prompt, image_texts))
            tiles.append([cut_tiles(image, self.image_processor, grid) for image, grid in zip(row, grids)])
        options = dict(padding=padding, padding_side=padding_side, return_tensors=return_tensors, **tokenizer_options)
        encoded = self.tokenizer(expanded, add_special_tokens=False, **options)
        features = BatchFeature({**encoded, **pad_tiles(tiles)}, tensor_type=return_tensors)
        if return_text_replacement_offsets:
            features["text_replacement_offsets"] = replaced
        return features

    # ---- saving and loading ----------------------------------------------------------------------------------------------------

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """Write every file that some runtime looks for: the settings and the template each stand in two places, as runtimes differ."""
        folder, template = Path(save_directory), self.chat_template
        self.chat_template = serving_template(template)
        try:
            return self._save(folder, push_to_hub, **kwargs)
        finally:
            self.chat_template = template

    def _save(self, folder: Path, push_to_hub: bool, **kwargs: Any) -> list[str]:
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
        if is_own_template(self.chat_template):
            (folder / TRAINING_TEMPLATE_FILE).write_text(training_template(self.chat_template), encoding="utf-8")
        return files

    @classmethod
    def from_pretrained(cls, folder: str | Path, **kwargs: Any) -> Self:
        """Read what `save_pretrained` wrote, or an export made of it. Nothing is downloaded, and no code of the folder runs.

        Raises:
            ModelFolderError: the folder asks for code of its own to be run or for another model.
            SettingsFileError: a file is missing, damaged or too large, or does not fit the others; the message names the folder.
        """
        with reading(f"the processor in {folder} cannot be loaded"), refusing_code(folder):
            check_objects(folder, PROCESSOR_FILES)
            _check_files(Path(folder))
            refuse_other_models(folder)
            if has_smolvlm_names(folder):
                with with_own_names(folder) as copy:
                    processor = super().from_pretrained(copy, local_files_only=True, trust_remote_code=False, **kwargs)
                processor.tokenizer.name_or_path = str(folder)
            else:
                processor = super().from_pretrained(folder, local_files_only=True, trust_remote_code=False, **kwargs)
            processor = processor._as_own()
            check_against_config(processor.image_seq_len, processor.image_processor, object_in(Path(folder) / "config.json"))
            _try_template(processor)
        return processor

    @classmethod
    def get_processor_dict(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """transformers' own, with the folder's template wherever it stands; raises `SettingsFileError` where it stands nowhere."""
        settings, kwargs = super().get_processor_dict(pretrained_model_name_or_path, **kwargs)
        return {**settings, "chat_template": folder_template(pretrained_model_name_or_path, settings.get("chat_template"))}, kwargs

    def _as_own(self) -> Self:
        """What others have saved turned back: a trainer's template, and an idefics3 folder's class for the same settings and pixels."""
        self.chat_template = serving_template(self.chat_template)
        if not isinstance(self.image_processor, SmolVLMImageProcessorPil):
            settings = json.loads(self.image_processor.to_json_string())
            settings.pop("image_processor_type")
            self.image_processor = SmolVLMImageProcessorPil(**settings)
        return self


class _Fit(NamedTuple):
    """A conversation without its first turns, and how its images can be shown."""

    messages: list[dict[str, Any]]
    first_image: int
    """Of the images that are left."""
    rendered: str
    originals: dict[int, str]
    """As `GuardedText` has them."""
    grids: list[TileGrid] | None
    """None where it is too long with any."""


def _first_that_fits(fit: Callable[[int], _Fit], num_turns: int) -> int:
    """The fewest first turns to drop; all but the last where that is not enough. The fewer turns are left, the shorter they are."""
    if fit(0).grids is not None or num_turns < 2:
        return 0
    return bisect.bisect_left(range(num_turns - 1), True, key=lambda number: fit(number).grids is not None)


def _without_unlearned(asked: list[bool], messages: Sequence[dict[str, Any]]) -> list[bool]:
    """What is asked of the model, less the answers that are switched off: each answer is one unbroken run of tokens."""
    answers = [is_learned(message) for message in messages if message["role"] == "assistant"]
    if all(answers):
        return asked
    following = iter(answers)
    runs = ((is_answer and next(following), list(run)) for is_answer, run in itertools.groupby(asked))
    return [is_wanted for is_wanted, run in runs for _ in run]


def _try_template(processor: SmVLMProcessor) -> None:
    """Raise `ValueError` unless the chat template shows a picture where it stands; a damaged one may leave it out."""
    tile = processor.image_processor.max_image_size["longest_edge"]
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}
    processor.lay_out([asked], [(tile, tile)], add_generation_prompt=True)


def _check_files(folder: Path) -> None:
    """Raise `SettingsFileError` for a file whose lack transformers does not tell."""
    for name in ("processor_config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise SettingsFileError(f"{folder} has no {name}; copy the folder whole.")


def _too_long(num_images: int, max_length: int | None, max_tiles: int | None) -> TooLongError:
    """Which limit the last turn alone is over."""
    if max_tiles is not None and num_images > max_tiles:
        return TooLongError(f"{num_images} images in the last turn, which is more than max_tiles {max_tiles} even with one tile an image")
    return TooLongError(f"longer than max_length {max_length} even with one tile an image and no earlier turn")


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    return "ByteLevel" in str(tokenizer.backend_tokenizer.pre_tokenizer)


def _edit_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for leftover in ("is_local", "local_files_only"):  # how this machine loaded it
        content.pop(leftover, None)
    path.write_text(json.dumps({**content, **changes}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
