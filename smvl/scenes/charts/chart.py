"""One chart: what it says, before anything is drawn.

Values are printed on it, or they stand exactly on a grid line or in the middle between two, so that they can be read from the axis.
"""

import random
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from smvl.scenes.addresses import random_town
from smvl.scenes.charts.topics import MADE, POOLS, SEQUENCES, TIMES, TOPICS, USUAL_STEPS, Topic
from smvl.scenes.contents import Contents, split_of
from smvl.scenes.decimals import shortest

BAR, GROUPED, HORIZONTAL, LINE, LINES, PIE, RING = FORMS = ("bar", "grouped", "horizontal", "line", "lines", "pie", "ring")
FORM_NAMES = {BAR: "柱状图", GROUPED: "柱状图", HORIZONTAL: "条形图", LINE: "折线图", LINES: "折线图", PIE: "饼图", RING: "环形图"}
ROUND = (PIE, RING)

STEPS = tuple(Decimal(step) for step in ("0.5", "1", "2", "5", "10", "20", "50", "100", "200", "500", "1000"))
"""From one grid line to the next."""
_NUM_TICKS = (4, 7)
_LEAST_SHARE = 45
"""Tenths of a percent."""
_MIN_DISTINCT = 400
"""Different values that may be printed, at least, so that every split has many."""


@dataclass(frozen=True)
class Series:
    name: str
    """As the legend has it; empty where there is one series only."""
    values: tuple[str, ...]
    """One for each category, as it is printed or as the shortest decimal."""


@dataclass(frozen=True)
class Chart:
    form: str
    title: str
    what: str
    unit: str
    dimension: str
    """What the categories are, for example `月份`."""
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    printed: bool
    """Whether the values stand beside what is drawn for them."""
    step: Decimal = Decimal(0)
    num_ticks: int = 0

    @property
    def maximum(self) -> Decimal:
        """Where the axis ends."""
        return self.step * self.num_ticks

    @property
    def ordered(self) -> bool:
        """Whether the categories follow each other in time."""
        return self.dimension in TIMES

    def facts(self) -> dict[str, Any]:
        return {
            "form": self.form, "form_name": FORM_NAMES[self.form], "title": self.title, "what": self.what, "unit": self.unit,
            "dimension": self.dimension, "categories": list(self.categories), "printed": self.printed, "ordered": self.ordered,
            "series": [{"name": one.name, "values": list(one.values)} for one in self.series],
        }  # fmt: skip


def draw_chart(contents: Contents, form: str) -> Chart:
    """The contents of a chart of a form."""
    generator = contents.random
    fitting = [topic for topic in TOPICS if _suits(form, topic)]
    topic = generator.choice(fitting)
    names = generator.choice(topic.legends) if form in (GROUPED, LINES) else ("",)
    num_most = {PIE: 6, RING: 6, GROUPED: 5, HORIZONTAL: 8, LINE: 10, LINES: 8}.get(form, 8)
    categories = _draw_categories(contents, topic.dimension, generator.randint(4 if form == LINE else 3, num_most))
    title = _draw_title(contents, topic, named_years=any("年" in name for name in names))
    if form in ROUND:
        shares = _draw_shares(contents, len(categories))
        return Chart(form, title, topic.what + "占比", "%", topic.dimension, categories, (Series("", shares),), printed=True)
    printed = form != LINES and len(categories) * len(names) <= 8 and generator.random() < 0.6
    least, most = USUAL_STEPS[topic.unit]
    least = max(least, 100) if topic.counted and printed else least
    step = generator.choice([step for step in STEPS if least <= step <= most])
    num_ticks = generator.randint(*_NUM_TICKS)
    draw_value = _printed_value if printed else _read_value
    series = tuple(Series(name, draw_value(contents, step, num_ticks, len(categories), topic.counted)) for name in names)
    return Chart(form, title, topic.what, topic.unit, topic.dimension, categories, series, printed, step, num_ticks)


def _suits(form: str, topic: Topic) -> bool:
    if form in (GROUPED, LINES) and not topic.legends:
        return False
    if form in (LINE, LINES):
        return topic.dimension in TIMES
    return form not in (*ROUND, HORIZONTAL) or topic.dimension not in TIMES


def _draw_categories(contents: Contents, dimension: str, count: int) -> tuple[str, ...]:
    """Some that follow each other, or different ones of a pool that belong to the split."""
    if dimension in SEQUENCES:
        every = SEQUENCES[dimension]
        count = min(count, len(every))
        start = contents.random.randint(0, len(every) - count)
        return every[start : start + count]
    if dimension in MADE:
        made: list[str] = []
        while len(made) < count:
            name = contents.text(MADE[dimension])
            made += [name] if name not in made else []
        return tuple(made)
    fitting = [word for word in POOLS[dimension] if contents.fits(word)]
    return tuple(contents.keep(word) for word in contents.random.sample(fitting, min(count, len(fitting))))


def _draw_title(contents: Contents, topic: Topic, *, named_years: bool) -> str:
    """For example `云川市2023年各月降水量统计图`."""

    def make(generator: random.Random) -> str:
        owner = random_town(generator) + generator.choice(topic.owners)
        when = "" if named_years or topic.dimension == "年份" else generator.choice(("", f"{generator.randint(2012, 2025)}年"))
        each = {"月份": "各月", "季度": "各季度", "星期": "一周", "年份": "历年", "班级": "各班", "年级": "各年级"}.get(topic.dimension, "")
        return owner + when + generator.choice((each, each, "")) + topic.what + generator.choice(("", "", "统计图", "统计", "情况"))

    return contents.text(make)


def _printed_value(contents: Contents, step: Decimal, num_ticks: int, count: int, counted: bool) -> tuple[str, ...]:
    """Any values, each of the split."""
    decimals = 0 if counted else next(places for places in range(4) if step * num_ticks * 10**places >= _MIN_DISTINCT)
    top = int(step * num_ticks * 10**decimals)

    def make(generator: random.Random) -> str:
        return f"{Decimal(generator.randint(top // 12, top * 97 // 100)).scaleb(-decimals):.{decimals}f}"

    return tuple(contents.text(make) for _ in range(count))


def _read_value(contents: Contents, step: Decimal, num_ticks: int, count: int, counted: bool) -> tuple[str, ...]:
    """Values on grid lines, or in the middle between two."""
    return tuple(shortest(step * contents.random.randint(1, 2 * num_ticks) / 2) for _ in range(count))


def _draw_shares(contents: Contents, count: int) -> tuple[str, ...]:
    """Percentages with one decimal that add up to 100, each of the split and no slice too thin to see."""
    fitting = _fitting_shares(contents.split)
    while True:
        shares = contents.random.sample(fitting, count - 1)
        shares.append(1000 - sum(shares))
        if shares[-1] in fitting:
            return tuple(contents.keep(_percent(share))[:-1] for share in shares)


@cache
def _fitting_shares(split: str) -> tuple[int, ...]:
    """Tenths of a percent, from a slice that can be seen, whose text belongs to a split."""
    return tuple(share for share in range(_LEAST_SHARE, 800) if split_of(_percent(share)) == split)


def _percent(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}%"
