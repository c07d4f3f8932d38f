"""The form that an answer must have: a JSON schema, a pattern, a choice, boxes, a table, LaTeX, or a grammar."""

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from smvl.infer.form.boxes import boxes_instructions, boxes_schema
from smvl.infer.form.closed_schema import close_objects
from smvl.infer.form.latex import LATEX
from smvl.infer.form.library import load_llguidance
from smvl.infer.form.table import TABLE
from smvl.strict_yaml import shorten

_SIGNS = re.compile(r"[\\.+*?()|\[\]{}^$#&\-~/]")
"""Those that mean something in a regular expression."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Form:
    """What every answer to a request matches; made by the methods below, which refuse what no answer can be held to.

    A model is held to it token by token (llguidance: https://github.com/guidance-ai/llguidance), whatever runtime it is in.
    """

    grammar: str
    """As llguidance reads it: JSON, or a Lark grammar."""
    instructions: tuple[str, str] = ("", "")
    """What is added to the question, in English and in Chinese: a form that the prompt does not announce leads small models astray."""
    is_json: bool = False
    """Whether quotation marks and brackets are what closes it, so that an answer whose room ends can be brought to its end."""

    def __post_init__(self):
        _check(self.grammar)

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | str) -> Self:
        """JSON by a schema, on one line and without spaces, keys in the schema's order.

        An object of the schema that names its properties and does not speak of others has no others.

        Raises:
            ValueError: it is no JSON, or no schema, or asks for what cannot be held to (named), or no answer can meet it.
        """
        schema = _read_json(schema)
        if not isinstance(schema, Mapping):
            raise ValueError(f"the JSON schema is {shorten(schema)}; expected an object.")
        told, closed = _written(schema, lambda value: value), _written(schema, close_objects)
        grammar = load_llguidance().LLMatcher.grammar_from_json_schema(closed, overrides={"whitespace_flexible": False})
        return cls(grammar, (f"Answer in JSON by this schema: {told}", f"请按此JSON Schema用JSON回答:{told}"), is_json=True)

    @classmethod
    def regex(cls, pattern: str) -> Self:
        """The whole answer matches a regular expression (Rust's syntax: no look-around, no back-references).

        Raises:
            ValueError: it is none.
        """
        if not isinstance(pattern, str):
            raise ValueError(f"regex is {shorten(pattern)}; expected text.")
        return cls(load_llguidance().LLMatcher.grammar_from_regex(pattern))

    @classmethod
    def choices(cls, options: Sequence[str]) -> Self:
        """One of some texts.

        Raises:
            ValueError: there is none, or one is empty or no text.
        """
        _check_texts("choices", options)
        listed = json.dumps(list(options), ensure_ascii=False)[1:-1]
        alternatives = "|".join(_SIGNS.sub(r"\\\g<0>", option) for option in dict.fromkeys(options))  # one rule, however many there are
        grammar = load_llguidance().LLMatcher.grammar_from_regex(f"({alternatives})")
        return cls(grammar, (f"Answer with one of: {listed}", f"请只回答其中之一:{listed}"))

    @classmethod
    def boxes(cls, labels: Sequence[str] | None = None) -> Self:
        """Boxes as Qwen3-VL writes them, on one line: `[{"bbox_2d":[x1,y1,x2,y2],"label":"..."}]`; `[]` where there are none.

        Coordinates are whole numbers from 0 to 1000 (see `smvl.grounding`, which reads them). That x1 is not beyond x2, nor y1 beyond y2,
        no grammar can hold an answer to.

        Args:
            labels: what a label may be; any text without.

        Raises:
            ValueError: labels are given and are no list of texts, or one of them is empty.
        """
        if labels is not None:
            _check_texts("labels", labels)
        return replace(cls.json_schema(boxes_schema(labels)), instructions=boxes_instructions(labels))

    @classmethod
    def table(cls) -> Self:
        """A Markdown table: a head, a line, and rows of as many cells."""
        return cls(TABLE, ("Answer with a Markdown table.", "请用Markdown表格回答。"))

    @classmethod
    def latex(cls) -> Self:
        """LaTeX: formulas alone, a line each, or text with formulas between dollar signs; everything that is opened is closed."""
        return cls(LATEX, ("Answer in LaTeX.", "请用LaTeX回答。"))

    @classmethod
    def lark(cls, grammar: str) -> Self:
        """A grammar in Lark's notation, as llguidance reads it.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(grammar, str):
            raise ValueError(f"the grammar is {shorten(grammar)}; expected text.")
        return cls(grammar)

    def instruction(self, question: str) -> str:
        """What is added to a question, in its language."""
        return self.instructions[bool(_CHINESE.search(question))]

    def after_thinking(self) -> str:
        """The grammar of this form behind a thinking block, as Qwen3 writes it."""
        return self.within('start: <think> "\\n" THOUGHT </think> "\\n\\n" @form\nTHOUGHT: /(.|\\n)*/\n')

    def within(self, wrapper: str) -> str:
        """A Lark grammar that speaks of this form as `@form`, and this form."""
        own = json.loads(self.grammar)["grammars"] if self.grammar.lstrip().startswith("{") else [{"lark_grammar": self.grammar}]
        name = f"form{len(own)}"  # a form may stand within another that stands within this one
        return json.dumps({"grammars": [{"lark_grammar": wrapper.replace("@form", f"@{name}")}, {**own[0], "name": name}, *own[1:]]})


def _check_texts(name: str, texts: Any) -> None:
    if isinstance(texts, str) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"{name} is {shorten(texts)}; expected a list of texts, none of them empty.")


@functools.lru_cache(maxsize=64)
def _check(grammar: str) -> None:
    is_error, messages = load_llguidance().LLMatcher.validate_grammar_with_warnings(grammar)
    if messages := [message for message in messages if "no tokenizer" not in message]:  # special tokens are looked up where there is one
        what = "no answer can be held to this form" if is_error else "answers can be held to this form in part only"
        raise ValueError(f"{what}: {' '.join('; '.join(messages).split())}")


def _written(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> str:
    try:
        return json.dumps(change(dict(schema)), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the JSON schema holds what JSON has not, or lies too deep ({error}).") from error


def _read_json(schema: Any) -> Any:
    if not isinstance(schema, str):
        return schema
    try:
        return json.loads(schema)
    except ValueError as error:
        raise ValueError(f"the JSON schema is no JSON ({error}).") from error
