"""Texts that are nearly the same, found among millions without comparing each with each.

A text is the set of its runs of three characters. MinHash (Broder, On the resemblance and containment of documents, 1997) keeps for
each text the smallest value of many hash functions: the share in which two texts agree estimates the Jaccard overlap of their sets.
Of each value eight bits are kept (Li and Koenig, b-bit minwise hashing, 2010). Values are cut into bands, and only texts that agree
in a whole band are compared (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from smvl.doctor.language import code_points

RUN = 3
"""Characters in a run: in Chinese about two words."""
NUM_BANDS, BAND = 20, 6
NUM_HASHES = NUM_BANDS * BAND
"""With 20 bands of 6, two texts of overlap 0.8 are compared with probability 0.998, of 0.6 with 0.62, of 0.3 with 0.015."""
MIN_RUNS = 20
"""Shorter texts are only compared for being equal: changing one of their characters changes too many of their runs."""
NEAR = 0.8
"""Estimated overlap from which two texts count as nearly the same. The estimate's standard error is 0.037 there."""

_CHARACTERS_AT_ONCE = 200_000
_CHANCE = 1 / 256
"""How often eight bits agree though the values differ."""

_generator = np.random.default_rng(20100426)
_MULTIPLIERS = _generator.integers(0, 2**64, NUM_HASHES, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _generator.integers(0, 2**64, NUM_HASHES, dtype=np.uint64)


def plain(text: str) -> str:
    """What of a text counts when texts are compared: no white space, no upper case."""
    return "".join(text.split()).casefold()


def overlap(one: str, other: str) -> float:
    """The exact Jaccard overlap of the runs of two texts, 1 for equal ones."""
    runs, other_runs = ({text[at : at + RUN] for at in range(max(1, len(text) - RUN + 1))} for text in (plain(one), plain(other)))
    return len(runs & other_runs) / len(runs | other_runs)


def signatures_of(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Signatures (texts, NUM_HASHES) uint8 of texts that went through `plain`, and which are long enough to have one (texts,) bool."""
    signatures = np.zeros((len(texts), NUM_HASHES), dtype=np.uint8)
    has_signature = np.array([len(text) >= MIN_RUNS + RUN - 1 for text in texts], dtype=bool)
    for rows in _groups(texts, np.flatnonzero(has_signature)):
        signatures[rows] = _signatures([texts[row] for row in rows])
    return signatures, has_signature


def similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The estimated overlap of pairs: (pairs,) float64 from two (pairs, NUM_HASHES) uint8; below zero for chance agreement."""
    return ((one == other).mean(axis=1) - _CHANCE) / (1 - _CHANCE)


def band_keys(signatures: np.ndarray, band: int) -> np.ndarray:
    """(texts,) uint64 that agree where signatures agree in the whole band."""
    padded = np.zeros((len(signatures), 8), dtype=np.uint8)
    padded[:, :BAND] = signatures[:, band * BAND : (band + 1) * BAND]
    return padded.view(np.uint64)[:, 0]


def mix(values: np.ndarray) -> np.ndarray:
    """Spread uint64 over all 64 bits (the finalizer of SplitMix64: Steele, Lea and Flood, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _groups(texts: Sequence[str], rows: np.ndarray) -> Iterator[list[int]]:
    """Rows in groups of so many characters that their arrays fit the processor's cache; a longer text is a group of its own."""
    group, size = [], 0
    for row in rows.tolist():
        if group and size + len(texts[row]) > _CHARACTERS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(row)
        size += len(texts[row])
    if group:
        yield group


def _signatures(texts: Sequence[str]) -> np.ndarray:
    codes, owners = code_points(texts)
    codes = codes.astype(np.uint64)
    packed = codes[:-2] | codes[1:-1] << np.uint64(21) | codes[2:] << np.uint64(42)  # a code point has 21 bits
    runs = mix(packed[owners[:-2] == owners[2:]])
    counts = np.array([len(text) - RUN + 1 for text in texts])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    smallest = np.empty((NUM_HASHES, len(texts)), dtype=np.uint64)
    values = np.empty_like(runs)
    for number in range(NUM_HASHES):  # multiply-shift hashing, of which the order is kept and the low bits are mixed below
        np.multiply(runs, _MULTIPLIERS[number], out=values)
        values += _OFFSETS[number]
        np.minimum.reduceat(values, starts, out=smallest[number])
    return (mix(smallest) >> np.uint64(56)).astype(np.uint8).T
