"""Scenes whose answer is in a figure: dials, charts and exams with formulas. What is asked must be what is drawn, to the pixel.

pytest tests/test_scene_kinds_figures.py
"""

import json
import math
import random
import re
from decimal import Decimal
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from smvl.scenes import page as page_module
from smvl.scenes.charts.chart import FORMS
from smvl.scenes.charts.frame import COLOURS
from smvl.scenes.contents import SPLITS, TRAIN, Contents
from smvl.scenes.decimals import shortest
from smvl.scenes.dials.instrument import NORMAL
from smvl.scenes.dials.layout import LAYOUTS as PANELS
from smvl.scenes.dials.panel import draw_panel
from smvl.scenes.dials.scale import UNITS, scales
from smvl.scenes.dials.work_order import CREATE_WORK_ORDER, ask_work_order
from smvl.scenes.exams.item import draw_item, formulas_of
from smvl.scenes.exams.latex import to_typst
from smvl.scenes.exams.layout import LAYOUTS as SHEETS
from smvl.scenes.exams.sheet import FAMILIES, draw_sheet
from smvl.scenes.exams.typesetter import set_formulas
from smvl.scenes.kinds import chart, dial, exam
from smvl.scenes.scene import COMPARE, COUNT, FIELD, JSON, LATEX, MARKDOWN, READ, REFUSAL, TOOL

KINDS = {"dial": dial.KIND, "chart": chart.KIND, "exam": exam.KIND}
NUM_SCENES = 60
EDGES = (384, 512, 640)


class Scene:
    """A drawing of a kind, with every question about it."""

    def __init__(self, kind, seed, split):
        self.contents = Contents(f"figures {seed}", split)
        self.drawing = kind.draw(self.contents, EDGES[seed % len(EDGES)])
        self.facts = self.drawing.facts
        self.asked = [(ask, ask(self.facts, self.contents)) for ask in kind.questions]

    def questions(self, kind):
        return [question for _, question in self.asked if question.kind == kind]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def scenes(kind):
    return {split: [Scene(kind, seed, split) for seed in range(NUM_SCENES)] for split in SPLITS}


def every(scenes):
    return [scene for split in SPLITS for scene in scenes[split]]


