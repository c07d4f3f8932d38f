"""Exam questions with formulas, as they are photographed to be looked up: one question, several, a paper, a blackboard, an app's screen.

A question is transcribed with its formulas between dollar signs, in the canonical LaTeX of exams/latex.py, and `____` where something is
to be filled in; each option stands in a line of its own.
"""

from smvl.scenes.contents import Contents
from smvl.scenes.exams.block import BRACKETED_NUMBERS, PLAIN_NUMBERS, score_text
from smvl.scenes.exams.comparison import compare_exams
from smvl.scenes.exams.family import FORMS
from smvl.scenes.exams.header import FILL_IN, MINUTES, TOTALS, app_text, limits_text, subject_text
from smvl.scenes.exams.layout import LAYOUTS
from smvl.scenes.exams.questions import (
    ask_absent,
    ask_as_json,
    ask_count,
    ask_field,
    ask_formula,
    ask_option,
    ask_result,
    ask_score,
    ask_table,
    ask_transcript,
)
from smvl.scenes.exams.sheet import NUMERALS, SCORES, SUBJECTS, draw_sheet, heading_text
from smvl.scenes.scene import Drawing, Kind


def draw(contents: Contents, longest_edge: int) -> Drawing:
    page, facts = draw_sheet(contents, contents.random.choice(LAYOUTS), longest_edge)
    return Drawing(page.image, facts, tuple(page.texts), tuple(page.marks))


_ALL_SCORES = {score for scores in SCORES.values() for score in scores}
_HEADINGS = {heading_text(place, form, score) for place in range(len(NUMERALS)) for form in FORMS for score in (None, *_ALL_SCORES)}
_HEADS = {text(subject) for subject in SUBJECTS for text in (subject_text, app_text)} | {FILL_IN}

KIND = Kind(
    name="exam",
    draw=draw,
    questions={
        ask_transcript: 3.0,
        ask_formula: 4.0,
        ask_option: 1.5,
        ask_field: 1.5,
        ask_score: 1.0,
        ask_result: 1.0,
        ask_count: 1.0,
        ask_as_json: 1.5,
        ask_table: 1.0,
        ask_absent: 1.5,
    },
    compare=compare_exams,
    labels=frozenset(
        {*PLAIN_NUMBERS, *BRACKETED_NUMBERS, *map(score_text, _ALL_SCORES), *_HEADINGS, *_HEADS}
        | {limits_text(minutes, total) for minutes in MINUTES for total in TOTALS}
    ),
)
