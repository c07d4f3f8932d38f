"""The document kinds (price tags, receipts, tables, contracts): what is drawn is what is answered, and stays legible and apart.

pytest tests/test_scene_kinds_documents.py
"""

import datetime
import itertools
import json
import re
from dataclasses import dataclass
from decimal import Decimal

import pytest
from barcode.ean import EAN13

from smvl.scenes.barcodes import draw_barcode, paint_bars
from smvl.scenes.contents import SPLITS, Contents
from smvl.scenes.dates import add_months
from smvl.scenes.kinds import contract, price_tag, receipt, table
from smvl.scenes.money import amount_text, capital_amount, cents_of
from smvl.scenes.page import Page
from smvl.scenes.scene import COMPARE, COUNT, FIELD, JSON, MARKDOWN, READ, REFUSAL, TOOL, Drawing, Question
from smvl.scenes.schema import Entry, ask_json

KINDS = {module.KIND.name: module.KIND for module in (price_tag, receipt, table, contract)}
NUM_SEEDS = 60
EDGES = (384, 512, 512, 768)


@dataclass
class Asked:
    """A drawing with everything that was asked about it."""

    drawing: Drawing
    contents: Contents
    page: Page
    pieces: list[tuple[str, tuple[int, int, int, int], int]]
    """Text, box and size of everything that was written, a run of several pieces by its pieces; seals as wholes."""
    questions: list[tuple[str, Question]]


@pytest.fixture(scope="module")
def asked() -> dict[str, list[Asked]]:
    """For each kind, drawings of all splits, each with one question of every maker."""
    return {name: [draw_asked(kind, seed, split) for seed in range(NUM_SEEDS) for split in SPLITS] for name, kind in KINDS.items()}


def draw_asked(kind, seed: int, split: str) -> Asked:
    contents = Contents(f"{kind.name} {seed}", split)
    pages, pieces = [], []
    make = Page.__init__

    def made(page: Page, *args) -> None:
        make(page, *args)
        pages.append(page)

    def noting(write):
        def noted(page: Page, position, text: str, style: str, pixels: float, **options):
            box = write(page, position, text, style, pixels, **options)
            pieces.append((text, box, round(pixels)))
            return box

        return noted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "__init__", made)
        patch.setattr(Page, "write", noting(Page.write))
        patch.setattr(Page, "write_column", noting(Page.write_column))
        drawing = kind.draw(contents, EDGES[seed % len(EDGES)])
    (page,) = pages
    pieces += [(text, box, 99) for text, box in zip(page.texts, page.boxes) if text.endswith("专用章")]
    return Asked(drawing, contents, page, pieces, [(ask.__name__, ask(drawing.facts, contents)) for ask in kind.questions])


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
        least = 11 if max(each.page.width, each.page.height) >= 512 else 10
        assert all(size >= least for text, _, size in each.pieces), sorted(each.pieces, key=lambda piece: piece[2])[:3]
        for text, (left, top, right, bottom), _ in each.pieces:
            assert left >= 0 and top >= 0 and right <= each.page.width and bottom <= each.page.height, text
        for (one, first, _), (other, second, _) in itertools.combinations(each.pieces, 2):
            width = min(first[2], second[2]) - max(first[0], second[0])
            height = min(first[3], second[3]) - max(first[1], second[1])
            assert min(width, height) <= 3, f"{one!r} at {first} and {other!r} at {second}"


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


def test_bills_add_up(asked):
    sorts = set()
    for each in asked["receipt"]:
        facts = each.drawing.facts
        entries, items = facts["entries"], facts["items"]
        amounts = ("合计", "优惠", "应付", "实收", "找零", "金额合计", "税额", "价税合计")
        money = {key: Decimal(entries[key]) for key in amounts if key in entries}
        sorts.add(facts["sort"])
        for item in items:
            if "单价" in item:
                exact = Decimal(item["单价"]) * Decimal(item["数量"])
                assert abs(exact - Decimal(item["金额"])) <= Decimal("0.005")
        if items:
            assert sum(Decimal(item["金额"]) for item in items) == money.get("金额合计", money.get("合计"))
        if "应付" in money:
            assert money["合计"] - money["优惠"] == money["应付"]
        if "找零" in money:
            assert money["实收"] - money.get("应付", money.get("合计")) == money["找零"] > 0
        if "税额" in money:
            assert money["金额合计"] + money["税额"] == money["价税合计"]
            rate = Decimal(entries["税率"].rstrip("%")) / 100
            assert abs(money["金额合计"] * rate - money["税额"]) <= Decimal("0.005")
        if "大写" in entries:
            assert entries["大写"] == capital_amount(cents_of(entries.get("价税合计") or entries["合计"]))
    assert sorts == {"shop", "kiosk", "restaurant", "drinks", "taxi", "telephone", "invoice", "handwritten"}


def test_tables_add_up(asked):
    seen = set()
    for each in asked["table"]:
        facts = each.drawing.facts
        columns = facts["columns"]
        for total in {"总分", "全年合计"} & set(columns):
            seen.add("column")
            for row in facts["rows"]:
                assert sum(Decimal(row[columns.index(name)]) for name in facts["summed"]) == Decimal(row[columns.index(total)])
        if facts["total"]:
            seen.add("row")
            assert facts["total"][0] == "合计"
            for place, cell in enumerate(facts["total"][1:], start=1):
                assert not cell or sum(Decimal(row[place]) for row in facts["rows"]) == Decimal(cell)
        if facts["group"]:
            seen.add("group")
            words = [word for word, _ in itertools.groupby(row[0] for row in facts["rows"])]
            assert len(words) == len(set(words))
    assert seen == {"column", "row", "group"}


