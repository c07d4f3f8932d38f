"""The scenes on disk, drawn by several processes, in the layout that `JsonLines` reads.

    train.jsonl, validation.jsonl, test.jsonl    a sample a line
    images/SPLIT/KIND-NUMBER-PICTURE.jpg         what they refer to
    manifest.json                                what was asked for, how many there are of what, fonts and versions

    plan_jobs -> parts of 64 samples -> each part drawn whole, its lines renamed into place -> lines joined in order -> manifest.json

What a process that was ended has finished is taken up again; the result is the same for any number of processes.
"""

import dataclasses
import json
import logging
import multiprocessing
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smvl.scenes.contents import SPLITS
from smvl.scenes.fonts import Fonts, machine_fonts, pip_fonts
from smvl.scenes.request import Job, SceneRequest, plan_jobs
from smvl.scenes.sample_drawing import draw_sample, encode_sample

logger = logging.getLogger(__name__)

REQUEST = "drawing.json"
"""Written first and removed last: the folder holds an unfinished drawing of this request."""
MANIFEST = "manifest.json"
_PARTS = "parts"
_PART_SAMPLES = 64
_SECONDS_BETWEEN_REPORTS = 5.0


@dataclasses.dataclass(frozen=True)
class Part:
    """Samples that one process draws in one go."""

    split: str
    number: int
    jobs: tuple[Job, ...]

    @property
    def file(self) -> str:
        return f"{_PARTS}/{self.split}-{self.number:06d}.jsonl"

    @property
    def num_pictures(self) -> int:
        return sum(job.num_pictures for job in self.jobs)


def write_scenes(folder: Path, request: SceneRequest, *, processes: int = 1) -> dict[str, Any]:
    """Draw everything that was asked for; returns the manifest. The same request again only finishes what is missing.

    Raises:
        ValueError: the folder holds something else, or scenes of another request.
    """
    folder = Path(folder)
    finished = _read_finished(folder, request)
    if finished is not None:
        logger.info("the scenes are already in %s", folder)
        return finished
    _prepare(folder, request)
    fonts = pip_fonts() if request.plain_fonts else machine_fonts()
    parts = [part for split, jobs in plan_jobs(request).items() for part in _cut(split, jobs)]
    _draw_parts([part for part in parts if not (folder / part.file).exists()], folder, request, fonts, processes)
    manifest = {**_describe(request, fonts), "counts": _join_parts(folder, parts)}
    _write_whole(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
    (folder / REQUEST).unlink()
    shutil.rmtree(folder / _PARTS)
    return manifest


def _cut(split: str, jobs: list[Job]) -> list[Part]:
    starts = range(0, len(jobs), _PART_SAMPLES)
    return [Part(split, number, tuple(jobs[start : start + _PART_SAMPLES])) for number, start in enumerate(starts)]


def _asked_for(request: SceneRequest) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(request)))


def _read_finished(folder: Path, request: SceneRequest) -> dict[str, Any] | None:
    """The manifest of a folder that is done."""
    if not (folder / MANIFEST).exists():
        return None
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if manifest.get("request") != _asked_for(request):
        raise ValueError(
            f"{folder} holds scenes of another request, {manifest.get('request')}; asked for is {_asked_for(request)}. "
            "Name another folder or remove this one."
        )
    return manifest


def _prepare(folder: Path, request: SceneRequest) -> None:
    """Make the folders, or take up what an ended process left of the same request."""
    begun = folder / REQUEST
    if begun.exists():
        if json.loads(begun.read_text(encoding="utf-8")) != _asked_for(request):
            raise ValueError(f"{folder} holds an unfinished drawing of another request. Name another folder or remove this one.")
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds files that are not scenes. Name a new or an empty folder.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(begun, json.dumps(_asked_for(request), ensure_ascii=False))
    for name in (_PARTS, *(f"images/{split}" for split in SPLITS)):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _draw_parts(parts: list[Part], folder: Path, request: SceneRequest, fonts: Fonts, processes: int) -> None:
    total, done, begun = sum(part.num_pictures for part in parts), 0, time.monotonic()
    reported = begun
    for part in _drawn_parts(parts, folder, request, fonts, processes):
        done += part.num_pictures
        now = time.monotonic()
        if now - reported >= _SECONDS_BETWEEN_REPORTS or done == total:
            reported, pace = now, done / (now - begun)
            logger.info("%d of %d pictures, %.0f a second, %.0f s left", done, total, pace, (total - done) / pace)


def _drawn_parts(parts: list[Part], folder: Path, request: SceneRequest, fonts: Fonts, processes: int) -> Iterator[Part]:
    """Each part once it is on disk, in any order."""
    if processes == 1:
        for part in parts:
            _draw_part(part, folder, request, fonts)
            yield part
        return
    # Spawned, not forked: OpenCV's and the caller's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_take_up, initargs=(folder, request, fonts)) as pool:
        futures = {pool.submit(_draw_part_of_worker, part): part for part in parts}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_worker: tuple[Path, SceneRequest, Fonts] | None = None
"""What a worker process was started for: the fonts with their tables take a megabyte, sent once."""


def _take_up(folder: Path, request: SceneRequest, fonts: Fonts) -> None:
    global _worker
    _worker = folder, request, fonts
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one says what happens


def _draw_part_of_worker(part: Part) -> None:
    assert _worker is not None
    _draw_part(part, *_worker)


def _draw_part(part: Part, folder: Path, request: SceneRequest, fonts: Fonts) -> None:
    """Pictures first, lines last: a part whose lines are there is whole."""
    lines = []
    for job in part.jobs:
        pictures, line = encode_sample(draw_sample(job, request, fonts))
        for path, content in pictures.items():
            (folder / path).write_bytes(content)
        lines.append(line)
    _write_whole(folder / part.file, "\n".join(lines) + "\n")


def _join_parts(folder: Path, parts: list[Part]) -> dict[str, Any]:
    """Make one file of each split's parts. Returns how many there are of what."""
    counts = {}
    for split in SPLITS:
        own = [part for part in parts if part.split == split]
        rows: list[dict[str, Any]] = []
        joined = folder / f"{split}.jsonl.unfinished"
        with joined.open("w", encoding="utf-8") as file:
            for part in own:
                lines = (folder / part.file).read_text(encoding="utf-8")
                file.write(lines)
                rows += [{"task": row["task"], "questions": row["questions"]} for row in map(json.loads, lines.splitlines())]
        joined.replace(folder / f"{split}.jsonl")
        pictures = Counter(job.kind for part in own for job in part.jobs for _ in range(job.num_pictures))
        counts[split] = {
            "pictures": sum(pictures.values()),
            "samples": len(rows),
            "pictures_by_kind": dict(sorted(pictures.items())),
            "samples_by_task": dict(sorted(Counter(row["task"] for row in rows).items())),
            "questions": dict(sorted(Counter(kind for row in rows for kind in row["questions"]).items())),
        }
    return counts


def _describe(request: SceneRequest, fonts: Fonts) -> dict[str, Any]:
    versions = {name: version(name) for name in ("pillow", "numpy", "opencv-python-headless", "manimgx-fonts-cjk")}
    return {"request": _asked_for(request), "fonts": sorted({f"{face.style}: {face.name}" for face in fonts.faces}), "versions": versions}


def _write_whole(path: Path, text: str) -> None:
    """Under another name first, so that a file of this name is never half written."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
