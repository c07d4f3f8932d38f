"""Two conversations with images, one with tools and one of text, as each data set would write them down; and each way to store rows."""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smvl.data.sample import Sample
from smvl.data.sources.row_source import RowSource
from smvl.data.sources.storage import Storage
from smvl.processing.images import read_image
from tests.tiny_data import COLOURS, write_images, write_rows

FIRST, SECOND = list(COLOURS)[:2]
QUESTION, AGAIN = "第一张是什么颜色?", "最后一张呢?"
IMAGE = {"type": "image"}
SYSTEM = "你是一个助手。"
SCHEMA = {"name": "update_price", "parameters": {"type": "object", "properties": {"price": {"type": "number"}}}}
CALL = {"name": "update_price", "arguments": {"price": 3.5}}


class InMemory:
    """Rows as a library holds them."""

    name, folder, columns, files = "memory", Path("nowhere"), None, []

    def __init__(self, rows: list):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Any:
        return self.rows[row]


def in_memory(*rows: Any, **options: Any) -> RowSource:
    """A source of these rows, which lie in no file."""
    return RowSource(Storage("memory", [InMemory(list(rows))], Path("nowhere")), "memory", **options)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def asked(count: int) -> dict[str, Any]:
    return said("user", [IMAGE] * count + [{"type": "text", "text": QUESTION}])


SEEN = [
    ([asked(1), said("assistant", FIRST)], [FIRST]),
    ([asked(2), said("assistant", FIRST), said("user", AGAIN), said("assistant", SECOND)], [FIRST, SECOND]),
]
"""(messages, colours of the images) of the two conversations with images."""

CALLED = [
    said("user", "把价格改成3.5元。"),
    said("assistant", "", tool_calls=[{"type": "function", "function": CALL}]),
    said("tool", '{"ok": true}'),
    said("assistant", "改好了。"),
]
CHATTED = [said("system", SYSTEM), said("user", "一加一?"), said("assistant", "二。"), said("user", "再加一?"), said("assistant", "三。")]


def summary(sample: Sample) -> tuple[list[dict], list[np.ndarray], Any]:
    """What must be equal, however the row was written: the messages, the colours of the images, the tools."""
    names = {colour: name for name, colour in COLOURS.items()}
    return list(sample.messages), [names[read_image(image).getpixel((0, 0))] for image in sample.images], sample.tools


# ---- images ----------------------------------------------------------------------------------------------------------------------


def image_forms(folder: Path) -> dict[str, Callable[[str], Any]]:
    """Ways to give the image of a colour; files lie in `folder`."""
    paths = {name: path for path, name in write_images(folder)}

    def content(colour: str) -> bytes:
        return (folder / paths[colour]).read_bytes()

    def as_base64(colour: str) -> str:
        return base64.b64encode(content(colour)).decode()

    return {
        "path": lambda colour: paths[colour],
        "absolute path": lambda colour: str(folder / paths[colour]),
        "file URL": lambda colour: (folder / paths[colour]).as_uri(),
        "base64": as_base64,
        "data URL": lambda colour: "data:image/png;base64," + as_base64(colour),
        "struct of base64": lambda colour: {"bytes": as_base64(colour), "path": None},
        "struct of a path": lambda colour: {"bytes": None, "path": paths[colour]},
        "bytes": content,
        "struct": lambda colour: {"bytes": content(colour), "path": f"{colour}.png"},
    }


# ---- layouts: rows of the two conversations with images ---------------------------------------------------------------------------


def texts_rows(image: Callable[[str], Any]) -> list[dict]:
    first = {"user": QUESTION, "assistant": FIRST, "source": "tiny"}
    second = {"user": AGAIN, "assistant": SECOND, "source": "tiny"}
    return [{"images": [image(FIRST)], "texts": [first]}, {"images": [image(FIRST), image(SECOND)], "texts": [first, second]}]


def finevision_rows(image: Callable[[str], Any]) -> list[dict]:
    rows = texts_rows(image)
    for row in rows:
        row["texts"] = [{"user": pair["user"], "assistant": pair["assistant"]} for pair in row["texts"]]
        row["source"] = "tiny"
        for name in ("relevance", "image_correspondence", "visual_dependency", "formatting"):
            row |= {f"{name}_ratings": [4] * len(row["texts"]), f"{name}_min": 4}
    return rows


