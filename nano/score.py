"""Scores a nano on held-out scenes, beside an OCR on the same pictures.

    python -m nano.score draw output/nano/score --num 1000            # pictures and questions of the split that nothing is trained on
    python -m nano.score ask output/nano/score output/nano/model      # the model's answers, with right and with swapped pictures
    python -m nano.ocr output/nano/score rapidocr                     # or tesseract: the lines that an OCR reads (where it is installed)
    python -m nano.score table output/nano/score

An OCR does not answer questions: what is counted for it is whether the answer stands in what it read, the most that any reader of its lines
could get out of them. Character error rates are of questions that ask to read."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nano.domain import CONFIG
from nano.ocr import QUESTIONS, READERS, read_lines, write_lines
from smvl.config import SceneSourceConfig, load_config
from smvl.data.sample import Sample
from smvl.eval.exact_match import grade, normalise
from smvl.eval.swapping import swap_images
from smvl.scenes.contents import TEST
from smvl.scenes.sample_drawing import encode_sample
from smvl.scenes.scene import READ
from smvl.scenes.source import SceneRows

ANSWERS = "answers.jsonl"
RIGHT, SWAPPED = "right", "swapped"


def edit_distance(found: str, expected: str) -> int:
    """Characters to insert, delete or replace (Levenshtein)."""
    row = list(range(len(expected) + 1))
    for place, character in enumerate(found, 1):
        diagonal, row[0] = row[0], place
        for column, other in enumerate(expected, 1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (character != other))
    return row[-1]


def interval(right: int, total: int) -> tuple[float, float]:
    """95% interval of a share (Wilson)."""
    if not total:
        return 0.0, 1.0
    z, share = 1.96, right / total
    middle, spread = share + z * z / (2 * total), z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle - spread) / (1 + z * z / total), (middle + spread) / (1 + z * z / total)


def draw(folder: Path, settings: SceneSourceConfig, num: int) -> None:
    """Write each row's picture and its last question; rows whose answer is a call are not asked."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = SceneRows(settings, TEST, "score")
    with (folder / QUESTIONS).open("w", encoding="utf-8") as file:
        for number in range(num):
            scene = rows.draw(number)
            ((name, content),) = encode_sample(scene)[0].items()
            image = f"images/{Path(name).name}"
            (folder / image).write_bytes(content)
            question = scene.conversation.turns[-1].question
            entry = {"id": scene.job.id, "kind": scene.job.kind, "asked": question.kind, "image": image}
            file.write(json.dumps(entry | {"question": question.question, "answer": question.answer}, ensure_ascii=False) + "\n")


def sample_of(folder: Path, entry: dict[str, Any]) -> Sample:
    content = [{"type": "image"}, {"type": "text", "text": entry["question"]}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": entry["answer"]}]
    return Sample(id=entry["id"], messages=messages, images=(str(folder / entry["image"]),), source="score", task=entry["kind"])


def ask(folder: Path, model: Path, *, max_new_tokens: int, batch_size: int) -> None:
    """Write the model's answers, with the right pictures and with another question's."""
    from smvl.infer.engine import Engine

    engine = Engine.from_folder(model)
    samples = [sample_of(folder, entry) for entry in read_lines(folder / QUESTIONS)]
    options = {"max_new_tokens": max_new_tokens, "batch_size": batch_size}
    graded = [*grade(engine, samples, images=RIGHT, **options), *grade(engine, swap_images(samples), images=SWAPPED, **options)]
    write_lines(
        folder / ANSWERS, [{"id": each.id, "images": each.images, "answer": each.answer, "correct": each.correct} for each in graded]
    )


def squeeze(text: str) -> str:
    """Without blanks, and in one form of each character: an OCR sets blanks where it sees gaps."""
    return "".join(normalise(text).split())


def holds(lines: Sequence[str], answer: str) -> bool:
    """Whether every line of an answer stands in what was read, its unit aside."""
    text = squeeze("".join(lines)).replace(",", "")
    return all(squeeze(part).removesuffix("元") in text for part in answer.split("\n"))


def table(folder: Path) -> str:
    """Markdown: by kind of scene and question, and over all."""
    questions = read_lines(folder / QUESTIONS)
    answers = read_lines(folder / ANSWERS)
    found = {(entry["id"], entry["images"]): entry for entry in answers}
    there = [name for name in READERS if (folder / f"{name}.jsonl").exists()]
    readers = {name: {entry["id"]: entry["lines"] for entry in read_lines(folder / f"{name}.jsonl")} for name in there}
    groups: dict[str, list[dict]] = {}
    for entry in questions:
        for name in (f"{entry['kind']}/{entry['asked']}", "all"):
            groups.setdefault(name, []).append(entry)
    heads = ["task", "questions", "right pictures", "swapped", "character error rate", *(f"stands in {name}'s text" for name in readers)]
    rows = [" | ".join(heads), " | ".join("---" for _ in heads)]
    for name, entries in sorted(groups.items(), key=lambda item: (item[0] == "all", item[0])):
        right = sum(found[entry["id"], RIGHT]["correct"] for entry in entries)
        swapped = [found[entry["id"], SWAPPED]["correct"] for entry in entries if (entry["id"], SWAPPED) in found]
        low, high = interval(right, len(entries))
        read = [entry for entry in entries if entry["asked"] == READ]
        errors = sum(edit_distance(found[entry["id"], RIGHT]["answer"], entry["answer"]) for entry in read)
        rate = f"{errors / sum(len(entry['answer']) for entry in read):.3f}" if read else "-"
        cells = [name, str(len(entries)), f"{right / len(entries):.3f} ({low:.3f} to {high:.3f})"]
        cells += [f"{sum(swapped) / len(swapped):.3f}" if swapped else "-", rate]
        cells += [
            f"{sum(holds(lines[entry['id']], entry['answer']) for entry in entries) / len(entries):.3f}" for lines in readers.values()
        ]
        rows.append(" | ".join(cells))
    return "\n".join(f"| {row} |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("draw", "ask", "table"):
        commands.add_parser(name).add_argument("folder", type=Path)
    commands.choices["draw"].add_argument("--num", type=int, default=1000)
    commands.choices["ask"].add_argument("model", type=Path)
    commands.choices["ask"].add_argument("--max-new-tokens", type=int, default=128)
    commands.choices["ask"].add_argument("--batch-size", type=int, default=16)
    options = parser.parse_args()
    if options.command == "draw":
        draw(options.folder, load_config(CONFIG).evaluation.heldout.scenes, options.num)
    elif options.command == "ask":
        ask(options.folder, options.model, max_new_tokens=options.max_new_tokens, batch_size=options.batch_size)
    else:
        print(table(options.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
