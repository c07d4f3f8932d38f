"""Rows that were spoilt in every way: each is read or refused by its rule, in the check and in training, and none ends or hangs a run.

    python -m benchmarks.hostile_rows                          # 5,000 rows
    python -m benchmarks.hostile_rows --rows 500 --seed 7
    python -m benchmarks.hostile_rows --pictures Pillow/Tests/images     # and a row about each file below a folder

Sound rows of every layout are spoilt, by a seed: in their values, keys, characters, the names and bytes of their pictures, and the bytes
of their line. One file of them goes through `python -m smvl check` and through a training run of two steps that measures all of
them first. What is shown: how many rows were spoilt in which way, what became of them by rule, the time, and the peak memory of each
process. The exit status is 1 when a process ends with a traceback or takes too long, or when an error came up that no rule foresees.
"""

import argparse
import base64
import copy
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rows import IMAGE_LAYOUTS, TEXT_ROWS, TOOL_ROWS, image_forms
from tests.tiny_data import noise, text_row
from tests.tiny_run import TRAINER, write_run

ROOT = Path(__file__).parent.parent
_CHECK = ("--max-length", 2048, "--processes", 1)
LONGEST = 1800.0
"""Seconds after which a process counts as hanging."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "TGA", "PCX", "PPM", "ICO", "ICNS", "JPEG2000", "AVIF", "DDS", "SGI", "QOI")
JUNK = (
    *(None, float("nan"), float("inf"), 0, -1, 3.5, 10**30, True, False, "", " ", "x", "<image>", "\ud800", "{}", "[]", "[null]", "null"),
    *([], {}, [None], [[]], [{}], {"a": None}, {"bytes": 3}, {"bytes": "", "path": None}, {"bytes": None, "path": ""}, [1.0, 2], "nan"),
)
KEYS = (
    *("messages", "conversations", "images", "image", "imgs", "image_cam_front", "tools", "functions", "system", "objects", "bbox", "id"),
    *("loss", "weight", "loss_weight", "train", "label", "kto_tag", "video", "audio", "role", "from", "content", "value", "type", "text"),
    *("index", "tool_calls", "tool_call_id", "name", "source", "history", "input", "reasoning_content", "\ud83d", "", "x" * 500),
)
CHARACTERS = (
    *("\ud83d", "\udcff", "\0", "\x1b[31m", "\u202e", "\ufeff", "\u2028", "\r", "<image>", "<|im_start|>user\n", "<|image_pad|>", "<bbox>"),
    *("</think>", "<tool_call>", "e" + "\u0301" * 2000, "😀" * 500, "长" * 20_000, " " * 60_000, "a" * 300_000),
    *("\\" * 999, '"', "{[" * 500),
    *("".join(map(chr, range(0xE000, 0xF900))), "".join(map(chr, range(0xE000, 0xE400))), "data:image/png;base64,", "/9j/4AAQ"),
)
NAMES = (
    *("x" * 300 + ".png", "长" * 90 + ".png", "a/" * 2500, "half \ud83d.png", "nul\0.png"),
    *("pipe.png", "folder.png", "circle.png", "gone.png"),
    *("../outside.png", "/etc/passwd", "/dev/zero", "file:///dev/stdin", "https://example.com/a.png", "~/a.png", ".", "", " ", "[1].png"),
    *("data:", "data:image/png;base64,", "data:image/png;base64,@@@", "DATA:,x", "iVBORw0KGgo", "pipe.png/a.png", "images", "rows.jsonl"),
)

Spoil = Callable[[random.Random, Any, Path], bytes]


# ---- ways to spoil a row -------------------------------------------------------------------------------------------------------------


def as_line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", errors="surrogatepass")


def places_of(value: Any, place: tuple = ()) -> list[tuple]:
    """The ways to every value within a row."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [found for key in keys for found in ((*place, key), *places_of(value[key], (*place, key)))]


def holder_of(row: Any, place: tuple) -> Any:
    for key in place[:-1]:
        row = row[key]
    return row


def spoil_value(generator: random.Random, row: Any, folder: Path) -> bytes:
    """Junk in some places, or nothing where something was."""
    for _ in range(generator.randint(1, 3)):
        if places := places_of(row):
            place = generator.choice(places)
            holder = holder_of(row, place)
            if generator.random() < 0.2:
                del holder[place[-1]]
            else:
                holder[place[-1]] = copy.deepcopy(generator.choice(JUNK))
    return as_line(row)


def spoil_key(generator: random.Random, row: Any, folder: Path) -> bytes:
    """A key more, or one under another name, with what stood there or junk."""
    places = [place for place in places_of(row) if isinstance(place[-1], str)]
    holder, key = holder_of(row, place := generator.choice(places)), place[-1]
    value = holder.pop(key) if generator.random() < 0.3 else copy.deepcopy(generator.choice((*JUNK, holder[key], ["images/0.png"])))
    holder[generator.choice(KEYS)] = value
    return as_line(row)


