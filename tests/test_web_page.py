"""The page in web/, used in headless Chromium: its answers are the engine's, nothing leaves the device, and what goes wrong is said.

    npm install @huggingface/transformers puppeteer-core
    SMVL_NODE_MODULES=$PWD/node_modules python -m pytest tests/test_web_page.py
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.processing.tiles import cut_tiles, plan_grid
from tests.onnx_exports import export_small, save_small_checkpoint
from tests.tiny_data import noise
from tests.web_page import WEB, ask, build_site, drop, drop_bytes, visit, what_is_missing_for_the_page

FEWER_BITS = (8, 4)
SHORT, LONG = 24, 400
"""Tokens of an answer."""
TALL, WIDE = noise(1, (37, 150)), noise(2, (100, 70))
"""Both are scaled, in either order of the two directions."""
QUESTIONS = ("图中有什么?", "什么颜色?", "哪一张更大?")

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs node")
needs_browser = pytest.mark.skipif(what_is_missing_for_the_page() is not None, reason=str(what_is_missing_for_the_page()))


@needs_node
def test_pixels_are_the_processors(tmp_path: Path) -> None:
    """To the last bit, for pictures that grow and shrink, lie and stand, and for one that fits as it is."""
    processor = SmVLMProcessor.from_pretrained(save_small_checkpoint(tmp_path))
    processor.limit_images(longest_edge=96)
    settings = json.loads(processor.image_processor.to_json_string())
    script = (
        f"import {{ tilesOf }} from {json.dumps((WEB / 'pixels.js').as_uri())}\n"
        "import { readFileSync, writeFileSync } from 'node:fs'\n"
        "const { settings, width, height, rgb, out } = JSON.parse(readFileSync(0))\n"
        "const { values, rows, columns } = tilesOf({ data: new Uint8ClampedArray(readFileSync(rgb)), width, height }, settings)\n"
        "writeFileSync(out, values)\n"
        "console.log(JSON.stringify([rows, columns]))\n"
    )
    for number, size in enumerate([(96, 64), (37, 150), (300, 200), (5, 3), (57, 131), (31, 31), (600, 4)]):
        picture = noise(number, size)
        (tmp_path / "rgb").write_bytes(picture.tobytes())
        job = {"settings": settings, "width": size[0], "height": size[1], "rgb": str(tmp_path / "rgb"), "out": str(tmp_path / "out")}
        command = ["node", "--input-type=module", "-e", script]
        done = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
        grid = plan_grid(size[1], size[0], processor.image_processor, 96)
        assert json.loads(done.stdout) == [grid.rows, grid.columns]
        tiles = cut_tiles(picture, processor.image_processor, grid)
        assert np.array_equal(np.fromfile(tmp_path / "out", dtype=np.float32), tiles.ravel()), size


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("web-page"))


@pytest.fixture(scope="module")
def export(checkpoint: Path) -> Path:
    return export_small(checkpoint, checkpoint.parent / "onnx", 32)


@pytest.fixture(scope="module")
def engine(export: Path) -> Engine:
    return Engine.from_folder(export, device="cpu")


@pytest.fixture(scope="module")
def found(checkpoint: Path, export: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page showed in each visit: at its opening, and after each step."""
    site = build_site(tmp_path_factory.mktemp("site") / "web")
    for name in ("model", "missing", "cut"):
        shutil.copytree(export, site / name)
    for bits in FEWER_BITS:
        export_small(checkpoint, site / f"bits-{bits}", bits)
    weights = next(path.name for path in (export / "onnx").glob("decoder*_data"))
    (site / "missing/onnx" / weights).unlink()
    (site / "cut/tokenizer.json").write_bytes((export / "tokenizer.json").read_bytes()[:-1])
    first, second, third = QUESTIONS
    talks = [ask(first), drop(TALL), ask(first), ask(second), drop_bytes("坏.png", b"no picture"), ask(third)]
    drop_while_answering = {**drop(WIDE), "kind": "drop_while_answering", "question": second}
    stops = [drop(TALL), {"kind": "stop", "question": first}, drop_while_answering, ask(third)]
    visits = {
        "talk": (f"tokens={SHORT}", talks),
        "elsewhere": ("", [ask("<image>是什么?"), {"kind": "ask_elsewhere"}]),
        "stops": (f"tokens={LONG}", stops),
        **{name: (f"model={name}", []) for name in ("missing", "cut", "nowhere")},
        **{f"bits-{bits}": (f"model=bits-{bits}&tokens={SHORT}", [drop(TALL), ask(first)]) for bits in FEWER_BITS},
    }
    return {**visit(site, visits), "weights": weights}


