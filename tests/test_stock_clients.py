"""benchmarks/stock_clients: in its smallest form, through the pipeline and through a server that speaks OpenAI's interface."""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from PIL import Image

import smvl
from benchmarks.stock_clients import main
from smvl.export.idefics3 import export_idefics3
from smvl.model.saving import save_model
from tests.donors import save_text_donor, save_vision_donor
from tests.tiny_data import write_json_lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkpoint, its export and a file of samples."""
    folder = tmp_path_factory.mktemp("clients")
    model, processor = smvl.splice(vision=save_vision_donor(folder / "v"), text=save_text_donor(folder / "t"))
    processor.think_by_default(False)
    save_model(model, folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    export_idefics3(folder / "checkpoint", folder / "export")
    write_json_lines(folder, num_rows=3)
    return folder


def ask(folder: Path, *client: str) -> int:
    return main(["--model", f"{folder}/checkpoint", "--heldout", f"{folder}/colours.jsonl", "--questions", "3", "--tokens", "4", *client])


def test_the_pipeline_answers_as_the_engine(folder, capsys):
    assert ask(folder, "--pipeline", "--folder", f"{folder}/export") == 0
    assert capsys.readouterr().out.startswith("3 questions: 3 equal answers; right: ours 0, the client's 0\n")


def test_a_server_is_sent_the_pictures_and_no_option_but_greedy_choice(folder, capsys):
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"choices": [{"message": {"content": "红色"}}]}).encode())

        def log_message(self, *arguments: object) -> None:
            """Nothing on the screen."""

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert ask(folder, "--server", f"http://127.0.0.1:{server.server_port}/v1", "--name", "small") == 0
    server.shutdown()
    assert capsys.readouterr().out.startswith("3 questions: 0 equal answers; right: ours 0, the client's 1\n")
    assert len(asked) == 3 and all(body.keys() == {"model", "messages", "temperature", "max_tokens"} for body in asked)
    picture, question = asked[0]["messages"][0]["content"]
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64" and Image.open(io.BytesIO(base64.b64decode(data))).format == "PNG"
    assert question["type"] == "text" and asked[0]["model"] == "small" and asked[0]["temperature"] == 0
