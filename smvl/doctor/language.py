"""Which language a text is in, by the script of its letters. Several texts at once, since numpy pays by the call."""

import functools
from collections.abc import Sequence

import numpy as np

LANGUAGES = ("chinese", "english", "other")
NO_LETTERS, MIXED = "no letters", "mixed"
SAMPLE_LANGUAGES = (*LANGUAGES, MIXED, NO_LETTERS)

CLEAR_SHARE = 0.8
"""A text is in one language when this share of its words is; a Chinese character counts as a word."""
JAPANESE_KANA_SHARE = 0.1
"""A text with this share of kana among kana and Chinese characters is Japanese: its characters then count as other."""

_NOT_LETTER, _HAN, _LATIN, _KANA, _OTHER = range(5)
_HAN_RANGES = ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_LATIN_RANGES = ((0x41, 0x5A), (0x61, 0x7A), (0xAA, 0xAA), (0xBA, 0xBA), (0xC0, 0x24F), (0x1E00, 0x1EFF), (0xFF21, 0xFF5A))
_KANA_RANGES = ((0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))


def code_points(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """All characters of all texts, one after another: code points (characters,) uint32, and whose each is (characters,) int64."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    return codes, np.repeat(np.arange(len(texts)), [len(text) for text in texts])


def languages_of(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The language of each text, and how many letters of each of `LANGUAGES` all texts hold together, (3,) int64.

    By script: what is written in Latin letters counts as English, French too. Figures and punctuation count for nothing.
    """
    if not texts:
        return [], np.zeros(len(LANGUAGES), dtype=np.int64)
    codes, owners = code_points(texts)
    kinds = _kinds()[codes]
    letters = _count(owners, kinds, len(texts))
    starts_word = np.ones(len(codes), dtype=bool)
    starts_word[1:] = (kinds[1:] != kinds[:-1]) | (owners[1:] != owners[:-1])
    words = _count(owners[starts_word], kinds[starts_word], len(texts))
    words[:, _HAN] = letters[:, _HAN]
    japanese = letters[:, _KANA] > JAPANESE_KANA_SHARE * (letters[:, _HAN] + letters[:, _KANA])
    words, letters = _by_language(words, japanese), _by_language(letters, japanese)
    return [_name(row) for row in words], letters.sum(axis=0)


def _by_language(counts: np.ndarray, japanese: np.ndarray) -> np.ndarray:
    """(texts, 3) counts of `LANGUAGES` from (texts, 5) counts of kinds."""
    han = np.where(japanese, 0, counts[:, _HAN])
    other = counts[:, _KANA] + counts[:, _OTHER] + np.where(japanese, counts[:, _HAN], 0)
    return np.stack([han, counts[:, _LATIN], other], axis=1)


def _name(words: np.ndarray) -> str:
    most = int(words.argmax())
    if not words[most]:
        return NO_LETTERS
    return LANGUAGES[most] if words[most] >= CLEAR_SHARE * words.sum() else MIXED


def _count(owners: np.ndarray, kinds: np.ndarray, num_texts: int) -> np.ndarray:
    return np.bincount(owners * 5 + kinds, minlength=num_texts * 5).reshape(num_texts, 5)


@functools.cache
def _kinds() -> np.ndarray:
    """The kind of every code point, (1114112,) uint8."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    letters = [code for code in range(0x20000) if chr(code).isalpha()]
    kinds[letters] = _OTHER
    for kind, ranges in ((_HAN, _HAN_RANGES), (_LATIN, _LATIN_RANGES), (_KANA, _KANA_RANGES)):
        for first, last in ranges:
            inside = kinds[first : last + 1]
            inside[(inside == _OTHER) | (kind == _HAN)] = kind
    return kinds