def talk(engine: Engine, questions: Sequence[str], *images: Image.Image, max_new_tokens: int = SHORT) -> list[str]:
    """The engine's answers in one conversation about the pictures."""
    messages, texts = [], []
    for question in questions:
        parts = [{"type": "image"}] * (0 if messages else len(images)) + [{"type": "text", "text": question}]
        messages.append({"role": "user", "content": parts})
        [answer] = engine.answer([Request(messages, images)], max_new_tokens=max_new_tokens)
        texts.append(engine.decode(answer.token_ids))
        messages.append({"role": "assistant", "content": texts[-1]})
    return texts


@needs_browser
def test_answers_are_the_engines(engine: Engine, found: dict) -> None:
    _, without_picture, _, *asked = found["visits"]["talk"]
    assert without_picture["answers"] == talk(engine, QUESTIONS[:1])
    expected = talk(engine, QUESTIONS, TALL)
    assert asked[0]["answers"] == expected[:1]
    assert asked[1]["answers"] == expected[:2], "a second question in the same chat"
    assert asked[3]["answers"] == expected, "a file that is no picture ends no chat"
    assert len({*expected, *without_picture["answers"]}) == 4, "equal answers would hide an exchange"


@needs_browser
@pytest.mark.parametrize("bits", FEWER_BITS)
def test_smaller_exports_answer_too(found: dict, bits: int) -> None:
    """That the browser's runtime has every operator; its products round otherwise than those of the engine's, so tokens may differ."""
    opened, _, asked = found["visits"][f"bits-{bits}"]
    assert opened["canAsk"], opened["state"]
    assert asked["answers"] != [""] and asked["notes"][0].startswith(f"{SHORT} 个词元") and not asked["isWrong"]


@needs_browser
def test_an_answer_grows_while_it_is_written(found: dict) -> None:
    assert found["visits"]["talk"][3]["growths"] > 3
    assert "正在回答……" in found["visits"]["talk"][3]["states"]


@needs_browser
def test_loading_is_shown(found: dict) -> None:
    opened = found["visits"]["talk"][0]
    assert any(state.startswith("正在读取模型:") and state.endswith("MB") for state in opened["states"])
    assert (opened["state"], opened["canAsk"], opened["isIsolated"]) == ("可以提问了。模型在这台设备上运行,不联网。", True, True)


@needs_browser
def test_nothing_is_asked_of_another_host(found: dict) -> None:
    """The two are this test's own, from the page and from a worker: they show that an attempt is noticed."""
    assert found["asked"] == ["http://page.example/", "http://worker.example/"]


@needs_browser
def test_a_file_that_is_no_picture_is_named(found: dict) -> None:
    dropped = found["visits"]["talk"][5]
    assert dropped["isWrong"] and dropped["state"].startswith("坏.png 不能读取")
    assert dropped["picture"] == "37.png" and dropped["canAsk"], "the picture before stays"


@needs_browser
def test_a_missing_or_cut_file_of_the_model_is_named(found: dict) -> None:
    for name, reason in {
        "missing": f"缺少文件 missing/onnx/{found['weights']}",
        "cut": "文件 cut/tokenizer.json 有",
        "nowhere": "没有 nowhere/export.json",
    }.items():
        [opened] = found["visits"][name]
        assert opened["isWrong"] and opened["state"].startswith(f"模型不能读取:{reason}"), opened["state"]
        assert not opened["canAsk"]


@needs_browser
def test_control_text_in_a_question_is_refused(found: dict) -> None:
    asked = found["visits"]["elsewhere"][1]
    assert asked["isWrong"] and asked["state"].startswith("没有回答:问题里的 <image>")
    assert asked["answers"] == [] and asked["canAsk"]


@needs_browser
def test_an_answer_can_be_stopped(engine: Engine, found: dict) -> None:
    stopped = found["visits"]["stops"][2]
    [whole] = talk(engine, QUESTIONS[:1], TALL, max_new_tokens=LONG)
    [text] = stopped["answers"]
    assert stopped["notes"][0].endswith("已停止") and len(text) < len(whole)
    assert whole.startswith(text.rstrip("\ufffd")) and text, "what was written until then"


@needs_browser
def test_a_picture_dropped_while_an_answer_runs_starts_anew(engine: Engine, found: dict) -> None:
    _, _, _, dropped, asked = found["visits"]["stops"]
    assert (dropped["picture"], dropped["answers"], dropped["canAsk"]) == ("100.png", [], True)
    assert asked["answers"] == talk(engine, QUESTIONS[2:], WIDE, max_new_tokens=LONG)
