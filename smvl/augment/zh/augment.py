"""Augmentation of the Chinese text of a sample: other words, another way to ask, another script, and never another meaning.

What may change

| sample      | synonyms                                 | rephrasing | script                                                    |
|-------------|------------------------------------------|------------|-----------------------------------------------------------|
| pure text   | questions and answers                    | questions  | all messages                                              |
| with images | questions: no nouns but for the picture  | questions  | questions, without what is quoted or occurs in an answer  |
| with tools  | questions                                | questions  | nothing                                                   |

The answers of a sample with images may be read off them, so they stay to the letter: a picture does not change its script. Its questions
turn only where nobody would expect the answer to turn too, which is where the answers are the same in both scripts or where the question
asks what is written. Tools and their calls, what a tool says and an image sample's system message stay too, and so does everything that
protection.py names. A word that the other side of the conversation uses stays on both sides. Where a question is about words (a poem,
synonyms, a sentence to mend) none is replaced, and where it is about characters they keep their script.

How much may change. A changed wording keeps at least `min_overlap` of the characters and at most `max_overlap` of the bigrams of the text
as it was. A change that is out of bounds is tried again; then the text stays, which is reported. Another script is the same
wording, so only the upper bound is for it, taken over the texts that turn. A sample of more than `MAX_CHARACTERS` stays.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from smvl.augment.zh.overlap import character_overlap
from smvl.augment.zh.protection import code_spans, kept_parts, quoted_spans, shared_spans
from smvl.augment.zh.rephrase import rephrase
from smvl.augment.zh.script import is_about_script, is_traditional, swap_script
from smvl.augment.zh.synonyms import replace_synonyms
from smvl.config import TextAugmentConfig
from smvl.data.sample import Sample, text_of

Place = tuple[int, int | None]
"""Which message, and which part of its content; None where the content is a string."""

MAX_CHARACTERS = 10_000
"""A longer sample is left as it is: the patterns below take time with the square of a text that is made to mislead them."""
_TRIES = 4
"""How often a change that is out of bounds is tried again."""
_ASKS_TO_READ = re.compile("[写印标刻]着|[写印标刻]的|[写印标刻]了|文字|读出|念出|识别|转写|内容是什么|标题|名称|叫什么")
_ABOUT_WORDS = re.compile(
    "[近同反][义義][词詞]|[词詞][语語]|造句|改写|润色|病句|成语|谜|对联|对仗|押韵|古诗|诗[词句歌]|首.{0,8}诗|歌词|字数|关键词|原文|[汉错别]字"
)
_HAN = re.compile("[一-鿿]")


@dataclass(frozen=True)
class Augmentation:
    """A sample, and what was done to it."""

    sample: Sample
    applied: tuple[str, ...] = ()
    """Which of `synonyms`, `rephrase` and `traditional` changed it."""
    kept: dict[str, str] = field(default_factory=dict)
    """Which were drawn but changed nothing, and why: `nothing fits`, `out of bounds`, `tools`, `about words`, `about script`,
    `answers differ`, `too long`."""


def augment_text(sample: Sample, settings: TextAugmentConfig, *, seed: int, key: str) -> Sample:
    """The sample with its Chinese text changed as `augment` does it."""
    return augment(sample, settings, seed=seed, key=key).sample


def augment(sample: Sample, settings: TextAugmentConfig, *, seed: int, key: str) -> Augmentation:
    """Change the Chinese text of a sample, each kind of change for its share of samples.

    The result depends on the arguments alone: not on the order of calls, the process, or Python's own random state.

    Args:
        settings: the share of samples for each kind of change, and the bounds of their overlap.
        seed: of the run.
        key: names the sample within the run; with the epoch in it, a sample changes from epoch to epoch.

    Returns:
        The sample itself where nothing changed. Its images, tools, ids and every other field are those of the original.
    """
    generator = random.Random(f"{seed}/{key}")
    wanted = [kind for kind in _CHANGES if generator.random() < getattr(settings, kind)]
    talk = _Talk(sample)
    if not wanted or not any(map(_HAN.search, talk.texts.values())):
        return Augmentation(sample)
    if sum(map(len, talk.texts.values())) > MAX_CHARACTERS:
        return Augmentation(sample, kept=dict.fromkeys(wanted, "too long"))
    kept = {kind: reason for kind in wanted if (reason := _CHANGES[kind](talk, settings, generator))}
    applied = tuple(kind for kind in wanted if kind not in kept)
    return Augmentation(replace(sample, messages=talk.messages()) if applied else sample, applied, kept)


class _Talk:
    """The texts of a sample while they are being changed, each at its place: the message and, where its content is a list, the part."""

    def __init__(self, sample: Sample):
        self.sample = sample
        self.originals = {place: text for place, text in _texts(sample.messages)}
        self.texts = dict(self.originals)
        self.has_images = bool(sample.images)
        self.has_tools = bool(sample.tools) or any(message.get("tool_calls") or message["role"] == "tool" for message in sample.messages)

    def of(self, *roles: str) -> dict[Place, str]:
        """The texts of these roles that have Chinese characters."""
        return {place: text for place, text in self.texts.items() if self._role(place) in roles and _HAN.search(text)}

    def opposite(self, place: Place) -> str:
        """What the other side says, in words and in calls of tools."""
        others = [message for message in self.sample.messages if (message["role"] == "user") != (self._role(place) == "user")]
        calls = [json.dumps(message["tool_calls"], ensure_ascii=False) for message in others if message.get("tool_calls")]
        return "\n".join([*map(text_of, others), *calls])

    def messages(self) -> list[dict[str, Any]]:
        """The sample's messages with the texts as they are now."""
        messages = [dict(message) for message in self.sample.messages]
        for (index, part), text in self.texts.items():
            if part is None:
                messages[index]["content"] = text
            elif text != self.originals[index, part]:
                parts = list(messages[index]["content"])
                parts[part] = {**parts[part], "text": text}
                messages[index]["content"] = parts
        return messages

    def _role(self, place: Place) -> str:
        return self.sample.messages[place[0]]["role"]


