"""SmVLMProcessor: messages and images -> ids, loss mask and pixels. Training, inference, evaluation and export all enter here.

The stock SmolVLMProcessor needs torchvision, and takes a marker that a user types for a real one. This one needs neither, and
what it saves is laid out so that the stock class can read it too.
"""

import bisect
import functools
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import Image
from transformers import AutoTokenizer, BatchFeature, PreTrainedTokenizerBase, ProcessorMixin
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from smvl.layouts.find import pictures_of
from smvl.layouts.image_processors import read_image_processor
from smvl.layouts.pictures import Pictures, Plan
from smvl.layouts.smolvlm.image_limits import check_most_tiles
from smvl.layouts.tokens import IMAGE_TOKEN, check_tokens
from smvl.model_folder import refuse_other_models, refusing_code
from smvl.processing.chat_format import chat_format_of
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
from smvl.processing.exported import has_smolvlm_names, restore_smolvlm_names, with_own_names
from smvl.processing.foreign_template import check_images_shown, check_shown, in_parts, reads_strings
from smvl.processing.images import read_image
from smvl.processing.laid_out import (
    EARLY_TURNS_DROPPED,
    FEWER_TILES,
    IGNORED_LABEL,
    LaidOut,
    TooLongError,
    count_characters,
    count_images,
    count_turns,
    is_learned,
    without_first_turns,
)
from smvl.processing.pixel_settings import check_pixel_scale
from smvl.processing.plain_values import check_roles, plain_messages, plain_tools
from smvl.processing.prompt_batch import nest_images, replace_in_turn, replaced_spans
from smvl.processing.rendering import ChatTemplateError, check_template, render
from smvl.settings_files import PROCESSOR_FILES, SettingsFileError, check_objects, object_in, reading


