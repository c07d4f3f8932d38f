"""Tables: score sheets, stock lists, timetables, rosters and more, ruled and unruled, printed, on a screen and written by hand."""

from smvl.scenes.contents import Contents
from smvl.scenes.scene import Drawing, Kind
from smvl.scenes.tables.comparison import compare
from smvl.scenes.tables.grid import SHEET_LABELS, paint_table
from smvl.scenes.tables.questions import QUESTIONS
from smvl.scenes.tables.sorts import LABELS


def draw(contents: Contents, longest_edge: int) -> Drawing:
    table, page = paint_table(contents, longest_edge)
    return Drawing(page.image, table, tuple(page.texts), tuple(page.marks))


KIND = Kind(name="table", draw=draw, questions=QUESTIONS, compare=compare, labels=LABELS | SHEET_LABELS)
