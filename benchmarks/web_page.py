"""The page in web/, in headless Chromium, beside PyTorch: the same held-out questions, each about a picture that is dropped on the page.

    npm install @huggingface/transformers puppeteer-core
    SMVL_NODE_MODULES=$PWD/node_modules python -m benchmarks.web_page --model output/demo --bits 32 16 8 4

Needs Chromium. Ends with 1 when an answer of a 32-bit export differs.
"""

import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.transformers_js import EXACT_BITS, exports, parse_options
from smvl.eval.exact_match import normalise
from smvl.export.questions import Questions, find_questions
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.images import read_image
from tests.web_page import Step, ask, build_site, drop, visit, what_is_missing_for_the_page


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_options(__doc__, arguments)
    missing = what_is_missing_for_the_page()
    if missing:
        sys.exit(f"benchmarks.web_page {missing}")
    engine = Engine.from_folder(options.model, device="cpu", dtype="float32")
    questions = find_questions(options.model, options.heldout, options.questions)
    rows = [row for row, request in enumerate(questions.requests) if can_be_asked(request)]
    expected = [engine.decode(engine.answer([questions.requests[row]], max_new_tokens=options.tokens)[0].token_ids) for row in rows]
    steps = [step for row in rows for step in steps_of(questions.requests[row])]
    print(f"{questions.origin}; {len(rows)} of them are one question about one picture, as the page asks")
    print(f"{'':12}{'equal answers':>14}{'exact match':>13}{'seconds to the first token':>28}")
    print(f"{'PyTorch':12}{'':14}{exact_match(expected, questions, rows)}", flush=True)
    has_drifted = False
    with tempfile.TemporaryDirectory() as scratch:
        site = build_site(Path(scratch) / "web")
        for bits, export in exports(options, Path(scratch)):
            shutil.copytree(export, site / export.name)
            found = visit(site, {"page": (f"model={export.name}&tokens={options.tokens}", steps)})["visits"]["page"][2::2]
            answers = [shown["answers"][-1] for shown in found]
            equal = sum(answer == other for answer, other in zip(answers, expected))
            first = statistics.median(float(re.search(r"首个 ([\d.]+) 秒", shown["notes"][-1])[1]) for shown in found)
            print(f"{f'{bits} bits':12}{f'{equal}/{len(rows)}':>14}{exact_match(answers, questions, rows)}{first:28.1f}", flush=True)
            has_drifted |= bits == EXACT_BITS and answers != expected
    return int(has_drifted)


def can_be_asked(request: Request) -> bool:
    """Whether it is what a person does on the page: one picture, then a question about it."""
    return len(request.messages) == 1 and not request.tools and [part["type"] for part in parts_of(request)] == ["image", "text"]


def steps_of(request: Request) -> list[Step]:
    return [drop(read_image(request.images[0])), ask(parts_of(request)[1]["text"])]


def parts_of(request: Request) -> list[dict]:
    content = request.messages[0]["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def exact_match(answers: list[str], questions: Questions, rows: list[int]) -> str:
    """The share that was answered right, as a column; a dash where nobody knows the right answers."""
    if questions.answers is None:
        return f"{'-':>13}"
    right = [normalise(answer) == normalise(questions.answers[row]) for answer, row in zip(answers, rows)]
    return f"{sum(right) / len(right):13.3f}"


if __name__ == "__main__":
    sys.exit(main())
