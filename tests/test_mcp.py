"""`smvl mcp`: a client of the protocol's own package asks a small checkpoint, over standard streams and over HTTP.

python -m pytest tests/test_mcp.py
"""

import asyncio
import base64
import io
import json
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from smvl.agent.mcp_command import main
from smvl.agent.picture_access import PictureAccess
from smvl.infer.engine import Engine
from smvl.infer.loaded_model import LoadedModel
from tests.mcp_servers import serving
from tests.test_engine import picture, save_small_checkpoint, write_for

pytest.importorskip("mcp", reason="mcp is not installed (requirements-agent.txt)")

from mcp import Client
from mcp.client.stdio import StdioServerParameters

from smvl.agent.vision_server import create_server

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["a"]}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("mcp"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> LoadedModel:
    return LoadedModel(Engine.from_folder(checkpoint, device="cpu"))


def as_png(image: Image.Image) -> bytes:
    png = io.BytesIO()
    image.save(png, "PNG")
    return png.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `pictures` with a picture, and links in it; one picture lies outside."""
    folder = tmp_path_factory.mktemp("served")
    pictures = folder / "pictures"
    (pictures / "below").mkdir(parents=True)
    picture("red").save(pictures / "red.png")
    picture("blue").save(pictures / "below/blue.png")
    picture("green").save(folder / "secret.png")
    (pictures / "out.png").symlink_to(folder / "secret.png")
    (pictures / "in.png").symlink_to(pictures / "red.png")
    return folder


def command(checkpoint: Path, folder: Path, *more: str) -> list[str]:
    options = ["--model", str(checkpoint), "--device", "cpu", "--max-new-tokens", "24", "--root", str(folder / "pictures")]
    return [sys.executable, "-m", "smvl", "mcp", *options, *more]


def text_of(result: Any) -> str:
    return "\n".join(part.text for part in result.content)


# ---- over the wire -------------------------------------------------------------------------------------------------------------


NOISY = """
import os, sys
from smvl.agent.mcp_command import main
from smvl.infer.engine import Engine
load = Engine.from_folder
Engine.from_folder = classmethod(lambda cls, *a, **k: (print("loading"), os.system("echo loading"), load(*a, **k))[2])
sys.exit(main(sys.argv[1:]))
"""


def test_a_client_asks_over_standard_streams_which_hold_nothing_else(
    checkpoint: Path, model: LoadedModel, folder: Path, tmp_path: Path
) -> None:
    """Even where something prints while the model is loaded."""
    written = tmp_path / "stdout"
    server = shlex.join([sys.executable, "-c", NOISY, *command(checkpoint, folder)[4:]])
    own = {name: value for name, value in os.environ.items() if name in ("OMP_NUM_THREADS", "PYTHONPATH", "PATH")}
    target = StdioServerParameters(command="sh", args=["-c", f"{server} | tee {written}"], cwd=Path.cwd(), env=own)
    asyncio.run(_ask_everything(target, model, folder))
    lines = written.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 8 and all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)


def test_a_client_asks_over_http_on_this_machine_alone(checkpoint: Path, model: LoadedModel, folder: Path) -> None:
    with serving(command(checkpoint, folder, "--http", "0")) as address:
        assert address.startswith("http://127.0.0.1:")
        asyncio.run(_ask_everything(address, model, folder))


async def _ask_everything(target: Any, model: LoadedModel, folder: Path) -> None:
    """List the tools, use each, make the mistakes that a client makes, and go on."""
    async with Client(target) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {name: list(tool.input_schema["properties"]) for name, tool in tools.items()} == {
            "ask_image": ["image", "question"],
            "read_document": ["image"],
            "extract": ["image", "schema"],
        }
        assert all(tool.annotations.read_only_hint for tool in tools.values())
        whole = model.ask("图中有什么?", folder / "pictures/red.png", max_new_tokens=24)
        for image in ("red.png", str(folder / "pictures/red.png"), base64.b64encode(as_png(picture("red"))).decode()):
            asked = await client.call_tool("ask_image", {"image": image, "question": "图中有什么?"})
            assert asked.content[0].text == whole.text and not asked.is_error
        outside = await client.call_tool("ask_image", {"image": "../secret.png", "question": "?"})
        assert outside.is_error and f"../secret.png is outside of the folders that this server reads ({folder}/pictures)." in text_of(
            outside
        )
        assert not (await client.call_tool("read_document", {"image": "below/blue.png"})).is_error
        extracted = await client.call_tool("extract", {"image": "red.png", "schema": SCHEMA})
        Draft202012Validator(SCHEMA).validate(extracted.structured_content)
        assert json.loads(text_of(extracted)) == extracted.structured_content
        refused = await client.call_tool("extract", {"image": "red.png", "schema": {"type": "array", "uniqueItems": True}})
        assert refused.is_error and "uniqueItems" in text_of(refused) and "Traceback" not in text_of(refused)
        assert not (await client.call_tool("extract", {"image": "red.png", "schema": SCHEMA})).is_error


# ---- in one process ------------------------------------------------------------------------------------------------------------


def run_with(server: Any, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with Client(server) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.fixture
def server(model: LoadedModel, folder: Path) -> Any:
    return create_server(model, PictureAccess([folder / "pictures"]), max_new_tokens=8)


def test_an_answer_that_was_cut_says_so_and_json_that_was_cut_is_an_error(server: Any, model: LoadedModel, monkeypatch) -> None:
    write_for(model.engine, monkeypatch, "图中有一个红色的圆形。" * 3)
    asked = run_with(server, lambda client: client.call_tool("ask_image", {"image": "red.png", "question": "?"}))
    assert asked.content[1].text == "(the answer was cut after 8 tokens)" and not asked.is_error
    monkeypatch.undo()
    schema = {"type": "string", "minLength": 30}
    extracted = run_with(server, lambda client: client.call_tool("extract", {"image": "red.png", "schema": schema}))
    assert extracted.is_error and "the answer was cut after 8 tokens, before the JSON was whole" in text_of(extracted)


def test_a_failure_of_the_model_is_an_error_with_its_message_and_the_server_goes_on(server: Any, model: LoadedModel, monkeypatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    async def ask_twice(client: Any) -> list[Any]:
        question = {"image": "red.png", "question": "?"}
        with monkeypatch.context() as patched:
            patched.setattr(model.engine.model, "read", fail)
            failed = await client.call_tool("ask_image", question)
        return [failed, await client.call_tool("ask_image", question)]

    failed, answered = run_with(server, ask_twice)
    assert failed.is_error and text_of(failed) == "Error executing tool ask_image: the model failed: RuntimeError: out of memory"
    assert not answered.is_error


def test_questions_wait_for_each_other(server: Any, model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, running, most = model.engine.answer, threading.Semaphore(1), []

    def alone(*arguments: Any, **options: Any) -> Any:
        most.append(running.acquire(blocking=False))
        time.sleep(0.05)
        running.release()
        return ask(*arguments, **options)

    async def ask_together(client: Any) -> list[Any]:
        return await asyncio.gather(*[client.call_tool("ask_image", {"image": "red.png", "question": str(n)}) for n in range(4)])

    monkeypatch.setattr(model.engine, "answer", alone)
    assert not any(answer.is_error for answer in run_with(server, ask_together)) and most == [True] * 4


# ---- which pictures ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["red.png", "below/../red.png", "in.png", "{root}/red.png", "file://{root}/red.png"])
def test_a_path_inside_is_read(folder: Path, path: str) -> None:
    read = PictureAccess([folder / "pictures"]).read(path.format(root=folder / "pictures"))
    assert read == (folder / "pictures/red.png").read_bytes()


@pytest.mark.parametrize(
    "path", ["../secret.png", "out.png", "{root}/../secret.png", "/etc/hostname", "~/secret.png/../../../x", "below/../../secret.png"]
)
def test_a_path_that_leads_outside_is_refused_wherever_it_leads(folder: Path, path: str) -> None:
    with pytest.raises(ValueError, match="is outside of the folders that this server reads"):
        PictureAccess([folder / "pictures"]).read(path.format(root=folder / "pictures"))


@pytest.mark.parametrize("path", ["none.png", "below", "", "x\0.png"])
def test_a_path_to_no_picture_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(ValueError, match="there is no picture|null"):
        PictureAccess([folder / "pictures"]).read(path)


def test_a_relative_path_is_looked_for_in_every_folder(folder: Path) -> None:
    access = PictureAccess([folder / "pictures/below", folder / "pictures"])
    assert access.read("red.png") == (folder / "pictures/red.png").read_bytes()
    with pytest.raises(ValueError, match="--root: there is no folder nonesuch"):
        PictureAccess(["nonesuch"])


def test_pictures_that_come_along_need_no_folder(folder: Path) -> None:
    png, access = as_png(picture("red")), PictureAccess([folder / "pictures"])
    encoded = base64.b64encode(png).decode()
    assert access.read(encoded) == access.read("\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))) == png
    assert access.read(f"data:image/png;base64,{encoded}") == f"data:image/png;base64,{encoded}"
    with pytest.raises(ValueError, match="is no picture in base64"):
        access.read("A" * 100)


# ---- the command ---------------------------------------------------------------------------------------------------------------


def test_the_whole_machine_is_no_folder_of_pictures(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir("/")
    assert main(["--model", str(checkpoint), "--http", "0"]) == 1
    assert "the current folder is the whole machine. Name the folders" in capsys.readouterr().err


def test_a_mistake_is_one_line_on_standard_error(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--model", str(checkpoint), "--http", port]) == 1
    assert capsys.readouterr().err.startswith(f"smvl mcp: --http {port}: the port cannot be had ")
    assert main(["--model", "nonesuch"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("smvl mcp: ") and "nonesuch" in err and err.count("\n") == 1