def spoil_characters(generator: random.Random, row: Any, folder: Path) -> bytes:
    """Characters that are none, or mean something elsewhere, or are many, within a text."""
    places = [place for place in places_of(row) if isinstance(holder_of(row, place)[place[-1]], str)]
    place = generator.choice(places)
    text = holder_of(row, place)[place[-1]]
    cut = generator.randint(0, len(text))
    holder_of(row, place)[place[-1]] = text[:cut] + generator.choice(CHARACTERS) + text[cut:]
    return as_line(row)


def spoil_name(generator: random.Random, row: Any, folder: Path) -> bytes:
    """A picture under a name that no file should have."""
    return as_line(about(generator, generator.choice(NAMES)))


def spoil_picture(generator: random.Random, row: Any, folder: Path) -> bytes:
    """A picture of any format with some of its bytes changed, lost or doubled."""
    data = bytearray(encoded(generator))
    for _ in range(generator.randint(1, 4)):
        start = min(generator.choice((generator.randrange(64), generator.randrange(len(data)))), len(data) - 1)
        end = min(len(data), start + generator.choice((1, 2, 4, 16, 500)))
        change = generator.randrange(4)
        if change == 0:
            data[start:end] = generator.randbytes(end - start)
        elif change == 1:
            data[start:end] = bytes([generator.choice((0, 255))]) * (end - start)
        elif change == 2:
            del data[start : max(end, generator.choice((end, len(data))))]
        else:
            data[start:start] = data[start:end]
        data = data or bytearray(b"\0")
    name = f"spoilt/{generator.getrandbits(64):x}.{generator.choice(('png', 'jpg', 'gif', 'tif', 'webp', 'icns'))}"
    (folder / name).write_bytes(data)
    return as_line(about(generator, generator.choice((name, name, base64.b64encode(data).decode()))))


def spoil_line(generator: random.Random, row: Any, folder: Path) -> bytes:
    """The bytes of a line cut, changed, or in another encoding."""
    line = as_line(row)
    cut = generator.randrange(len(line))
    encoding = generator.choice(("gb18030", "big5", "utf-16", "utf-16-le", "latin-1"))
    lines = (
        line[:cut],
        line[:cut] + generator.randbytes(generator.randint(1, 5)) + line[cut:],
        line.decode("utf-8", errors="replace").encode(encoding, errors="replace"),
        b"\xef\xbb\xbf" + line,
        line[:cut] + b"\0" + line[cut:],
        line + line,
        b"[" * 50_000,
    )
    return generator.choice(lines).replace(b"\n", b" ")


WAYS: dict[str, Spoil] = {
    "value": spoil_value,
    "key": spoil_key,
    "characters": spoil_characters,
    "name of a picture": spoil_name,
    "bytes of a picture": spoil_picture,
    "bytes of the line": spoil_line,
}


def about(generator: random.Random, picture: str) -> dict[str, Any]:
    """A row about one picture, in one of three forms."""
    asked, answered = {"role": "user", "content": "这是什么?"}, {"role": "assistant", "content": "一张图。"}
    part = {"type": "image", "image": picture}
    return generator.choice(
        (
            {"messages": [{**asked, "content": [part, {"type": "text", "text": "?"}]}, answered]},
            {"messages": [{**asked, "images": [picture]}, answered]},
            {"conversations": [{"from": "human", "value": "<image>\n?"}, {"from": "gpt", "value": "!"}], "image": picture},
        )
    )


def encoded(generator: random.Random) -> bytes:
    """A picture of noise in one of many formats."""
    buffer = io.BytesIO()
    size = generator.choice(((16, 16), (32, 32), (64, 48)))
    image, file_format = noise(generator.randrange(100), size), generator.choice(FORMATS)
    if generator.random() < 0.3 and file_format in ("PNG", "TIFF"):
        image = image.convert(generator.choice(("L", "P", "1", "LA", "RGBA", "I")))
    is_animation = file_format in ("GIF", "PNG", "TIFF", "WEBP") and generator.random() < 0.3
    try:
        image.save(buffer, file_format, **({"save_all": True, "append_images": [noise(1, size)]} if is_animation else {}))
    except (OSError, KeyError):  # this Pillow was built without the format, or the format has no such mode
        image.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


# ---- the file ------------------------------------------------------------------------------------------------------------------------


def sound_rows(folder: Path) -> list[Any]:
    """Of every layout, with their pictures as paths and as base64."""
    forms = image_forms(folder)
    rows = [row for layout in IMAGE_LAYOUTS.values() for form in ("path", "data URL") for row in layout(forms[form])]
    return [*rows, *TOOL_ROWS.values(), *TEXT_ROWS.values()]


