"""A small data set on disk in both layouts: coloured squares, questions and answers in Chinese."""

import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from smvl.config import SourceConfig
from smvl.data.source import Source
from smvl.source_registry import open_source

COLOURS = {"红色": (220, 30, 30), "绿色": (30, 180, 60), "蓝色": (40, 60, 220), "黄色": (240, 220, 40)}


def write_images(folder: Path, *, size: tuple[int, int] = (64, 64)) -> list[tuple[str, str]]:
    """(path relative to `folder`, name of its colour) of one square for each colour."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, colour in enumerate(COLOURS.values()):
        Image.new("RGB", size, colour).save(folder / f"images/{number}.png")
    return [(f"images/{number}.png", name) for number, name in enumerate(COLOURS)]


def image_row(number: int, image: str, colour: str) -> dict:
    content = [{"type": "image", "image": image}, {"type": "text", "text": "什么颜色?"}]
    return {
        "id": f"colour-{number}",
        "task": "colour",
        "messages": [{"role": "user", "content": content}, {"role": "assistant", "content": colour}],
    }


def text_row(number: int) -> dict:
    messages = [{"role": "user", "content": f"{number}加一?"}, {"role": "assistant", "content": f"{number + 1}。"}]
    return {"id": f"text-{number}", "task": "text", "messages": messages}


def write_rows(path: Path, rows: Sequence[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_json_lines(folder: Path, *, num_rows: int = 24) -> Path:
    """`colours.jsonl` with images and `text.jsonl` without."""
    images = write_images(folder)
    write_rows(folder / "text.jsonl", [text_row(number) for number in range(num_rows)])
    return write_rows(folder / "colours.jsonl", [image_row(number, *images[number % len(images)]) for number in range(num_rows)])


def open_json_lines(path: Path) -> Source:
    return open_source(SourceConfig(source="jsonl", path=str(path)))


def write_cauldron(folder: Path, *, num_rows: int = 16) -> Path:
    """A subset of The Cauldron's layout: `images` as {bytes, path}, `texts` of one or two turns; every fourth row has two images."""
    import datasets

    images = write_images(folder)
    rows = []
    for number in range(num_rows):
        chosen = [images[(number + offset) % len(images)] for offset in range(2 if number % 4 == 0 else 1)]
        texts = [{"user": "第一张是什么颜色?", "assistant": chosen[0][1], "source": "tiny"}]
        texts += [{"user": "最后一张呢?", "assistant": chosen[-1][1], "source": "tiny"}] * (number % 2)
        rows.append({"images": [{"bytes": (folder / path).read_bytes(), "path": None} for path, _ in chosen], "texts": texts})
    features = datasets.Features(
        {
            "images": datasets.List(datasets.Image(decode=False)),
            "texts": datasets.List({key: datasets.Value("string") for key in ("user", "assistant", "source")}),
        }
    )
    subset = folder / "tiny"
    subset.mkdir(exist_ok=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(subset / "train-00000-of-00001.parquet")
    return folder


def noise(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png_declaring(width: int, height: int) -> bytes:
    """A PNG of some bytes that says it is of this size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)) for data in (chunk, pixels, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def dds_of_unknown_kind() -> bytes:
    """A DDS whose pixel format nobody knows, which Pillow does not implement."""
    return b"DDS " + struct.pack("<7I44x8I20x", 124, 0x1007, 4, 4, 16, 0, 0, 32, 0x4, 0x58585858, 32, 0, 0, 0, 0)


def ftex_cut_short() -> bytes:
    """A texture of 8 x 8 pixels of which one is there; Pillow closes the stream that it reads it from."""
    return struct.pack("<4s9i3B", b"FTEX", 1, 8, 8, 1, 1, 1, 32, 0, 3, 255, 0, 0)


def icns_of(picture: bytes) -> bytes:
    """An ICNS that holds a picture."""
    return b"icns" + struct.pack(">I", len(picture) + 16) + b"ic09" + struct.pack(">I", len(picture) + 8) + picture
