"""One side of benchmarks/infer_latency.py, in a process of its own: python -m benchmarks.latency_side FOLDER --json."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from smvl.infer.gguf_folder import is_gguf_folder
from smvl.infer.without_torch import is_export, without_torch

REPEATS = 3
TURN = 16
"""Tokens after which two loops change: threads of the one that waits spin for a while."""
FIRST, SECOND = "请描述这张图,并读出图中的文字。", "图中最大的字是什么颜色的?"


def measure(folder: Path, picture: Path, *, dtype: str, num_tokens: int) -> dict[str, float]:
    """Median seconds to the first token of a first and a second turn, tokens a second, and the peak memory in bytes."""
    from smvl.export.probe import peak_bytes
    from smvl.infer.chat import Conversation
    from smvl.infer.engine import Engine

    engine = Engine.from_folder(folder, device="cpu", dtype=dtype)
    first, second, rates = [], [], []
    for _ in range(REPEATS):
        conversation = Conversation(engine, max_new_tokens=num_tokens)
        conversation.add_image(picture)
        for seconds, question in ((first, FIRST), (second, SECOND)):
            for _ in conversation.ask(question):
                pass
            answer = conversation.answer
            seconds.append(answer.seconds_to_first_token)
            if answer.num_new_tokens > 1:
                rates.append((answer.num_new_tokens - 1) / (answer.seconds - answer.seconds_to_first_token))
    return {
        "first_turn": statistics.median(first),
        "second_turn": statistics.median(second),
        "tokens_per_second": statistics.median(rates),
        "num_tokens": answer.num_new_tokens,
        "peak_bytes": peak_bytes(),
    }


def measure_beside_plain_loop(folder: Path, *, num_prompt: int, num_tokens: int) -> dict[str, float]:
    """Tokens a second of an export's text model after a prompt, greedy: in the engine's loop, and in the one of its runtime's own examples.

    They take turns of a few tokens, so that whatever else the machine does slows both.
    """
    plain_loop = run_llama_loop if is_gguf_folder(folder) else run_onnx_loop
    loops = {"ours": run_own_loop(folder, num_prompt, num_tokens), "plain": plain_loop(folder, num_prompt, num_tokens)}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(num_tokens // TURN):
        for name, loop in loops.items():
            for _ in range(TURN):
                began = time.perf_counter()
                next(loop)
                seconds[name].append(time.perf_counter() - began)
    return {name: 1 / statistics.median(steps) for name, steps in seconds.items()}


def run_own_loop(folder: Path, num_prompt: int, num_tokens: int) -> Iterator[None]:
    from smvl.infer.opening import open_model

    model, _ = open_model(folder)
    reading = model.read([[100] * num_prompt], [None], num_tokens)
    while True:
        yield
        reading.go_on([reading.likeliest()])


def run_llama_loop(folder: Path, num_prompt: int, num_tokens: int) -> Iterator[None]:
    """llama-cpp-python's `generate`, with as many threads as the engine takes."""
    from llama_cpp import Llama

    from smvl.infer.cores import usable_cores
    from smvl.infer.gguf_folder import open_gguf_folder

    threads = usable_cores()
    text = str(open_gguf_folder(folder).text)
    model = Llama(text, n_ctx=num_prompt + num_tokens, n_threads=threads, n_threads_batch=threads, verbose=False)
    for _ in model.generate([100] * num_prompt, temp=0.0):
        yield


def run_onnx_loop(folder: Path, num_prompt: int, num_tokens: int) -> Iterator[None]:
    """Keys and values go in and come out at every step."""
    import numpy as np
    import onnxruntime

    from smvl.infer.onnx_folder import DECODER, open_onnx_folder

    session = onnxruntime.InferenceSession(open_onnx_folder(folder).graph(DECODER), providers=["CPUExecutionProvider"])
    kept = [entry for entry in session.get_inputs() if entry.name.startswith("past_key_values.")]
    width = next(entry.shape[-1] for entry in session.get_inputs() if entry.name == "inputs_embeds")
    dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    past = {entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), dtype[entry.type]) for entry in kept}
    embeddings = np.zeros((1, num_prompt, width), np.float32)
    for step in range(num_tokens):
        given = {"inputs_embeds": embeddings, "attention_mask": np.ones((1, num_prompt + step), np.int64), **past}
        logits, *present = session.run(None, given)
        past = dict(zip(past, present))
        embeddings = embeddings[:, :1]
        assert logits.shape[1] == 1
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--plain-loop", type=int, metavar="PROMPT", help="decode beside the plain loop, after a prompt of so many tokens")
    options = parser.parse_args(arguments)
    if is_export(options.folder):
        without_torch()
    if options.plain_loop:
        found = measure_beside_plain_loop(options.folder, num_prompt=options.plain_loop, num_tokens=options.tokens)
    else:
        found = measure(options.folder, options.picture, dtype=options.dtype, num_tokens=options.tokens)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
