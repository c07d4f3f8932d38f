"""transformers.js reads an export: its prompts have our ids, and from the same pixels it writes PyTorch's tokens.

    npm install @huggingface/transformers
    SMVL_NODE_MODULES=$PWD/node_modules python -m pytest tests/test_transformers_js.py
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smvl.infer.engine import Engine
from smvl.infer.request import Request
from tests.onnx_exports import export_small, save_small_checkpoint

PACKAGE = "@huggingface/transformers"
MAX_NEW_TOKENS = 24


def find_modules() -> Path | None:
    """The node_modules folder that holds the package."""
    named = os.environ.get("SMVL_NODE_MODULES")
    if named is None and shutil.which("npm"):
        named = subprocess.run(["npm", "root", "-g"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    return Path(named) if named and (Path(named) / PACKAGE).is_dir() else None


pytestmark = pytest.mark.skipif(
    not shutil.which("node") or find_modules() is None, reason=f"needs node and {PACKAGE}; name its folder in SMVL_NODE_MODULES"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("transformers-js"))


def noise(seed: int, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def ask(question: str, *images: Image.Image) -> Request:
    content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question}]
    return Request([{"role": "user", "content": content}], images)


def describe(engine: Engine, request: Request, pixels: Path) -> dict:
    """A case of the job, whose pixels are our processor's."""
    layout = engine.lay_out(request)
    tiles = engine.processor.pixel_values(list(request.images), layout)
    tiles.tofile(pixels)
    images = [{"width": image.width, "height": image.height, "data": list(image.tobytes())} for image in request.images]
    return {
        "messages": list(request.messages),
        "images": images,
        "ids": layout.input_ids,
        "pixels": str(pixels),
        "tiles": len(tiles),
        "side": tiles.shape[-1],
    }


def run_node(model: Path, cases: list[dict]) -> list[dict]:
    job = model.parent / f"{model.name}.json"
    job.write_text(json.dumps({"model": str(model), "cases": cases, "max_new_tokens": MAX_NEW_TOKENS}), encoding="utf-8")
    command = ["node", Path(__file__).with_suffix(".mjs").with_name("transformers_js.mjs"), find_modules(), job]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("bits", [32, 4])
def test_prompts_and_greedy_tokens_equal(checkpoint: Path, bits: int) -> None:
    """PyTorch's for float32; for 4 bits those of this package's own engine on the same files."""
    export = export_small(checkpoint, checkpoint.parent / f"onnx-{bits}", bits)
    engine = Engine.from_folder(checkpoint if bits == 32 else export, device="cpu")
    requests = [ask("图中有什么?"), ask("图中有什么?", noise(1, 64, 48)), ask("哪一张?", noise(2, 20, 60), noise(3, 64, 64))]
    cases = [describe(engine, request, checkpoint.parent / f"{row}.bin") for row, request in enumerate(requests)]
    replies = run_node(export, cases)
    assert [reply["prompt_ids"] for reply in replies] == [case["ids"] for case in cases]
    answers = [list(answer.token_ids) for answer in engine.answer(requests, max_new_tokens=MAX_NEW_TOKENS)]
    assert [reply["new_ids"] for reply in replies] == answers
    assert len(set(map(tuple, answers))) == len(answers), "equal answers would hide an exchange"
