"""`smvl batch`: one question asked of many pictures, an answer a line; stopped or killed, the same command goes on."""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smvl.batch.model_identity import model_identity
from smvl.batch.pictures import Found, Picture, find_pictures
from smvl.batch.results import MODEL, MODEL_FOLDER, Paths, Results, open_results, paths_of
from smvl.infer.form.options import FORM_OPTIONS, add_form_options, form_of
from smvl.infer.model_options import add_model_options, check_model_options, grant, load_engine
from smvl.infer.typed import path_of_address, typed_text
from smvl.processing.image_files import image_name
from smvl.program import INTERRUPTED, say
from smvl.progress import counting

if TYPE_CHECKING:
    from smvl.batch.question import Question
    from smvl.infer.budget.plan import Plan

EXAMPLES = """\
examples:
  smvl batch --model output/demo --images data/demo/images --question "图中写着什么?" --out answers.jsonl
  smvl batch --model output/demo --images receipts --question "写出这张小票。" --json-schema receipt.json --out receipts.csv

Beside OUT lie OUT.broken.jsonl, the pictures that could not be read, and OUT.batch.json, what was asked.
Exit status: 0, 1 where a picture could not be read and for what the user can mend, 130 after Ctrl-C.
"""
_FILES = ("json_schema", "lark")
"""Form options that name a file."""
_MOST_SHOWN = 20
"""Broken pictures that are told; all of them are in the list."""


def main(arguments: Sequence[str]) -> int:
    """Exit status as above."""
    from smvl.infer.budget.plan import BudgetError

    options = make_parser().parse_args(arguments)
    try:
        return ask_all(options)
    except BudgetError as error:
        say(f"smvl batch: {error}")  # with its table
        return 1
    except ValueError as error:
        say(f"smvl batch: {' '.join(str(error).split())}")
        return 1
    except KeyboardInterrupt:
        say(f"\nsmvl batch: stopped. {image_name(options.out)} keeps the batches that are done; the same command goes on behind them.")
        return INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smvl batch",
        description="Ask one question of many pictures. The same command goes on where it stopped.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser, most_tokens=256)
    parser.add_argument(
        "--images", nargs="+", action="extend", required=True, metavar="PATH", help="folders with whatever lies below them, or pictures"
    )
    parser.add_argument("--question", required=True, metavar="TEXT", help="asked of each picture alone")
    parser.add_argument("--out", required=True, metavar="FILE", help="JSON Lines, or CSV where it ends in .csv")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first")
    parser.add_argument("--thinking", action="store_true", help="let the model reason before each answer")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="pictures asked together (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="try the pictures once more that could not be read")
    add_form_options(parser)
    return parser


def ask_all(options: argparse.Namespace) -> int:
    """Ask what was not answered yet.

    Raises:
        ValueError: what the user can mend.
    """
    _check(options)
    form = form_of(vars(options))
    paths = paths_of(options.out)
    found = find_pictures([path_of_address(place) for place in options.images], left_out=paths)
    if not found.pictures and not found.broken:
        raise ValueError(f"there is no picture in {', '.join(map(image_name, options.images))}.{_passed_over(found)}")
    plan = grant(options)
    from smvl.batch.question import Question  # what it imports may be chosen by the model's kind

    schema = {} if options.boxes or options.boxes_of else _form_value("json_schema", options.json_schema)
    question = Question(options.question, options.system, options.thinking, form, schema, options.max_new_tokens)
    with open_results(paths, asked_by(options, plan), question.columns, again=options.again) as results:
        waiting = _waiting(found, results)
        _say_first(found, waiting)
        if waiting:
            _answer(options, plan, question, waiting, results, total=len(found.pictures))
        for broken in found.broken:
            results.add_broken(broken)
        return _say_last(found, results, paths)


