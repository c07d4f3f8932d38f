"""Instruments for inspection: gauges, meters, levels, thermometers, lit digits, counters and lamps, alone and on panels.

A hand stands exactly on a graduation, or exactly between two where they are far enough apart to see it, so every reading is exact.
Where an instrument is marked with a range, the reading is at least one graduation away from its ends.
"""

from smvl.scenes.contents import Contents
from smvl.scenes.dials.comparison import compare_panels
from smvl.scenes.dials.gauge import GAUGE_WORDS
from smvl.scenes.dials.lamp import LAMP_WORDS
from smvl.scenes.dials.layout import LAYOUTS
from smvl.scenes.dials.panel import NUMBER_WORD, RANGE_WORD, draw_panel
from smvl.scenes.dials.questions import (
    ask_absent,
    ask_as_json,
    ask_between,
    ask_count,
    ask_faults,
    ask_lamps,
    ask_plate,
    ask_range,
    ask_reading,
    ask_record,
    ask_scale,
    ask_state,
    ask_table,
    ask_transcript,
)
from smvl.scenes.dials.readings import QUANTITIES
from smvl.scenes.dials.scale import UNITS, scales
from smvl.scenes.dials.work_order import ask_work_order
from smvl.scenes.scene import Drawing, Kind


def draw_dial(contents: Contents, longest_edge: int) -> Drawing:
    layout = contents.random.choices(LAYOUTS, [layout.weight for layout in LAYOUTS])[0]
    page, facts = draw_panel(contents, layout, longest_edge)
    return Drawing(page.image, facts, tuple(page.texts), tuple(page.marks))


_GRADUATIONS = frozenset(number for unit in UNITS for scale in scales(unit) for number in scale.numbers)
_UNITS = frozenset(unit for _, _, units in QUANTITIES.values() for unit in units)

KIND = Kind(
    name="dial",
    draw=draw_dial,
    questions={
        ask_reading: 4.0,
        ask_state: 2.0,
        ask_work_order: 2.0,
        ask_range: 1.0,
        ask_scale: 1.0,
        ask_plate: 1.0,
        ask_transcript: 1.0,
        ask_record: 1.5,
        ask_faults: 1.0,
        ask_between: 1.0,
        ask_lamps: 1.0,
        ask_count: 1.0,
        ask_as_json: 2.0,
        ask_table: 1.0,
        ask_absent: 1.5,
    },
    compare=compare_panels,
    labels=_GRADUATIONS | _UNITS | frozenset(GAUGE_WORDS.values()) | frozenset(LAMP_WORDS) | {NUMBER_WORD, RANGE_WORD},
    papers=(),
    bends=False,
)
