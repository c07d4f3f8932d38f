"""Questions about one panel. Whatever is on it, every one of these finds something to ask.

A reading is answered with its unit (`0.45MPa`): the shortest exact decimal where a hand is read, exactly the digits shown where they are
lit.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.decimals import shortest
from smvl.scenes.dials import phrases
from smvl.scenes.dials.instrument import COUNTER, GAUGE, METER, NORMAL, READOUT
from smvl.scenes.dials.lamp import LAMP_WORDS
from smvl.scenes.dials.names import draw_number
from smvl.scenes.dials.panel import NUMBER_WORD, RANGE_WORD
from smvl.scenes.dials.readings import QUANTITIES
from smvl.scenes.phrasing import ask_markdown, phrase
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COUNT, FIELD, READ, REFUSAL, Question
from smvl.scenes.schema import Entry, ask_json, draw_entries

Facts = Mapping[str, Any]

NO_RANGE = "图中没有标出正常范围，无法判断。"


def ask_reading(facts: Facts, contents: Contents) -> Question:
    one = contents.random.choice(facts["instruments"])
    which = _refer(one, contents)
    if one["reading"]:
        return Question(FIELD, phrase(contents, phrases.READING, which=which), one["reading"] + one["unit"])
    hand = contents.random.choice(one["hands"])
    return Question(FIELD, phrase(contents, phrases.READING, which=f"{which}的{hand['colour']}指针"), hand["reading"] + one["unit"])


def ask_scale(facts: Facts, contents: Contents) -> Question:
    """The unit, the measuring range, or what one graduation is worth."""
    one = contents.random.choice(facts["instruments"])
    asked = [(phrases.UNIT, one["unit"])]
    if "low" in one:
        asked += [(phrases.SPAN, f"{one['low']}～{one['high']}{one['unit']}"), (phrases.GRADUATION, one["minor"] + one["unit"])]
    phrasings, answer = contents.random.choice(asked)
    return Question(FIELD, phrase(contents, phrasings, which=_refer(one, contents)), answer)


def ask_plate(facts: Facts, contents: Contents) -> Question:
    """A name by its number or its place, a number by its name or its place, or the header."""
    one = contents.random.choice(facts["instruments"])
    if facts["site"] and contents.random.random() < 0.25:
        return Question(FIELD, phrase(contents, phrases.SITE), facts["site"])
    where = _at(one) if one["place"] else "图中的仪表"
    if contents.random.random() < 0.5:
        return Question(FIELD, phrase(contents, phrases.NUMBER, which=contents.random.choice((where, one["name"]))), one["number"])
    which = contents.random.choice((where, f"编号{one['number']}的仪表"))
    return Question(FIELD, phrase(contents, phrases.NAME, which=which), one["name"])


def ask_transcript(facts: Facts, contents: Contents) -> Question:
    """The text of one plate, line by line."""
    one = contents.random.choice(facts["instruments"])
    lines = [one["name"], NUMBER_WORD + one["number"]]
    if one["marks"] == "text":
        lines.append(RANGE_WORD + _range(one))
    return Question(READ, phrase(contents, phrases.PLATE, where=f"{one['place']}仪表"), "\n".join(lines))


def ask_record(facts: Facts, contents: Contents) -> Question:
    """All readings, one a line."""
    lines = [f"{one['name']}{hand}：{reading}{one['unit']}" for one in facts["instruments"] for hand, reading in _readings(one)]
    return Question(READ, phrase(contents, phrases.RECORD), "\n".join(lines))


def ask_state(facts: Facts, contents: Contents) -> Question:
    one = contents.random.choice([one for one in facts["instruments"] if one["state"]] or facts["instruments"])
    question = phrase(contents, phrases.STATE, which=_refer(one, contents))
    return Question(FIELD, question, one["state"]) if one["state"] else Question(REFUSAL, question, NO_RANGE)


def ask_range(facts: Facts, contents: Contents) -> Question:
    """The range that is marked: printed, coloured, or set by hands; a refusal where none is."""
    one = contents.random.choice([one for one in facts["instruments"] if one["state"]] or facts["instruments"])
    which, marks = _refer(one, contents), one["marks"]
    if not one["state"]:
        return Question(REFUSAL, phrase(contents, phrases.NORMAL_RANGE, which=which), NO_RANGE)
    if marks == "hands":
        hand = contents.random.choice([hand for hand in one["hands"] if hand["role"] != "读数"])
        question = phrase(contents, phrases.SET_HAND, which=which, role=hand["role"], colour=hand["colour"])
        return Question(FIELD, question, hand["reading"] + one["unit"])
    if marks == "red":
        return Question(FIELD, phrase(contents, phrases.RED_FROM, which=which), one["limits"][1] + one["unit"])
    phrasings = phrases.NORMAL_RANGE + (phrases.GREEN_RANGE if marks in ("both", "green") else [])
    return Question(FIELD, phrase(contents, phrasings, which=which), _range(one))


def ask_faults(facts: Facts, contents: Contents) -> Question:
    """Which instruments are outside of their range."""
    question = phrase(contents, phrases.FAULTS)
    judged = [one for one in facts["instruments"] if one["state"]]
    if not judged:
        return Question(REFUSAL, question, NO_RANGE)
    return Question(FIELD, question, "、".join(one["name"] for one in judged if one["state"] != NORMAL) or "没有")


def ask_between(facts: Facts, contents: Contents) -> Question:
    """The higher of two readings in the same unit, or their difference; where there are no two, one reading."""
    named = [(hand.strip("（）") or one["name"], reading, one["unit"]) for one in facts["instruments"] for hand, reading in _readings(one)]
    pairs = [(a, b) for a in named for b in named if a[2] == b[2] and Decimal(a[1]) > Decimal(b[1])]
    if not pairs:
        return ask_reading(facts, contents)
    larger, smaller = contents.random.choice(pairs)
    a, b = contents.random.sample((larger[0], smaller[0]), 2)
    if contents.random.random() < 0.5:
        return Question(FIELD, phrase(contents, phrases.HIGHER, a=a, b=b), larger[0])
    difference = shortest(Decimal(larger[1]) - Decimal(smaller[1])) + larger[2]
    return Question(FIELD, phrase(contents, phrases.DIFFERENCE, a=a, b=b), difference)


def ask_lamps(facts: Facts, contents: Contents) -> Question:
    """Which lamps are lit, one lamp's colour, or whether it is lit; where there are none, a reading or now and then a refusal."""
    lamps = facts["lamps"]
    if not lamps:
        refused = contents.random.random() < 0.3
        return refuse(phrase(contents, phrases.LIT_LAMPS), "指示灯") if refused else ask_reading(facts, contents)
    lamp = contents.random.choice(lamps)
    phrasings, answer = contents.random.choice(
        (
            (phrases.LIT_LAMPS, "、".join(lamp["name"] for lamp in lamps if lamp["lit"]) or "没有"),
            (phrases.LAMP_COLOUR, lamp["colour"]),
            (phrases.LAMP_STATE, "亮" if lamp["lit"] else "灭"),
        )
    )
    return Question(FIELD, phrase(contents, phrasings, name=lamp["name"]), answer)


