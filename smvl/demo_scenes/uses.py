"""What a model is used for, in the demo's small: a price tag that changes a stock, gauges and sheets that are inspected, a receipt whose
fields are wanted, and a sum in a workbook. Answers are JSON by a schema, calls of functions, and LaTeX with its steps."""

import json
import random
from typing import Any

from smvl.demo_scenes.documents import (
    LINE,
    SLOT,
    draw_dial,
    draw_lines,
    draw_price_tag,
    draw_receipt,
    picture_of,
    place_mark,
    rules_of_table,
    write,
)
from smvl.demo_scenes.picture import LONG_EDGE, Call, Line, Panel, Picture, Scene, Turn
from smvl.demo_scenes.words import split_of_text

ASKS_JSON, ASKS_LATEX = "请按此JSON Schema用JSON回答:", "请用LaTeX回答。"
"""As `smvl.infer.form.Form` says it to a model."""


def schema_of(properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def function(name: str, description: str, **properties: str) -> dict[str, Any]:
    """A function as OpenAI describes it; the kinds of its arguments by name."""
    parameters = schema_of({key: {"type": kind} for key, kind in properties.items()})
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


UPDATE_PRICE = function("update_price", "改价", 商品="string", 单价="integer")
CHECK_STOCK = function("check_stock", "看商品", 商品="string")
REPORT_READING = function("report_reading", "上读数", 读数="integer")
RECORD_EXPENSE = function("record_expense", "记金", 商品="string", 合计="integer")
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
INSPECTED = "门车水火光手"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _ask_json(task: str, picture: Picture, question: str, schema: dict[str, Any], answer: Any) -> Scene:
    return Scene(task, (Turn(f"{question}\n{ASKS_JSON}{_compact(schema)}", _compact(answer), (picture,)),))


def _ask_fields(generator: random.Random, task: str, picture: Picture, question: str, fields: dict[str, tuple[dict, Any]]) -> Scene:
    """Some of the fields, in any order: the schema must be read."""
    names = generator.sample(list(fields), generator.randint(1, len(fields)))
    schema = schema_of({name: fields[name][0] for name in names})
    return _ask_json(task, picture, question, schema, {name: fields[name][1] for name in names})


def _ask_call(task: str, picture: Picture, question: str, tools: list[dict], call: tuple[str, dict], result: str, reply: str) -> Scene:
    return Scene(task, (Turn(question, "", (picture,), Call(*call, result, reply)),), tuple(tools))


def retail(generator: random.Random, split: str) -> Scene:
    """A price tag: a price to be changed, or a good to be looked up."""
    name, price, picture = draw_price_tag(generator, split)
    value = int(price.removesuffix("元"))
    kind = generator.random()
    if kind < 0.3:
        return _ask_fields(generator, "retail", picture, "写出这个价签。", {"商品": (TEXT, name), "单价": (NUMBER, value)})
    tools = [UPDATE_PRICE, CHECK_STOCK] if generator.random() < 0.5 else [UPDATE_PRICE]
    generator.shuffle(tools)
    if kind < 0.45 and len(tools) > 1:
        question, number = generator.choice(["看这个商品有几个。", "这个有吗?"]), generator.randint(0, 9)
        result = f"{name}{price},有{number}个"
        return _ask_call("retail", picture, question, tools, ("check_stock", {"商品": name}), result, f"有{number}个。")
    question = generator.choice(["按图改价。", "这是价签,请改价。"])
    call = ("update_price", {"商品": name, "单价": value})
    return _ask_call("retail", picture, question, tools, call, f"{name}改为{price}", f"{name}改为{price}。")


def industry(generator: random.Random, split: str) -> Scene:
    """A gauge with its limit, or a sheet of readings with theirs."""
    return inspect_gauge(generator, *draw_dial(generator)) if generator.random() < 0.6 else inspect_sheet(generator, split)


def inspect_gauge(generator: random.Random, value: int, picture: Picture) -> Scene:
    """The reading of a picture, called or written down with the limit that is said."""
    if generator.random() < 0.4:
        call = ("report_reading", {"读数": value})
        return _ask_call("industry", picture, "请上读数。", [REPORT_READING], call, f"记为{value}", f"读数{value},记好了。")
    limit = generator.randint(3, 8)
    fields = {"读数": (NUMBER, value), "上限": (NUMBER, limit)}
    return _ask_fields(generator, "industry", picture, f"上限{limit}。看这个仪表。", fields)


def inspect_sheet(generator: random.Random, split: str) -> Scene:
    """Two lines of what was inspected, its reading, and its limit; as a list."""
    rows, picture = draw_sheet(generator, split)
    kinds = {"设备": TEXT, "读数": NUMBER, "上限": NUMBER}
    names = generator.sample(list(kinds), generator.randint(2, 3))
    schema = {"type": "array", "items": schema_of({name: kinds[name] for name in names})}
    answer = [{name: row[list(kinds).index(name)] for name in names} for row in rows]
    return _ask_json("industry", picture, "写出这个检查表。", schema, answer)


def draw_sheet(generator: random.Random, split: str) -> tuple[list[tuple[str, int, int]], Picture]:
    """Names of what was inspected, with readings and limits; and the sheet."""
    texts = draw_lines(generator, split, lambda name: f"{name}{generator.randint(0, 9)}{generator.randint(3, 8)}", INSPECTED)
    marks = [mark for row, text in enumerate(texts) for mark in [*write(generator, text[0], 0, row), *write(generator, text[1:], 2, row)]]
    return [(text[0], int(text[1]), int(text[2])) for text in texts], picture_of(generator, marks, lines=rules_of_table())


def office(generator: random.Random, split: str) -> Scene:
    """A receipt: its fields and a summary, or an expense to be recorded."""
    good, price, total, picture = draw_receipt(generator, split)
    if generator.random() < 0.4:
        question = generator.choice(["记这张小票。", "请记小票。"])
        call = ("record_expense", {"商品": good, "合计": int(total)})
        return _ask_call("office", picture, question, [RECORD_EXPENSE], call, f"{good}{total}元", f"{good}{total}元,记好了。")
    fields = {
        "商品": (TEXT, good),
        "单价": (NUMBER, int(price)),
        "合计": (NUMBER, int(total)),
        "摘要": (TEXT, f"{good}{price}元,一共{total}元"),
    }
    return _ask_fields(generator, "office", picture, "写出这张小票。", fields)


def study(generator: random.Random, split: str) -> Scene:
    """A sum in a workbook, in LaTeX: as it stands there, or with the step between and what it makes."""
    left, right, below, picture = draw_sum(generator, split)
    sums = [rf"\frac{{{above}}}{{{below}}}" for above in (left, right, f"{left}+{right}", left + right)]
    if generator.random() < 0.3:
        return Scene("study", (Turn(f"写出这个题。\n{ASKS_LATEX}", f"{sums[0]}+{sums[1]}", (picture,)),))
    return Scene("study", (Turn(f"写出题和答。\n{ASKS_LATEX}", f"{sums[0]}+{sums[1]}={sums[2]}={sums[3]}", (picture,)),))


def draw_sum(generator: random.Random, split: str) -> tuple[int, int, int, Picture]:
    """Two numerators of one denominator, which make one figure together; and the two fractions next to each other."""
    while True:
        left, below = generator.randint(1, 8), generator.randint(2, 9)
        right = generator.randint(1, 9 - left)
        if split_of_text(f"{left}{right}{below}") == split:
            break
    marks = [
        place_mark(generator, str(value), (slot + 0.5) * SLOT, (line + 0.5) * LINE, SLOT * 0.92)
        for slot, upper in ((0, left), (2, right))
        for line, value in ((0, upper), (1, below))
    ]
    rules = [Line(((slot * SLOT + 2, LINE), ((slot + 1) * SLOT - 2, LINE)), 1.5) for slot in (0, 2)]
    centre = 1.5 * SLOT
    plus = [Line(((centre - 6, LINE), (centre + 6, LINE)), 2), Line(((centre, LINE - 6), (centre, LINE + 6)), 2)]
    sheet = [Panel(0, 0, LONG_EDGE, LONG_EDGE, "白纸")]
    return left, right, below, picture_of(generator, marks, panels=sheet, lines=[*rules, *plus])
