"""Placeholders for boxes, which stand in the text while the boxes stand in a column of their own (as ms-swift writes): refused.

To put the boxes into the text, one would have to know what their numbers count in; the words `<bbox>` alone teach nothing.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from smvl.data.rules import SampleError

_NAMED_FOR_BOXES = re.compile(r"(^|[_.])(b?box|object|obj|region|ref|point|coord|coordinate|polygon|mask|segmentation)(es|s)?($|_)", re.I)
_PLACEHOLDER = re.compile(r"<(bbox|ref-object|object|box|ref|point|region|mask|seg)(es|s)?>(?![^<>]+</\1)", re.IGNORECASE)
"""Not `<box>(1,2),(3,4)</box>`, in which the coordinates stand."""


def check_no_boxes(unread: dict[str, list[Any]], messages: Sequence[dict[str, Any]]) -> None:
    """Raise `SampleError` when the texts of a row have places for boxes that stand in one of its columns, or in a key of a turn."""
    column = next(filter(_NAMED_FOR_BOXES.search, unread), None)
    if column is None:
        return
    found = next((match[0] for text in _texts(messages) if (match := _PLACEHOLDER.search(text))), None)
    if found is not None:
        reason = f"{found} stands in the text for what {column} holds, which is not read; write the coordinates there"
        raise SampleError("grounding boxes", reason)


def _texts(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message["content"]
        yield from [content] if isinstance(content, str) else (part["text"] for part in content if part["type"] == "text")