def rows_of(table):
    """A Markdown table's header and rows, its rule checked."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.split("\n")]
    assert all(line.startswith("| ") and line.endswith(" |") for line in table.split("\n"))
    assert lines[1] == ["---"] * len(lines[0]) and {len(line) for line in lines} == {len(lines[0])}
    return lines[0], lines[2:]


def test_the_same_seed_draws_the_same_picture_and_asks_the_same(kind):
    for seed in range(6):
        first, second = (Scene(kind, seed, TRAIN) for _ in range(2))
        assert first.drawing.image.tobytes() == second.drawing.image.tobytes()
        assert first.drawing.image.mode == "RGB" and max(first.drawing.image.size) == EDGES[seed % len(EDGES)]
        assert first.facts == second.facts and [asked for _, asked in first.asked] == [asked for _, asked in second.asked]


def test_facts_are_plain_values(scenes):
    for scene in every(scenes):
        assert json.loads(json.dumps(scene.facts, ensure_ascii=False)) == scene.facts


def test_what_is_drawn_is_a_label_or_belongs_to_its_split(kind, scenes):
    drawn = {split: {text for scene in scenes[split] for text in scene.drawing.texts} - kind.labels for split in SPLITS}
    for split in SPLITS:
        assert drawn[split] <= set().union(*(scene.contents.texts for scene in scenes[split]))
    assert all(drawn[first].isdisjoint(drawn[second]) for first, second in combinations(SPLITS, 2))


def test_every_kind_of_question_is_asked_and_asks_differently(kind, scenes):
    found = {question.kind for scene in every(scenes) for _, question in scene.asked}
    expected = {"dial": {TOOL}, "chart": set(), "exam": {LATEX}}[kind.name]
    assert found == {READ, FIELD, JSON, MARKDOWN, COUNT, REFUSAL} | expected
    for ask in kind.questions:
        assert len({question.question for scene in every(scenes) for maker, question in scene.asked if maker is ask}) >= 8


def test_questions_are_in_chinese_with_full_width_punctuation(scenes):
    for scene in every(scenes):
        for _, question in scene.asked:
            words = question.question.split("JSON Schema：")[0].split("格式：")[0]
            assert words[-1] in "。？：）" and not set(words) & set("?!;"), question.question
            assert bool(question.answer) != bool(question.tool_calls)


def test_json_answers_parse_and_have_the_keys_that_are_asked_for(scenes):
    for scene in every(scenes):
        for question in scene.questions(JSON):
            answer = json.loads(question.answer)
            assert all(key in question.question for key in answer)
            for value in answer.values():
                for row in value if isinstance(value, list) and value and isinstance(value[0], dict) else []:
                    assert all(key in question.question for key in row)


def test_markdown_answers_are_tables_with_the_columns_that_are_asked_for(scenes):
    for scene in every(scenes):
        for question in scene.questions(MARKDOWN):
            header, rows = rows_of(question.answer)
            assert rows and all(column in question.question for column in header)


def test_text_stands_inside_the_picture_and_not_over_other_text(kind, monkeypatch):
    pages, start = [], page_module.Page.__init__
    monkeypatch.setattr(page_module.Page, "__init__", lambda page, *given, **named: (start(page, *given, **named), pages.append(page))[0])
    for seed in range(NUM_SCENES):
        pages.clear()
        facts = kind.draw(Contents(f"boxes {seed}", SPLITS[seed % 3]), EDGES[seed % len(EDGES)]).facts
        (page,) = pages
        for left, top, right, bottom in page.boxes:
            assert 0 <= left <= right <= page.width and 0 <= top <= bottom <= page.height
        items = [tuple(item["box"]) for item in facts["items"]] if kind.name == "exam" else page.boxes
        for first, second in combinations(items, 2):
            width, height = (min(first[side + 2], second[side + 2]) - max(first[side], second[side]) for side in (0, 1))
            assert width <= max(2, 0.01 * page.width) or height <= max(2, 0.01 * page.height)


def test_two_pictures_are_compared(kind, scenes):
    asked = set()
    for first, second in zip(scenes[TRAIN], scenes[TRAIN][1:]):
        question = kind.compare(first.facts, second.facts, first.contents)
        assert question.kind == COMPARE and question.answer
        asked.add(question.question)
    assert len(asked) >= 8


# --- dials ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dials():
    return [Scene(dial.KIND, seed, SPLITS[seed % 3]) for seed in range(1000, 1000 + 3 * NUM_SCENES)]


def instruments(dials, *forms):
    return [(scene, one) for scene in dials for one in scene.facts["instruments"] if one["form"] in forms]


def test_scales_are_whole_and_their_numbers_stand_on_graduations():
    for unit in UNITS:
        for scale in scales(unit):
            assert scale.low + scale.minor * scale.num_graduations == scale.high
            assert scale.num_graduations % scale.per_major == 0 and Decimal(scale.numbers[-1]) == scale.high


def test_a_number_is_written_as_its_shortest_decimal():
    assert [shortest(Decimal(text)) for text in ("0.40", "100", "-0.050", "0.0")] == ["0.4", "100", "-0.05", "0"]


def test_a_hand_points_at_its_reading(dials):
    checked = 0
    for _, one in instruments(dials, "gauge", "meter"):
        (x, y), where = one["geometry"]["pivot"], one["geometry"]
        for hand, tip in zip(one["hands"], where["tips"], strict=True):
            angle = (math.degrees(math.atan2(tip[1] - y, tip[0] - x)) - where["start"]) % 360
            low, high = float(one["low"]), float(one["high"])
            assert low + (high - low) * angle / where["sweep"] == pytest.approx(float(hand["reading"]), abs=1e-6 * (high - low))
            assert (Decimal(hand["reading"]) - Decimal(one["low"])) % (Decimal(one["minor"]) / 2) == 0
            checked += 1
    assert checked > 100


def test_a_column_ends_at_its_reading_also_in_pixels(dials):
    checked = 0
    for scene, one in instruments(dials, "column", "thermometer"):
        where, pixels = one["geometry"], np.asarray(scene.drawing.image).astype(int)
        share = (where["bottom"] - where["level"]) / (where["bottom"] - where["top"])
        low, high = float(one["low"]), float(one["high"])
        assert low + (high - low) * share == pytest.approx(float(one["reading"]), abs=1e-6 * (high - low))
        inside = pixels[round(where["top"]) : round(where["bottom"]) + 1, round(where["tube"])]
        coloured = np.ptp(inside, axis=1) > 60  # glass is grey, the liquid is not
        assert coloured[-2] and abs(round(where["top"]) + int(coloured.argmax()) - where["level"]) <= 1
        checked += 1
    assert checked > 20


def test_the_needle_of_a_gauge_is_found_in_pixels_where_the_answer_says(dials):
    checked = 0
    for scene, one in instruments(dials, "gauge"):
        if len(one["hands"]) > 1:
            continue
        where, pixels = one["geometry"], np.asarray(scene.drawing.image).astype(int)
        (x, y), tip = where["pivot"], where["tips"][0]
        length = math.hypot(tip[0] - x, tip[1] - y)
        shares = np.linspace(0, 1, 541)
        angles = np.radians(where["start"] + where["sweep"] * shares)[:, None]
        distances = np.linspace(0.3, 0.5, 12)[None] * length
        rays = pixels[(y + distances * np.sin(angles)).round().astype(int), (x + distances * np.cos(angles)).round().astype(int)]
        unlike = np.abs(rays - np.median(rays, axis=(0, 1))).sum(axis=(1, 2))
        found = float(shares[unlike >= 0.9 * unlike.max()].mean())
        low, high = float(one["low"]), float(one["high"])
        assert abs(low + (high - low) * found - float(one["reading"])) < float(one["minor"]) * 0.75
        checked += 1
    assert checked > 40


def test_a_state_follows_from_reading_and_range_and_is_a_graduation_away_from_its_ends(dials):
    states = []
    for scene in dials:
        for one in scene.facts["instruments"]:
            if one["limits"] is None:
                assert one["state"] is None
                continue
            low, high = (None if limit is None else Decimal(limit) for limit in one["limits"])
            reading = Decimal(one["reading"])
            assert one["state"] == ("偏低" if low is not None and reading < low else "偏高" if reading > high else NORMAL)
            if "minor" in one:
                assert all(abs(reading - limit) >= Decimal(one["minor"]) for limit in (low, high) if limit is not None)
            states.append(one["state"])
    assert min(states.count(state) for state in (NORMAL, "偏高", "偏低")) > 0.1 * len(states)


def test_work_orders_are_for_what_is_outside_of_its_range_and_for_nothing_else(dials):
    properties = CREATE_WORK_ORDER["function"]["parameters"]["properties"]
    calls = 0
    for scene in dials:
        question = ask_work_order(scene.facts, scene.contents)
        wrong = [one for one in scene.facts["instruments"] if one["state"] not in (None, NORMAL)]
        judged = any(one["state"] for one in scene.facts["instruments"])
        assert question.tools == (CREATE_WORK_ORDER,) and "正常" in question.question
        assert question.answer == ("" if wrong else NORMAL if judged else "图中没有标出正常范围，无法判断。")
        for call, one in zip(question.tool_calls, wrong, strict=True):
            arguments = call["function"]["arguments"]
            assert call["function"]["name"] == "create_work_order" and list(arguments) == list(properties)
            assert arguments == {"device_number": one["number"], "reading": one["reading"] + one["unit"], "fault": f"读数{one['state']}"}
            calls += 1
    assert calls > 30


def test_an_inspector_who_is_asked_for_what_is_not_there_says_so(dials):
    for scene in dials:
        for question in scene.questions(REFUSAL):
            missing = question.answer.removesuffix("。").split("没有")[-1]
            missing = missing.removeprefix("编号为").removesuffix("的仪表").removesuffix("指示灯").strip("“”")
            known = {one["name"] for one in scene.facts["instruments"]} | {one["number"] for one in scene.facts["instruments"]}
            known |= {lamp["name"] for lamp in scene.facts["lamps"]}
            assert missing not in known and not any(name.endswith(missing) for name in known if missing)
            if missing.startswith("标出"):
                assert any(one["state"] is None for one in scene.facts["instruments"])


def test_readings_are_answered_with_their_unit(dials):
    for scene in dials:
        question = next(question for ask, question in scene.asked if ask.__name__ == "ask_reading")
        readings = {one["reading"] + one["unit"] for one in scene.facts["instruments"] if one["reading"]}
        readings |= {hand["reading"] + one["unit"] for one in scene.facts["instruments"] for hand in one["hands"]}
        assert question.kind == FIELD and question.answer in readings


def test_a_gauge_with_two_hands_is_asked_by_their_colours():
    two = []
    for seed in range(200):
        contents = Contents(f"two {seed}", TRAIN)
        _, facts = draw_panel(contents, PANELS[0], 512)
        if not facts["instruments"][0]["reading"]:
            two.append((contents, facts))
    assert len(two) > 10
    for contents, facts in two:
        question = next(ask for ask in dial.KIND.questions if ask.__name__ == "ask_reading")(facts, contents)
        (hand,) = [hand for hand in facts["instruments"][0]["hands"] if f"{hand['colour']}指针" in question.question]
        assert question.answer == hand["reading"] + facts["instruments"][0]["unit"]


def test_every_layout_of_a_panel_is_drawn_at_the_smallest_size():
    generator = random.Random(3)
    for layout in PANELS:
        page, facts = draw_panel(Contents(f"layout {generator.random()}", TRAIN), layout, 384)
        assert facts["layout"] == layout.name and len(facts["instruments"]) == len(layout.cells) and max(page.image.size) == 384


# --- charts --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def charts():
    return [Scene(chart.KIND, seed, SPLITS[seed % 3]) for seed in range(2000, 2000 + 3 * NUM_SCENES)]


def of_form(charts, *forms):
    found = [scene for scene in charts if scene.facts["form"] in forms]
    assert len(found) > 10
    return found


def test_every_form_of_chart_is_drawn(charts):
    assert {scene.facts["form"] for scene in charts} == set(FORMS)


def test_a_bar_is_as_long_as_its_value_also_in_pixels(charts):
    for scene in of_form(charts, "bar", "grouped", "horizontal"):
        facts, pixels = scene.facts, np.asarray(scene.drawing.image).astype(int)
        where, upright = facts["geometry"], facts["form"] != "horizontal"
        per_pixel = float(where["maximum"]) / abs(where["end"] - where["zero"])
        values = [float(value) for series in facts["series"] for value in series["values"]]
        for value, (left, top, right, bottom) in zip(values, where["bars"], strict=True):
            middle = pixels[:, (left + right) // 2][: bottom - 1][::-1] if upright else pixels[(top + bottom) // 2][left + 2 :]
            length = 1 + int((middle != middle[0]).any(axis=1).argmax()) if abs(value) > 2 * per_pixel else 0
            assert abs(length * per_pixel - value) <= 2 * per_pixel


def test_points_of_a_line_stand_at_their_values(charts):
    for scene in of_form(charts, "line", "lines"):
        where = scene.facts["geometry"]
        per_pixel = float(where["maximum"]) / (where["zero"] - where["end"])
        for series, points in zip(scene.facts["series"], where["points"], strict=True):
            for value, (_, y) in zip(series["values"], points, strict=True):
                assert (where["zero"] - y) * per_pixel == pytest.approx(float(value), abs=1e-6 * float(where["maximum"]))
            assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_slices_add_up_to_a_circle_and_have_the_colours_of_the_legend(charts):
    for scene in of_form(charts, "pie", "ring"):
        facts, where = scene.facts, scene.facts["geometry"]
        values = [Decimal(value) for value in facts["series"][0]["values"]]
        assert sum(values) == 100
        for value, (start, end), colour in zip(values, where["slices"], facts["legend"].values(), strict=True):
            assert end - start == pytest.approx(3.6 * float(value))
            angle = math.radians((start + end) / 2)
            place = [round(where["centre"][i] + 0.94 * where["radius"] * f(angle)) for i, f in enumerate((math.cos, math.sin))]
            assert scene.drawing.image.getpixel(tuple(place)) == COLOURS[colour]


def test_values_that_are_not_printed_stand_on_a_grid_line_or_in_the_middle_between_two(charts):
    hidden = [scene for scene in charts if not scene.facts["printed"]]
    assert len(hidden) > 30
    for scene in hidden:
        maximum, ticks = Decimal(scene.facts["geometry"]["maximum"]), range(4, 8)
        values = [Decimal(value) for series in scene.facts["series"] for value in series["values"]]
        assert any(all(value * 2 * num % maximum == 0 for value in values) for num in ticks)
        assert not {value for series in scene.facts["series"] for value in series["values"]} & (
            set(scene.drawing.texts) - chart.KIND.labels
        )


def test_chart_data_comes_back_from_the_table_and_from_the_json(charts):
    for scene in charts:
        facts = scene.facts
        sign = "%" if facts["unit"] == "%" else ""
        expected = [[name, *(series["values"][i] for series in facts["series"])] for i, name in enumerate(facts["categories"])]
        (table,) = scene.questions(MARKDOWN)
        assert rows_of(table.answer)[1] == [[name, *(value + sign for value in values)] for name, *values in expected]
        (data,) = scene.questions(JSON)
        rows = [list(row.values()) for row in json.loads(data.answer)["数据"]]
        assert rows == [[name, *map(float, values)] for name, *values in expected]


def test_what_a_chart_is_asked_for_in_vain_is_not_on_it(charts):
    for scene in charts:
        for question in scene.questions(REFUSAL):
            missing = question.answer.removesuffix("。").split("没有")[-1].removesuffix("的数据")
            assert missing in question.question and missing not in scene.facts["categories"] and missing not in scene.drawing.texts


def test_sums_differences_and_extremes_of_a_chart_are_right(charts):
    checked = 0
    for scene in charts:
        facts = scene.facts
        for ask, question in scene.asked:
            if ask.__name__ == "ask_extreme" and len(facts["series"]) == 1 and question.answer in facts["categories"]:
                values = [Decimal(value) for value in facts["series"][0]["values"]]
                largest = any(word in question.question for word in ("高", "多", "大", "第一"))
                assert facts["categories"][values.index(max(values) if largest else min(values))] == question.answer
                checked += 1
            if ask.__name__ == "ask_sum" and facts["printed"] and len(facts["series"]) == 1:
                number = Decimal(question.answer.removesuffix(facts["unit"]))
                named = [Decimal(v) for c, v in zip(facts["categories"], facts["series"][0]["values"]) if c in question.question]
                every = sum(map(Decimal, facts["series"][0]["values"]))
                allowed = {every} if len(named) != 2 else {every, sum(named), max(named) - min(named)}
                assert number in allowed or any(a in b for a, b in combinations(facts["categories"], 2))
                checked += 1
    assert checked > 60


# --- exams ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exams():
    return [Scene(exam.KIND, seed, SPLITS[seed % 3]) for seed in range(3000, 3000 + 2 * NUM_SCENES)]


@pytest.fixture(scope="module")
def items():
    """One question of every family and split."""
    return [draw_item(Contents(f"item {split}", split), family) for family in FAMILIES for split in SPLITS]


def mathtext_width(latex):
    """Width in pixels by another typesetter, at size 18. It lacks systems of equations: their rows stand below each other."""
    mathtext, fonts = pytest.importorskip("matplotlib.mathtext"), pytest.importorskip("matplotlib.font_manager")
    before, _, rows = latex.replace(r"\frac", r"\dfrac").partition(r"\begin{cases}")
    rows = rows.removesuffix(r"\end{cases}").split(r"\\")
    properties = fonts.FontProperties(size=18, math_fontfamily="cm")
    widths = [mathtext.MathTextParser("agg").parse(f"${part}$", dpi=72, prop=properties).width if part else 0 for part in (before, *rows)]
    return widths[0] + max(widths[1:])


def test_every_formula_is_read_alike_by_another_typesetter(items):
    formulas = sorted({latex for item in items[::3] for latex in formulas_of(item.text)})
    assert len(formulas) > 100
    for latex in formulas:
        width, expected = set_formulas([latex], 18)[latex].mask.width, mathtext_width(latex)
        if latex.isascii() and len(latex) > 5 and r"\begin" not in latex and r"\overset" not in latex:
            assert 0.75 * expected - 6 <= width <= 1.3 * expected + 6, latex


def test_latex_that_is_not_canonical_is_refused():
    for wrong in ("x^{2}", "x + 1", r"\sin 2", r"\foo x", "{x}", r"\frac12", r"\begin{matrix}1\end{matrix}", r"\sqrt{x"):
        with pytest.raises(ValueError):
            to_typst(wrong)
    assert to_typst(r"\frac{x^{10}}{2}\cdot a_n") == "frac(x^(10), 2) dot.c a_(n)"
    assert to_typst(r"\mathrm{Ca(OH)_2}") == '"C""a""(""O""H"")"_("2")'


def test_a_formula_too_tall_for_its_line_is_an_error():
    with pytest.raises(ValueError, match="taller than"):
        set_formulas([r"\begin{cases}" + r"\\".join("x=1" for _ in range(6)) + r"\end{cases}"], 16)


def test_no_two_splits_share_what_a_question_is_about(items):
    by_split = {split: {item.text for item in items[number :: len(SPLITS)]} for number, split in enumerate(SPLITS)}
    assert all(by_split[first].isdisjoint(by_split[second]) for first, second in combinations(SPLITS, 2))


def test_arithmetic_has_the_right_result(items):
    checked = 0
    for item in items:
        (latex, *others) = formulas_of(item.stem) or ("",)
        if not item.answer or others or not latex.endswith("="):
            continue
        python = re.sub(r"\\frac{(\d+)}{(\d+)}", r"Fraction(\1,\2)", latex[:-1]).replace(r"\times", "*").replace(r"\div", "/")
        python = re.sub(r"\\sqrt\[3\]{(\d+)}", r"round(\1**(1/3))", python).replace(r"\left", "").replace(r"\right", "")
        python = re.sub(r"\\sqrt{(\d+)}", r"math.isqrt(\1)", python).replace("^", "**")
        python = re.sub(r"\|(-\d+)\|", r"abs(\1)", python)
        answer = re.sub(r"\\frac{(\d+)}{(\d+)}", r"Fraction(\1,\2)", item.answer)
        result, claimed = (float(eval(code, {"Fraction": Fraction, "math": math})) for code in (python, answer))
        assert result == pytest.approx(claimed), latex
        checked += 1
    assert checked > 15


def test_a_choice_has_four_different_options_and_the_right_one_is_among_them():
    generator = random.Random(5)
    for family in FAMILIES:
        for _ in range(20 if family.options else 0):
            parts = family.draw(generator)
            options = family.options(generator, parts)
            assert len(set(options)) == 4
            if "right" in parts and family.options.__name__ in ("_near_right", "_intervals", "_points", "_set_options", "_conjugates"):
                assert f"${parts['right']}$" in options


def test_exam_answers_are_what_is_printed(exams):
    for scene in exams:
        texts, by_number = set(scene.drawing.texts), {item["number"]: item for item in scene.facts["items"]}
        for ask, question in scene.asked:
            if ask.__name__ == "ask_transcript":
                assert question.answer in texts
            if ask.__name__ == "ask_formula" and question.kind == LATEX and "题干" in question.question:
                item = by_number[int(re.search(r"第(\d+)题", question.question)[1])]
                assert question.answer.split("\n") == formulas_of(item["stem"])
            if question.kind == REFUSAL and "选项" not in question.answer and question.answer.endswith("题。"):
                assert int(re.search(r"第(\d+)题。", question.answer)[1]) not in by_number


def test_formulas_are_drawn_in_ink_where_the_question_stands(exams):
    for scene in exams[:30]:
        pixels = np.asarray(scene.drawing.image.convert("L")).astype(int)
        for item in scene.facts["items"]:
            left, top, right, bottom = item["box"]
            assert np.ptp(pixels[top:bottom, left:right]) > 120


def test_every_layout_of_a_sheet_is_drawn_at_the_smallest_size():
    for layout in SHEETS:
        page, facts = draw_sheet(Contents(f"sheet {layout.name}", TRAIN), layout, 384)
        assert facts["layout"] == layout.name and facts["items"] and max(page.image.size) == 384
