"""The document kinds (price tags, receipts, tables, contracts): what is drawn is what is answered, and stays legible and apart.

pytest tests/test_scene_kinds_documents.py
"""

import itertools
import json
import re
from dataclasses import dataclass

import pytest

from smvl.data.scenes.contents import SPLITS, Contents
from smvl.data.scenes.kinds import price_tag, receipt, table
from smvl.data.scenes.money import amount_text, capital_amount, cents_of
from smvl.data.scenes.page import Page
from smvl.data.scenes.scene import COMPARE, COUNT, FIELD, JSON, MARKDOWN, READ, REFUSAL, TOOL, Drawing, Question

KINDS = {module.KIND.name: module.KIND for module in (price_tag, receipt, table)}
NUM_SEEDS = 60
EDGES = (384, 512, 512, 768)


@dataclass
class Asked:
    """A drawing with everything that was asked about it."""

    drawing: Drawing
    contents: Contents
    page: Page
    smallest: float
    questions: list[tuple[str, Question]]


@pytest.fixture(scope="module")
def asked() -> dict[str, list[Asked]]:
    """For each kind, drawings of all splits, each with one question of every maker."""
    return {name: [draw_asked(kind, seed, split) for seed in range(NUM_SEEDS) for split in SPLITS] for name, kind in KINDS.items()}


def draw_asked(kind, seed: int, split: str) -> Asked:
    contents = Contents(f"{kind.name} {seed}", split)
    pages, sizes = [], []
    make, put = Page.__init__, Page._put
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "__init__", lambda page, *args: (make(page, *args), pages.append(page))[0])
        patch.setattr(Page, "_put", lambda page, at, text, font, *rest: (sizes.append(font.size), put(page, at, text, font, *rest))[1])
        drawing = kind.draw(contents, EDGES[seed % len(EDGES)])
    (page,) = pages
    return Asked(drawing, contents, page, min(sizes), [(ask.__name__, ask(drawing.facts, contents)) for ask in kind.questions])


def each_question(drawn: list[Asked], *kinds: str):
    return [(each, question) for each in drawn for _, question in each.questions if question.kind in kinds]


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_gives_the_same_picture_and_questions(name):
    kind = KINDS[name]
    for seed, split in itertools.product(range(3), SPLITS):
        first, second = draw_asked(kind, seed, split), draw_asked(kind, seed, split)
        assert first.drawing.image.tobytes() == second.drawing.image.tobytes()
        assert first.questions == second.questions and first.drawing.texts == second.drawing.texts