def _texts(messages: Sequence[dict[str, Any]]) -> Iterator[tuple[Place, str]]:
    for index, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, str):
            yield (index, None), content
        for part, value in enumerate(content if isinstance(content, (list, tuple)) else ()):
            if value.get("type") == "text":
                yield (index, part), value["text"]


def _rephrase(talk: _Talk, settings: TextAugmentConfig, generator: random.Random) -> str:
    return _reword(talk, talk.of("user"), settings, lambda place, text: rephrase(text, generator))


def _synonyms(talk: _Talk, settings: TextAugmentConfig, generator: random.Random) -> str:
    if any(map(_ABOUT_WORDS.search, talk.of("user").values())):
        return "about words"
    texts = talk.of("user") if talk.has_images or talk.has_tools else talk.of("user", "assistant")

    def change(place: Place, text: str) -> str | None:
        return replace_synonyms(text, generator, keep=talk.opposite(place), about_image=talk.has_images)

    return _reword(talk, texts, settings, change)


def _reword(talk: _Talk, texts: dict[Place, str], settings: TextAugmentConfig, change: Callable[[Place, str], str | None]) -> str:
    """Change each text within its bounds; returns why nothing changed, or nothing."""
    found = False
    for place, text in texts.items():
        for _ in range(_TRIES):
            candidate = change(place, text)
            if candidate is None:
                break
            found = True
            if _is_faithful(talk.originals[place], candidate, settings):
                talk.texts[place] = candidate
                break
    changed = any(talk.texts[place] != text for place, text in texts.items())
    return "" if changed else "out of bounds" if found else "nothing fits"


def _is_faithful(original: str, candidate: str, settings: TextAugmentConfig) -> bool:
    """Whether a wording is within the bounds and has every number, name and quotation of the original."""
    return (
        settings.min_overlap <= character_overlap(original, candidate)
        and character_overlap(original, candidate, size=2) <= settings.max_overlap
        and kept_parts(original) == kept_parts(candidate)
    )


def _traditional(talk: _Talk, settings: TextAugmentConfig, generator: random.Random) -> str:
    """Turn a sample into traditional script, or one that is in traditional into simplified."""
    everything = "\n".join(talk.texts.values())
    if talk.has_tools:
        return "tools"
    if is_about_script(everything):
        return "about script"
    traditional = not is_traditional(everything)
    if talk.has_images:
        turned = {place: _turn_question(text, talk.opposite(place), traditional) for place, text in talk.of("user").items()}
        if _answers_would_turn(talk, traditional):
            return "answers differ"
    else:
        turned = {place: swap_script(text, traditional, keep=code_spans(text)) for place, text in talk.texts.items()}
    if all(talk.texts[place] == text for place, text in turned.items()):
        return "nothing fits"
    before = "\n".join(talk.originals[place] for place in turned)
    if character_overlap(before, "\n".join(turned.values()), size=2) > settings.max_overlap:
        return "out of bounds"
    talk.texts.update(turned)
    return ""


def _turn_question(text: str, answers: str, traditional: bool) -> str:
    return swap_script(text, traditional, keep=[*quoted_spans(text), *shared_spans(text, answers)])


def _answers_would_turn(talk: _Talk, traditional: bool) -> bool:
    """Whether a reader of the turned questions would expect other characters in the answers."""
    answers = "\n".join(talk.of("assistant").values())
    if swap_script(answers, traditional) == answers:
        return False
    return not all(map(_ASKS_TO_READ.search, talk.of("user").values()))


_CHANGES: dict[str, Callable[[_Talk, TextAugmentConfig, random.Random], str]] = {
    "rephrase": _rephrase,
    "synonyms": _synonyms,
    "traditional": _traditional,
}
"""In this order: templates know one script, and the words that they bring may have synonyms. Each returns why it changed nothing."""
