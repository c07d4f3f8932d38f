"""transformers.js reads an export: its prompts have our ids, and from the same pixels it writes PyTorch's tokens.

    npm install @huggingface/transformers
    SMVL_NODE_MODULES=$PWD/node_modules python -m pytest tests/test_transformers_js.py
"""

from pathlib import Path

import pytest

from smvl.infer.engine import Engine
from smvl.infer.request import Request
from tests.onnx_exports import export_small, save_small_checkpoint
from tests.tiny_data import noise
from tests.transformers_js import PACKAGE, ask, what_is_missing

MAX_NEW_TOKENS = 24

pytestmark = pytest.mark.skipif(what_is_missing(PACKAGE) is not None, reason=str(what_is_missing(PACKAGE)))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, layout: str) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("transformers-js"), layout)


def request(question: str, *images) -> Request:
    content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question}]
    return Request([{"role": "user", "content": content}], images)


@pytest.mark.parametrize("bits", [32, 4])
def test_prompts_and_greedy_tokens_equal(checkpoint: Path, layout: str, tmp_path: Path, bits: int) -> None:
    """PyTorch's for float32; for 4 bits those of this package's own engine on the same files."""
    export = export_small(checkpoint, checkpoint.parent / f"onnx-{bits}", bits)
    engine = Engine.from_folder(checkpoint if bits == 32 else export, device="cpu")
    requests = [
        request("图中有什么?"),
        request("图中有什么?", noise(1, (70, 44))),
        request("哪一张?", noise(2, (20, 60)), noise(3, (64, 64))),
    ]
    replies = ask(export, engine, requests, tmp_path, max_new_tokens=MAX_NEW_TOKENS)
    taken = [(reply, request) for reply, request in zip(replies, requests) if not reply.refusal]
    assert len(taken) == {"smolvlm": 3, "qwen3_vl": 2}[layout], "its Qwen processor takes several pictures for frames of one video"
    assert [reply.prompt_ids for reply, _ in taken] == [engine.lay_out(request).input_ids for _, request in taken]
    answers = [list(answer.token_ids) for answer in engine.answer(requests, max_new_tokens=MAX_NEW_TOKENS)]
    assert [reply.new_ids for reply in replies] == answers
    assert len(set(map(tuple, answers))) == len(answers), "equal answers would hide an exchange"
    assert replies[0].own_ids == answers[0], "without a picture there is nothing that pixels could change"
    assert replies[0].pixel_difference == 0 < replies[1].pixel_difference < 2, "it scales a picture in its own way"
