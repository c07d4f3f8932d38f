"""The chat template, and what of it a training stage decides."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from smvl.layouts.tokens import IMAGE_TOKEN, PICTURE_TEXTS
from smvl.settings_files import SettingsFileError, object_in

TEMPLATE_FILE = "chat_template.jinja"

_DEFAULTS = {thinks: f"{{%- set thinks_by_default = {str(thinks).lower()} -%}}" for thinks in (True, False)}


_PICTURE = f"{{{{- '{IMAGE_TOKEN}' -}}}}"


@cache
def default_chat_template(picture_text: str = IMAGE_TOKEN) -> str:
    """The project's chat template: Qwen3's format, with images.

    Args:
        picture_text: what is written for one; of it `<|image_pad|>` becomes the picture's tokens.
    """
    written = resources.files("smvl.processing").joinpath("chat_template.jinja").read_text(encoding="utf-8")
    return written.replace(_PICTURE, _PICTURE.replace(IMAGE_TOKEN, picture_text))


def folder_template(folder: str | Path, written: Any) -> Any:
    """The template of a model folder: no other may take its place, as what a model was trained to see by default stands in it.

    Args:
        written: in the processor's own files; where that is nothing, tokenizer_config.json holds the same.

    Raises:
        SettingsFileError: neither holds one.
    """
    for template in (written, object_in(Path(folder) / "tokenizer_config.json").get("chat_template")):
        if not isinstance(template, str) and template:
            return template  # of another kind, which is told where it is checked
        if template and (text := template.removeprefix("\ufeff")).strip():
            return text
    raise SettingsFileError(f"{folder} has no chat template; expected one in {TEMPLATE_FILE}. Copy the folder whole.")


def with_thinking_default(template: str, thinks: bool) -> str:
    """The template with another answer for prompts that do not say whether to think.

    Raises:
        ValueError: it is not one of this project's, and does not say where that stands.
    """
    if _DEFAULTS[thinks] in template:
        return template
    if _DEFAULTS[not thinks] not in template:
        raise ValueError(f"the chat template has no line {_DEFAULTS[thinks]}; expected this project's, as a splice writes it.")
    return template.replace(_DEFAULTS[not thinks], _DEFAULTS[thinks])


TRAINING_TEMPLATE_FILE = "training_template.jinja"
"""In a checkpoint's folder, for trainers that are not this project's."""

_TAGS = {
    "{#- generation -#}": "{%- generation -%}",
    "{#- endgeneration -#}": "{%- endgeneration -%}",
    "{%- set has_block = loop.index0 > state.last_question and (loop.last or reasoning) -%}": "{%- set has_block = true -%}",
}
"""What a trainer's template has in the place of what stands here."""


def is_own_template(template: str) -> bool:
    """Whether the other functions here know where in a template to write."""
    return any(line in template for line in _DEFAULTS.values()) and all(mark in template for mark in _TAGS)


@cache
def is_unchanged_template(template: str) -> bool:
    """Whether it is this project's own, but for what a stage decides."""
    if not is_own_template(template):
        return False
    written = with_thinking_default(serving_template(template), True)
    return any(written == default_chat_template(text) for text in PICTURE_TEXTS)


def training_template(template: str) -> str:
    """The template for trainers that ask it what to learn, such as TRL with `assistant_only_loss`.

    It marks what the model is asked for with transformers' `generation` tags, and writes the thinking block into every assistant's turn, so
    that a conversation's beginning is rendered the same whatever follows.

    Raises:
        ValueError: it is not one of this project's.
    """
    for mark, tag in _TAGS.items():
        if mark not in template:
            raise ValueError(f"the chat template has no {mark}; expected this project's, as a splice writes it.")
        template = template.replace(mark, tag)
    return template


def serving_template(template: str) -> str:
    """What `training_template` was given; another template as it is. A trainer saves the template that it trains with."""
    if not all(tag in template for tag in _TAGS.values()):
        return template
    for mark, tag in _TAGS.items():
        template = template.replace(tag, mark)
    return template
