"""What a checkpoint answers when a client renders the prompt otherwise than training does: held-out exact match by form of the prompt.

    python -m benchmarks.client_prompts --model output/demo --heldout data/demo/heldout.jsonl --questions 200

Clients that set no options leave the thinking block open where the template does not close it, or open it whatever the template's default
(llama.cpp's server); some put a line break or a space between a picture and the words after it. `loops` counts answers that the limit cut.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.config import SourceConfig
from smvl.data.sample import Sample
from smvl.eval.exact_match import normalise
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.laid_out import is_image_part
from smvl.source_registry import open_source


@dataclass(frozen=True)
class Form:
    """One way in which a prompt may be rendered."""

    name: str
    is_open: bool = False
    """Ends before the thinking block."""
    space: str = ""
    """Between a picture and the words after it."""


FORMS = (
    Form("as trained"),
    Form("open", is_open=True),
    Form("line break", space="\n"),
    Form("space", space=" "),
    Form("open, line break", is_open=True, space="\n"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a checkpoint or an export")
    parser.add_argument("--heldout", type=Path, required=True, help="a file of samples")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer at most")
    options = parser.parse_args(arguments)
    source = open_source(SourceConfig(path=str(options.heldout)))
    samples = [source[row] for row in range(min(options.questions, len(source)))]
    engine = Engine.from_folder(options.model)
    print(f"{'prompt':20}{'right':>7} of {len(samples)}{'loops':>8}")
    for form in FORMS:
        right, cut = grade(engine, samples, form, options.tokens)
        print(f"{form.name:20}{right:7}    {cut:11}", flush=True)
    return 0


def grade(engine: Engine, samples: Sequence[Sample], form: Form, num_tokens: int) -> tuple[int, int]:
    """How many answers are right, and how many were cut by the limit."""
    requests = [
        Request([space(message, form.space) for message in sample.prompt], sample.images, sample.tools, thinking=form.is_open)
        for sample in samples
    ]
    answers = engine.answer(requests, max_new_tokens=num_tokens, batch_size=32)
    right = sum(normalise(answer.text) == normalise(sample.answer) for sample, answer in zip(samples, answers))
    return right, sum(answer.num_new_tokens >= num_tokens for answer in answers)


def space(message: dict[str, Any], between: str) -> dict[str, Any]:
    """The message with this between each picture and the words after it."""
    parts = message["content"]
    if not between or isinstance(parts, str):
        return message
    spaced = [
        {**part, "text": between + part["text"]} if part["type"] == "text" and is_image_part(before) else part
        for before, part in zip([None, *parts], parts)
    ]
    return {**message, "content": spaced}


if __name__ == "__main__":
    sys.exit(main())
