"""What a run says at its end: scores, one picture with its question and answer, and how to go on."""

import logging
from shlex import quote
from typing import Any

from smvl.processing.images import image_name
from smvl.train.run import Run

logger = logging.getLogger(__name__)


def report(run: Run, results: dict[str, Any] | None) -> None:
    """Log the end of a run; in the first process only."""
    if not run.is_main:
        return
    lines = [f"The model is in {run.folder}: AutoModelForImageTextToText.from_pretrained({str(run.folder)!r}) loads it."]
    picture, question = "PICTURE.jpg", "图中有什么?"
    if results is not None:
        example, sample = results["example"], results["example_sample"]
        picture, question = image_name(sample.images[0]) if sample.images else picture, example.question
        lines = [
            f"Exact match on held-out samples ({run.folder / 'results.json'}):",
            results["table"],
            results["sight"]["verdict"],
            f"{picture}\n  {example.question}\n  {example.answer}    (expected: {example.expected})",
            *lines,
        ]
    lines.append(f'Ask it yourself:   python infer.py --model {quote(str(run.folder))} --image {quote(str(picture))} {quote(question)}')
    if run.tracker.watch_command:
        lines.append(f"Look at the curves: {run.tracker.watch_command}")
    logger.info("\n%s", "\n".join(lines))
