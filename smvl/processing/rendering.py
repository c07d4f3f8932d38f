"""Rendering a chat template that came with a model folder: it is a program, and may be wrong, or never end.

transformers runs it in a sandbox, where it reaches neither files nor the network. What is added here: its size and its steps have a limit,
and whatever it raises is said as an error of the template. A single step that takes all memory or time cannot be stopped so; see
docs/serving.md for what a model folder is trusted with.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import jinja2
from transformers import PreTrainedTokenizerBase

MOST_BYTES = 64 << 10
"""Of a template; the largest in use have 20,000."""
MOST_STEPS = 10_000_000
"""Lines of Python that rendering one conversation may take; a turn takes some hundred."""
MOST_CHARACTERS = 10_000_000
"""Of a rendered conversation."""


class ChatTemplateError(ValueError):
    """A chat template that cannot be used, or not for these messages."""


def check_template(template: Any) -> None:
    """Raise `ChatTemplateError` for what is no text, or too large."""
    if not isinstance(template, str):
        raise ChatTemplateError(
            f"the chat template is of the type {type(template).__name__}; expected one text. Keep one template, in chat_template.jinja."
        )
    size = len(template.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise ChatTemplateError(f"the chat template has {size:,} bytes; expected at most {MOST_BYTES:,}. Restore chat_template.jinja.")


def render(tokenizer: PreTrainedTokenizerBase, template: str, *, is_own: bool, **arguments: Any) -> str:
    """A conversation as one text.

    Args:
        is_own: the template is the project's, which needs no limits.
        arguments: as of `apply_chat_template`.

    Raises:
        ChatTemplateError: the template is wrong, refuses the messages, or does not end.
    """
    try:
        if is_own:
            return tokenizer.apply_chat_template(chat_template=template, tokenize=False, **arguments)
        with _limited_steps():
            rendered = tokenizer.apply_chat_template(chat_template=template, tokenize=False, **arguments)
    except (jinja2.TemplateError, ArithmeticError, LookupError, MemoryError, RecursionError, TypeError) as error:
        raise ChatTemplateError(f"the chat template cannot render these messages: {str(error) or type(error).__name__}") from error
    if not 1 <= len(rendered) <= MOST_CHARACTERS:
        raise ChatTemplateError(
            f"the chat template makes {len(rendered):,} characters of these messages; expected 1 to {MOST_CHARACTERS:,}. "
            "Restore chat_template.jinja."
        )
    return rendered


@contextmanager
def _limited_steps() -> Iterator[None]:
    """Counts the lines of Python that are run in this thread, in every function that is called from here on."""
    left = MOST_STEPS

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ChatTemplateError(f"the chat template has taken {MOST_STEPS:,} steps and goes on. Restore chat_template.jinja.")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)