def asked_by(options: argparse.Namespace, plan: "Plan | None") -> dict[str, Any]:
    """By what answers are decided, of the options."""
    folder = options.model if plan is None else plan.form.folder
    given = {option.removeprefix("--"): _form_value(key, getattr(options, key)) for option, key in FORM_OPTIONS.items()}
    return {
        MODEL_FOLDER: str(folder),
        MODEL: model_identity(folder),
        **({} if plan is None else {"budget": f"{plan.form.name}, {plan.use.tiles} tiles"}),
        "question": options.question,
        "system": options.system,
        "thinking": options.thinking,
        **{name: value for name, value in given.items() if value not in (None, False)},
        **{key: getattr(options, key) for key in ("max_new_tokens", "dtype", "quantize", "longest_edge", "max_pixels", "max_tiles")},
    }


def _form_value(key: str, value: Any) -> Any:
    """What a form option says; of a file, what is in it."""
    if key not in _FILES or value is None:
        return value
    text = Path(value).read_text(encoding="utf-8")
    return json.loads(text) if key == "json_schema" else text


def _check(options: argparse.Namespace) -> None:
    check_model_options(options)
    if options.batch_size < 1:
        raise ValueError(f"--batch-size is {options.batch_size}; expected at least 1.")
    options.question, options.system = (text and typed_text(text) for text in (options.question, options.system))
    if not options.question.strip():
        raise ValueError("--question is empty; expected what to ask of each picture.")


def _waiting(found: Found, results: Results) -> list[Picture]:
    return [picture for picture in found.pictures if picture.key not in results.answered and picture.key not in results.broken]


def _answer(
    options: argparse.Namespace, plan: "Plan | None", question: "Question", waiting: Sequence[Picture], results: Results, *, total: int
) -> None:
    engine = load_engine(options, plan)
    from smvl.batch.answering import answer_pictures
    from smvl.batch.pictures import Broken

    with counting("smvl batch", total, done=total - len(waiting)) as on_done:
        for outcome in answer_pictures(engine, question, waiting, batch_size=options.batch_size):
            if isinstance(outcome, Broken):
                results.add_broken(outcome)
                on_done(1)
            else:
                results.add_answers(outcome)
                on_done(len(outcome))


# ---- what is said ----------------------------------------------------------------------------------------------------------------


def _say_first(found: Found, waiting: Sequence[Picture]) -> None:
    done = len(found.pictures) - len(waiting)
    say(f"smvl batch: {_number(len(found.pictures), 'picture')}{f', {done} done before' if done else ''}.{_passed_over(found)}")


def _passed_over(found: Found) -> str:
    """What is left out of the places that were looked at, and why."""
    said = ""
    if found.other_endings:
        said += f" Passed over by their names: {_counted(found.other_endings)}."
    if found.linked_folders:
        names = ", ".join(map(image_name, found.linked_folders[:3]))
        more = f" and {len(found.linked_folders) - 3} more" if len(found.linked_folders) > 3 else ""
        said += f" Links to folders are not followed; name them in --images: {names}{more}."
    return said


def _number(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _counted(endings: Counter[str]) -> str:
    common = endings.most_common(5)
    rest = sum(endings.values()) - sum(number for _, number in common)
    return ", ".join(
        [*(f"{number} {image_name(ending) or 'without an ending'}" for ending, number in common), *([f"{rest} others"] * bool(rest))]
    )


def _say_last(found: Found, results: Results, paths: Paths) -> int:
    meant = {picture.key for picture in found.pictures} | {broken.picture.key for broken in found.broken}
    broken = [each for key, each in results.broken.items() if key in meant]
    say(f"smvl batch: {_number(len(results.answered), 'answer')} in {image_name(paths.answers)}.{_unfinished(results.finishes)}")
    if not broken:
        return 0
    for each in broken[:_MOST_SHOWN]:
        say(f"  {image_name(each.picture.path)}: {each.reason}")
    more = [f"  and {len(broken) - _MOST_SHOWN} more"] if len(broken) > _MOST_SHOWN else []
    say("\n".join([*more, f"smvl batch: {len(broken)} could not be read: {image_name(paths.broken)}. --again tries them once more."]))
    return 1


def _unfinished(finishes: Mapping[str, int]) -> str:
    said = {"length": "were cut at --max-new-tokens", "repetition": "were stopped in a loop"}
    return "".join(f" {finishes[finish]} {what} (finish: {finish})." for finish, what in said.items() if finishes[finish])
