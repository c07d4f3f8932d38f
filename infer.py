"""Ask a model about images.

    python infer.py --model output/demo --image a.jpg "图中有什么?"
    python infer.py --model output/demo --image a.jpg --image b.jpg "Which of the two is larger?"
    python infer.py --model output/demo                  # a chat; /help shows what it can do
    python infer.py --model output/demo --image a.jpg --json "图中有什么?"
    python infer.py --model output/demo-onnx --image a.jpg "图中有什么?"      # an ONNX or GGUF export; needs no torch
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # both are read when transformers is imported
if "OMP_WAIT_POLICY" not in os.environ:  # threads that spin long while they wait take the cores from those that work
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from smvl.infer.without_torch import is_export, without_torch

if __name__ == "__main__" and any(is_export(argument.removeprefix("--model=")) for argument in sys.argv[1:]):
    without_torch()  # it must be known before transformers is imported

from transformers.utils import logging as transformers_logging

from smvl.infer.chat import Conversation, one_line, run_chat, show
from smvl.infer.engine import Engine
from smvl.processing.images import read_image


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 for what the user can mend, 130 after Ctrl-C."""
    arguments = parse_arguments(argv)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        converse(arguments)
    except ValueError as error:
        print(f"infer.py: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 0


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", help="without one, a chat in which images can be added")
    parser.add_argument("--model", required=True, metavar="FOLDER", help="a checkpoint, such as output/demo")
    parser.add_argument("--image", action="append", default=[], metavar="PATH", help="repeat for several images")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first")
    parser.add_argument("--thinking", action="store_true", help="let the model reason before it answers")
    parser.add_argument("--max-new-tokens", type=int, default=256, metavar="N", help="longest answer (default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0 is the likeliest answer (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ... (default: %(default)s)")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"), help="default: %(default)s")
    parser.add_argument("--quantize", choices=("int8", "int4", "fp8"), help="quantize a checkpoint's text layers while loading (torchao)")
    parser.add_argument("--longest-edge", type=int, metavar="PIXELS", help="show images at most so large; whole tiles")
    parser.add_argument("--max-tiles", type=int, metavar="N", help="show an image as at most so many tiles")
    parser.add_argument("--json", action="store_true", help="print one JSON object: answer, reasoning, token counts, seconds")
    arguments = parser.parse_args(argv)
    if arguments.json and arguments.question is None:
        parser.error("--json needs a question")
    return arguments


def converse(arguments: argparse.Namespace) -> None:
    images = [read_image(path) for path in arguments.image]  # before the model is loaded, which takes longer
    engine = Engine.from_folder(arguments.model, device=arguments.device, dtype=arguments.dtype, quantize=arguments.quantize)
    engine.processor.limit_images(longest_edge=arguments.longest_edge, most_tiles=arguments.max_tiles)
    conversation = Conversation(
        engine,
        system=arguments.system,
        thinking=arguments.thinking,
        max_new_tokens=arguments.max_new_tokens,
        temperature=arguments.temperature,
    )
    for image in images:
        conversation.add_image(image)
    if arguments.json:
        print_json(conversation, arguments.question)
    elif arguments.question is not None:
        print_streamed(conversation, arguments.question)
    else:
        chat(conversation)


def print_json(conversation: Conversation, question: str) -> None:
    for _ in conversation.ask(question):
        pass
    answer = dataclasses.asdict(conversation.answer)
    del answer["token_ids"]
    print(json.dumps({"answer": answer.pop("text"), **answer}, ensure_ascii=False))


def print_streamed(conversation: Conversation, question: str) -> None:
    for text in show(conversation.ask(question)):
        write(text)
    write("\n")


def chat(conversation: Conversation) -> None:
    try:
        import readline  # noqa: F401  (line editing; without it a terminal deletes half a Chinese character)
    except ImportError:
        pass
    run_chat(conversation, input, write)


def write(text: str) -> None:
    print(text, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
