"""The chat template, and what of it a training stage decides."""

from importlib import resources

_DEFAULTS = {thinks: f"{{%- set thinks_by_default = {str(thinks).lower()} -%}}" for thinks in (True, False)}


def default_chat_template() -> str:
    """The project's chat template: Qwen3's format, with images."""
    return resources.files("smvl.processing").joinpath("chat_template.jinja").read_text(encoding="utf-8")


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
