"""Batches of pictures through the engine. One that cannot be read costs its own answer and no other."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from smvl.batch.pictures import Broken, Picture
from smvl.batch.question import Question
from smvl.infer.engine import Engine
from smvl.processing.image_files import ImageError, image_name

_TOO_LITTLE_MEMORY = re.compile("out of memory|allocate memory", re.IGNORECASE)
"""As torch says it of a card and of the machine."""

Rows = list[dict[str, Any]]


def answer_pictures(engine: Engine, question: Question, pictures: Sequence[Picture], *, batch_size: int) -> Iterator[Rows | Broken]:
    """The rows of each batch as it is done, and between them what could not be read. Pictures of one batch are held, scaled down.

    Raises:
        ValueError: the question leaves no room for an answer, a folder is gone, or there is too little memory.
    """
    engine.stream(question.request(), max_new_tokens=question.max_new_tokens)  # lays it out and refuses it, and asks nothing
    size = min(batch_size, engine.facts.max_batch or batch_size)
    batch: list[tuple[Picture, Image.Image]] = []
    for picture in pictures:
        try:
            batch.append((picture, _read(engine, question, picture)))
        except ValueError as error:
            yield _broken(picture, error)
        if len(batch) == size:
            yield _answer(engine, question, batch)
            batch = []
    if batch:
        yield _answer(engine, question, batch)


def _read(engine: Engine, question: Question, picture: Picture) -> Image.Image:
    """What the model is shown of a picture; raises `ValueError` for one that it cannot be shown."""
    engine.stream(question.request(picture.path), max_new_tokens=question.max_new_tokens)  # its header and its length, without its pixels
    return engine.processor.shrink(engine.read_image(picture.path))


def _broken(picture: Picture, error: ValueError) -> Broken:
    if not os.path.isdir(picture.folder):
        raise ValueError(f"the folder {image_name(picture.folder)} is gone. Bring it back; the same command then goes on.") from error
    rule = error.rule if isinstance(error, ImageError) else "image too large"
    reason = " ".join(str(error).split()).removeprefix(f"{' '.join(image_name(picture.path).split())}: ")
    return Broken(picture, rule, reason)


def _answer(engine: Engine, question: Question, batch: Sequence[tuple[Picture, Image.Image]]) -> Rows:
    requests = [question.request(image) for _, image in batch]
    try:
        answers = engine.answer(requests, max_new_tokens=question.max_new_tokens, batch_size=len(batch))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _TOO_LITTLE_MEMORY.search(str(error)):
            raise
        advice = "Give a smaller --batch-size" if len(batch) > 1 else "Show pictures with less, by --max-tiles or --max-pixels"
        raise ValueError(f"there is too little memory for a batch of {len(batch)}. {advice}.") from error
    return [
        {"image": picture.name, **question.row(answer, answer.seconds / len(batch)), "folder": picture.folder}
        for (picture, _), answer in zip(batch, answers)
    ]