def write_hostile_rows(folder: Path, num_rows: int, seed: int) -> Counter[str]:
    """`rows.jsonl`, in which every tenth row is sound; how many were spoilt in which way."""
    folder.mkdir(parents=True)
    (folder / "spoilt").mkdir()
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    generator, rows, spoilt = random.Random(seed), sound_rows(folder), Counter()
    with (folder / "rows.jsonl").open("wb") as file:
        for number in range(num_rows):
            if number % 10 == 0:
                file.write(as_line(text_row(number)) + b"\n")
                continue
            way = generator.choice(list(WAYS))
            file.write(WAYS[way](generator, copy.deepcopy(generator.choice(rows)), folder) + b"\n")
            spoilt[way] += 1
    return spoilt


def add_pictures(rows: Path, folder: Path) -> int:
    """A row about a copy of each file below `folder`; how many they are."""
    copies = shutil.copytree(folder, rows.parent / "pictures")
    files = sorted(str(path.relative_to(rows.parent)) for path in copies.rglob("*") if path.is_file())
    with rows.open("ab") as file:
        file.writelines(as_line(about(random.Random(number), path)) + b"\n" for number, path in enumerate(files))
    return len(files)


# ---- what becomes of it --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    seconds: float
    peak: float
    """MB of the process and of each that it waited for."""
    output: str


def run(*command: Any) -> Ended:
    """Run a command; one that hangs is killed, with the status -9."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - began > LONGEST:
                process.kill()
            time.sleep(0.05)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", errors="replace")
    return Ended(process.returncode, time.monotonic() - began, usage.ru_maxrss / 1024, text)


def check(folder: Path) -> tuple[Ended, dict[str, int]]:
    """The check of all rows; rows by the rule that they break."""
    ended = run("-m", "smvl", "check", folder / "data/rows.jsonl", *_CHECK, "--model", folder / "text", "--out", folder / "checked")
    report = folder / "checked/report.json"
    broken = json.loads(report.read_text(encoding="utf-8"))["sources"][0]["broken"] if report.exists() else {}
    return ended, {rule: entry["count"] for rule, entry in broken.items()}


def train(folder: Path, num_rows: int) -> tuple[Ended, Counter[str]]:
    """Two steps on the rows, all of which are measured before the first; rows by the rule that they break."""
    ended = run("train.py", write_training(folder, num_rows))
    quarantine = folder / "out/quarantine.jsonl"
    lines = quarantine.read_text(encoding="utf-8").split("\n")[:-1] if quarantine.exists() else []  # a reason may hold other line breaks
    return ended, Counter(json.loads(line)["rule"] for line in lines)


def write_training(folder: Path, num_rows: int) -> Path:
    """A configuration of one stage of two steps, with large packs, so that many pictures are decoded."""
    source = {"source": "jsonl", "path": str(folder / "data/rows.jsonl")}
    stage = {"name": "align", "mixture": [source], "train": ["connector"], "trainer": {**TRAINER, "max_steps": 2, "save_steps": 100}}
    stage["trainer"]["per_device_train_batch_size"] = 4
    data = {"max_length": 2048, "max_drop_share": 1.0, "look_ahead": num_rows, "workers": 0, "image": {"tile": 32, "longest_edge": 64}}
    evaluation = {"heldout": {**source}, "max_scored": min(num_rows, 200), "max_samples": 4, "generate": False}
    return write_run(folder, stages=[stage], data=data, evaluation=evaluation)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="a row about each file below it, besides")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="smvl-hostile-") as name:
        folder = Path(name)
        spoilt = write_hostile_rows(folder / "data", options.rows, options.seed)
        num_pictures = add_pictures(folder / "data/rows.jsonl", options.pictures) if options.pictures else 0
        num_rows = options.rows + num_pictures
        write_training(folder, num_rows)  # the donors too
        ways = ", ".join(f"{way} {count:,}" for way, count in spoilt.most_common())
        print(f"{num_rows:,} rows, spoilt: {ways}; {num_pictures:,} about the pictures of {options.pictures or 'no folder'}")
        found = {"check": check(folder), "training": train(folder, num_rows)}
    return max([report(name, *entry) for name, entry in found.items()])


def report(name: str, ended: Ended, rules: dict[str, int]) -> int:
    """Print what became of the rows; 1 where something came up that no rule foresees."""
    print(f"{name}: status {ended.status}, {ended.seconds:.0f} s, {ended.peak:,.0f} MB at the peak; {sum(rules.values()):,} rows refused")
    for rule, count in sorted(rules.items(), key=lambda entry: -entry[1]):
        print(f"  {rule}: {count:,}")
    is_bad = "Traceback" in ended.output or ended.status < 0 or "unexpected error" in rules or (name == "training" and ended.status != 0)
    if is_bad:
        print(ended.output[-4000:])
    return int(is_bad)


if __name__ == "__main__":
    sys.exit(main())
