"""What a form gives and costs: answers in JSON with it, with each token asked for, and without; and random schemas and tables.

    python -m benchmarks.forms --model output/demo
    python -m benchmarks.forms --model output/demo --tokenizer model/Qwen3-0.6B --schemas 200      # masks over Qwen3's vocabulary

The questions are uses of the demo that ask for JSON and say the schema, which a form does not say again. The second table asks for long
Chinese keys, which a form forces, and short values. Random answers are of tokens drawn among those allowed.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from benchmarks.drawn_uses import draw_samples, is_json
from benchmarks.random_forms import Written, random_schema, write_at_random
from smvl.data.sample import Sample
from smvl.demo_scenes.uses import ASKS_JSON
from smvl.eval.exact_match import last_question
from smvl.infer.answer import Answer
from smvl.infer.engine import Engine
from smvl.infer.form.form import Form
from smvl.infer.form.matcher import FormTokens, Matcher
from smvl.infer.request import Request

LONG_KEYS = {
    "type": "object",
    "properties": {
        "商品名称及规格型号": {"enum": ["茶", "鱼", "花"]},
        "本次盘点的实际库存数量": {"type": "integer", "minimum": 0, "maximum": 99},
        "是否需要立即通知采购补货": {"type": "boolean"},
        "建议零售价格(单位:元)": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["商品名称及规格型号", "本次盘点的实际库存数量", "是否需要立即通知采购补货", "建议零售价格(单位:元)"],
}


@dataclass(frozen=True)
class Question:
    sample: Sample
    expected: Any
    schema: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a checkpoint or an export")
    parser.add_argument("--tokenizer", help="a folder with the tokenizer for random schemas; by default the model's")
    parser.add_argument("--questions", type=int, default=300, help="none for a model that has not been trained on the demo's uses")
    parser.add_argument("--schemas", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer at most")
    options = parser.parse_args(arguments)
    engine = Engine.from_folder(options.model)
    if options.questions:
        with tempfile.TemporaryDirectory() as folder:
            show_json(engine, draw_questions(Path(folder), options.questions), options.tokens)
    show_long_keys(engine, options.tokens)
    show_random(*tokens_of(engine, options.tokenizer), options.schemas)
    return 0


# ---- answers of a model ----------------------------------------------------------------------------------------------------------


def draw_questions(folder: Path, number: int) -> list[Question]:
    return [
        Question(sample, json.loads(sample.answer), json.loads(last_question(sample).split(ASKS_JSON)[1]))
        for sample in draw_samples(folder, number, is_json)
    ]


def show_json(engine: Engine, questions: Sequence[Question], tokens: int) -> None:
    print(f"{len(questions)} questions that ask for JSON        parses  validates  right  tokens/s  forced")
    for name, forced, with_form in (("form", True, True), ("form, each token asked", False, True), ("no form", True, False)):
        answers = ask(engine, [_request(each, with_form) for each in questions], tokens, forced=forced)
        parsed = [_parse(answer.text) for answer in answers]
        valid = [value is not None and _is_valid(value, each.schema) for value, each in zip(parsed, questions)]
        right = [value == each.expected for value, each in zip(parsed, questions)]
        shares = [_share([value is not None for value in parsed]), _share(valid), _share(right)]
        print(f"{name:40}{shares[0]:8.3f}{shares[1]:11.3f}{shares[2]:7.3f}{_speed(answers):10.1f}{_forced(answers):8.3f}", flush=True)


def show_long_keys(engine: Engine, tokens: int) -> None:
    form = Form.json_schema(LONG_KEYS)
    requests = [Request([{"role": "user", "content": f"第{number}件商品"}], form=form) for number in range(8)]
    speeds, texts = [], []
    for forced in (True, False):
        answers = ask(engine, requests, 4 * tokens, forced=forced)
        speeds.append(_speed(answers))
        texts.append([answer.text for answer in answers])
    same = sum(one == other for one, other in zip(*texts))
    print(
        f"long Chinese keys: {same} of {len(requests)} answers the same; {speeds[0]:.1f} tokens/s with forced tokens read in one go,",
        end=" ",
    )
    print(f"{speeds[1]:.1f} with each asked for: {speeds[0] / speeds[1]:.2f} times as fast", flush=True)


def ask(engine: Engine, requests: Sequence[Request], tokens: int, *, forced: bool) -> list[Answer]:
    """One after another, as a user asks."""
    with _without_forced() if not forced else _as_it_is():
        return [engine.answer([request], max_new_tokens=tokens)[0] for request in requests]


@contextmanager
def _as_it_is():
    yield


@contextmanager
def _without_forced():
    write_forced = Matcher.write_forced
    Matcher.write_forced = lambda self: []
    try:
        yield
    finally:
        Matcher.write_forced = write_forced


def _request(question: Question, with_form: bool) -> Request:
    form = Form.json_schema(question.schema) if with_form else None
    return Request(question.sample.prompt, question.sample.images, form=form)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_valid(value: Any, schema: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).is_valid(value)


def _share(holds: Sequence[bool]) -> float:
    return sum(holds) / max(1, len(holds))


def _speed(answers: Sequence[Answer]) -> float:
    """Tokens a second behind the first step, in all."""
    return sum(each.num_new_tokens for each in answers) / max(1e-9, sum(each.seconds - each.seconds_to_first_token for each in answers))


def _forced(answers: Sequence[Answer]) -> float:
    return sum(each.num_forced_tokens for each in answers) / max(1, sum(each.num_new_tokens for each in answers))


# ---- random forms ----------------------------------------------------------------------------------------------------------------


def tokens_of(engine: Engine, folder: str | None) -> tuple[FormTokens, Any]:
    if folder is None:
        tokenizer, num_scores = engine.processor.tokenizer, engine.facts.num_scores
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        num_scores = len(tokenizer) + 267  # as many more rows as Qwen3's head has
    return FormTokens(tokenizer, num_scores, [tokenizer.eos_token_id]), tokenizer


def show_random(tokens: FormTokens, tokenizer: Any, number: int) -> None:
    random = np.random.default_rng(0)

    def answer_schema() -> tuple[bool, Written]:
        schema = random_schema(random)
        written = write_at_random(Form.json_schema(schema), tokens, tokenizer, random, ('"', "]", "}", "0"))
        return written.text is not None and _is_valid(_parse(written.text), schema), written

    def answer_table() -> tuple[bool, Written]:
        written = write_at_random(Form.table(), tokens, tokenizer, random, ("\n", "|", "-"))
        return written.text is not None and len({_num_cells(line) for line in written.text.split("\n")}) == 1, written

    _show_written("schemas", answer_schema, number)
    _show_written("tables", answer_table, max(1, number // 10))


def _show_written(name: str, answer: Callable[[], tuple[bool, Written]], number: int) -> None:
    """Schemas that no answer can meet are refused at once, and counted."""
    valid, unfinished, refused, begins, masks = 0, 0, [], [], []
    for _ in range(number):
        try:
            is_valid, written = answer()
        except ValueError as error:
            refused.append(str(error))
            continue
        valid, unfinished = valid + is_valid, unfinished + (written.text is None)
        begins.append(written.seconds_to_begin)
        masks += written.mask_seconds
    mask = [1e3 * value for value in (statistics.median(masks), float(np.quantile(masks, 0.95)), max(masks))]
    print(f"{number} random {name}: {valid} valid, {unfinished} not ended in their room, {len(refused)} refused by name", end="; ")
    print(
        f"begun in {1e3 * statistics.median(begins):.1f} ms, a mask {mask[0]:.3f} ms (95%: {mask[1]:.3f}, most {mask[2]:.3f})", flush=True
    )
    for reason in sorted(set(refused))[:5]:
        print(f"  refused: {reason}")


def _num_cells(line: str) -> int:
    return line.replace("\\\\", "").replace("\\|", "").count("|") - 1


if __name__ == "__main__":
    sys.exit(main())
