"""Asking transformers.js in Node: where it is installed, what it is asked, and what it says. For tests and for benchmarks."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.images import read_image

PACKAGE = "@huggingface/transformers"
MODULES_VARIABLE = "SMVL_NODE_MODULES"
PROGRAM = Path(__file__).with_name("transformers_js.mjs")


@dataclass(frozen=True)
class Reply:
    """What transformers.js makes of a request."""

    prompt_ids: list[int]
    """By its own tokenizer and its own plan of pictures."""
    new_ids: list[int]
    """For our ids and pixels."""
    own_ids: list[int]
    """For the ids and the pixels that it makes itself of the picture."""
    pixel_difference: float
    """Between its own pixels and ours, the largest; they lie from -1 to 1. NaN where it plans other shapes."""
    refusal: str | None
    """What its own processor says where it takes no such request; its own ids and pixels are then empty."""


def find_modules(*packages: str) -> Path | None:
    """The node_modules folder that holds all the packages: the one that SMVL_NODE_MODULES names, else npm's global one."""
    named = os.environ.get(MODULES_VARIABLE)
    if named is None and shutil.which("npm"):
        named = subprocess.run(["npm", "root", "-g"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    return Path(named) if named and all((Path(named) / package).is_dir() for package in packages) else None


def what_is_missing(*packages: str, programs: Sequence[str] = ("node",)) -> str | None:
    """Why something that runs in Node cannot run here, for people; None where it can."""
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        return f"needs {' and '.join(absent)}"
    if find_modules(*packages) is None:
        return f"needs npm install {' '.join(packages)}; name the node_modules folder in {MODULES_VARIABLE}"
    return None


def ask(export: Path, engine: Engine, requests: Sequence[Request], scratch: Path, *, max_new_tokens: int) -> list[Reply]:
    """Ask an export in transformers.js what `engine` is asked, with its processor's pixels and again with pixels of transformers.js.

    Raises:
        RuntimeError: Node ended otherwise; with what it said.
    """
    job = scratch / "job.json"
    cases = [_describe(engine, request, scratch / str(row)) for row, request in enumerate(requests)]
    job.write_text(json.dumps({"model": str(export.resolve()), "cases": cases, "max_new_tokens": max_new_tokens}), encoding="utf-8")
    done = subprocess.run(["node", PROGRAM, find_modules(PACKAGE), job], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"transformers.js gave no answers for {export}: {done.stderr[-2000:]}")
    return [Reply(**{**reply, "pixel_difference": float(reply["pixel_difference"])}) for reply in json.loads(done.stdout)]


def _describe(engine: Engine, request: Request, out: Path) -> dict[str, Any]:
    """A case of the job; its pictures, and what the model takes of them, are bare numbers in files whose names begin with `out`."""
    layout, pictures = engine.lay_out(request), engine.processor.pictures
    images = [read_image(image) for image in request.images]
    cut = [pictures.cut(image, plan) for image, plan in zip(images, layout.plans)]
    given = {name: (values, f"{out}-{name}") for name, values in pictures.batch([cut], [layout.plans]).items()}
    for values, file in given.values():
        values.tofile(file)
    for number, image in enumerate(images):
        Path(f"{out}-{number}.rgb").write_bytes(image.tobytes())
    return {
        "messages": list(request.messages),
        "tools": request.tools,
        "thinking": request.thinking,
        "images": [{"width": image.width, "height": image.height, "file": f"{out}-{row}.rgb"} for row, image in enumerate(images)],
        "ids": layout.input_ids,
        "tensors": {name: {"type": values.dtype.name, "dims": values.shape, "file": file} for name, (values, file) in given.items()},
    }
