"""What a scene is: a picture drawn from known contents, and questions about it whose answers are known from the contents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from smvl.scenes.contents import Contents
from smvl.scenes.glyphs import Mark

READ, FIELD, JSON, MARKDOWN, LATEX, COUNT, COMPARE, REFUSAL, TOOL = (
    "read", "field", "json", "markdown", "latex", "count", "compare", "refusal", "tool",
)  # fmt: skip
QUESTION_KINDS = (READ, FIELD, JSON, MARKDOWN, LATEX, COUNT, COMPARE, REFUSAL, TOOL)
"""Reading all of it, one field, JSON by a schema, a Markdown table, LaTeX, counting, comparing two pictures, a refusal when the thing
asked for is not there, a tool call."""


@dataclass(frozen=True)
class Question:
    """One question with its answer."""

    kind: str
    """One of `QUESTION_KINDS`."""
    question: str
    """In Chinese, as a user asks. A JSON question states its schema, a Markdown question its columns."""
    answer: str = ""
    """In Chinese where it is words; exactly what the picture says where it is read. Empty where the answer is a tool call."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """JSON schemas of the functions that may be called, in OpenAI's form."""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """Calls that answer the question: {"type": "function", "function": {"name", "arguments"}}, arguments an object."""


@dataclass(frozen=True)
class Drawing:
    """A clean picture and what is in it."""

    image: Image.Image
    """RGB, undistorted."""
    facts: Mapping[str, Any]
    """All that questions are made from: plain values (str, int, float, list, dict)."""
    texts: Sequence[str] = field(default_factory=tuple)
    """Every run of text that stands on the picture, as `Page.texts` has it."""
    marks: Sequence[Mark] = ()
    """Where its characters stand, as `Page.marks` has it."""


Ask = Callable[[Mapping[str, Any], Contents], Question]
"""Makes a question from a drawing's facts."""


@dataclass(frozen=True)
class Kind:
    """One kind of scene: how it is drawn and what can be asked.

    [Contract] `draw` and every question are functions of their `Contents` alone: the same seed, the same picture and question, whatever
    the process. Texts that differ between scenes come from `Contents`, and questions use only them, `labels` and fixed words.
    """

    name: str
    """The task's name, for example `price_tag`; questions are scored as `price_tag/json`."""
    draw: Callable[[Contents, int], Drawing]
    """`draw(contents, longest_edge)`: the longer side of the picture in pixels; legible from 384 on, made for 512 and more."""
    questions: Mapping[Ask, float]
    """Question makers with their shares; an Ask may be given twice the share of another."""
    compare: Callable[[Mapping[str, Any], Mapping[str, Any], Contents], Question] | None = None
    """A question about two pictures of this kind (`第一张`, `第二张`); None where there is nothing to compare."""
    labels: frozenset[str] = frozenset()
    """Runs of text that belong to the form and stand in every split: headings, units, axis ticks."""
    papers: tuple[str, ...] = ("plain", "tinted", "worn")
    """What it may be printed on, of `smvl.augment.textures.PAPERS`; empty where the picture is no sheet of paper."""
    bends: bool = True
    """Whether perspective and curl may bend it. Where a line's place is the answer (dials, charts), a bent picture is a wrong one."""
