"""What a model is used for, in the demo's small: a price tag that changes a stock, a gauge that is inspected, a receipt whose fields are
wanted, and a sum in a workbook. Answers are JSON by a schema, calls of functions, and LaTeX with its steps."""

import json
import random
from typing import Any

from smvl.demo_scenes.documents import LINE, SLOT, draw_dial, draw_price_tag, draw_receipt, picture_of, place_mark
from smvl.demo_scenes.picture import LONG_EDGE, Line, Panel, Picture, Scene, Turn
from smvl.demo_scenes.words import split_of_text

ASKS_JSON = "请按此JSON Schema用JSON回答:"
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


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _ask_json(generator: random.Random, task: str, picture: Picture, question: str, fields: dict[str, tuple[dict, Any]]) -> Scene:
    """Some of the fields, in any order: the schema must be read."""
    names = generator.sample(list(fields), generator.randint(1, len(fields)))
    schema = schema_of({name: fields[name][0] for name in names})
    answer = _compact({name: fields[name][1] for name in names})
    return Scene(task, (Turn(f"{question}\n{ASKS_JSON}{_compact(schema)}", answer, (picture,)),))


def _ask_call(generator: random.Random, task: str, picture: Picture, question: str, name: str, arguments: dict, tools: list[dict]) -> Scene:
    generator.shuffle(tools)
    return Scene(task, (Turn(question, "", (picture,), (name, arguments)),), tuple(tools))


def retail(generator: random.Random, split: str) -> Scene:
    """A price tag: a price to be changed, or a good to be looked up."""
    name, price, picture = draw_price_tag(generator, split)
    value = int(price.removesuffix("元"))
    kind = generator.random()
    if kind < 0.3:
        return _ask_json(generator, "retail", picture, "写出这个价签。", {"商品": (TEXT, name), "单价": (NUMBER, value)})
    tools = [UPDATE_PRICE, CHECK_STOCK] if generator.random() < 0.5 else [UPDATE_PRICE]
    if kind < 0.45 and len(tools) > 1:
        return _ask_call(
            generator, "retail", picture, generator.choice(["看这个商品有几个。", "这个有吗?"]), "check_stock", {"商品": name}, tools
        )
    question = generator.choice(["按图改价。", "这是价签,请改价。"])
    return _ask_call(generator, "retail", picture, question, "update_price", {"商品": name, "单价": value}, tools)


def industry(generator: random.Random, split: str) -> Scene:
    """A gauge and its limit: the reading, and whether it is to be repaired."""
    value, picture = draw_dial(generator)
    limit = generator.randint(3, 8)
    if generator.random() < 0.4:
        return _ask_call(generator, "industry", picture, "请上读数。", "report_reading", {"读数": value}, [REPORT_READING])
    fields = {
        "读数": (NUMBER, value),
        "上限": (NUMBER, limit),
        "处理": ({"enum": ["正常", "检修"]}, "检修" if value > limit else "正常"),
    }
    return _ask_json(generator, "industry", picture, f"上限{limit}。看这个仪表。", fields)


def office(generator: random.Random, split: str) -> Scene:
    """A receipt: its fields and a summary, or an expense to be recorded."""
    good, price, total, picture = draw_receipt(generator, split)
    if generator.random() < 0.4:
        question = generator.choice(["记这张小票。", "请记小票。"])
        return _ask_call(generator, "office", picture, question, "record_expense", {"商品": good, "合计": int(total)}, [RECORD_EXPENSE])
    fields = {
        "商品": (TEXT, good),
        "单价": (NUMBER, int(price)),
        "合计": (NUMBER, int(total)),
        "摘要": (TEXT, f"{good}{price}元,一共{total}元"),
    }
    return _ask_json(generator, "office", picture, "写出这张小票。", fields)


def study(generator: random.Random, split: str) -> Scene:
    """Two fractions of one denominator next to each other: their sum in LaTeX, with the step between."""
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
    picture = picture_of(generator, marks, panels=[Panel(0, 0, LONG_EDGE, LONG_EDGE, "白纸")], lines=[*rules, *plus])
    sums = [rf"\frac{{{above}}}{{{below}}}" for above in (left, right, f"{left}+{right}", left + right)]
    if generator.random() < 0.3:
        return Scene("study", (Turn("请用LaTeX写出这个题。", f"{sums[0]}+{sums[1]}", (picture,)),))
    return Scene("study", (Turn("请用LaTeX写出题和答。", f"{sums[0]}+{sums[1]}={sums[2]}={sums[3]}", (picture,)),))
