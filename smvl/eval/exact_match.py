"""Held-out scores by exact match, with the right images and with another sample's: a score is worth what the swap takes away."""

import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from smvl.data.sample import Sample
from smvl.eval.swapping import swap_images
from smvl.infer.answer import Finish
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.image_files import image_name


@dataclass(frozen=True)
class Graded:
    """One question, what was expected, and what the model said."""

    id: str
    task: str
    question: str
    pictures: Sequence[str]
    """Their names, as they were shown."""
    expected: str
    """Its text, or the calls that it makes as JSON."""
    answer: str
    correct: bool
    finish: Finish
    images: str
    """`right` or `swapped`"""


@dataclass(frozen=True)
class Score:
    """Exact match over some questions."""

    num_questions: int
    exact_match: float
    """Share of answers that are right, 0 to 1."""
    exact_match_swapped: float | None
    """The same with another sample's images; None where no image could be swapped."""
    loops: float = 0.0
    """Share of answers that were stopped because they repeated themselves."""


def normalise(text: str) -> str:
    """What exact match passes over: width of characters, space around, a final full stop."""
    return unicodedata.normalize("NFKC", text).strip().rstrip(".。").strip()


def grade(
    engine: Engine,
    samples: Sequence[Sample],
    *,
    images: str,
    max_new_tokens: int,
    batch_size: int,
    on_answered: Callable[[int], None] | None = None,
) -> list[Graded]:
    """Answer the last question of each sample, its earlier turns given, and compare with the sample's own answer."""
    requests = [Request(messages=sample.prompt, images=sample.images, tools=sample.tools) for sample in samples]
    answers = engine.answer(requests, max_new_tokens=max_new_tokens, batch_size=batch_size, on_answered=on_answered)
    return [
        Graded(
            id=sample.id,
            task=sample.task,
            question=last_question(sample),
            pictures=[image_name(image) for image in sample.images],
            expected=_written(sample.answer, _calls_of(sample)),
            answer=_written(answer.text, [call.as_message() for call in answer.tool_calls]),
            correct=normalise(answer.text) == normalise(sample.answer)
            and [call.as_message() for call in answer.tool_calls] == _calls_of(sample),
            finish=answer.finish,
            images=images,
        )
        for sample, answer in zip(samples, answers)
    ]


def _calls_of(sample: Sample) -> list[dict[str, Any]]:
    """What the last answer calls; equal calls are equal as plain data."""
    calls = [call["function"] for call in sample.messages[-1].get("tool_calls") or ()]
    return [{"type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}} for call in calls]


def _written(text: str, calls: Sequence[dict[str, Any]]) -> str:
    return "\n".join([*([text] if text or not calls else []), *(json.dumps(call["function"], ensure_ascii=False) for call in calls)])


def last_question(sample: Sample) -> str:
    """The text of the user's last turn."""
    content = next(message for message in reversed(sample.prompt) if message["role"] == "user")["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def score(
    engine: Engine,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    batch_size: int,
    on_answered: Callable[[int], None] | None = None,
) -> tuple[dict[str, Score], list[Graded]]:
    """Scores by task and over `all`, and every graded answer.

    Args:
        on_answered: told how many more questions were answered; there are `num_asked` in all.
    """
    options = {"max_new_tokens": max_new_tokens, "batch_size": batch_size, "on_answered": on_answered}
    right = grade(engine, samples, images="right", **options)
    swapped = grade(engine, swap_images([sample for sample in samples if sample.images]), images="swapped", **options)
    by_task: dict[str, list[Graded]] = defaultdict(list)
    for graded in [*right, *swapped]:
        by_task["all"].append(graded)
        if graded.task:
            by_task[graded.task].append(graded)
    return {task: _score(graded) for task, graded in by_task.items()}, [*right, *swapped]


def num_asked(samples: Sequence[Sample]) -> int:
    """Questions that `score` asks: each once, and those that can be swapped once more."""
    return len(samples) + len(swap_images([sample for sample in samples if sample.images]))


def as_json(scores: dict[str, Score]) -> dict[str, dict]:
    """Scores as plain data."""
    return {task: asdict(score) for task, score in scores.items()}


def table(scores: dict[str, Score], before: dict[str, Score] | None = None) -> str:
    """Scores as text, one task a line; with those before training beside them, if given."""
    width = max(len(task) for task in scores)
    lines = [f"  {'task'.ljust(width)}  questions{'' if before is None else '   before'}  exact match  with swapped images"]
    for task, entry in sorted(scores.items(), key=lambda item: (item[0] == "all", item[0])):
        swapped = "-" if entry.exact_match_swapped is None else f"{entry.exact_match_swapped:.3f}"
        was = "" if before is None else f"  {before[task].exact_match:7.3f}"
        lines.append(f"  {task.ljust(width)}  {entry.num_questions:9d}{was}  {entry.exact_match:11.3f}  {swapped:>19}")
    lines.append(f"  stopped because they said the same again and again: {scores['all'].loops:.3f} of the answers")
    return "\n".join(lines)


def _score(graded: Sequence[Graded]) -> Score:
    right, swapped = ([entry for entry in graded if entry.images == images] for images in ("right", "swapped"))
    return Score(
        num_questions=len(right),
        exact_match=_share(right, lambda entry: entry.correct),
        exact_match_swapped=_share(swapped, lambda entry: entry.correct) if swapped else None,
        loops=_share(right, lambda entry: entry.finish == "repetition"),
    )


def _share(graded: Sequence[Graded], holds: Callable[[Graded], bool]) -> float:
    return sum(map(holds, graded)) / len(graded)
