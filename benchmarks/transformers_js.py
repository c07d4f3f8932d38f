"""A checkpoint in PyTorch against its ONNX export in transformers.js: the same held-out questions, token by token.

    npm install @huggingface/transformers
    SMVL_NODE_MODULES=$PWD/node_modules python -m benchmarks.transformers_js --model output/demo --bits 32 16 8 4

Each question is asked with the pixels of this project's processor ("same pixels"), and again with those that transformers.js makes of the
picture itself, as it scales by rules of its own ("own pixels"; `largest difference` is of the pixels, which lie from -1 to 1). Ends with 1
when a token of a 32-bit export differs for the same pixels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from smvl.eval.exact_match import normalise
from smvl.export.questions import Questions, find_questions
from smvl.infer.engine import Engine
from smvl.infer.onnx_folder import open_onnx_folder
from tests.transformers_js import PACKAGE, ask, find_modules, what_is_missing

EXACT_BITS = 32
"""Of an export whose tokens must all be equal."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_options(__doc__, arguments)
    missing = what_is_missing(PACKAGE)
    if missing:
        sys.exit(f"benchmarks.transformers_js {missing}")
    engine = Engine.from_folder(options.model, device="cpu", dtype="float32")
    questions = find_questions(options.model, options.heldout, options.questions)
    wanted = [engine.lay_out(request).input_ids for request in questions.requests]
    answers = [list(engine.answer([request], max_new_tokens=options.tokens)[0].token_ids) for request in questions.requests]
    print(f"{questions.origin}; transformers.js {version()}, in Node")
    print(f"{'':12}{'equal':>9}{'same pixels: equal':>22}{'':18}{'own pixels: equal':>21}{'':18}{'largest':>12}")
    columns = f"{'answers':>13}{'tokens':>9}{'exact match':>14}"
    print(f"{'':12}{'prompts':>9}    {columns}    {columns}{'difference':>14}")
    print(f"{'PyTorch':12}{'':9}    {'':13}{'':9}{exact_match(engine, answers, questions)}", flush=True)
    has_drifted = False
    with tempfile.TemporaryDirectory() as scratch:
        for bits, export in exports(options, Path(scratch)):
            replies = ask(export, engine, questions.requests, Path(scratch), max_new_tokens=options.tokens)
            equal_prompts = sum(reply.prompt_ids == ids for reply, ids in zip(replies, wanted))
            same, own = [reply.new_ids for reply in replies], [reply.own_ids for reply in replies]
            print(f"{f'{bits} bits':12}{f'{equal_prompts}/{len(wanted)}':>9}", end="")
            for written in (same, own):
                equal = sum(one == other for one, other in zip(written, answers))
                print(f"    {f'{equal}/{len(answers)}':>13}{equal_tokens(answers, written):9.4f}", end="")
                print(exact_match(engine, written, questions), end="")
            print(f"{max(reply.pixel_difference for reply in replies if not reply.refusal):14.2f}", flush=True)
            for refusal in sorted({reply.refusal for reply in replies if reply.refusal}):
                print(f"{'':12}its own processor refused {sum(reply.refusal == refusal for reply in replies)}: {refusal}", flush=True)
            has_drifted |= bits == EXACT_BITS and same != answers
    return int(has_drifted)


def parse_options(description: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint")
    parser.add_argument("--export", type=Path, help="an ONNX export of it; by default one is made for each of --bits")
    parser.add_argument("--bits", type=int, nargs="+", default=[EXACT_BITS])
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--heldout", type=Path, help="where they are; by default what the checkpoint's run names")
    parser.add_argument("--tokens", type=int, default=64, help="written at most")
    return parser.parse_args(arguments)


def exports(options: argparse.Namespace, folder: Path) -> Iterator[tuple[int, Path]]:
    """Bits and folder of each; one that is not given is written when its turn comes."""
    if options.export:
        yield open_onnx_folder(options.export).bits, options.export
        return
    for bits in options.bits:
        out = folder / f"onnx-{bits}"
        command = ["--model", options.model, "--to", "onnx", "--bits", bits, "--out", out, "--no-compare"]
        subprocess.run([sys.executable, "-m", "smvl", "export", *map(str, command)], check=True, capture_output=True)
        yield bits, out


def equal_tokens(answers: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> float:
    """The share of tokens that are equal, place by place; an answer that is longer than the other differs in what it has more."""
    equal = sum(one == other for answer, another in zip(answers, others) for one, other in zip(answer, another))
    return equal / sum(max(map(len, pair)) for pair in zip(answers, others))


def exact_match(engine: Engine, answers: Sequence[Sequence[int]], questions: Questions) -> str:
    """The share that was answered right, as a column; a dash where nobody knows the right answers."""
    if questions.answers is None:
        return f"{'-':>14}"
    right = [normalise(engine.decode(ids)) == normalise(expected) for ids, expected in zip(answers, questions.answers)]
    return f"{sum(right) / len(right):14.3f}"


def version() -> str:
    return json.loads((find_modules(PACKAGE) / PACKAGE / "package.json").read_text(encoding="utf-8"))["version"]


if __name__ == "__main__":
    sys.exit(main())
