"""JSON Lines with OpenAI-style messages: `{"messages": [...]}` a line, image paths relative to the file; pure text chats too."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from smvl.data.sample import Sample, SampleError


class JsonLines:
    """Random access to the lines of a `.jsonl` file, or of all such files in a folder. Only line offsets are held in memory.

    An image stands in its part (`{"type": "image", "image": PATH}` or `{"type": "image_url", "image_url": {"url": ...}}`), or in the
    row's `images` list, in the order of the image parts.

    Raises:
        ValueError: there is no such file, or no line in it.
    """

    def __init__(self, path: str | Path, *, name: str | None = None):
        path = Path(path)
        self.files = [path] if path.is_file() else sorted(path.glob("*.jsonl"))
        if not self.files:
            raise ValueError(f"{path}: there is no .jsonl file here. Give a file or a folder that holds some, or make the data first.")
        self.name = name or path.name
        offsets = [_line_offsets(file) for file in self.files]
        self._file_of_row = np.repeat(np.arange(len(offsets)), [len(rows) for rows in offsets])
        self._offset_of_row = np.concatenate(offsets)
        if not len(self):
            raise ValueError(f"{path}: the data set is empty; expected one JSON object a line.")

    def __len__(self) -> int:
        return len(self._offset_of_row)

    def __getitem__(self, row: int) -> Sample:
        file = self.files[self._file_of_row[row]]
        row_id = f"{file.name}:{row}"
        with file.open("rb") as lines:
            lines.seek(self._offset_of_row[row])
            line = lines.readline()
        try:
            content = json.loads(line)
        except ValueError as error:
            raise SampleError("broken JSON", f"{row_id}: this line is not JSON ({error})") from error
        return _to_sample(content, row_id, file.parent, self.name)


def _line_offsets(file: Path) -> np.ndarray:
    """Where each line that is not blank begins, in bytes."""
    offsets, position = [], 0
    with file.open("rb") as lines:
        for line in lines:
            if line.strip():
                offsets.append(position)
            position += len(line)
    return np.asarray(offsets, dtype=np.int64)


def _to_sample(content: Any, row_id: str, folder: Path, source: str) -> Sample:
    if not isinstance(content, dict) or not isinstance(content.get("messages"), list):
        raise SampleError("row form", f'{row_id}: expected an object with "messages", a list')
    in_parts = [_image_of(part) for message in content["messages"] for part in _image_parts(message)]
    listed = iter(content.get("images") or [])
    images = [image if image is not None else next(listed, None) for image in in_parts]
    images = [image for image in images if image is not None] + list(listed)
    return Sample(
        id=str(content.get("id", row_id)),
        messages=content["messages"],
        images=[_locate(image, folder) for image in images],
        source=source,
        task=str(content.get("task", "")),
        tools=content.get("tools"),
    )


def _image_parts(message: Any) -> list[dict]:
    content = message.get("content") if isinstance(message, dict) else None
    return (
        [part for part in content if isinstance(part, dict) and part.get("type") in ("image", "image_url")]
        if isinstance(content, list)
        else []
    )


def _image_of(part: dict) -> Any:
    if part["type"] == "image":
        return part.get("image", part.get("path"))
    url = part.get("image_url")
    return url.get("url") if isinstance(url, dict) else url


def _locate(image: Any, folder: Path) -> Any:
    if isinstance(image, str) and not image.startswith("data:"):
        return str(folder / image)
    return image
