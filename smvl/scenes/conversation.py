"""A conversation about one or two pictures of a kind: which questions, in which turns, and which picture they mean."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.request import EVERYTHING, Asked
from smvl.scenes.scene import COMPARE, TOOL, Ask, Drawing, Kind, Question

_MOST_DRAWS = 200
"""Of questions, until enough of the kinds that were asked for came."""
_COMPARE_SHARE = 0.6
"""Share of the conversations about two pictures that compare them, where the kind can be compared."""
_SPARE_TOOLS_SHARE = 0.15
"""Share of the conversations that answer in words although tools are at hand, where the kind has tools: else tools would mean a call."""

_FIRST = ("第一张图", "上一张图", "前一张图", "刚才第一张图")
_SECOND = ("第二张图", "这张图", "后一张图")
_LEADS = ("{which}：{question}", "看{which}。{question}", "请看{which}：{question}")


class NothingToAskError(ValueError):
    """A drawing, or a kind of scene, of which none of the chosen questions can be asked."""


@dataclass(frozen=True)
class Turn:
    question: Question
    pictures: tuple[int, ...] = ()
    """Pictures that are shown with this question, by number."""


@dataclass(frozen=True)
class Conversation:
    turns: tuple[Turn, ...]
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def question_kinds(self) -> list[str]:
        return [turn.question.kind for turn in self.turns]

    def messages(self, files: Sequence[Any]) -> list[dict[str, Any]]:
        """OpenAI messages with content parts.

        Args:
            files: where each picture lies, relative to the file that the messages are written to, or what it is.
        """
        messages: list[dict[str, Any]] = []
        for turn in self.turns:
            images = [{"type": "image", "image": files[number]} for number in turn.pictures]
            messages.append({"role": "user", "content": [*images, {"type": "text", "text": turn.question.question}]})
            messages.append(_answer(turn.question))
        return messages


def _answer(question: Question) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": question.answer}
    if question.tool_calls:
        message["tool_calls"] = list(question.tool_calls)
    return message


def talk(
    kind: Kind, drawings: Sequence[Drawing], contents: Sequence[Contents], generator: random.Random, asked: Asked = EVERYTHING
) -> Conversation:
    """A conversation about one drawing or two.

    Args:
        contents: of each drawing; the questions draw from them too.
        asked: how much, and of which kinds.

    Raises:
        NothingToAskError: these drawings are hardly ever asked a question of those kinds.
    """
    if asked.kinds:
        turns = _ask_of_kinds(kind, drawings, contents, generator, asked)
    elif len(drawings) == 1:
        turns = _ask_about_one(kind, drawings[0], contents[0], generator, asked)
    elif kind.compare is not None and generator.random() < _COMPARE_SHARE:
        turns = [Turn(kind.compare(drawings[0].facts, drawings[1].facts, contents[0]), (0, 1))]
    else:
        turns = _ask_about_two(kind, drawings, contents, generator)
    tools = next((turn.question.tools for turn in turns if turn.question.tools), ())
    if not tools and not asked.kinds and generator.random() < _SPARE_TOOLS_SHARE:
        tools = _tools_at_hand(kind, drawings[0], contents[0])
    return Conversation(tuple(turns), tuple(tools))


def _ask_of_kinds(
    kind: Kind, drawings: Sequence[Drawing], contents: Sequence[Contents], generator: random.Random, asked: Asked
) -> list[Turn]:
    """Different questions of the kinds that were asked for, about one of the drawings or comparing two; a call comes last."""
    comparing = COMPARE in asked.kinds and kind.compare is not None and len(drawings) > 1
    if comparing and (len(asked.kinds) == 1 or generator.random() < _COMPARE_SHARE):
        return [Turn(kind.compare(drawings[0].facts, drawings[1].facts, contents[0]), (0, 1))]
    number = generator.randrange(len(drawings))
    num_turns, questions = asked.draw_turns(generator), {}
    for _ in range(_MOST_DRAWS):
        (ask,) = _draw_asks(kind, 1, generator)
        question = ask(drawings[number].facts, contents[number])
        if asked.holds(question):
            questions.setdefault(question.question, question)
        if len(questions) == num_turns:
            break
    if not questions:
        pictures = "one picture" if len(drawings) == 1 else "two pictures"
        named = ", ".join(asked.kinds) + (" with numbers alone" if asked.numbers_only else "")
        raise NothingToAskError(f"the kind of scene {kind.name} with {pictures} is never asked for {named}; leave it out, or ask for more.")
    chosen = sorted(questions.values(), key=lambda question: question.kind == TOOL)
    while sum(question.kind == TOOL for question in chosen) > 1:
        chosen.pop()
    if len(drawings) > 1:
        chosen = [_about(question, "第二张图" if number else "第一张图", generator) for question in chosen]
    every = tuple(range(len(drawings)))
    return [Turn(question, () if place else every) for place, question in enumerate(chosen)]


def _ask_about_one(kind: Kind, drawing: Drawing, contents: Contents, generator: random.Random, asked: Asked) -> list[Turn]:
    """Different questions; one answered by a call comes last, as what the tool says is not known."""
    made = [ask(drawing.facts, contents) for ask in _draw_asks(kind, asked.draw_turns(generator), generator)]
    questions = list({question.question: question for question in made}.values())
    in_words = [question for question in questions if question.kind != TOOL]
    calls = [question for question in questions if question.kind == TOOL][:1]
    return [Turn(question, () if place else (0,)) for place, question in enumerate([*in_words, *calls])]


def _ask_about_two(kind: Kind, drawings: Sequence[Drawing], contents: Sequence[Contents], generator: random.Random) -> list[Turn]:
    """Two pictures, at once or one after the other, and a question about one: mostly the first, as the last seen is a safe guess."""
    number = 0 if generator.random() < 0.65 else 1
    ask, *others = _draw_asks(kind, 2, generator)
    asked = ask(drawings[number].facts, contents[number])
    if generator.random() < 0.4:
        which = generator.choice(("第一张图", "第一张图片") if number == 0 else ("第二张图", "第二张图片"))
        return [Turn(_about(asked, which, generator), (0, 1))]
    opening = next((question for other in others if (question := other(drawings[0].facts, contents[0])).kind != TOOL), None)
    if opening is None:
        return [Turn(_about(asked, "第一张图" if number == 0 else "第二张图", generator), (0, 1))]
    return [Turn(opening, (0,)), Turn(_about(asked, generator.choice(_SECOND if number else _FIRST), generator), (1,))]


def _about(question: Question, which: str, generator: random.Random) -> Question:
    """The same question, saying which picture it is about."""
    lead = generator.choice(_LEADS).format(which=which, question=question.question)
    return Question(question.kind, lead, question.answer, question.tools, question.tool_calls)


def _draw_asks(kind: Kind, num: int, generator: random.Random) -> list[Ask]:
    """Different question makers, each as likely as its share says."""
    shares = dict(kind.questions)
    drawn: list[Ask] = []
    while shares and len(drawn) < num:
        ask = generator.choices(list(shares), list(shares.values()))[0]
        drawn.append(ask)
        del shares[ask]
    return drawn


def _tools_at_hand(kind: Kind, drawing: Drawing, contents: Contents) -> tuple[Mapping[str, Any], ...]:
    return next((question.tools for ask in kind.questions if (question := ask(drawing.facts, contents)).tools), ())