class SmVLMProcessor(ProcessorMixin):
    """A PIL image processor and a tokenizer that know each other.

    Args:
        image_processor: a layout's stock image processor (PIL backend), which says how pictures are shown.
        tokenizer: the text model's tokenizer with the markers added (`smvl.layouts.tokens.add_missing_tokens`).
        image_seq_len: features of one tile after pixel shuffle, (image_size / patch_size / scale_factor) ** 2; unused where there are none.
        chat_template: Jinja text; by default the project's own.

    Raises:
        ValueError: a marker is not one token of the tokenizer, or pictures cannot be cut by the settings.
    """

    def __init__(
        self,
        image_processor: SmolVLMImageProcessorPil | Qwen2VLImageProcessorPil,
        tokenizer: PreTrainedTokenizerBase,
        image_seq_len: int = 64,
        chat_template: str | None = None,
    ):
        pictures = pictures_of(image_processor, image_seq_len)
        check_tokens(tokenizer, pictures.special_tokens)
        pictures.check()
        check_pixel_scale(image_processor)
        chat_template = chat_template or default_chat_template(pictures.picture_text)
        check_template(chat_template)
        self.image_seq_len = image_seq_len
        self.image_token = IMAGE_TOKEN
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self._control_text = ControlText(tokenizer, chat_format_of(chat_template))
        self._longest_token = max(map(len, tokenizer.get_vocab()))  # in bytes or characters: no text has fewer tokens than it has of these
        self._most_units: int | None = None
        self._reading_strings: dict[str, bool] = {}

    @property
    def pictures(self) -> Pictures:
        """How pictures are shown."""
        return pictures_of(self.image_processor, self.image_seq_len)

    @property
    def before_answer(self) -> str:
        """What the model writes before its answer and does not say with it."""
        return chat_format_of(self.chat_template).before_answer

    @property
    def trained_ids(self) -> tuple[int, ...]:
        """Ids of the markers whose rows of the embedding no donor has trained; those of other tokens that Qwen3 has stay as they are."""
        return tuple(self.tokenizer.convert_tokens_to_ids(list(self.pictures.trained_tokens)))

    @property
    def marker_ids(self) -> list[int]:
        """Ids of all markers that stand around and for pictures."""
        known = self.tokenizer.get_added_vocab()
        return sorted(known[token] for token in self.pictures.special_tokens if token in known)

    def limit_images(
        self,
        *,
        longest_edge: int | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        most_tiles: int | None = None,
    ) -> None:
        """Show pictures with less from now on than the model was trained with: less memory and time, less to be read in them.

        Args:
            longest_edge: what a picture's longest edge is scaled to, in pixels, in whole tiles; for layouts with tiles.
            min_pixels, max_pixels: the fewest and the most pixels of a picture; for layouts with native resolution.
            most_tiles: of one picture, the global view among them; for layouts with tiles.

        Raises:
            ValueError: a value that no picture can have, or one for the other kind of layout.
        """
        if most_tiles is not None:
            check_most_tiles(most_tiles)
        self.pictures.limit(longest_edge=longest_edge, min_pixels=min_pixels, max_pixels=max_pixels, most_tiles=most_tiles)
        self._most_units = most_tiles

    def think_by_default(self, thinks: bool) -> None:
        """Let prompts that do not say whether to think be rendered so; what is saved from now on says it to every client.

        Raises:
            ValueError: they shall think, but the template is another project's, which decides for itself.
        """
        if thinks and not is_own_template(self.chat_template):
            raise ValueError("the checkpoint's own chat template decides whether prompts think. Set stages.N.prompts.thinking: false.")
        if is_own_template(self.chat_template):
            self.chat_template = with_thinking_default(self.chat_template, thinks)

    # ---- conversations: the project's own way in -------------------------------------------------------------------------------

    def lay_out(
        self,
        messages: Sequence[dict[str, Any]],
        image_sizes: Sequence[tuple[int, int]] = (),
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        max_length: int | None = None,
        max_units: int | None = None,
        add_generation_prompt: bool = False,
        enable_thinking: bool | None = None,
        asks_empty_thinking: bool = False,
    ) -> LaidOut:
        """Ids, labels and plans for the pictures of one conversation; no pixel is read.

        Too long for `max_length`, or with more tiles (or patches) than `max_units`, its pictures first get fewer, then it loses whole early
        turns, finest resolution first for what is left. An image is never cut.

        Args:
            messages: OpenAI / Hugging Face messages; content is a string or a list of parts. An assistant's with `"weight": 0` is read
                and not asked of the model.
            image_sizes: (height, width) of each image, in the order of the image parts.
            enable_thinking: as in Qwen3's template; False closes the thinking block in the generation prompt, and None leaves it to the
                template's default.
            asks_empty_thinking: whether the empty thinking block of an answer is among what the model is asked for.

        Raises:
            TooLongError: even the last turn alone, its pictures at the coarsest level, is over `max_length` or `max_units`.
            ValueError: the number of image parts is not the number of images, or the messages hold what a template cannot be shown.
        """
        messages, tools = plain_messages(messages), plain_tools(tools)
        num_parts = sum(map(count_images, messages))
        if num_parts != len(image_sizes):
            raise ValueError(f"the messages hold {num_parts} image parts, but {len(image_sizes)} images were given; give one each.")

        options = {"add_generation_prompt": add_generation_prompt, "enable_thinking": enable_thinking}
        num_turns, found = self._shorten(messages, image_sizes, tools, max_length, max_units, **options)
        kept, first_image, rendered, originals, plans = found
        shortened = (EARLY_TURNS_DROPPED,) if num_turns else ()
        pictures = self.pictures
        image_texts = list(map(pictures.text, plans))
        ids, asked = self._control_text.encode(rendered, originals, image_texts, asks_empty_thinking=asks_empty_thinking)
        if any(plan.level < pictures.levels[0] for plan in plans):
            shortened = (FEWER_TILES, *shortened)
        return LaidOut(
            input_ids=ids,
            labels=[token if wanted else IGNORED_LABEL for token, wanted in zip(ids, _without_unlearned(asked, kept))],
            plans=plans,
            kept_images=list(range(first_image, len(image_sizes))),
            shortened=shortened,
        )

    def _shorten(
        self,
        messages: list[dict[str, Any]],
        image_sizes: Sequence[tuple[int, int]],
        tools: list[Any] | None,
        max_length: int | None,
        max_units: int | None,
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
            plans = self._fit_pictures(rendered, guarded.originals, sizes, max_length, max_units)
            return _Fit(kept, first_image, rendered, guarded.originals, plans)

        num_turns = _first_that_fits(fit, count_turns(messages))
        if fit(num_turns).plans is None:
            sizes, pictures = image_sizes[fit(num_turns).first_image :], self.pictures
            fewest = sum(pictures.plan(height, width, pictures.levels[-1], self._most_units).num_units for height, width in sizes)
            raise _too_long(len(sizes), fewest, max_length, max_units, pictures.unit)
        return num_turns, fit(num_turns)

    def shrink(self, image: Image.Image) -> Image.Image:
        """An RGB picture scaled to what is cut of it: of it come the same pixels as of the picture itself."""
        return self.pictures.scale(image, self.pictures.plan(image.height, image.width, most_units=self._most_units))

    def pixel_values(self, images: Sequence[Image.Image], laid_out: LaidOut) -> np.ndarray:
        """The pixels of the images that `laid_out` kept: (num_units, 3, side, side) float32."""
        return self._cut(self.pictures.cut, np.float32, images, laid_out)

    def byte_pixels(self, images: Sequence[Image.Image], laid_out: LaidOut) -> np.ndarray:
        """The same before they are normalised: uint8."""
        return self._cut(self.pictures.cut_bytes, np.uint8, images, laid_out)

    def positions(self, laid_out: LaidOut) -> np.ndarray:
        """(axes, L) int64: as `Pictures.positions` has them."""
        return self.pictures.positions(laid_out.input_ids, self.image_token_id, laid_out.plans)

    def _cut(self, cut: Callable[..., np.ndarray], dtype: type[np.number], images: Sequence[Image.Image], laid_out: LaidOut) -> np.ndarray:
        found = [cut(images[index], plan) for index, plan in zip(laid_out.kept_images, laid_out.plans)]
        return np.concatenate(found) if found else self.pictures.no_pixels(dtype)

    def _render(self, guarded: GuardedText, add_generation_prompt: bool, enable_thinking: bool | None) -> str:
        is_own = is_unchanged_template(self.chat_template)
        options = {"add_generation_prompt": add_generation_prompt}
        if enable_thinking is not None:
            options["enable_thinking"] = enable_thinking

        def write(messages: Sequence[dict[str, Any]], tools: list[Any] | None) -> str:
            return render(self.tokenizer, self.chat_template, is_own=is_own, conversation=messages, tools=tools, **options)

        messages = guarded.messages
        try:
            if is_own:
                check_roles(messages)
            elif not self._reads_strings(self.chat_template):
                messages = in_parts(messages)
            rendered = write(messages, guarded.tools)
            check_images_shown(messages, rendered)
            if not is_own:
                check_shown(write, messages, guarded.tools, rendered)
        except ChatTemplateError as error:  # it may quote the messages
            raise ChatTemplateError(str(error).translate(guarded.originals)) from error
        return rendered

    def _reads_strings(self, template: str) -> bool:
        """Whether a chat template, which may be exchanged at any time, reads content that is a string."""
        if template not in self._reading_strings:
            self._reading_strings = {template: reads_strings(self.tokenizer, template)}
        return self._reading_strings[template]

    def _fit_pictures(
        self, rendered: str, originals: dict[int, str], sizes: Sequence[tuple[int, int]], max_length: int | None, max_units: int | None
    ) -> list[Plan] | None:
        """The finest plans with which the conversation fits, or None."""
        num_words, pictures = None, self.pictures
        for level in pictures.levels:
            plans = [pictures.plan(height, width, level, self._most_units) for height, width in sizes]
            if max_units is not None and sum(plan.num_units for plan in plans) > max_units:
                continue
            if max_length is None:
                return plans
            if num_words is None:
                num_words = len(self._control_text.encode(rendered, originals, [""] * len(sizes))[0])
            if num_words + sum(len(self._control_text.control_ids(pictures.text(plan))) for plan in plans) <= max_length:
                return plans
            if not sizes:
                return None
        return None

    # ---- Hugging Face's own way in ---------------------------------------------------------------------------------------------

    def apply_chat_template(self, conversation: Any, chat_template: str | None = None, **options: Any) -> Any:
        """As every Hugging Face processor has it; content that is a string is made a part where the template reads nothing else."""
        template = chat_template or self.chat_template
        if not is_own_template(template) and not self._reads_strings(template):
            several = bool(conversation) and not isinstance(conversation[0], Mapping)
            conversation = [in_parts(each) for each in conversation] if several else in_parts(conversation)
        return super().apply_chat_template(conversation, chat_template, **options)

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
        missing tiles are zeros; or with native resolution `pixel_values` (patches, numbers of a patch) and `image_grid_thw` (images, 3),
        and always `mm_token_type_ids` (batch, length), 1 where a picture's token stands.

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
        opened = [[read_image(image) for image in row] for row in nested]
        pictures = self.pictures
        expanded, replaced, cut, plans = [], [], [], []
        for row, prompt in zip(opened, texts):
            plans.append([pictures.plan(image.height, image.width) for image in row])
            image_texts = list(map(pictures.text, plans[-1]))
            expanded.append(replace_in_turn(prompt, image_texts))
            replaced.append(replaced_spans(prompt, image_texts))
            cut.append([pictures.cut(image, plan) for image, plan in zip(row, plans[-1])])
        options = dict(padding=padding, padding_side=padding_side, return_tensors=return_tensors, **tokenizer_options)
        encoded = self.tokenizer(expanded, add_special_tokens=False, **options)
        features = BatchFeature({**encoded, **pictures.batch(cut, plans)}, tensor_type=return_tensors)
        if pictures.names_token_types:
            features["mm_token_type_ids"] = _token_types(features["input_ids"], self.image_token_id)
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
        pictures, chat_format = self.pictures, chat_format_of(self.chat_template)
        stock_class = {"processor_class": pictures.processor_class}
        _edit_json(folder / "processor_config.json", without=("image_seq_len",), **stock_class, **pictures.processor_settings)
        _edit_json(folder / "preprocessor_config.json", **json.loads(self.image_processor.to_json_string()), **stock_class)
        for name, settings in pictures.other_files.items():
            _edit_json(folder / name, **settings, **stock_class)
        _edit_json(
            folder / "tokenizer_config.json",
            **chat_format.stock_attributes(pictures.stock_attributes, self.tokenizer),
            **stock_class,
            chat_template=self.chat_template,
            tokenizer_class=chat_format.tokenizer_class if _is_byte_level(self.tokenizer) else "PreTrainedTokenizerFast",
            add_bos_token=False,
        )
        if chat_format.keeps_smolvlm_names:
            restore_smolvlm_names(folder)
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
            refuse_other_models(folder)
            with with_own_names(folder) if has_smolvlm_names(folder) else nullcontext(Path(folder)) as source:
                processor = _read_as(folder, source, cls._read, **kwargs)
            processor.tokenizer.name_or_path = str(folder)
            processor.pictures.check_against_config(object_in(Path(folder) / "config.json"))
            _try_template(processor)
        return processor

    @classmethod
    def _read(cls, folder: Path, **kwargs: Any) -> Self:
        """Its parts, each in the class that is known to work here: transformers would choose by what else is installed."""
        _check_files(folder)
        try:
            image_processor = read_image_processor(folder)
        except OSError as error:
            raise ValueError("it has no preprocessor_config.json; copy the folder whole") from error
        settings, _ = cls.get_processor_dict(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **kwargs)
        needed = pictures_of(image_processor, None).processor_settings
        if not needed.keys() <= settings.keys():
            raise ValueError(f"it has no processor_config.json with {' and '.join(needed)}; copy the folder whole")
        own = {name: settings[name] for name in needed}
        return cls(image_processor, tokenizer, chat_template=serving_template(settings["chat_template"]), **own)

    @classmethod
    def get_processor_dict(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """transformers' own, with the folder's template wherever it stands; raises `SettingsFileError` where it stands nowhere."""
        settings, kwargs = super().get_processor_dict(pretrained_model_name_or_path, **kwargs)
        return {**settings, "chat_template": folder_template(pretrained_model_name_or_path, settings.get("chat_template"))}, kwargs


class _Fit(NamedTuple):
    """A conversation without its first turns, and how its images can be shown."""

    messages: list[dict[str, Any]]
    first_image: int
    """Of the images that are left."""
    rendered: str
    originals: dict[int, str]
    """As `GuardedText` has them."""
    plans: list[Plan] | None
    """None where it is too long with any."""


def _first_that_fits(fit: Callable[[int], _Fit], num_turns: int) -> int:
    """The fewest first turns to drop; all but the last where that is not enough. The fewer turns are left, the shorter they are."""
    if fit(0).plans is not None or num_turns < 2:
        return 0
    return bisect.bisect_left(range(num_turns - 1), True, key=lambda number: fit(number).plans is not None)


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
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}
    processor.lay_out([asked], [processor.pictures.example_size], add_generation_prompt=True)


def _read_as(folder: str | Path, copy: Path, read: Callable[..., SmVLMProcessor], **options: Any) -> SmVLMProcessor:
    """Read a copy; what is wrong with it is said of the folder."""
    try:
        return read(copy, **options)
    except SettingsFileError as error:
        raise SettingsFileError(str(error).replace(str(copy), str(folder))) from error


def _check_files(folder: Path) -> None:
    """Raise `SettingsFileError` for a file whose lack transformers does not tell."""
    if not (folder / "tokenizer.json").is_file():
        raise SettingsFileError(f"{folder} has no tokenizer.json; copy the folder whole.")


def _too_long(num_images: int, fewest_units: int, max_length: int | None, max_units: int | None, unit: str) -> TooLongError:
    """Which limit the last turn alone is over.

    Args:
        fewest_units: that its pictures can be shown with.
    """
    least = "one tile an image" if unit == "tiles" else "every image at its smallest"
    if max_units is not None and fewest_units > max_units:
        return TooLongError(f"{num_images} images in the last turn, which is more than max_{unit} {max_units} even with {least}")
    return TooLongError(f"longer than max_length {max_length} even with {least} and no earlier turn")


def _token_types(input_ids: Any, image_token_id: int) -> Any:
    """1 where a picture's token stands, else 0, in the kind that the ids are of."""
    if isinstance(input_ids, list):
        return [_token_types(entry, image_token_id) if isinstance(entry, list) else int(entry == image_token_id) for entry in input_ids]
    return (input_ids == image_token_id) * 1


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    return "ByteLevel" in str(tokenizer.backend_tokenizer.pre_tokenizer)


def _edit_json(path: Path, *, without: Sequence[str] = (), **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for leftover in ("is_local", "local_files_only", *without):  # the first two: how this machine loaded it
        content.pop(leftover, None)
    path.write_text(json.dumps({**content, **changes}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
