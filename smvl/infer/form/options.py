"""The options that name a form on the command line, or in its YAML file."""

import argparse
import re
from pathlib import Path
from typing import Any

from smvl.infer.form.form import Form
from smvl.strict_yaml import at_key

FORM_OPTIONS = {
    "--json-schema": "json_schema",
    "--regex": "regex",
    "--choices": "choices",
    "--boxes": "boxes",
    "--boxes-of": "boxes_of",
    "--table": "table",
    "--latex": "latex",
    "--lark": "lark",
}
"""Each option and its key."""


def add_form_options(parser: argparse.ArgumentParser) -> None:
    form = parser.add_argument_group("form", "what every answer matches; one of these")
    form.add_argument("--json-schema", metavar="FILE", help="JSON by a schema, on one line")
    form.add_argument("--regex", metavar="PATTERN", help="a regular expression")
    form.add_argument("--choices", metavar="A,B,C", help="one of some texts")
    form.add_argument("--boxes", action="store_true", help="boxes of what is asked for, as JSON with labels")
    form.add_argument("--boxes-of", metavar="A,B,C", help="the same, with one of these labels each")
    form.add_argument("--table", action="store_true", help="a Markdown table")
    form.add_argument("--latex", action="store_true", help="LaTeX in which everything opened is closed")
    form.add_argument("--lark", metavar="FILE", help="a grammar in Lark's notation")


def form_of(options: dict[str, Any]) -> Form | None:
    """The form that options ask for; None where they ask for none.

    Raises:
        ValueError: they ask for several, or for one that there is not, or a file cannot be read.
    """
    given = [option for option, key in FORM_OPTIONS.items() if options[key] not in (None, False)]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} were given together; an answer has one form.")
    if not given:
        return None
    [option] = given
    with at_key(option):
        return _make(FORM_OPTIONS[option], options[FORM_OPTIONS[option]])


def _make(key: str, value: Any) -> Form:
    if key in ("boxes", "table", "latex"):
        return getattr(Form, key)()
    if key in ("choices", "boxes_of"):
        texts = [text.strip() for text in re.split("[,，]", value)]
        return Form.choices(texts) if key == "choices" else Form.boxes(texts)
    if key == "regex":
        return Form.regex(value)
    text = _read_text(Path(value))
    return Form.json_schema(text) if key == "json_schema" else Form.lark(text)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # as Notepad writes it
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8 ({error}).") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}).") from error