def ask_count(facts: Facts, contents: Contents) -> Question:
    """How many instruments, hands, lamps or lit displays there are."""
    instruments, lamps = facts["instruments"], facts["lamps"]
    digital = sum(one["form"] in (READOUT, COUNTER) for one in instruments)
    one = contents.random.choice(instruments)
    choices = [(phrases.NUM_INSTRUMENTS, f"{len(instruments)}块"), (phrases.NUM_DIGITAL, f"{digital}块")]
    if one["form"] in (GAUGE, METER):
        choices.append((phrases.NUM_HANDS, f"{len(one['hands'])}根"))
    if lamps:
        choices += [(phrases.NUM_LAMPS, f"{len(lamps)}盏"), (phrases.NUM_LIT, f"{sum(lamp['lit'] for lamp in lamps)}盏")]
    phrasings, answer = contents.random.choice(choices)
    return Question(COUNT, phrase(contents, phrasings, which=_refer(one, contents)), answer)


def ask_as_json(facts: Facts, contents: Contents) -> Question:
    """Some keys of one instrument, or the array of all, or the lamps."""
    if facts["lamps"] and contents.random.random() < 0.4:
        entries = [Entry(lamp["name"], "string", _lit(lamp)) for lamp in facts["lamps"]]
        return ask_json(contents, "各指示灯的状态（亮或灭）", entries)
    rows = [_entries(one) for one in facts["instruments"]]
    if len(rows) == 1:
        return ask_json(contents, "这块仪表的信息", draw_entries(contents, rows[0]))
    keys = {entry.key for entry in draw_entries(contents, rows[0], least=3)} | {"读数"}
    rows = [[entry for entry in row if entry.key in keys] for row in rows]
    return ask_json(contents, "所有仪表（从左到右、从上到下）的信息", [Entry("仪表", "array", rows)])