def llava_rows(image: Callable[[str], Any]) -> list[dict]:
    turns = (
        [("human", f"<image>\n{QUESTION}"), ("gpt", FIRST)],
        [("human", f"<image>\n<image>\n{QUESTION}"), ("gpt", FIRST), ("human", AGAIN), ("gpt", SECOND)],
    )
    conversations = [[{"from": name, "value": text} for name, text in row] for row in turns]
    return [
        {"id": "000000033471", "image": image(FIRST), "conversations": conversations[0]},
        {"id": "000000033472", "image": [image(FIRST), image(SECOND)], "conversations": conversations[1]},
    ]


def sharegpt_rows(image: Callable[[str], Any]) -> list[dict]:
    rows = llava_rows(image)
    return [
        {"conversations": row["conversations"], "images": images}
        for row, images in zip(rows, ([image(FIRST)], [image(FIRST), image(SECOND)]))
    ]


def _message_rows(parts: Callable[[Sequence[str]], list[dict]], **more: Sequence[Any]) -> list[dict]:
    rows = []
    for number, (messages, colours) in enumerate(SEEN):
        question = said("user", [*parts(colours), {"type": "text", "text": QUESTION}])
        rows.append({"messages": [question, *messages[1:]], **{name: values[number] for name, values in more.items()}})
    return rows


def _listed(image: Callable[[str], Any]) -> list[list[Any]]:
    return [[image(FIRST)], [image(FIRST), image(SECOND)]]


def openai_rows(image: Callable[[str], Any]) -> list[dict]:
    return _message_rows(
        lambda colours: [{"type": "image_url", "image_url": {"url": image(colour), "detail": "high"}} for colour in colours]
    )


def parts_rows(image: Callable[[str], Any]) -> list[dict]:
    return _message_rows(lambda colours: [{"type": "image", "image": image(colour)} for colour in colours])


def column_rows(image: Callable[[str], Any]) -> list[dict]:
    return _message_rows(lambda colours: [IMAGE] * len(colours), images=_listed(image))


def indexed_rows(image: Callable[[str], Any]) -> list[dict]:
    """Images listed in another order than they stand in."""
    backwards = [images[::-1] for images in _listed(image)]
    return _message_rows(
        lambda colours: [{"type": "image", "index": len(colours) - 1 - number, "text": None} for number in range(len(colours))],
        images=backwards,
    )


def qwen_rows(image: Callable[[str], Any]) -> list[dict]:
    """Parts whose key is their type."""
    return [
        {"messages": [said("user", [*({"image": image(colour)} for colour in colours), {"text": QUESTION}]), *messages[1:]]}
        for messages, colours in SEEN
    ]


def placeholder_rows(image: Callable[[str], Any]) -> list[dict]:
    return [
        {"messages": [said("user", "<image>" * len(colours) + QUESTION), *messages[1:]], "images": images}
        for (messages, colours), images in zip(SEEN, _listed(image))
    ]


def pair_rows(image: Callable[[str], Any]) -> list[dict]:
    return [
        {"question": QUESTION, "answer": FIRST, "image": image(FIRST)},
        {"instruction": AGAIN, "input": "", "output": SECOND, "history": [[QUESTION, FIRST]], "images": [image(FIRST), image(SECOND)]},
    ]


IMAGE_LAYOUTS = {
    "cauldron": texts_rows,
    "finevision": finevision_rows,
    "llava": llava_rows,
    "sharegpt": sharegpt_rows,
    "openai": openai_rows,
    "content parts": parts_rows,
    "images column": column_rows,
    "indexed parts": indexed_rows,
    "parts without a type": qwen_rows,
    "messages with placeholders": placeholder_rows,
    "pairs": pair_rows,
}

# ---- layouts: rows with tools, and rows of text -----------------------------------------------------------------------------------

