"""A source: rows of some storage, in some layout, that come out as samples."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sample import Sample
from smvl.data.sources.grounding import check_no_boxes
from smvl.data.sources.layouts import LAYOUT_NAMES, RowLayout, describe_mismatch, find_layout
from smvl.data.sources.listed_images import check_unread_images, listed_images
from smvl.data.sources.loss_switches import check_no_other_switches, check_row_is_learned
from smvl.data.sources.other_media import check_no_other_media
from smvl.data.sources.other_tools import check_no_other_tools
from smvl.data.sources.placeholders import check_number, place_images, without_images
from smvl.data.sources.row_images import find_image
from smvl.data.sources.storage import Rows, Storage
from smvl.data.sources.switch_lists import check_no_switch_lists
from smvl.data.sources.turns import TOOL_KEYS
from smvl.data.sources.unshown_choices import check_choices_are_shown
from smvl.data.sources.unused_keys import SYSTEM_COLUMNS, unused_keys
from smvl.data.sources.values import id_text, is_empty, text_of_column
from smvl.data.tool_calls import read_calls, read_tools
from smvl.data.tool_results import results_in_order
from smvl.processing.laid_out import count_images

_NUM_LOOKED_AT = 32
"""Rows that are looked at when a source is opened: enough to tell data of another kind from data with broken rows."""


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
        return self.read(row)[0]

    def read(self, row: int) -> tuple[Sample, list[str]]:
        """The sample of a row, and what of the row was not read: columns, and keys of its turns and parts. Raises as `[row]` does."""
        part, number = self.storage.part_of(row)
        try:
            return self._read(_as_object(part[number]), part, f"{part.name}:{number}")
        except SampleError as error:
            raise SampleError(error.rule, f"{part.name}:{number}: {error}") from error
        except RecursionError as error:
            raise SampleError("row form", f"{part.name}:{number}: the row is nested too deeply to be read") from error

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

    def _read(self, content: dict[str, Any], part: Rows, location: str) -> tuple[Sample, list[str]]:
        layout = self._layout(content)
        messages = layout.read(content)
        unread = unused_keys(content, layout)
        _check_meaning(content, messages, unread)
        messages, tools = _take_tools(_with_system_prompt(messages, content), content)
        messages, images = self._place_images(results_in_order(messages), content)
        check_unread_images(unread, images)
        check_number(len(images), "images")
        sample = Sample(
            id=_row_id(content.get("id"), location),
            messages=[_plain(message, index) for index, message in enumerate(messages)],
            images=[find_image(image, part.folder, self.storage.root, f"image {number}") for number, image in enumerate(images)],
            source=self.name,
            task=_task(content, layout),
            tools=tools,
        )
        return sample, list(unread)

    def _layout(self, content: dict[str, Any]) -> RowLayout:
        layout = find_layout(content, self.layouts)
        if layout is None:
            raise SampleError("unknown layout", describe_mismatch(list(content), self.layouts))
        return layout

    def _place_images(self, messages: list[dict], content: dict[str, Any]) -> tuple[list[dict], list[Any]]:
        listed = listed_images(content)
        if not self.text:
            return place_images(messages, listed)
        given = [image for images in (listed, *(message.get("images", ()) for message in messages)) for image in images]
        if count := sum(not is_empty(image) for image in given) + sum(map(count_images, messages)):
            raise SampleError("image in text", f"the source is pure text (text: true), but the row has {count} images")
        return without_images(messages), []

    # ---- all rows ----------------------------------------------------------------------------------------------------------------

    def _check_layouts(self) -> None:
        """One good row is enough; a table says of all its rows what columns they have."""
        for part in self.storage.parts:
            if part.columns is not None:
                _check_columns(part, self.layouts)
        complaints: dict[str, str] = {}
        num_looked_at = min(len(self), _NUM_LOOKED_AT)
        for row in range(num_looked_at):
            try:
                self.layout_of(row)
                return
            except SampleError as error:
                complaints.setdefault(error.rule, f"{self.locate(row)}: {str(error).rstrip('.')}")
        if "unknown layout" in complaints:
            found = f"no layout fits any of the first {num_looked_at} rows. {complaints['unknown layout']}. {_HOW}"
        else:
            found = f"none of the first {num_looked_at} rows can be read. {next(iter(complaints.values()))}."
        raise ValueError(f"{self.name}: {found}")


_HOW = "The table of layouts stands in smvl/data/sources/layouts.py: rename the columns, or give the data's own `source`."


def _check_columns(part: Rows, layouts: Collection[str]) -> None:
    if find_layout(dict.fromkeys(part.columns), layouts) is None:
        raise ValueError(f"{part.name}: {describe_mismatch(part.columns, layouts)}. {_HOW}")


def _as_object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise SampleError("row form", f"the row is {type(content).__name__} {str(content)[:40]!r}; expected an object")
    return content


def _check_meaning(content: dict[str, Any], messages: list[dict], unread: dict[str, list[Any]]) -> None:
    """Refuse a row that means something else than its words when it is read as we do."""
    check_row_is_learned(content)
    check_no_other_switches(unread)
    check_no_switch_lists(unread, messages)
    check_choices_are_shown(unread, messages)
    check_no_boxes(unread, messages)
    check_no_other_media(unread)
    check_no_other_tools(unread)


def _with_system_prompt(messages: list[dict], content: dict[str, Any]) -> list[dict]:
    """The messages behind the system prompt of the row, unless that is their first."""
    prompts = {column: text for column in SYSTEM_COLUMNS if (text := text_of_column(content, column))}
    if len(set(map(str.strip, prompts.values()))) > 1:
        raise SampleError("unread words", f"{' and '.join(prompts)} hold system prompts that differ; expected one")
    prompt = next(iter(prompts.values()), None)
    if prompt is None or not messages or (messages[0]["role"], messages[0]["content"]) == ("system", prompt):
        return messages
    return [{"role": "system", "content": prompt}, *messages]


def _take_tools(messages: list[dict], content: dict[str, Any]) -> tuple[list[dict], list[dict[str, Any]] | None]:
    """The messages without tools, and the conversation's tools, which stand in columns of the row or in its system turn."""
    given = [content[key] for key in TOOL_KEYS if not is_empty(content.get(key))]
    given += [message["tools"] for message in messages if "tools" in message]
    read = [read_tools(tools) for tools in given]
    if any(tools != read[0] for tools in read):
        raise SampleError("tools form", f"the row gives {len(read)} lists of tools that differ; expected one")
    is_only_for_tools = bool(messages) and "tools" in messages[0] and is_empty(messages[0]["content"])
    return messages[1:] if is_only_for_tools else messages, read[0] if read else None


def _plain(message: dict, index: int) -> dict:
    """The message with its tool calls in our form, and without what was read from it before."""
    plain = {key: value for key, value in message.items() if key not in ("tools", "tool_call_id", "id", "name")}
    return {**plain, "tool_calls": read_calls(plain["tool_calls"], index)} if "tool_calls" in plain else plain


def _row_id(value: Any, location: str) -> str:
    if is_empty(value):
        return location
    text = id_text(value)
    if text is None:
        raise SampleError("row id", f"the id is {type(value).__name__} {str(value)[:40]!r}; expected a text, a number, or none")
    return text


def _task(content: dict[str, Any], layout: RowLayout) -> str:
    if isinstance(content.get("task"), str):
        return content["task"]
    pairs = content.get("texts") if layout.name == "texts" else None
    first = pairs[0] if isinstance(pairs, (list, tuple)) and pairs else {}
    source = first.get("source", content.get("source")) if pairs and isinstance(first, dict) else None
    return source if isinstance(source, str) else ""
