"""The demo's data on disk: drawn scenes, their questions and answers, in the layouts that real data sets have.

    align/align.parquet   The Cauldron's layout: images, texts [{user, assistant, source}]
    finetune.jsonl        images and questions, for the second stage
    text.jsonl            chats without images, for the second stage
    heldout.jsonl         the examination: the last assistant turn is the answer asked for
    images/*.png          what the three refer to
"""

import hashlib
import io
import json
import logging
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from smvl.demo_scenes.chats import draw_chat
from smvl.demo_scenes.paint import paint
from smvl.demo_scenes.picture import DIGIT, GLYPH, Picture, Scene, Turn
from smvl.demo_scenes.tasks import draw_alignment, draw_question
from smvl.demo_scenes.words import HELDOUT, TRAIN

logger = logging.getLogger(__name__)

VERSION = 2
"""Of what is drawn: a folder of another version is not taken for this one."""
UNFINISHED = "drawing.json"  # written first, and renamed to the other last: a half-drawn folder is drawn again
MARKER = "drawn.json"
TEXT_SHARE = 0.14
_FEW = 500
"""Pictures that are painted before other processes have started."""


def write_demo_data(folder: Path, *, seed: int, num_align: int, num_finetune: int, num_heldout: int) -> None:
    """Draws everything once. The same request again does nothing; another request for the same folder is an error."""
    folder = Path(folder)
    request = {"version": VERSION, "seed": seed, "num_align": num_align, "num_finetune": num_finetune, "num_heldout": num_heldout}
    if _is_drawn(folder, request):
        logger.info("the demo's data is already in %s", folder)
        return
    _clear(folder, request)
    num_text = round(num_finetune * TEXT_SHARE)
    align = draw_scenes(draw_alignment, TRAIN, num_align, f"{seed} align")
    finetune = draw_scenes(draw_question, TRAIN, num_finetune - num_text, f"{seed} finetune")
    text = draw_scenes(lambda generator, _: draw_chat(generator), TRAIN, num_text, f"{seed} text")
    heldout = draw_scenes(draw_question, HELDOUT, num_heldout, f"{seed} heldout")
    check_apart(align + finetune, heldout)
    seen = _write_align(folder / "align" / "align.parquet", align)
    seen |= write_scenes(folder, "finetune", finetune, replies=True)
    write_scenes(folder, "text", text)
    if seen & write_scenes(folder, "heldout", heldout):
        raise AssertionError("a held-out image was drawn for training too")
    (folder / UNFINISHED).rename(folder / MARKER)


def check_apart(train: Iterable[Scene], heldout: Iterable[Scene]) -> None:
    """[Contract] No handwritten digit and no printed combination is on both sides, whatever the question."""
    train, heldout = _collect_secrets(train), _collect_secrets(heldout)
    for what, left, right in zip(("handwritten digits", "printed combinations"), train, heldout):
        if left & right:
            raise AssertionError(f"{what} on both sides of the split: {sorted(left & right)[:5]}")


def _collect_secrets(scenes: Iterable[Scene]) -> tuple[set[int], set[str]]:
    """Indices of the handwritten digits, and printed texts, that these scenes show."""
    digits: set[int] = set()
    texts: set[str] = set()
    for scene in scenes:
        for picture in scene.pictures:
            digits.update(mark.digit_index for mark in picture.marks if mark.kind == DIGIT)
            texts.add("".join(mark.label for mark in picture.marks if mark.kind == GLYPH))
    return digits, texts - {""}


def _is_drawn(folder: Path, request: dict[str, int]) -> bool:
    marker = folder / MARKER
    if not marker.exists():
        return False
    drawn = json.loads(marker.read_text())
    if drawn != request:
        raise ValueError(f"{folder} holds data drawn with {drawn}, but {request} is asked for. Remove the folder or name another one.")
    return True


def _clear(folder: Path, request: dict[str, int]) -> None:
    """Makes room. Only what an unfinished drawing left is removed, never a folder that holds something else."""
    if folder.exists() and any(folder.iterdir()) and not (folder / UNFINISHED).exists():
        raise ValueError(f"{folder} holds files, and they are not the demo's. Name a new or an empty folder.")
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("align", "images"):
        (folder / part).mkdir(parents=True)
    (folder / UNFINISHED).write_text(json.dumps(request))


def draw_scenes(draw: Callable[[random.Random, str], Scene], split: str, num_scenes: int, seed: str) -> list[Scene]:
    generator = random.Random(seed)
    return [draw(generator, split) for _ in range(num_scenes)]


def _paint_all(scenes: Iterable[Scene]) -> Iterator[bytes]:
    """PNG files of all pictures, in the order of their scenes, painted on all cores."""
    pictures = [picture for scene in scenes for picture in scene.pictures]
    if len(pictures) < _FEW:
        yield from map(_png, pictures)
        return
    with ProcessPoolExecutor() as processes:
        yield from processes.map(_png, pictures, chunksize=64)


def _png(picture: Picture) -> bytes:
    file = io.BytesIO()
    paint(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _write_align(path: Path, scenes: list[Scene]) -> set[str]:
    """One parquet file with the features that `datasets` expects of an image column. Returns digests of the images."""
    import datasets

    features = datasets.Features(
        {
            "images": datasets.List(datasets.Image()),
            "texts": [{key: datasets.Value("string") for key in ("user", "assistant", "source")}],
        }
    )
    columns: dict[str, list] = {"images": [], "texts": []}
    digests, pngs = set(), _paint_all(scenes)
    for place, scene in enumerate(scenes):
        own = list(islice(pngs, len(scene.pictures)))
        digests.update(hashlib.sha256(png).hexdigest() for png in own)
        columns["images"].append([{"bytes": png, "path": f"{place:06d}.png"} for png in own])
        columns["texts"].append([{"user": turn.question, "assistant": turn.answer, "source": scene.task} for turn in scene.turns])
    datasets.Dataset.from_dict(columns, features).to_parquet(str(path))
    return digests


def write_scenes(folder: Path, name: str, scenes: list[Scene], *, replies: bool = False) -> set[str]:
    """One JSON object a line, images beside it. Returns digests of the images.

    Args:
        replies: whether a call is followed by its result and what is then said; else it is the answer.
    """
    digests, lines, pngs = set(), [], _paint_all(scenes)
    for place, scene in enumerate(scenes):
        identity, messages, num_images = f"{name}-{place:06d}", [], 0
        for turn in scene.turns:
            content = []
            for _ in turn.pictures:
                image = f"images/{identity}-{num_images}.png"
                png = next(pngs)
                (folder / image).write_bytes(png)
                digests.add(hashlib.sha256(png).hexdigest())
                content.append({"type": "image", "image": image})
                num_images += 1
            content.append({"type": "text", "text": turn.question})
            messages += [{"role": "user", "content": content}, *_answer(turn, replies)]
        row = {"id": identity, "task": scene.task, "messages": messages} | ({"tools": list(scene.tools)} if scene.tools else {})
        lines.append(json.dumps(row, ensure_ascii=False))
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return digests


def _answer(turn: Turn, replies: bool) -> list[dict[str, Any]]:
    if turn.call is None:
        return [{"role": "assistant", "content": turn.answer}]
    function = {"name": turn.call.name, "arguments": turn.call.arguments}
    called = {"role": "assistant", "content": turn.answer, "tool_calls": [{"type": "function", "function": function}]}
    reply = [{"role": "tool", "content": turn.call.result}, {"role": "assistant", "content": turn.call.reply}]
    return [called, *(reply if replies else ())]
