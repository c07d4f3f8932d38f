"""Held-out questions asked through clients that know nothing of this project, with no option but greedy choice, against our own engine.

    python -m benchmarks.stock_clients --model output/demo --heldout data/demo/heldout.jsonl --pipeline
    python -m benchmarks.stock_clients --model output/demo --heldout data/demo/heldout.jsonl --server http://127.0.0.1:8080/v1

`--pipeline` is transformers' image-text-to-text pipeline with the Auto classes of `--python`, which need torchvision and num2words for a
`smolvlm` folder; `--folder` gives it another form of the model, such as the idefics3 export. `--server` is any server that speaks OpenAI's
interface: `transformers serve`, llama.cpp's `llama-server`, `vllm serve`. Questions with tools are left out.
"""

import argparse
import base64
import io
import itertools
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smvl.config import SourceConfig
from smvl.data.sample import Sample
from smvl.eval.exact_match import normalise
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.images import read_image
from smvl.source_registry import open_source

PIPELINE = Path(__file__).with_name("stock_pipeline.py")
NUM_SHOWN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    source = open_source(SourceConfig(path=str(options.heldout)))
    asked = (sample for sample in (source[row] for row in range(len(source))) if not sample.tools)  # how calls come back differs
    samples = list(itertools.islice(asked, options.questions))
    ours = ask_engine(options.model, samples, options.tokens)
    if options.server:
        theirs = [ask_server(options.server, options.name, messages_of(sample), options.tokens) for sample in samples]
    else:
        theirs = ask_pipeline(options.python, options.folder or options.model, samples, options.tokens)
    print_comparison(samples, ours, theirs)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="the checkpoint that our engine asks")
    parser.add_argument("--heldout", type=Path, required=True, help="a file of samples")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer at most")
    client = parser.add_mutually_exclusive_group(required=True)
    client.add_argument("--pipeline", action="store_true")
    client.add_argument("--server", metavar="URL", help="where its /chat/completions lies")
    parser.add_argument("--name", default="model", help="what the server calls the model")
    parser.add_argument("--python", default=sys.executable, help="the interpreter whose transformers is asked")
    parser.add_argument("--folder", type=Path, help="the form of the model that the pipeline loads")
    return parser.parse_args(arguments)


def ask_engine(model: str, samples: Sequence[Sample], num_tokens: int) -> list[str]:
    requests = [Request(sample.prompt, sample.images) for sample in samples]
    return [answer.text for answer in Engine.from_folder(model).answer(requests, max_new_tokens=num_tokens, batch_size=32)]


def ask_pipeline(python: str, folder: str | Path, samples: Sequence[Sample], num_tokens: int) -> list[str]:
    with tempfile.TemporaryDirectory() as scratch:
        questions = Path(scratch) / "questions.json"
        questions.write_text(json.dumps([messages_of(sample) for sample in samples]), encoding="utf-8")
        command = [python, str(PIPELINE), str(folder), str(questions), str(num_tokens)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def ask_server(url: str, name: str, messages: list[dict[str, Any]], num_tokens: int) -> str:
    body = {"model": name, "messages": messages, "temperature": 0, "max_tokens": num_tokens}
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)["choices"][0]["message"]["content"] or ""


def messages_of(sample: Sample) -> list[dict[str, Any]]:
    """The conversation in OpenAI's form, pictures as PNG in `data:` URLs."""
    pictures = iter(sample.images)

    def part_of(part: dict[str, Any]) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": data_url(next(pictures))}} if part["type"] != "text" else part

    return [
        message if isinstance(message["content"], str) else {**message, "content": [part_of(part) for part in message["content"]]}
        for message in sample.prompt
    ]


def data_url(image: Any) -> str:
    file = io.BytesIO()
    read_image(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def print_comparison(samples: Sequence[Sample], ours: Sequence[str], theirs: Sequence[str]) -> None:
    differing = [row for row, (own, other) in enumerate(zip(ours, theirs)) if own.strip() != other.strip()]
    right = [sum(normalise(text) == normalise(sample.answer) for text, sample in zip(texts, samples)) for texts in (ours, theirs)]
    print(f"{len(samples)} questions: {len(samples) - len(differing)} equal answers; right: ours {right[0]}, the client's {right[1]}")
    for row in differing[:NUM_SHOWN]:
        print(f"  {samples[row].id}: ours {ours[row]!r}, the client's {theirs[row]!r}, expected {samples[row].answer!r}")


if __name__ == "__main__":
    sys.exit(main())
