"""The tasks: one function each, from a seeded generator to a scene with its questions and answers."""

import random
from collections.abc import Callable

from smvl.demo_scenes import documents, shapes, uses, writing
from smvl.demo_scenes.picture import Picture, Scene, Turn

SAY_FIRST, SAY_SECOND = "第一张", "第二张"


def _ask(task: str, ask: Callable, generator: random.Random, picture: Picture) -> Scene:
    question, answer = ask(generator, picture)
    return Scene(task, (Turn(question, answer, (picture,)),))


def describe(generator: random.Random, split: str) -> Scene:
    one = generator.random() < 0.5
    picture = shapes.draw_one(generator) if one else shapes.draw_pair(generator, generator.random() < 0.5)
    return _ask("describe", shapes.ask_describe, generator, picture)


def position(generator: random.Random, split: str) -> Scene:
    return _ask("position", shapes.ask_position, generator, shapes.draw_pair(generator, generator.random() < 0.6))


def count(generator: random.Random, split: str) -> Scene:
    return _ask("count", shapes.ask_count, generator, shapes.draw_many(generator))


def read_sign(generator: random.Random, split: str) -> Scene:
    return _ask("read_sign", writing.ask_sign, generator, writing.draw_sign(generator, split))


def read_price(generator: random.Random, split: str) -> Scene:
    return _ask("read_price", writing.ask_price, generator, writing.draw_price(generator, split))


def read_number(generator: random.Random, split: str) -> Scene:
    picture = writing.draw_number(generator, split, generator.randint(1, 4))
    return _ask("read_number", writing.ask_number, generator, picture)


def compare_numbers(generator: random.Random, split: str) -> Scene:
    """Two numbers of one figure each; equal ones are drawn again."""
    while True:
        pictures = tuple(writing.draw_number(generator, split, 1) for _ in range(2))
        values = [int(writing.text_of(picture)) for picture in pictures]
        if values[0] != values[1]:
            question = generator.choice(["两张图中哪一张的数字更大?", "哪一张图的数字更大?"])
            answer = SAY_FIRST if values[0] > values[1] else SAY_SECOND
            return Scene("compare_numbers", (Turn(question, answer, pictures),))


def refer_back(generator: random.Random, split: str) -> Scene:
    """A second picture is added, and then one of the two is asked about: mostly the first, so the last seen is no safe guess."""
    first, second = writing.draw_sign(generator, split), writing.draw_sign(generator, split)
    opening = Turn(*writing.ask_sign(generator, first), (first,))
    if generator.random() < 0.7:
        question, answer = generator.choice(["第一张图里写着什么?", "第一张图写的是什么字?"]), writing.text_of(first)
    else:
        question, answer = generator.choice(["第二张图里写着什么?", "第二张图写的是什么字?"]), writing.text_of(second)
    return Scene("refer_back", (opening, Turn(question, answer, (second,))))


# Share of each task in the finetune and held-out data. Questions that a coin could answer are kept few.
TASKS: dict[Callable[[random.Random, str], Scene], float] = {
    describe: 0.14,
    position: 0.15,
    count: 0.12,
    read_sign: 0.17,
    read_price: 0.05,
    read_number: 0.22,
    compare_numbers: 0.03,
    refer_back: 0.12,
}
READING_TASKS = ("read_sign", "read_price", "refer_back")

DOCUMENTS: dict[Callable[[random.Random, str], Scene], float] = {
    documents.street_sign: 0.15,
    documents.calligraphy: 0.11,
    documents.price_tag: 0.13,
    documents.table: 0.16,
    documents.receipt: 0.14,
    documents.chart: 0.15,
    documents.dial: 0.16,
}
"""Share of each kind of document among the documents."""
USES: dict[Callable[[random.Random, str], Scene], float] = {uses.retail: 0.3, uses.industry: 0.26, uses.office: 0.26, uses.study: 0.18}
"""Share of each use among the uses."""
USE_SHARE = 0.2
"""Share of the uses in the finetune and held-out data; of the others, documents and scenes are told apart by the next."""
DOCUMENT_SHARE, CAPTIONED_DOCUMENT_SHARE = 0.45, 0.35
"""Share of the documents in the finetune and held-out data, and in what the align stage sees. The donors have seen none."""


def draw_scene(generator: random.Random, split: str) -> Scene:
    return generator.choices(list(TASKS), weights=list(TASKS.values()))[0](generator, split)


def draw_document(generator: random.Random, split: str) -> Scene:
    return generator.choices(list(DOCUMENTS), weights=list(DOCUMENTS.values()))[0](generator, split)


def draw_use(generator: random.Random, split: str) -> Scene:
    return generator.choices(list(USES), weights=list(USES.values()))[0](generator, split)


def draw_question(generator: random.Random, split: str) -> Scene:
    """What the finetune stage and the held-out questions are: a scene, a document, or a use of either."""
    if generator.random() < USE_SHARE:
        return draw_use(generator, split)
    return (draw_document if generator.random() < DOCUMENT_SHARE else draw_scene)(generator, split)


def draw_alignment(generator: random.Random, split: str) -> Scene:
    """What the align stage sees: captions, and documents whose print is read out."""
    if generator.random() < CAPTIONED_DOCUMENT_SHARE:
        return documents.read_all(generator, draw_document(generator, split))
    return draw_captions(generator, split)


def draw_captions(generator: random.Random, split: str) -> Scene:
    """One picture with several questions, as The Cauldron's rows have them: what the align stage sees.

    Half of it is print, much of that single characters: the projector learns each character's place among the text model's words."""
    kind = generator.choices(["pair", "one", "many", "character", "sign", "price", "number"], weights=[12, 6, 8, 26, 20, 4, 24])[0]
    if kind == "pair":
        picture = shapes.draw_pair(generator, generator.random() < 0.5)
        asks = [shapes.ask_describe, shapes.ask_position, shapes.ask_position]
    elif kind == "one":
        picture, asks = shapes.draw_one(generator), [shapes.ask_describe, shapes.ask_count]
    elif kind == "many":
        picture, asks = shapes.draw_many(generator), [shapes.ask_count]
    elif kind == "character":
        picture, asks = writing.draw_character(generator), [writing.ask_sign]
    elif kind == "sign":
        picture, asks = writing.draw_sign(generator, split), [writing.ask_sign]
    elif kind == "price":
        picture, asks = writing.draw_price(generator, split), [writing.ask_price]
    else:
        picture, asks = writing.draw_number(generator, split, generator.randint(1, 4)), [writing.ask_number]
    turns = [ask(generator, picture) for ask in asks]
    return Scene(kind, tuple(Turn(*turn, (picture,) if place == 0 else ()) for place, turn in enumerate(turns)))