@pytest.mark.parametrize("name", KINDS)
def test_the_longest_edge_is_the_one_asked_for(name, asked):
    for seed, group in itertools.groupby(enumerate(asked[name]), lambda each: each[0] // len(SPLITS)):
        assert {max(each.drawing.image.size) for _, each in group} == {EDGES[seed % len(EDGES)]}


@pytest.mark.parametrize("name", KINDS)
def test_splits_share_no_text(name, asked):
    for share in (lambda each: set(each.drawing.texts) - KINDS[name].labels, lambda each: each.contents.texts):
        texts = {split: set().union(*(share(each) for each in asked[name] if each.contents.split == split)) for split in SPLITS}
        for one, other in itertools.combinations(SPLITS, 2):
            assert not texts[one] & texts[other]
            assert texts[one]


@pytest.mark.parametrize("name", KINDS)
def test_every_run_is_a_label_or_made_from_texts_of_the_split(name, asked):
    for each in asked[name]:
        for text in set(each.drawing.texts) - KINDS[name].labels:
            assert any(part in text for part in each.contents.texts) or text in capitals_of(each.contents), text


def capitals_of(contents: Contents) -> set[str]:
    return {capital_amount(cents_of(text)) for text in contents.texts if re.fullmatch(r"\d+\.\d\d", text)}


@pytest.mark.parametrize("name", KINDS)
def test_writing_stays_inside_and_apart_and_legible(name, asked):
    for each in asked[name]:
        edge = max(each.page.width, each.page.height)
        assert each.smallest >= (11 if edge >= 512 else 10), (each.drawing.facts, each.smallest)
        for left, top, right, bottom in each.page.boxes:
            assert left >= 0 and top >= 0 and right <= each.page.width and bottom <= each.page.height
        for (one, box), (other, second) in itertools.combinations(zip(each.page.texts, each.page.boxes), 2):
            width = min(box[2], second[2]) - max(box[0], second[0])
            height = min(box[3], second[3]) - max(box[1], second[1])
            assert width <= 2 or height <= 2, f"{one!r} at {box} and {other!r} at {second}"


@pytest.mark.parametrize("name", KINDS)
def test_json_answers_hold_the_keys_of_the_question_and_drawn_values(name, asked):
    found = each_question(asked[name], JSON)
    assert found
    for each, question in found:
        answer = json.loads(question.answer)
        assert json.dumps(answer, ensure_ascii=False, separators=(",", ":")) == question.answer
        assert all(key in question.question for key in answer)
        drawn = "".join(each.drawing.texts)
        for value in leaves(answer):
            assert value is None or is_drawn(value, drawn), (question, each.drawing.texts)


def leaves(value):
    """Every value of a JSON answer that is neither object nor array."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for each in inner for leaf in leaves(each)]
    return [value]


def is_drawn(value, drawn: str) -> bool:
    if isinstance(value, str):
        return value in drawn
    return any(form in drawn for form in (f"{value:.2f}", f"{value:g}", str(value)))


@pytest.mark.parametrize("name", KINDS)
def test_markdown_answers_are_tables_of_drawn_cells(name, asked):
    found = each_question(asked[name], MARKDOWN)
    assert found
    for each, question in found:
        header, rule, *rows = [line.strip("|").split(" | ") for line in question.answer.split("\n")]
        assert rows and all(len(row) == len(header) == len(rule) for row in rows)
        assert all(cell.strip() == "---" for cell in rule)
        drawn = "".join(each.drawing.texts)
        stated = question.question
        for cell in (cell.strip() for row in [header, *rows] for cell in row):
            assert cell in drawn or cell.removesuffix("元") in drawn or cell in stated or cell == "-", (cell, question)


@pytest.mark.parametrize("name", KINDS)
def test_answers_that_are_read_stand_on_the_picture(name, asked):
    found = each_question(asked[name], READ, FIELD)
    for each, question in found:
        drawn = "".join(each.drawing.texts)
        for part in re.split("元/|[ 、\n]", question.answer):
            assert part in drawn or part.rstrip("元人") in drawn, (question, each.drawing.texts)


@pytest.mark.parametrize("name", KINDS)
def test_refusals_are_about_what_is_absent(name, asked):
    found = each_question(asked[name], REFUSAL)
    assert len({question.question for _, question in found}) > NUM_SEEDS
    for each, question in found:
        missing = question.answer.split("没有", 1)[1].rstrip("。")
        assert not any(missing in text for text in each.drawing.texts), question
        assert question.answer.endswith("。")


@pytest.mark.parametrize("name", KINDS)
def test_calls_fit_their_functions(name, asked):
    found = each_question(asked[name], TOOL)
    assert found
    for _, question in found:
        (call,) = question.tool_calls
        assert call["type"] == "function" and not question.answer
        function = next(tool["function"] for tool in question.tools if tool["function"]["name"] == call["function"]["name"])
        check_arguments(call["function"]["arguments"], function["parameters"])


def check_arguments(arguments: dict, schema: dict) -> None:
    types = {"string": str, "number": (int, float), "integer": int, "array": list, "boolean": bool}
    assert set(schema["required"]) <= set(arguments) <= set(schema["properties"])
    for key, value in arguments.items():
        assert isinstance(value, types[schema["properties"][key]["type"]]), (key, value)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_question_comes_with_an_answer(name, asked):
    kinds = {question.kind for each in asked[name] for _, question in each.questions}
    assert {READ, FIELD, JSON, MARKDOWN, COUNT, REFUSAL, TOOL} <= kinds
    assert all(bool(question.answer) != bool(question.tool_calls) for each in asked[name] for _, question in each.questions)


@pytest.mark.parametrize("name", KINDS)
def test_questions_are_asked_in_many_ways(name, asked):
    for maker in {maker for each in asked[name] for maker, _ in each.questions}:
        texts = {question.question for each in asked[name] for other, question in each.questions if other == maker}
        assert len(texts) >= 12, maker


@pytest.mark.parametrize("name", KINDS)
def test_two_pictures_are_compared(name, asked):
    drawn = [each for each in asked[name] if each.contents.split == "train"]
    questions = [KINDS[name].compare(one.drawing.facts, other.drawing.facts, one.contents) for one, other in itertools.pairwise(drawn)]
    assert {question.kind for question in questions} == {COMPARE}
    answers = {question.answer for question in questions}
    assert {"第一张", "第二张"} <= answers and all(answers)


def test_amounts_in_capital_figures():
    assert capital_amount(1280000) == "壹万贰仟捌佰元整"
    assert capital_amount(100506) == "壹仟零伍元零陆分"
    assert capital_amount(1050) == "壹拾元伍角"
    assert [cents_of(amount) for amount in ("12.90", "7", "0.05", "1.5")] == [1290, 700, 5, 150]
    assert amount_text(5) == "0.05"


def test_the_dearest_tag_is_the_dearest(asked):
    for each in asked["price_tag"]:
        prices = {tag["品名"]: cents_of(tag["价格"]) for tag in each.drawing.facts["tags"]}
        for _, question in each.questions:
            if "最贵" in question.question and question.kind == FIELD:
                assert prices[question.answer] == max(prices.values())
            if "最便宜" in question.question and question.kind == FIELD:
                assert prices[question.answer] == min(prices.values())


def test_a_new_price_is_the_one_that_was_said(asked):
    for each, question in each_question(asked["price_tag"], TOOL):
        arguments = question.tool_calls[0]["function"]["arguments"]
        named = {arguments.get("product"), arguments.get("barcode")} - {None}
        tag = next(tag for tag in each.drawing.facts["tags"] if named <= {tag["品名"], tag.get("条形码")})
        if "new_price" in arguments:
            new, step = f"{arguments['new_price']:.2f}", abs(cents_of(tag["价格"]) - round(arguments["new_price"] * 100))
            assert new in question.question or amount_text(step) in question.question
