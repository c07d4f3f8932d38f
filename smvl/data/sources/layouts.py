"""How a row is laid out: which columns hold the conversation, and in which form. All layouts end in the same messages.

    layout         columns                                     form of the conversation
    ------         -------                                     ------------------------
    texts          images, texts                               [{user, assistant, source}], a pair a turn
    messages       messages                                    [{role, content}], content text or parts
    conversations  conversations, conversation                 [{from, value}], or as messages
    pair           prompt + response | completion              a question and its answer, before them `system`, and `history`:
                   instruction + output | response             [[question, answer]]; `input` or `context` is joined to the
                   question + answer                           question by a line break
                   query + response

`texts` is The Cauldron, Docmatix and FineVision (whose columns of ratings are not read: no turn is left out for one). `conversations` is
LLaVA and ShareGPT. `messages` is OpenAI's and Hugging Face's form. `pair` is Alpaca and its like. The list of a conversation may also be
JSON text, as some tables keep it. Beside each layout may stand

    images         images, image, image_bytes, image_paths, image_path, image_files, image_file, img, image_urls, image_url: the first
                   that is filled; one or a list, also as JSON text
    tools          tools, functions: a list of schemas, or such a list as JSON text; also in the system turn
    system         system, system_prompt: a system prompt
    id, task       as in Sample; `source` in texts (the subset) stands for the task

A part names its image itself (`image`, `image_url`, `path`, `base64`, ...), or takes `images[index]`, or the next of `images`. Images
without a part stand at `<image>` in the text, or before the first question; those that a turn lists, in that turn. An image is a path,
bytes, base64 (bare or a data: URL), `{"bytes", "path"}` or a PIL image. Roles may carry the other names in turns.py; tool calls are
`tool_calls` (OpenAI) or turns from `function_call` and `observation` (ShareGPT), results in any order if they name their call. A turn of
the assistant's with `loss`, `weight`, `train` or the like at 0 or false is read and not learned. A row without the columns of any layout,
and any row that breaks a rule of smvl/data/rules.py, is refused: so is one whose images, tools, boxes or switches stand where they
are not read, and one whose words do: beside a list of turns, or in a second system prompt. What else is not read, `python -m smvl
check` names.
"""

import difflib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.turns import read_turn
from smvl.data.sources.values import is_empty, is_missing, list_of_column, text_of_column

_INPUT_COLUMNS = ("input", "context")
_TURNS_AS_TEXT = re.compile(r'\s*\[\s*\{\s*"(role|from|content|value)"\s*:')
_BESIDE_A_QUESTION = (*_INPUT_COLUMNS, "history")

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class RowLayout:
    """One way to lay out a row."""

    name: str
    columns: tuple[str, ...]
    """Those that a row of this layout must have."""
    read: Callable[[dict[str, Any]], Messages]
    """The messages of a row, roles and parts as `read_turn` gives them."""
    beside: tuple[str, ...] = ()
    """Those that it may have too, and that are read as part of it."""

    @cached_property
    def column_set(self) -> frozenset[str]:
        return frozenset(self.columns)


def _read_texts(row: dict[str, Any]) -> Messages:
    messages = []
    for number, pair in enumerate(list_of_column(row, "texts")):
        if not isinstance(pair, dict) or not {"user", "assistant"} & pair.keys():
            raise SampleError("row form", f"texts[{number}] is {str(pair)[:40]!r}; expected {{user, assistant}}")
        messages += _question_and_answer(text_of_column(pair, "user"), text_of_column(pair, "assistant"))
    return messages


def _turns_of(column: str) -> Callable[[dict[str, Any]], Messages]:
    def read(row: dict[str, Any]) -> Messages:
        return [read_turn(turn, index) for index, turn in enumerate(list_of_column(row, column))]

    return read


