"""Loading an export back in llama.cpp, through the npm package `@fugood/llama.node`: it ships llama.cpp compiled, nothing is built here.

    npm install @fugood/llama.node
    export SMVL_NODE_MODULES=$PWD/node_modules
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from smvl.export.gguf.folder import GGUFFiles
from smvl.export.gguf.pictures import ImageProcessor, fit, read_image_processor, token_limits
from smvl.infer.request import Request
from smvl.processing.images import read_image

PACKAGE = "@fugood/llama.node"
MODULES_VARIABLE = "SMVL_NODE_MODULES"
"""Names the `node_modules` folder that the package was installed in; else npm's global one is searched."""
_PROGRAM = Path(__file__).with_suffix(".mjs")
_STILL_BUSY = "Another completion is in progress"
"""What the binding says now and then after an answer has come, and may go on saying for as long as its process lives."""
_TRIES = 5
_MEDIA_MARK = "<__media__>"
"""llama.cpp replaces it by the next image wherever it stands."""


class LlamaNodeError(ValueError):
    """llama.cpp is not installed, or refused a model; the message holds what it wrote last."""


@dataclass(frozen=True)
class Reply:
    """What llama.cpp made of one conversation."""

    prompt: str
    """As the file's own chat template renders it."""
    prompt_ids: tuple[int, ...]
    """-1 where an image feature stands."""
    pieces: tuple[str, ...]
    """The text of each new token, the one that ends the turn included, as `pieces.pieces_of` writes them."""
    text: str
    seconds_to_first_token: float
    seconds: float


@dataclass(frozen=True)
class Session:
    """All replies of one process."""

    build: str
    """Which llama.cpp it was."""
    seconds_to_load: float
    peak_bytes: int
    """Most memory that the process took."""
    replies: tuple[Reply, ...]


class LlamaNode:
    """llama.cpp in a Node process of its own, started anew for each `ask`."""

    def __init__(self, modules: Path, node: str):
        self._modules, self._node = modules, node

    @classmethod
    def find(cls) -> Self:
        """Where Node and the package are installed.

        Raises:
            LlamaNodeError: one of them is not.
        """
        node = shutil.which("node")
        for modules in _module_folders():
            if node and (modules / PACKAGE / "package.json").is_file():
                return cls(modules, node)
        missing = "Node.js" if node is None else f"the npm package {PACKAGE}"
        raise LlamaNodeError(
            f"{missing} is not installed, and nor is llama-cpp-python: the export is written, and nothing here can compare it. Run: pip "
            f"install -r requirements-llama.txt; or install Node.js 18 or newer, run: npm install {PACKAGE}, and let {MODULES_VARIABLE} "
            "name the node_modules folder; or leave the comparison out with --no-compare."
        )

    def ask(
        self,
        files: GGUFFiles,
        requests: Iterable[Request],
        *,
        max_new_tokens: int,
        suppressed_ids: Sequence[int] = (),
        context: int = 4096,
        threads: int = 1,
        fit_pictures: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> Session:
        """Ask one question after the other, greedily and without thinking.

        Args:
            requests: messages, tools, and images, whatever `read_image` reads; llama.cpp gets these as `pictures.fit` makes them.
            max_new_tokens: 0 only tokenizes.
            suppressed_ids: tokens that are never chosen.
            fit_pictures: False hands pictures over as they are, only upright and without transparency.
            settings: further ones of llama.node's `loadModel`.

        Raises:
            LlamaNodeError: llama.cpp cannot load a file, or fails.
        """
        job = {
            "modules": f"{self._modules.resolve()}/",
            "text": str(files.text.resolve()),
            "vision": str(files.vision.resolve()),
            "context": context,
            "threads": threads,
            "settings": dict(settings or {}),
            "max_new_tokens": max_new_tokens,
            "suppressed_ids": list(suppressed_ids),
        }
        with tempfile.TemporaryDirectory() as folder:
            image_processor = read_image_processor(files.vision) if fit_pictures else None
            job["picture_settings"] = token_limits(image_processor) if image_processor else {}
            job["conversations"] = [
                {
                    "messages": list(map(_with_marks, request.messages)),
                    "images": _save_images(request.images, image_processor, Path(folder)),
                    "tools": request.tools and list(request.tools),
                }
                for request in requests
            ]
            found = self._run(job, Path(folder))
        return Session(
            build=found["build"],
            seconds_to_load=found["secondsToLoad"],
            peak_bytes=found["peakBytes"],
            replies=tuple(map(_reply, found["replies"])),
        )

    def _run(self, job: dict[str, Any], folder: Path) -> dict[str, Any]:
        asked, answered = folder / "job.json", folder / "answers.json"
        asked.write_text(json.dumps(job), encoding="utf-8")
        command = [self._node, str(_PROGRAM), str(asked), str(answered)]
        for _ in range(_TRIES):
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            if answered.is_file():  # once it is there it is whole; what the binding does while it is torn down does not matter
                return json.loads(answered.read_text(encoding="utf-8"))
            if _STILL_BUSY not in done.stderr:
                break
        last_lines = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise LlamaNodeError(f"llama.cpp could not run {job['text']} with {job['vision']} (exit {done.returncode}):\n{last_lines}")


def _module_folders() -> list[Path]:
    named = os.environ.get(MODULES_VARIABLE)
    if named:
        return [Path(named)]
    npm = shutil.which("npm")
    if npm is None:
        return []
    done = subprocess.run([npm, "root", "-g"], capture_output=True, text=True)
    return [Path(done.stdout.strip())] if done.returncode == 0 and done.stdout.strip() else []


def _save_images(images: Sequence[Any], image_processor: ImageProcessor | None, folder: Path) -> list[str]:
    """Write images where llama.cpp reads them; returns the files."""
    paths = []
    for image in images:
        paths.append(folder / f"{len(list(folder.iterdir()))}.png")
        picture = read_image(image) if image_processor is None else fit(image, image_processor)
        picture.save(paths[-1], compress_level=1)
    return list(map(str, paths))


def _with_marks(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose content is the string that its parts make together, with a mark in the place of each image.

    Handed over as parts, the binding would put a line break between them.
    """
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {**message, "content": "".join(_text_of(part) for part in parts)}


def _text_of(part: Mapping[str, Any]) -> str:
    if part["type"] != "text":
        return _MEDIA_MARK
    if _MEDIA_MARK in part["text"]:
        raise LlamaNodeError(f"a message holds {_MEDIA_MARK}, which llama.cpp would replace by an image. Take it out of the text.")
    return part["text"]


def _reply(found: Mapping[str, Any]) -> Reply:
    return Reply(
        prompt=found["prompt"],
        prompt_ids=tuple(found["prompt_ids"]),
        pieces=tuple(found["pieces"]),
        text=found["text"],
        seconds_to_first_token=found["prompt_ms"] / 1000,
        seconds=(found["prompt_ms"] + found["predicted_ms"]) / 1000,
    )
