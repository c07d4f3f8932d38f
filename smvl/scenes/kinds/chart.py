"""Statistical charts: bars, grouped bars, horizontal bars, one line and several, pies and rings, with Chinese titles, legends and units.

Where values are not printed they stand on grid lines or exactly in the middle between two, so that what is read off the axis is exact.
"""

from smvl.scenes.charts.axes import draw_axes
from smvl.scenes.charts.chart import FORMS, HORIZONTAL, LINE, LINES, ROUND, STEPS, draw_chart
from smvl.scenes.charts.comparison import compare_charts
from smvl.scenes.charts.frame import UNIT_WORD, draw_frame
from smvl.scenes.charts.marks import draw_bars, draw_lines, draw_slices
from smvl.scenes.charts.questions import (
    ask_absent,
    ask_as_json,
    ask_count,
    ask_extreme,
    ask_higher,
    ask_legend,
    ask_ranking,
    ask_sum,
    ask_table,
    ask_trend,
    ask_value,
    ask_words,
)
from smvl.scenes.charts.topics import LEGENDS, SEQUENCES, UNITS
from smvl.scenes.contents import Contents
from smvl.scenes.decimals import shortest
from smvl.scenes.scene import Drawing, Kind

_ASPECTS = (4 / 3, 4 / 3, 3 / 2, 16 / 9, 1.0, 0.9)
"""Width by height."""


def draw(contents: Contents, longest_edge: int) -> Drawing:
    form = contents.random.choice(FORMS)
    chart = draw_chart(contents, form)
    aspect = contents.random.choice(_ASPECTS)
    size = (longest_edge, round(longest_edge / aspect)) if aspect >= 1 else (round(longest_edge * aspect), longest_edge)
    frame = draw_frame(contents, chart, size)
    if form in ROUND:
        geometry = draw_slices(frame, chart, contents.random)
    else:
        axes = draw_axes(frame, chart, upright=form != HORIZONTAL)
        geometry = (draw_lines if form in (LINE, LINES) else draw_bars)(frame, axes, chart, contents.random)
    named = chart.categories if form in ROUND else tuple(one.name for one in chart.series if one.name)
    facts = chart.facts() | {"legend": dict(zip(named, frame.palette)), "geometry": geometry}
    return Drawing(frame.page.image, facts, tuple(frame.page.texts), tuple(frame.page.marks))


_TICKS = frozenset(shortest(step * index) for step in STEPS for index in range(8))
_SEQUENCES = frozenset(name for names in SEQUENCES.values() for name in names)

KIND = Kind(
    name="chart",
    draw=draw,
    questions={
        ask_value: 4.0,
        ask_words: 1.5,
        ask_extreme: 1.5,
        ask_higher: 0.7,
        ask_ranking: 0.8,
        ask_sum: 1.5,
        ask_trend: 1.5,
        ask_legend: 1.0,
        ask_count: 1.5,
        ask_as_json: 2.0,
        ask_table: 2.0,
        ask_absent: 1.5,
    },
    compare=compare_charts,
    labels=_TICKS | _SEQUENCES | LEGENDS | UNITS | {UNIT_WORD},
    bends=False,
)
