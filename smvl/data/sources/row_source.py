"""A source: rows of some storage, in some layout, that come out as samples."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sample import Sample
from smvl.data.sources.layouts import IMAGE_COLUMNS, LAYOUT_NAMES, RowLayout, describe_mismatch, find_layout
from smvl.data.sources.placeholders import place_images, without_images
from smvl.data.sources.row_images import find_image
from smvl.data.sources.storage import Rows, Storage
from smvl.data.sources.values import is_missing, text_of_column
from smvl.data.tool_calls import check_results, read_calls, read_tools
from smvl.processing.layout import count_images

_NUM_LOOKED_AT = 32
"""Rows that are looked at when a source is opened: enough to tell data of another kind from data with broken rows."""
_OTHER_MEDIA = ("video", "videos", "audio", "audios")


class RowSource:
    """Samples, in any order, in any process.

    Args:
        name: what messages and the quarantine call it.
        layouts: names of the layouts that its rows may have; each row is looked at by itself.
        text: pure text: a row with an image is refused, and `<image>` is a word.

    Raises:
        ValueError: none of its first rows has one of the layouts.
    """

    def __init__(self, storage: Storage, name: str, *, layouts: Collection[str] = LAYOUT_NAMES, text: bool = False):
        self.storage, self.name, self.layouts, self.text = storage, name, layouts, text
        self._check_layouts()

    def __len__(self) -> int:
        return len(self.storage)

    def __getitem__(self, row: int) -> Sample:
        """The sample of a row.

        Raises:
            SampleError: the row breaks a rule; the message says where it stands.
        """
        part, number = self.storage.part_of(row)
        try:
            return self._sample(_as_object(part[number]), part, f"{part.name}:{number}")
        except SampleError as error:
            raise SampleError(error.rule, f"{part.name}:{number}: {error}") from error

    def locate(self, row: int) -> str:
        """Where a row stands: the file or table, and the number of the row in it, counted from 0."""
        part, number = self.storage.part_of(row)
        return f"{part.name}:{number}"

    def layout_of(self, row: int) -> str:
        """The name of the layout of a row; raises `SampleError` when it has none."""
        part, number = self.storage.part_of(row)
        return self._layout(_as_object(part[number])).name

    @property
    def files(self) -> list[Path]:
        """Where its rows lie on the disk."""
        return [file for part in self.storage.parts for file in part.files]

    # ---- one row -----------------------------------------------------------------------------------------------------------------

    def _sample(self, content: dict[str, Any], part: Rows, location: str) -> Sample:
        layout = self._layout(content)
        messages = _with_system_prompt(layout.read(content), text_of_column(content, "system"))
        check_results(messages)
        messages, images = self._place_images(messages, content, layout)
        tools = next((content[key] for key in ("tools", "functions") if not is_missing(content.get(key))), None)
        return Sample(
            id=_row_id(content.get("id"), location),
            messages=[_with_plain_calls(message, index) for index, message in enumerate(messages)],
            images=[find_image(image, part.folder, self.storage.root, f"image {number}") for number, image in enumerate(images)],
            source=self.name,
            task=_task(content, layout),
            tools=read_tools(tools),
        )

    def _layout(self, content: dict[str, Any]) -> RowLayout:
        layout = find_layout(content, self.layouts)
        if layout is None:
            raise SampleError("unknown layout", describe_mismatch(list(content), self.layouts))
        return layout

    def _place_images(self, messages: list[dict], content: dict[str, Any], layout: RowLayout) -> tuple[list[dict], list[Any]]:
        if media := [column for column in _OTHER_MEDIA if column in content and not _is_empty(content[column])]:
            raise SampleError("content part", f"the column {media[0]} is filled; expected text and images, other media are not read")
        listed = _listed_images(content)
        if not self.text:
            return place_images(messages, listed, images_first=layout.images_first)
        if count := len(listed) or sum(map(count_images, messages)):
            raise SampleError("image in text", f"the source is pure text (text: true), but the row has {count} images")
        return without_images(messages), []

    # ---- all rows ----------------------------------------------------------------------------------------------------------------

    def _check_layouts(self) -> None:
        """One good row is enough; a table says of all its rows what columns they have."""
        for part in self.storage.parts:
            if part.columns is not None:
                _check_columns(part, self.layouts)
        complaints = []
        for row in range(min(len(self), _NUM_LOOKED_AT)):
            try:
                self.layout_of(row)
                return
            except SampleError as error:
                complaints.append(f"{self.locate(row)}: {error}")
        raise ValueError(f"{self.name}: no layout fits any of the first {len(complaints)} rows. {complaints[0]}. {_HOW}")


_HOW = "The table of layouts stands in smvl/data/sources/layouts.py: rename the columns, or give the data's own `source`."


def _check_columns(part: Rows, layouts: Collection[str]) -> None:
    if find_layout(dict.fromkeys(part.columns), layouts) is None:
        raise ValueError(f"{part.name}: {describe_mismatch(part.columns, layouts)}. {_HOW}")


def _as_object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise SampleError("row form", f"the row is {type(content).__name__} {str(content)[:40]!r}; expected an object")
    return content


def _with_system_prompt(messages: list[dict], prompt: str) -> list[dict]:
    if not prompt or (messages and messages[0] == {"role": "system", "content": prompt}):
        return messages
    return [{"role": "system", "content": prompt}, *messages] if messages else messages


def _with_plain_calls(message: dict, index: int) -> dict:
    """The message with its tool calls in our form, and without the ids that joined them to their results."""
    plain = {key: value for key, value in message.items() if key != "tool_call_id"}
    return {**plain, "tool_calls": read_calls(plain["tool_calls"], index)} if "tool_calls" in plain else plain


def _listed_images(content: dict[str, Any]) -> Sequence[Any]:
    value = next((content[column] for column in IMAGE_COLUMNS if column in content and not _is_empty(content[column])), [])
    return value if isinstance(value, (list, tuple)) else [value]


def _is_empty(value: Any) -> bool:
    return is_missing(value) or (isinstance(value, (str, list, tuple, dict)) and not value)


def _row_id(value: Any, location: str) -> str:
    if is_missing(value) or value == "":
        return location
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise SampleError("row id", f"the id is {type(value).__name__} {str(value)[:40]!r}; expected a text, a number, or none")
    return str(value)


def _task(content: dict[str, Any], layout: RowLayout) -> str:
    if isinstance(content.get("task"), str):
        return content["task"]
    pairs = content.get("texts") if layout.name == "texts" else None
    first = pairs[0] if isinstance(pairs, (list, tuple)) and pairs else {}
    source = first.get("source", content.get("source")) if pairs and isinstance(first, dict) else None
    return source if isinstance(source, str) else ""
