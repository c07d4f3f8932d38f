"""Draws an instrument: what it measures, how it is graduated, what it reads, which range is marked on it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from smvl.scenes.contents import Contents
from smvl.scenes.decimals import shortest
from smvl.scenes.dials.instrument import COLUMN, COUNTER, GAUGE, HIGH, LOW, METER, NORMAL, READOUT, THERMOMETER, Hand, Instrument
from smvl.scenes.dials.names import draw_name, draw_number
from smvl.scenes.dials.scale import Scale, fitting_scales, scales

QUANTITIES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "压力": (("压力表", "压力计"), ("PI", "PG", "YL"), ("MPa", "kPa")),
    "温度": (("温度表", "温度计"), ("TI", "TG", "WD"), ("℃",)),
    "湿度": (("湿度表", "湿度计"), ("HI", "SD"), ("%RH",)),
    "液位": (("液位计", "液位表"), ("LI", "LG", "YW"), ("%", "m", "cm", "mm")),
    "流量": (("流量计", "流量表"), ("FI", "LL"), ("t/h",)),
    "转速": (("转速表",), ("SI", "ZS"), ("r/min",)),
    "电流": (("电流表",), ("PA", "AM"), ("A",)),
    "电压": (("电压表",), ("PV", "VM"), ("V", "kV")),
    "频率": (("频率表",), ("PF", "HZ"), ("Hz",)),
    "功率": (("功率表",), ("PW", "GL"), ("kW",)),
    "电量": (("电能表",), ("PJ", "DN"), ("kWh",)),
    "动作次数": (("动作计数器",), ("JS", "PC"), ("次",)),
}
"""By quantity: what its instruments are called, the letters of their numbers, their units."""

_MEASURED_BY = {
    GAUGE: ("压力", "压力", "压力", "温度", "温度", "湿度", "液位", "流量", "转速"),
    METER: ("电流", "电流", "电压", "电压", "频率", "功率", "转速"),
    COLUMN: ("液位",),
    THERMOMETER: ("温度",),
    READOUT: ("压力", "温度", "湿度", "液位", "流量", "转速", "电流", "电压", "频率", "功率"),
    COUNTER: ("电量", "动作次数"),
}
_MARKS = {GAUGE: ("both", "both", "green", "red", "hands", ""), METER: ("both", "green", "red", "red", "")}
_COLUMN_MARKS = ("both", "green", "red", "")
_MIN_DISTINCT = 500
"""Different readings that lit digits can show, at least, so that every split has many."""


def draw_instrument(
    contents: Contents, form: str, others: Sequence[Instrument], fits: Callable[[Scale], bool], may_halve: Callable[[Scale], bool]
) -> Instrument:
    """An instrument of a form.

    Args:
        others: those that the panel has already; no name or number comes twice.
        fits: whether a scale can be drawn legibly at the size that there is.
        may_halve: whether a hand in the middle between two graduations can be told from one on either.
    """
    generator = contents.random
    quantity = generator.choice(_MEASURED_BY[form])
    names, letters, units = QUANTITIES[quantity]
    unit = generator.choice(units)
    name = draw_name(contents, quantity, generator.choice(names), [other.name for other in others])
    number = draw_number(contents, letters, [other.number for other in others])
    blank = Instrument(form, name, number, quantity, unit)
    if form == COUNTER:
        return _turn_reels(contents, blank)
    if form == READOUT:
        return _light_digits(contents, blank)
    scale = generator.choice(fitting_scales(unit, fits))
    return _set_hand(generator, replace(blank, scale=scale), step=1 if may_halve(scale) else 2)


def add_second_hand(generator: random.Random, instrument: Instrument) -> Instrument:
    """The same gauge with a red and a black hand that measure two things, at least a tenth of the scale apart; it has no marked range."""
    scale, first = instrument.scale, instrument.hands[0].halves
    apart = [halves for halves in range(0, 2 * scale.num_graduations + 1, 2) if abs(halves - first) * 5 >= scale.num_graduations]
    red, black = generator.sample((first, generator.choice(apart)), 2)
    return replace(instrument, hands=(Hand(red, "红色"), Hand(black, "黑色")), reading="", limits=None, marks="")


def _set_hand(generator: random.Random, instrument: Instrument, step: int) -> Instrument:
    """Limits on graduations, and a hand that is at least one graduation away from both."""
    scale = instrument.scale
    count, marks = scale.num_graduations, generator.choice(_MARKS.get(instrument.form, _COLUMN_MARKS))
    low = generator.randint(max(1, count // 10), max(1, count * 4 // 10))
    high = generator.randint(-(-count * 6 // 10), count - max(1, count // 8))
    if marks == "red" and generator.random() < 0.5:
        low = None
    state = generator.choice((NORMAL, NORMAL, HIGH, HIGH if low is None else LOW)) if marks else None
    first = {HIGH: 2 * high + 2, NORMAL: 2 * low + 2 if low else 0}.get(state, 0)
    last = {LOW: 2 * (low or 1) - 2, NORMAL: 2 * high - 2}.get(state, 2 * count)
    halves = generator.randrange(first, last + 1, step)
    hands = [Hand(halves, "黑色")]
    if marks == "hands":
        hands += [Hand(2 * low, "绿色", "下限"), Hand(2 * high, "红色", "上限")]
    limits = (None if low is None else shortest(scale.value(2 * low)), shortest(scale.value(2 * high))) if marks else None
    return replace(instrument, hands=tuple(hands), reading=shortest(scale.value(halves)), limits=limits, marks=marks)


def _light_digits(contents: Contents, instrument: Instrument) -> Instrument:
    """Digits with enough decimals to vary, and in most cases the normal range in print beside them."""
    scale = contents.random.choice(scales(instrument.unit))
    low, span = scale.low, scale.high - scale.low
    decimals = next(places for places in range(5) if span * 10**places >= _MIN_DISTINCT)

    def at(generator: random.Random, first: float, last: float) -> str:
        return f"{low + span * Decimal(generator.randint(int(first * 1000), int(last * 1000))) / 1000:.{decimals}f}"

    shown = contents.text(lambda generator: at(generator, 0.02, 0.98))
    if contents.random.random() < 0.2:
        return replace(instrument, reading=shown, shown=shown)
    while True:
        printed = contents.text(lambda generator: f"{at(generator, 0.15, 0.4)}～{at(generator, 0.6, 0.85)}{instrument.unit}")
        limits = tuple(printed.removesuffix(instrument.unit).split("～"))
        if all(Decimal(limit) != Decimal(shown) for limit in limits):
            return replace(instrument, reading=shown, shown=shown, limits=limits, marks="text", limits_text=printed)


def _turn_reels(contents: Contents, instrument: Instrument) -> Instrument:
    """Six reels for energy, of which the last counts tenths; four for a counter."""
    if instrument.unit == "kWh":
        shown = contents.text(lambda generator: f"{generator.randint(1, 10 ** generator.randint(3, 6) - 1):06d}")
        return replace(instrument, shown=shown, reading=f"{int(shown[:-1])}.{shown[-1]}")
    shown = contents.text(lambda generator: f"{generator.randint(0, 10 ** generator.randint(2, 4) - 1):04d}")
    return replace(instrument, shown=shown, reading=str(int(shown)))
