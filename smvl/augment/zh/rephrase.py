"""Questions put in other words, by templates: what is asked about stays letter by letter, what is not recognised stays as it is."""

import random
import re
import string
from collections import defaultdict
from dataclasses import dataclass

from smvl.augment.zh.protection import code_spans, covered
from smvl.augment.zh.question_families import FAMILIES, Family

_SENTENCE = re.compile(r"[^。？！?!\n]+[。？！?!]*")
_ENDS = "。？！?! "
_QUESTION_WORDS = re.compile("什么|多少|几|哪|谁|怎|如何|为何|是否|有没有|是不是|吗|呢|请")
_HAS_MATERIAL = re.compile("翻译|译成|改写|润色|续写|扩写|缩写|改正|纠正|分类|情感|关键词|以下|下面|如下|下列|原文|上文|这句|这段")
_ASKS_NEXT = re.compile("(?:回答|问题|问|看图|提示|要求|任务)：$")
_PAIRS = ("“”", "「」", "『』", "《》", "（）", "()", "【】")


@dataclass(frozen=True)
class Recognised:
    """A clause that fits a family."""

    family: Family
    slots: dict[str, str]


def recognise(clause: str) -> Recognised | None:
    """The first family that a clause fits whole, without its last mark; None where no family does."""
    for family in FAMILIES:
        for pattern in family.patterns:
            match = pattern.fullmatch(clause)
            if match and _are_plain(match.groupdict()):
                return Recognised(family, {name: value or "" for name, value in match.groupdict().items()})
    return None


def rephrase(text: str, generator: random.Random) -> str | None:
    """The text with the question at its start or its end put in other words.

    What a text speaks about is not a question to it, so it stays: the middle, what follows a colon, and everything after the first
    sentence of a text that asks to translate, to mend or to read what follows. A question after a comma keeps what stands before it.

    Returns:
        None where neither sentence fits a family.
    """
    mask = covered(code_spans(text), len(text))
    sentences = [match.span() for match in _SENTENCE.finditer(text) if match[0].strip() and not any(mask[match.start() : match.end()])]
    ends = sentences[:1] if _HAS_MATERIAL.search(text) else list(dict.fromkeys(sentences[:1] + sentences[-1:]))
    candidates = [(span, said) for span in ends if (said := _say_differently(text[slice(*span)], generator))]
    if not candidates:
        return None
    (start, end), said = generator.choice(candidates)
    return text[:start] + said + text[end:]


def _say_differently(sentence: str, generator: random.Random) -> str | None:
    clause = sentence.strip().rstrip(_ENDS)
    if any(clause.count(pair[0]) != clause.count(pair[1]) for pair in _PAIRS):
        return None  # the sentence ends within a quotation
    margin = sentence[: len(sentence) - len(sentence.lstrip())]
    for opening, core, closing in _cuts(clause):
        recognised = recognise(core)
        if recognised:
            ways = (_join(opening, way, closing) for way in _ways(recognised))
            said = [margin + way for way in ways if way and way.rstrip(_ENDS) != clause]
            return generator.choice(said) if said else None
    return None


def _cuts(clause: str) -> list[tuple[str, str, str]]:
    """Where the question may be: the whole clause, what comes before a colon, or what follows the last comma."""
    head, colon, material = clause.partition("：")
    if colon and not _ASKS_NEXT.search(head + colon):
        return [("", head, colon + material)]
    cut = max(clause.rfind(mark) for mark in "，：,") + 1
    return [("", clause, "")] + ([(clause[:cut], clause[cut:].strip(), "")] if cut else [])


def _join(opening: str, way: str, closing: str) -> str | None:
    """A question mark cannot stand before a colon, so there only requests will do."""
    if not closing:
        return opening + way
    return opening + way.rstrip(_ENDS) + closing if way.endswith("。") else None


def _ways(recognised: Recognised) -> list[str]:
    """The family's templates that use every slot that holds something."""
    held = {name for name, value in recognised.slots.items() if value}
    return [
        template.format_map(defaultdict(str, recognised.slots))
        for template in recognised.family.templates
        if held <= {name for _, name, _, _ in string.Formatter().parse(template)}
    ]


def _are_plain(slots: dict[str, str | None]) -> bool:
    """Whether no slot but those for question words holds one: otherwise the clause was cut at the wrong place."""
    return not any(_QUESTION_WORDS.search(value) for name, value in slots.items() if value and name.islower())