def test_questions_about_columns_of_numbers_are_answered_from_the_column(asked):
    found = 0
    for each, question in each_question(asked["table"], COUNT, FIELD):
        facts = each.drawing.facts
        key = facts["columns"].index(facts["key"])
        for name in facts["numbers"]:
            values = {row[key]: Decimal(row[facts["columns"].index(name)]) for row in facts["rows"]}
            plain = name.partition("（")[0]
            if question.question in (f"{plain}一共是多少？", f"求{plain}的合计。", f"所有行的{plain}加起来是多少？"):
                assert Decimal(question.answer) == sum(values.values())
            elif question.question.endswith((f"的{plain}最高？", f"按{plain}算，{facts['who']}最高？")):
                assert values[question.answer] == max(values.values())
            else:
                continue
            found += 1
    assert found >= 3


def test_markdown_in_the_order_of_a_number_is_in_its_order(asked):
    found = 0
    for _, question in each_question(asked["table"], MARKDOWN):
        order = re.search(r"按(\w+)从(大到小|小到大)排列", question.question)
        if order:
            header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in question.answer.split("\n")]
            place = next(place for place, name in enumerate(header) if name.partition("（")[0] == order[1])
            values = [Decimal(row[place]) for row in rows]
            assert values == sorted(values, reverse=order[2] == "大到小")
            found += 1
    assert found


def test_terms_of_contracts_follow_from_each_other(asked):
    seen = set()
    for each in asked["contract"]:
        entries = each.drawing.facts["entries"]
        if "大写" in entries:
            assert entries["大写"] == capital_amount(cents_of(entries.get("金额", entries.get("月租金"))))
        if "首付款" in entries:
            seen.add("首付款")
            assert Decimal(entries["首付款"]) + Decimal(entries["尾款"]) == Decimal(entries["金额"])
        if "押金" in entries:
            seen.add("押金")
            assert Decimal(entries["押金"]) % Decimal(entries["月租金"]) == 0
        if "结束日期" in entries:
            seen.add("期限")
            start, end = (day_of(entries[key]) for key in ("开始日期", "结束日期"))
            assert add_months(start, int(entries["期限"].removesuffix("个月"))) == end + datetime.timedelta(days=1)
        if "工期" in entries:
            seen.add("工期")
            start, end = (day_of(entries[key]) for key in ("开工日期", "竣工日期"))
            assert (end - start).days + 1 == int(entries["工期"].removesuffix("天"))
        if "开始日期" in entries:
            assert day_of(entries["签订日期"]) <= day_of(entries["开始日期"])
    assert seen == {"首付款", "押金", "期限", "工期"}


def day_of(date: str) -> datetime.date:
    return datetime.date(*map(int, re.findall(r"\d+", date)))


def test_what_a_contract_is_said_to_hold_stands_in_its_clauses_or_its_head(asked):
    for each in asked["contract"]:
        written = "".join(each.drawing.texts)
        assert all(value in written for value in each.drawing.facts["entries"].values())
        for clause in each.drawing.facts["clauses"]:
            assert clause["text"] in each.drawing.texts and clause["number"] in each.drawing.texts


def test_calls_hold_what_is_drawn(asked):
    """But for what the question says: a new price or cell, a number of people, a kind of expense."""
    said = {"new_price", "price", "end_date", "people", "category", "order", "event", "item"}
    for name in KINDS:
        for each, question in each_question(asked[name], TOOL):
            written = "".join(each.drawing.texts)
            arguments = question.tool_calls[0]["function"]["arguments"]
            for key, value in arguments.items():
                if key not in said and not (key == "value" and str(value) in question.question):
                    assert is_drawn(value, written), (key, value, question.question)


def test_a_barcode_ends_in_its_check_digit(asked):
    codes = [tag["条形码"] for each in asked["price_tag"] for tag in each.drawing.facts["tags"] if "条形码" in tag]
    assert codes
    for code in codes:
        weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(code))
        assert len(code) == 13 and weighted % 10 == 0


def test_bars_on_the_picture_are_those_of_the_code():
    contents = Contents("bars", "train")
    code, page = draw_barcode(contents), Page(contents, (2 * 95, 40))
    paint_bars(page, (0, 0), code, 2 * 95, 40)
    row = [page.image.getpixel((2 * module, 20))[0] < 128 for module in range(95)]
    assert "".join("01"[bar] for bar in row) == EAN13(code[:-1]).build()[0]


def test_a_json_question_states_its_types_and_may_answer_null():
    entries = [Entry("品名", "string", "清悦冰红茶"), Entry("价格", "number", 3.5), Entry("产地", "string", None, optional=True)]
    questions = [ask_json(Contents(f"json {seed}", "train"), "价签", entries) for seed in range(60)]
    assert {question.answer for question in questions} == {'{"品名":"清悦冰红茶","价格":3.5,"产地":null}'}
    assert all("图中没有的填null。" in question.question for question in questions)
    statements = {re.search(r"(键|格式|JSON Schema)：", question.question)[1] for question in questions}
    assert statements == {"键", "格式", "JSON Schema"}
    schema = next(question.question for question in questions if "JSON Schema" in question.question)
    stated, _ = json.JSONDecoder().raw_decode(schema[schema.index("{") :])
    assert stated["required"] == ["品名", "价格", "产地"]
    assert stated["properties"]["产地"] == {"type": ["string", "null"]}