def _entries(one: Facts) -> list[Entry]:
    readings = [Entry(f"{hand.strip('（）')}读数", "number", json.loads(reading)) for hand, reading in _readings(one)]
    named = [Entry("名称", "string", one["name"]), Entry("编号", "string", one["number"])]
    return [*named, *readings, Entry("单位", "string", one["unit"])]


def ask_table(facts: Facts, contents: Contents) -> Question:
    """All instruments, or all lamps, as a Markdown table."""
    if facts["lamps"] and contents.random.random() < 0.4:
        rows = [[lamp["name"], lamp["colour"], _lit(lamp)] for lamp in facts["lamps"]]
        return ask_markdown(contents, "指示灯（状态写亮或灭）", ["指示灯", "颜色", "状态"], rows)
    header = contents.random.choice(("名称 编号 读数 单位", "编号 读数 单位", "名称 读数 单位", "名称 编号 读数")).split()
    rows = []
    for one in facts["instruments"]:
        for hand, reading in _readings(one):
            reading += "" if "单位" in header else one["unit"]
            cells = {"名称": one["name"] + hand, "编号": one["number"], "读数": reading, "单位": one["unit"]}
            rows.append([cells[key] for key in header])
    return ask_markdown(contents, "仪表读数", header, rows)


def ask_absent(facts: Facts, contents: Contents) -> Question:
    """Something that is not on the panel."""
    there = {one["quantity"] for one in facts["instruments"]}
    quantity = contents.random.choice([quantity for quantity in QUANTITIES if quantity not in there])
    asked = contents.random.choice(("quantity", "quantity", "number", "lamp", "thing"))
    if asked == "quantity":
        name = QUANTITIES[quantity][0][0]
        return refuse(phrase(contents, phrases.ABSENT_QUANTITY, name=name), name)
    if asked == "number":
        number = draw_number(contents, QUANTITIES[quantity][1], [one["number"] for one in facts["instruments"]])
        return refuse(phrase(contents, phrases.ABSENT_NUMBER, number=number), f"编号为{number}的仪表")
    if asked == "lamp":
        name = contents.random.choice([word for word in LAMP_WORDS if word not in {lamp["name"] for lamp in facts["lamps"]}])
        return refuse(phrase(contents, phrases.ABSENT_LAMP, name=name), f"“{name}”指示灯")
    thing = contents.random.choice(phrases.THINGS)
    return refuse(phrase(contents, phrases.ABSENT_THING, thing=thing), thing)


def _readings(one: Facts) -> list[tuple[str, str]]:
    """(which hand in brackets, reading) of each; one hand needs no name."""
    return [("", one["reading"])] if one["reading"] else [(f"（{hand['colour']}指针）", hand["reading"]) for hand in one["hands"]]


def _lit(lamp: Facts) -> str:
    return "亮" if lamp["lit"] else "灭"


def _range(one: Facts) -> str:
    """Both limits with the unit, as a plate prints them; an open low end is the scale's."""
    low, high = one["limits"]
    return f"{one['low'] if low is None else low}～{high}{one['unit']}"


def _refer(one: Facts, contents: Contents) -> str:
    """A way to say which instrument is meant."""
    if not one["place"]:
        return contents.random.choice(("这块仪表", "图中的仪表", "这块表", "图里的表", one["name"]))
    return contents.random.choice((one["name"], one["name"], f"编号{one['number']}的仪表", _at(one)))


def _at(one: Facts) -> str:
    return f"{one['place']}仪表" if one["place"].endswith("块") else f"{one['place']}那块仪表"