def _pair_of(question: str, answer: str) -> Callable[[dict[str, Any]], Messages]:
    def read(row: dict[str, Any]) -> Messages:
        if has_turns(row[question]):  # TRL's conversational prompt and completion
            _check_no_words_beside(row, question)
            turns = [*list_of_column(row, question), *list_of_column(row, answer)]
            return [read_turn(turn, index) for index, turn in enumerate(turns)]
        words = [text_of_column(row, question), *(text_of_column(row, column) for column in _INPUT_COLUMNS)]
        asked = "\n".join(text for text in words if text)
        return [*_read_history(row), *_question_and_answer(asked, text_of_column(row, answer))]

    return read


def has_turns(prompt: Any) -> bool:
    """Whether the first column of a pair holds a list of turns, also as JSON text, and not a question."""
    return isinstance(prompt, (list, tuple)) or (isinstance(prompt, str) and _TURNS_AS_TEXT.match(prompt) is not None)


def _check_no_words_beside(row: dict[str, Any], turns: str) -> None:
    if column := next((column for column in _BESIDE_A_QUESTION if not is_empty(row.get(column))), None):
        reason = f"{column} is filled, which is read beside a question that is text; {turns} is a list of turns: write it into one"
        raise SampleError("unread words", reason)


def _read_history(row: dict[str, Any]) -> Messages:
    messages = []
    for number, pair in enumerate(list_of_column(row, "history")):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise SampleError("row form", f"history[{number}] is {str(pair)[:40]!r}; expected [question, answer]")
        messages += _question_and_answer(*pair)
    return messages


def _question_and_answer(question: str, answer: str) -> Messages:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


_PAIRS = (
    ("prompt", "response"),
    ("prompt", "completion"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
    ("query", "response"),
)
LAYOUTS = (
    RowLayout("texts", ("images", "texts"), _read_texts, beside=("source",)),
    RowLayout("messages", ("messages",), _turns_of("messages")),
    RowLayout("conversations", ("conversations",), _turns_of("conversations")),
    RowLayout("conversations", ("conversation",), _turns_of("conversation")),
    *(RowLayout("pair", columns, _pair_of(*columns), beside=_BESIDE_A_QUESTION) for columns in _PAIRS),
)
LAYOUT_NAMES = tuple(dict.fromkeys(layout.name for layout in LAYOUTS))


def find_layout(row: dict[str, Any], names: Collection[str] = LAYOUT_NAMES) -> RowLayout | None:
    """The layout among `names` whose columns a row fills, else one whose columns it has, else None."""
    fitting = [layout for layout in LAYOUTS if row.keys() >= layout.column_set and layout.name in names]
    filled = (layout for layout in fitting if not any(is_missing(row[column]) for column in layout.columns))
    return next(filled, fitting[0] if fitting else None)


def describe_mismatch(columns: Sequence[str], names: Collection[str] = LAYOUT_NAMES) -> str:
    """Which columns were found, and what the nearest layouts lack."""
    found = ", ".join(sorted(map(str, columns))) or "none"
    nearest = sorted((layout for layout in LAYOUTS if layout.name in names), key=lambda layout: _nearness(layout, columns), reverse=True)
    lacks = "; ".join(f"{layout.name} ({' + '.join(layout.columns)}) lacks {_lacking(layout, columns)}" for layout in nearest[:3])
    return f"found the columns {found[:200]}; nearest layouts: {lacks}"


def _nearness(layout: RowLayout, columns: Sequence[str]) -> tuple[float, float]:
    """Share of its columns that are there, and mean likeness of each to the nearest that is there."""

    def likeness(wanted: str) -> float:
        return max((difflib.SequenceMatcher(None, wanted, str(column)).ratio() for column in columns), default=0)

    wanted = layout.columns
    return sum(column in columns for column in wanted) / len(wanted), sum(map(likeness, wanted)) / len(wanted)


def _lacking(layout: RowLayout, columns: Sequence[str]) -> str:
    texts = []
    for wanted in layout.columns:
        if wanted not in columns:
            similar = difflib.get_close_matches(wanted, map(str, columns), n=1, cutoff=0.7)
            texts.append(f"{wanted} (there is {similar[0]})" if similar else wanted)
    return ", ".join(texts)