_OPENAI_CALL = {"id": "call_1", "type": "function", "function": {"name": CALL["name"], "arguments": json.dumps(CALL["arguments"])}}
_SHAREGPT = [
    {"from": "human", "value": CALLED[0]["content"]},
    {"from": "function_call", "value": json.dumps(CALL)},
    {"from": "observation", "value": CALLED[2]["content"]},
    {"from": "gpt", "value": CALLED[3]["content"]},
]
_RESULT = said("tool", CALLED[2]["content"], tool_call_id="call_1", name="update_price")
TOOL_ROWS = {
    "openai": {
        "messages": [CALLED[0], said("assistant", None, tool_calls=[_OPENAI_CALL]), _RESULT, CALLED[3]],
        "tools": [{"type": "function", "function": SCHEMA}],
    },
    "arguments as an object": {
        "messages": [*CALLED[:1], said("assistant", None, tool_calls=[{"function": CALL}]), *CALLED[2:]],
        "tools": [SCHEMA],
    },
    "old openai": {
        "messages": [
            *CALLED[:1],
            said("assistant", None, function_call=_OPENAI_CALL["function"]),
            {**CALLED[2], "role": "function"},
            CALLED[3],
        ],
        "functions": [SCHEMA],
    },
    "sharegpt": {"conversations": _SHAREGPT, "tools": json.dumps([SCHEMA])},
}


def _turns(names: tuple[str, str], role: str, content: str) -> list[dict]:
    other = {"user": names[0], "assistant": names[1], "system": "system"}
    return [{role: other[message["role"]], content: message["content"]} for message in CHATTED]


_PAST = [["一加一?", "二。"]]
TEXT_ROWS = {
    "messages": {"messages": CHATTED},
    "messages as parts": {"messages": [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in CHATTED]},
    "sharegpt": {"conversations": _turns(("human", "gpt"), "from", "value")},
    "conversations with roles": {"conversations": _turns(("user", "assistant"), "role", "content")},
    "system column": {"conversation": _turns(("human", "gpt"), "from", "value")[1:], "system": SYSTEM},
    "prompt and response": {"prompt": "再加一?", "response": "三。", "history": _PAST, "system": SYSTEM},
    "prompt and completion": {"prompt": CHATTED[:-1], "completion": CHATTED[-1:]},
    "alpaca": {"instruction": "再加一?", "input": "", "output": "三。", "history": _PAST, "system": SYSTEM},
    "question and answer": {"question": "再加一?", "answer": "三。", "history": _PAST, "system": SYSTEM},
    "query and response": {"query": "再加一?", "response": "三。", "history": _PAST, "system": SYSTEM},
}

# ---- storage ---------------------------------------------------------------------------------------------------------------------


def store_json_lines(folder: Path, rows: Sequence[dict]) -> Path:
    return write_rows(folder / "rows.jsonl", rows)


def store_json_list(folder: Path, rows: Sequence[dict]) -> Path:
    (folder / "rows.json").write_text(json.dumps(list(rows), ensure_ascii=False, indent=2), encoding="utf-8")
    return folder / "rows.json"


def store_lines_as_json(folder: Path, rows: Sequence[dict]) -> Path:
    return write_rows(folder / "rows.json", rows)


def _dataset(rows: Sequence[dict]):
    import datasets

    return datasets.Dataset.from_list(list(rows))


def store_parquet(folder: Path, rows: Sequence[dict]) -> Path:
    _dataset(rows).to_parquet(folder / "train-00000-of-00001.parquet")
    return folder / "train-00000-of-00001.parquet"


def store_parquet_folder(folder: Path, rows: Sequence[dict]) -> Path:
    for number, row in enumerate(rows):
        (folder / "parts").mkdir(exist_ok=True)
        _dataset([row]).to_parquet(folder / f"parts/train-{number:05d}-of-00002.parquet")
    return folder


def store_saved(folder: Path, rows: Sequence[dict]) -> Path:
    _dataset(rows).save_to_disk(folder / "saved")
    return folder / "saved"


def store_saved_splits(folder: Path, rows: Sequence[dict]) -> Path:
    import datasets

    datasets.DatasetDict({"train": _dataset(rows), "test": _dataset(rows[:1])}).save_to_disk(folder / "splits")
    return folder / "splits"


def store_arrow(folder: Path, rows: Sequence[dict]) -> Path:
    _dataset(rows).save_to_disk(folder / "written")
    (folder / "cache").mkdir()
    (folder / "written/data-00000-of-00001.arrow").rename(folder / "cache/data-00000-of-00001.arrow")
    return folder / "cache"


JSON_STORAGES = {"json lines": store_json_lines, "json list": store_json_list, "json lines named json": store_lines_as_json}
TABLE_STORAGES = {
    "parquet": store_parquet,
    "folder of parquet": store_parquet_folder,
    "saved": store_saved,
    "saved splits": store_saved_splits,
    "arrow": store_arrow,
}
