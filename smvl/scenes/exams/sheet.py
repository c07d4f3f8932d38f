"""Fills a page with exam questions."""

from collections.abc import Mapping, Sequence
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.exams import mathematics, mathematics_choices, sciences
from smvl.scenes.exams.block import Block, Hand, Numbered
from smvl.scenes.exams.family import BLANK, CALCULATE, CHOICE, SOLVE, Family
from smvl.scenes.exams.header import write_app_header, write_paper_header
from smvl.scenes.exams.item import Item, draw_item, formulas_of
from smvl.scenes.exams.layout import Layout
from smvl.scenes.exams.typesetter import Formula, set_formulas
from smvl.scenes.page import Page

FAMILIES: tuple[Family, ...] = mathematics_choices.FAMILIES + mathematics.FAMILIES + sciences.FAMILIES
SUBJECTS = {"数学": 6, "物理": 2, "化学": 2}
"""With how often each is drawn."""
SCORES = {CHOICE: (3, 4, 5), BLANK: (3, 4, 5), SOLVE: (6, 8, 10, 12, 14), CALCULATE: ()}
NUMERALS = "一二三"
_SQUARES = (206, 222, 232)


def heading_text(place: int, form: str, score: int | None) -> str:
    return f"{NUMERALS[place]}、{form}" + (f"（每小题{score}分）" if score else "")


def draw_sheet(contents: Contents, layout: Layout, longest_edge: int) -> tuple[Page, dict[str, Any]]:
    """A picture of questions, and its facts. One that does not fit below the others, or is wider than its column, is left out."""
    generator, aspect = contents.random, layout.aspect
    size = (longest_edge, round(longest_edge / aspect)) if aspect > 1 else (round(longest_edge * aspect), longest_edge)
    paper, ink = generator.choice(layout.grounds)
    page = Page(contents, size, paper)
    hand = Hand(page, generator.choice(layout.styles), ink, max(longest_edge * layout.size, 11.0))
    if layout.squared:
        _draw_squares(hand)
    subject = "数学" if layout.forms == (CALCULATE,) else generator.choices(list(SUBJECTS), list(SUBJECTS.values()))[0]
    top, facts, margin = hand.pixels, {"subject": "", "title": "", "minutes": None, "total": None}, hand.pixels * 1.3
    if layout.header == "paper":
        top, said = write_paper_header(hand, contents, subject, top, margin)
        facts |= said
    elif layout.header == "app":
        top, said = write_app_header(hand, contents, subject)
        facts |= said
    items: list[dict[str, Any]] = []
    while not items:
        items = _place(contents, layout, hand, _draw_items(contents, layout, subject), top, margin)
    _cut(contents, layout, hand, max(item["box"][3] for item in items))
    return page, {"layout": layout.name, **facts, "items": items}


def _draw_items(contents: Contents, layout: Layout, subject: str) -> list[Item]:
    """Questions of one subject, together by their form where the layout has sections; no pattern twice while there are others."""
    fitting = [family for family in FAMILIES if family.subject == subject and family.form in layout.forms]
    count = contents.random.randint(*layout.num_items)
    families = contents.random.sample(fitting, min(count, len(fitting)))
    families += contents.random.choices(fitting, k=count - len(families))
    if layout.sections:
        families.sort(key=lambda family: layout.forms.index(family.form))
    return [draw_item(contents, family) for family in families]


def _place(contents: Contents, layout: Layout, hand: Hand, items: Sequence[Item], top: float, margin: float) -> list[dict[str, Any]]:
    """Draw what fits, column by column. Returns the facts of what was drawn."""
    page, pixels = hand.page, hand.pixels
    width = (page.width - margin * (layout.columns + 1)) / layout.columns
    formulas = set_formulas((latex for item in items for latex in formulas_of(item.text)), round(pixels * 1.08))
    before = pixels * (3 if CALCULATE in layout.forms else 6)  # a number, and a score
    narrow = [item for item in items if _widest(item, formulas) + before <= width]
    y, column, drawn = top, 0, []
    for numbered in _number(contents, layout, narrow):
        block = Block(hand, numbered, formulas, width)
        if y + block.height > page.height - pixels * 0.5:
            column, y = column + 1, top
            if column == layout.columns or y + block.height > page.height - pixels * 0.5:
                break
        drawn.append(numbered.facts(block.draw(margin + column * (width + margin), y)))
        y += block.height + pixels * (1.4 if numbered.bracketed else 0.55)
    return drawn


def _widest(item: Item, formulas: Mapping[str, Formula]) -> int:
    return max((formulas[latex].mask.width for latex in formulas_of(item.text)), default=0)


def _number(contents: Contents, layout: Layout, items: Sequence[Item]) -> list[Numbered]:
    """Numbers in order, and scores: one for each section, or one at each question, or none."""
    generator = contents.random
    first = 1 if layout.header == "paper" or layout.columns > 1 else generator.randint(1, 20)
    scored = generator.random() < 0.75 and CALCULATE not in layout.forms
    of_form = {form: generator.choice(SCORES[form]) for form in layout.forms if scored}
    forms = list(dict.fromkeys(item.form for item in items))
    numbered = []
    for index, item in enumerate(items):
        score = None if not scored else of_form[item.form] if layout.sections else generator.choice(SCORES[item.form])
        opens = layout.sections and (index == 0 or items[index - 1].form != item.form)
        heading = heading_text(forms.index(item.form), item.form, score) if opens else ""
        bracketed = CALCULATE in layout.forms
        numbered.append(Numbered(first + index, item, score, heading, bracketed, score_shown=not layout.sections))
    return numbered


def _cut(contents: Contents, layout: Layout, hand: Hand, lowest: float) -> None:
    """Cut a wide picture below what is written, with more or less room left; a high one keeps its height, which is its longest edge."""
    page, room = hand.page, hand.pixels * (0.6 if layout.crop else contents.random.uniform(0.8, 6))
    if layout.aspect >= 1:
        height = min(page.height, max(round(lowest + room), round(page.width * 0.16)))
        page.image = page.image.crop((0, 0, page.width, height))


def _draw_squares(hand: Hand) -> None:
    """The faint squares of an exercise book."""
    page, step = hand.page, max(8, round(hand.pixels * 1.25))
    for place in range(step // 2, max(page.width, page.height), step):
        page.pen.line((place, 0, place, page.height), fill=_SQUARES)
        page.pen.line((0, place, page.width, place), fill=_SQUARES)
