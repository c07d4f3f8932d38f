"""One side of benchmarks/infer_latency.py, in a process of its own: python -m benchmarks.latency_side FOLDER --json."""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from smvl.infer.gguf_folder import is_gguf_folder
from smvl.infer.without_torch import is_export, without_torch

REPEATS = 3
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


def measure_plain_loop(folder: Path, *, num_prompt: int, num_tokens: int) -> dict[str, float]:
    """Tokens a second of an export's text model in the loop that its runtime's own examples show, greedy, after a prompt."""
    measure = measure_llama_loop if is_gguf_folder(folder) else measure_onnx_loop
    return {"tokens_per_second": 1 / statistics.median(measure(folder, num_prompt=num_prompt, num_tokens=num_tokens))}


def measure_llama_loop(folder: Path, *, num_prompt: int, num_tokens: int) -> list[float]:
    """Seconds of each step of llama-cpp-python's `generate`, with as many threads as the engine takes."""
    from llama_cpp import Llama

    from smvl.infer.cores import usable_cores
    from smvl.infer.gguf_folder import open_gguf_folder

    threads = usable_cores()
    model = Llama(
        str(open_gguf_folder(folder).text), n_ctx=num_prompt + num_tokens, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    written = model.generate([100] * num_prompt, temp=0.0)
    next(written)
    seconds = []
    for _ in range(num_tokens - 1):
        began = time.perf_counter()
        next(written)
        seconds.append(time.perf_counter() - began)
    return seconds


def measure_onnx_loop(folder: Path, *, num_prompt: int, num_tokens: int) -> list[float]:
    """Seconds of each step in which keys and values go in and come out."""
    import numpy as np
    import onnxruntime

    from smvl.infer.onnx_folder import DECODER, open_onnx_folder

    session = onnxruntime.InferenceSession(open_onnx_folder(folder).graph(DECODER), providers=["CPUExecutionProvider"])
    kept = [entry for entry in session.get_inputs() if entry.name.startswith("past_key_values.")]
    width = next(entry.shape[-1] for entry in session.get_inputs() if entry.name == "inputs_embeds")
    dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    past = {entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), dtype[entry.type]) for entry in kept}
    embeddings = np.zeros((1, num_prompt, width), np.float32)
    length, seconds = 0, []
    for _ in range(num_tokens):
        began = time.perf_counter()
        length += embeddings.shape[1]
        given = {"inputs_embeds": embeddings, "attention_mask": np.ones((1, length), np.int64), **past}
        logits, *present = session.run(None, given)
        past = dict(zip(past, present))
        embeddings = embeddings[:, :1]
        seconds.append(time.perf_counter() - began)
        assert logits.shape[1] == 1
    return seconds[1:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--plain-loop", type=int, metavar="PROMPT", help="run the plain loop after a prompt of so many tokens")
    options = parser.parse_args()
    if is_export(options.folder):
        without_torch()
    if options.plain_loop:
        found = measure_plain_loop(options.folder, num_prompt=options.plain_loop, num_tokens=options.tokens)
    else:
        found = measure(options.folder, options.picture, dtype=options.dtype, num_tokens=options.tokens)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
