"""Questions about one picture of exam questions. Whatever is on it, every one of these finds something to ask.

Formulas are answered in the canonical LaTeX of latex.py. Nothing is to be solved but plain arithmetic, whose result is surely right.
"""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.exams import phrases
from smvl.scenes.exams.family import FORMS
from smvl.scenes.exams.item import LETTERS, formulas_of
from smvl.scenes.phrasing import ask_markdown, phrase
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import COUNT, FIELD, LATEX, READ, Question
from smvl.scenes.schema import Entry, ask_json, draw_entries

Facts = Mapping[str, Any]


def ask_transcript(facts: Facts, contents: Contents) -> Question:
    """A whole question, each option in a line of its own."""
    item = contents.random.choice(facts["items"])
    return Question(READ, phrase(contents, phrases.TRANSCRIBE, n=item["number"]), _text(item))


def ask_formula(facts: Facts, contents: Contents) -> Question:
    """The formulas of a stem; where no stem has any, a whole question."""
    items = [item for item in facts["items"] if formulas_of(item["stem"])]
    if not items:
        return ask_option(facts, contents)
    item = contents.random.choice(items)
    formulas = formulas_of(item["stem"])
    phrasings = phrases.FORMULA if len(formulas) == 1 else phrases.FORMULAS
    return Question(LATEX, phrase(contents, phrasings, n=item["number"]), "\n".join(formulas))


def ask_option(facts: Facts, contents: Contents) -> Question:
    """One option; where there are none, a whole question."""
    items = [item for item in facts["items"] if item["options"]]
    if not items:
        return ask_transcript(facts, contents)
    item = contents.random.choice(items)
    index = contents.random.randrange(len(item["options"]))
    option = item["options"][index]
    question = phrase(contents, phrases.OPTION, n=item["number"], letter=LETTERS[index])
    formulas = formulas_of(option)
    return Question(LATEX, question, formulas[0]) if formulas else Question(FIELD, question, option)


def ask_field(facts: Facts, contents: Contents) -> Question:
    """The form of a question, a number, or what the head says."""
    item, items = contents.random.choice(facts["items"]), facts["items"]
    asked = [(phrases.FORM, item["form"]), (phrases.LAST_NUMBER, f"第{items[-1]['number']}题")]
    if len(items) == 1:
        asked.append((phrases.NUMBER, f"第{item['number']}题"))
    if facts["subject"]:
        asked.append((phrases.SUBJECT, facts["subject"]))
    if facts["title"]:
        asked += [(phrases.TITLE, facts["title"]), (phrases.MINUTES, f"{facts['minutes']}分钟"), (phrases.TOTAL, f"{facts['total']}分")]
    phrasings, answer = contents.random.choice(asked)
    return Question(FIELD, phrase(contents, phrasings, n=item["number"]), answer)


def ask_score(facts: Facts, contents: Contents) -> Question:
    """What a question is worth, or all of them; a refusal where no score is printed."""
    item = contents.random.choice(facts["items"])
    question = phrase(contents, phrases.SCORE, n=item["number"])
    if item["score"] is None:
        return refuse(question, f"第{item['number']}题的分值")
    if len(facts["items"]) > 1 and contents.random.random() < 0.3:
        return Question(FIELD, phrase(contents, phrases.SUM), f"{sum(item['score'] for item in facts['items'])}分")
    return Question(FIELD, question, f"{item['score']}分")


def ask_result(facts: Facts, contents: Contents) -> Question:
    """The result of plain arithmetic; where there is none on the picture, the formulas of a stem."""
    items = [item for item in facts["items"] if item["answer"]]
    if not items:
        return ask_formula(facts, contents)
    item = contents.random.choice(items)
    return Question(LATEX, phrase(contents, phrases.RESULT, n=item["number"]), item["answer"])


def ask_count(facts: Facts, contents: Contents) -> Question:
    """How many questions, of a form too; how many options or formulas one has."""
    item, items = contents.random.choice(facts["items"]), facts["items"]
    form = contents.random.choice(FORMS[:3])
    asked = [
        (phrases.NUM_ITEMS, f"{len(items)}道"),
        (phrases.NUM_OF_FORM, f"{sum(one['form'] == form for one in items)}道"),
        (phrases.NUM_FORMULAS, f"{len(formulas_of(item['stem']))}处"),
    ]
    if item["options"]:
        asked.append((phrases.NUM_OPTIONS, f"{len(item['options'])}个"))
    phrasings, answer = contents.random.choice(asked)
    return Question(COUNT, phrase(contents, phrasings, n=item["number"], form=form), answer)


def ask_as_json(facts: Facts, contents: Contents) -> Question:
    """One question with its options, or number, form and score of all."""
    items = facts["items"]
    if len(items) > 1 and contents.random.random() < 0.35:
        rows = [[Entry("题号", "integer", one["number"]), Entry("题型", "string", one["form"]), _score(one)] for one in items]
        return ask_json(contents, "图中各题的题号、题型（选择题、填空题、解答题或计算题）和分值", [Entry("题目", "array", rows)])
    item = contents.random.choice(items)
    entries = [Entry("题号", "integer", item["number"]), Entry("题型", "string", item["form"]), _score(item)]
    options = [Entry(f"选项{letter}", "string", option) for letter, option in zip(LETTERS, item["options"])]
    chosen = [*draw_entries(contents, entries, least=1), Entry("题干", "string", item["stem"]), *options]
    return ask_json(contents, f"第{item['number']}题（公式用LaTeX写在$…$里，填空处写____）", chosen)


def ask_table(facts: Facts, contents: Contents) -> Question:
    """The options of a question, or number, form and score of all."""
    with_options = [item for item in facts["items"] if item["options"]]
    if with_options and contents.random.random() < 0.5:
        item = contents.random.choice(with_options)
        subject = f"第{item['number']}题的选项（公式用LaTeX写在$…$里）"
        return ask_markdown(contents, subject, ["选项", "内容"], [list(pair) for pair in zip(LETTERS, item["options"])])
    scored = all(item["score"] is not None for item in facts["items"])
    header = ["题号", "题型", "分值"] if scored else ["题号", "题型"]
    rows = [[str(item["number"]), item["form"], str(item["score"])][: len(header)] for item in facts["items"]]
    return ask_markdown(contents, "各题的情况（题型为选择题、填空题、解答题或计算题，题号和分值只写数字）", header, rows)


def ask_absent(facts: Facts, contents: Contents) -> Question:
    """A question or an option that is not there, or something that is not printed."""
    item, numbers = contents.random.choice(facts["items"]), [item["number"] for item in facts["items"]]
    asked = contents.random.choice(("item", "item", "option", "thing"))
    if asked == "item":
        number = contents.random.choice([number for number in range(1, max(numbers) + 10) if number not in numbers])
        return refuse(phrase(contents, phrases.ABSENT_ITEM, n=number), f"第{number}题")
    if asked == "option":
        letter = contents.random.choice("EFG" if item["options"] else LETTERS)
        return refuse(phrase(contents, phrases.ABSENT_OPTION, n=item["number"], letter=letter), f"第{item['number']}题的选项{letter}")
    thing = contents.random.choice(phrases.THINGS)
    return refuse(phrase(contents, phrases.ABSENT_THING, n=item["number"], thing=thing), f"第{item['number']}题的{thing}")


def _score(item: Facts) -> Entry:
    return Entry("分值", "integer", item["score"], optional=True)


def _text(item: Facts) -> str:
    return "\n".join([item["stem"], *(f"{letter}．{option}" for letter, option in zip(LETTERS, item["options"]))])
