"""Synonyms: some words of a text replaced by others that mean the same, with everything that bears the meaning left alone.

synonyms.tsv beside this file says where the words come from. A word that is not in it never moves, and none of these is in it: numbers,
names, colours, directions, negations, comparisons, question words. tests/test_augment_zh.py holds the list to that.
"""

import functools
import math
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from smvl.augment.zh.protection import covered, kept_spans

IMAGE_WORDS = frozenset("图片 图像 照片 相片 图画".split())
"""Nouns for the picture itself: the only ones that move in a question about it, as any other may be printed there."""

_MOST_REPLACED = 0.5
"""Share of the words that could be replaced of which that many are, at most."""
_NOUN_TAGS = ("n", "vn", "an", "j", "eng", "b", "l", "i")
_SUFFIXES = frozenset("性化者员家率力器机度物品学场室部局馆店费量感型式类界法论权处点中上下里内外前后间时级版们儿名钟")
_NEGATIONS = frozenset("不 没 没有 未 无 非 别 勿 莫 不会 不能 不要 不可 不是 并非 从未 并不 不太 不够".split())


@dataclass(frozen=True)
class Entry:
    """A word of the lexicon."""

    kind: str
    """function, verb, adjective or noun."""
    synonyms: tuple[str, ...]


@functools.cache
def lexicon() -> dict[str, Entry]:
    """The words that may be replaced, read once in a process."""
    entries = {}
    for line in Path(__file__).with_name("synonyms.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            word, kind, synonyms = line.split("\t")
            entries[word] = Entry(kind, tuple(synonyms.split()))
    return entries


def replace_synonyms(text: str, generator: random.Random, *, keep: str = "", about_image: bool = False) -> str | None:
    """The text with some words replaced, the same word everywhere by the same synonym.

    Args:
        generator: decides which words, and which of their synonyms.
        keep: what the other side of the conversation says; a word that occurs there stays.
        about_image: the text asks about an image, so its nouns and adjectives may be printed there and stay.

    Returns:
        None where no word can be replaced.
    """
    places = _replaceable(text, keep, about_image)
    if not places:
        return None
    words = sorted(places)
    chosen = generator.sample(words, generator.randint(1, math.ceil(len(words) * _MOST_REPLACED)))
    replaced, used = [], set()
    for word in chosen:
        free = [synonym for synonym in lexicon()[word].synonyms if synonym not in text and synonym not in used]
        if free:
            synonym = generator.choice(free)
            used.add(synonym)
            replaced += [(start, word, synonym) for start in places[word]]
    for start, word, synonym in sorted(replaced, reverse=True):
        text = text[:start] + synonym + text[start + len(word) :]
    return text if replaced else None


@functools.lru_cache(maxsize=16)  # a change that is out of bounds is tried again on the same text
def _replaceable(text: str, keep: str, about_image: bool) -> dict[str, list[int]]:
    """Where the words stand that may be replaced; a word that may not be replaced everywhere is left out."""
    import rjieba  # 0.2 s and 80 MB with its dictionary: only who augments pays

    tokens = [("", "x"), *rjieba.tag(text), ("", "x")]
    mask = covered(kept_spans(text), len(text))
    places, barred, start = defaultdict(list), set(), 0
    for before, (word, tag), after in zip(tokens, tokens[1:], tokens[2:]):
        entry = lexicon().get(word)
        if entry is not None:
            free = not any(mask[start : start + len(word)]) and word not in keep
            if free and _fits(word, tag, entry, before, after, about_image):
                places[word].append(start)
            else:
                barred.add(word)
        start += len(word)
    return {word: starts for word, starts in places.items() if word not in barred}


def _fits(word: str, tag: str, entry: Entry, before: tuple[str, str], after: tuple[str, str], about_image: bool) -> bool:
    """Whether a word stands freely: not negated, and no part of a name or of a compound."""
    if word in IMAGE_WORDS:
        return True
    if about_image and entry.kind in ("noun", "adjective"):
        return False
    if before[0] in _NEGATIONS or after[0] in _SUFFIXES:
        return False
    if entry.kind == "noun" or tag == "vn":
        return not (_is_noun(before) or _is_noun(after) or before[1] in ("m", "a") and len(before[0]) == 1)
    if entry.kind == "verb" and _is_noun(before):  # of a noun and a verb, the verb is one only where something follows
        return after[1][:1] in ("r", "u", "m", "n")
    return True


def _is_noun(token: tuple[str, str]) -> bool:
    return token[1].startswith("n") or token[1] in _NOUN_TAGS
