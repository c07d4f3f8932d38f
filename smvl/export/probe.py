"""What one model answers to some questions, and what that takes. It runs in a process of its own, so that its memory is its own:

python -m smvl.export.probe --model FOLDER --questions FOLDER --out FOLDER

The process of an ONNX or GGUF export loads no torch, as on the machines that it is made for.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from smvl.infer.gguf_folder import is_gguf_folder
from smvl.infer.onnx_folder import is_onnx_folder
from smvl.infer.request import Request
from smvl.infer.without_torch import is_export, without_torch
from smvl.processing.images import read_image
from smvl.progress import counting

ANSWERED = "(answered)\n"
"""What the process that asks writes to standard error after each question."""
QUESTIONS_FILE, ANSWERS_FILE, SCORES_FILE = "questions.json", "answers.json", "first_scores.npy"
NUM_SCORED = 16
"""Questions of which the scores of the first token are kept: a row of them is as long as the vocabulary."""


@dataclass(frozen=True)
class Probed:
    """What a model answered, and what it took."""

    texts: list[str]
    tokens: list[list[int | str]]
    """Ids, or their text where a runtime gives no ids."""
    loops: float
    """Share of answers that were stopped because they repeated themselves."""
    load_seconds: float
    seconds_to_first_token: float
    """Median over the questions, images included."""
    tokens_per_second: float | None
    """After the first token, median over the answers of more than one; None without any."""
    peak_bytes: int
    """Most memory that the process ever had, its libraries and the tokenizer included."""
    runtime: str
    """What it ran in, with the version."""


def write_questions(requests: Sequence[Request], folder: Path) -> None:
    """Write requests with their images where `probe` in another process finds them."""
    folder.mkdir(parents=True)
    rows = []
    for number, request in enumerate(requests):
        names = [f"{number}-{place}.png" for place in range(len(request.images))]
        for name, image in zip(names, request.images):
            read_image(image).save(folder / name, compress_level=1)
        rows.append({"messages": list(request.messages), "images": names, "tools": request.tools})
    (folder / QUESTIONS_FILE).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def probe(model: Path, questions: Path, out: Path, *, max_new_tokens: int, options: Sequence[str] = ()) -> tuple[Probed, np.ndarray]:
    """Ask a model in a process of its own.

    Args:
        questions: what `write_questions` wrote.
        options: further arguments of this module's command, such as `--dtype`.

    Returns:
        What it answered, and (questions, at most NUM_SCORED; vocabulary) float32, the scores of the first tokens.

    Raises:
        ValueError: the model cannot be loaded, or the process ended otherwise; with what it said.
    """
    command = [sys.executable, "-m", "smvl.export.probe", "--model", model, "--questions", questions, "--out", out]
    process = subprocess.Popen(
        [*map(str, command), "--max-new-tokens", str(max_new_tokens), *options], stderr=subprocess.PIPE, text=True, errors="replace"
    )
    said = []
    with process, counting(f"asking {model}", len(read_questions(questions))) as on_answered:
        for line in process.stderr:
            if line == ANSWERED:
                on_answered(1)
            elif line.strip():
                said.append(line.strip())
    if process.returncode:
        raise ValueError(f"{model} could not be asked: {said[-1] if said else f'exit status {process.returncode}'}")
    return Probed(**json.loads((out / ANSWERS_FILE).read_text(encoding="utf-8"))), np.load(out / SCORES_FILE)


def ask(model: Path, questions: Path, *, max_new_tokens: int, device: str, dtype: str) -> tuple[Probed, np.ndarray]:
    """What `probe` gives, in this process."""
    if is_export(model):
        without_torch()
    from smvl.infer.engine import Engine

    began = time.perf_counter()
    engine = Engine.from_folder(model, device=device, dtype=dtype)
    load_seconds = time.perf_counter() - began
    requests = read_questions(questions)
    scores = np.stack([engine.first_scores(request) for request in requests[:NUM_SCORED]])
    answers = [engine.answer([request], max_new_tokens=max_new_tokens, on_answered=_say_so)[0] for request in requests]
    rates = [
        (answer.num_new_tokens - 1) / (answer.seconds - answer.seconds_to_first_token) for answer in answers if answer.num_new_tokens > 1
    ]
    probed = Probed(
        texts=[engine.decode(answer.token_ids) if answer.tool_calls else answer.text for answer in answers],  # calls as they were written
        tokens=[list(answer.token_ids) for answer in answers],
        loops=sum(answer.finish == "repetition" for answer in answers) / len(answers),
        load_seconds=load_seconds,
        seconds_to_first_token=statistics.median(answer.seconds_to_first_token for answer in answers),
        tokens_per_second=statistics.median(rates) if rates else None,
        peak_bytes=peak_bytes(),
        runtime=runtime_of(model),
    )
    return probed, scores


def _say_so(_: int) -> None:
    sys.stderr.write(ANSWERED)
    sys.stderr.flush()


def runtime_of(model: Path) -> str:
    """What the engine runs a folder in."""
    name = "llama-cpp-python" if is_gguf_folder(model) else "onnxruntime" if is_onnx_folder(model) else "torch"
    return f"{name} {metadata.version(name)}"


def peak_bytes() -> int:
    """The most memory that this process has had (resident, shared libraries included)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # not Linux
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    # getrusage would count the process that started this one as well
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def read_questions(folder: Path) -> list[Request]:
    """What `write_questions` wrote."""
    rows: list[dict[str, Any]] = json.loads((folder / QUESTIONS_FILE).read_text(encoding="utf-8"))
    return [Request(row["messages"], [folder / name for name in row["images"]], tools=row["tools"]) for row in rows]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto")
    options = parser.parse_args(argv)
    try:
        probed, scores = ask(
            options.model, options.questions, max_new_tokens=options.max_new_tokens, device=options.device, dtype=options.dtype
        )
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / ANSWERS_FILE).write_text(json.dumps(asdict(probed), ensure_ascii=False), encoding="utf-8")
    np.save(options.out / SCORES_FILE, scores)
    return 0


if __name__ == "__main__":
    sys.exit(main())
