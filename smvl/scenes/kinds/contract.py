"""Contracts: a page of one, printed or a form filled in by hand."""

from smvl.scenes.contents import Contents
from smvl.scenes.contracts.comparison import compare
from smvl.scenes.contracts.questions import QUESTIONS
from smvl.scenes.contracts.sheet import LABELS, paint_contract
from smvl.scenes.scene import Drawing, Kind


def draw(contents: Contents, longest_edge: int) -> Drawing:
    facts, page = paint_contract(contents, longest_edge)
    return Drawing(page.image, facts, tuple(page.texts), tuple(page.marks))


KIND = Kind(name="contract", draw=draw, questions=QUESTIONS, compare=compare, labels=LABELS)
