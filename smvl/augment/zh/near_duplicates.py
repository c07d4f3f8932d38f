"""Removal of near-duplicates: texts whose character bigrams overlap too much with those of a text before them.

Candidates come from MinHash with banding (Broder, SEQUENCES 1997; Leskovec et al., Mining of Massive Datasets, chapter 3); every candidate
is then measured exactly, so nothing is removed by a hash alone. A repeated bigram is an element of its own each time, which makes the
hashed sets stand for the multisets that `character_overlap` counts.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from smvl.augment.zh.overlap import character_overlap

_MISSED = 0.002
"""Share of pairs exactly at the threshold that no band may bring together; pairs above it are missed far less."""
_MANY_BANDS = 40
"""More than these take more memory and time than the comparisons that they save."""


def remove_near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> list[int]:
    """The indices of the texts to keep: the first of every group of alike ones, in order.

    A text goes when its bigram overlap with a kept text before it is `threshold` or more. Beside the texts themselves this holds four
    bytes a text and band (at a threshold of 0.8: 29 bands, so 116 MB for a million texts), and the rows that share a band.

    Args:
        texts: read in order once, then again as they are compared, so a sequence that reads from disk will do.
        threshold: the overlap from which on two texts are the same, above 0 and up to 1.

    Raises:
        ValueError: the threshold is not such a share.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: found {threshold}, expected a share above 0 and up to 1.")
    bands = _hash_bands(texts, *_banding(threshold))  # (texts, bands)
    groups = _group_rows(bands)
    kept_in: dict[int, list[int]] = defaultdict(list)
    kept = []
    for row in range(len(texts)):
        mine = groups[row][groups[row] >= 0].tolist()
        rivals = sorted({rival for group in mine for rival in kept_in[group]})
        if any(character_overlap(texts[row], texts[rival], size=2) >= threshold for rival in rivals):
            continue
        kept.append(row)
        for group in mine:
            kept_in[group].append(row)
    return kept


def _banding(threshold: float) -> tuple[int, int]:
    """How many bands of how many hashes: as long as few will do, many hashes, so that texts that are not alike seldom meet."""
    jaccard = min(threshold / (2 - threshold), 1 - 1e-9)
    for num_hashes in (4, 3, 2, 1):
        num_bands = math.ceil(math.log(_MISSED) / math.log1p(-(jaccard**num_hashes)))
        if num_bands <= _MANY_BANDS:
            break
    return num_bands, num_hashes


def _hash_bands(texts: Sequence[str], num_bands: int, num_hashes: int) -> np.ndarray:
    """One 32-bit number for each text and band; texts that are alike agree in some band. (texts, bands), uint32"""
    generator = np.random.default_rng(0)
    factors = generator.integers(0, 2**63, num_bands * num_hashes, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    offsets = generator.integers(0, 2**63, num_bands * num_hashes, dtype=np.uint64)
    bands = np.zeros((len(texts), num_bands), dtype=np.uint32)
    for row, elements in enumerate(map(_elements, texts)):
        mixed = elements[:, None] * factors + offsets  # (elements, bands * hashes), modulo 2**64
        mixed ^= mixed >> np.uint64(29)
        least = mixed.min(axis=0).reshape(num_bands, num_hashes)
        folded = (least * factors[:num_hashes]).sum(axis=1, dtype=np.uint64)
        bands[row] = (folded >> np.uint64(32)).astype(np.uint32)
    return bands


def _elements(text: str) -> np.ndarray:
    """The bigrams of a text as 64-bit numbers, a repeated one with its count. (elements,), uint64"""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < 2:
        return np.append(codes, np.uint64(0))[:1]
    pairs = np.sort(codes[:-1] << np.uint64(32) | codes[1:])
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1]))
    counts = np.arange(len(pairs)) - np.repeat(starts, np.diff(np.append(starts, len(pairs))))
    golden = np.uint64(0x9E3779B97F4A7C15)
    elements = (pairs ^ (pairs >> np.uint64(31))) * golden + counts.astype(np.uint64)
    return (elements ^ (elements >> np.uint64(32))) * golden


def _group_rows(bands: np.ndarray) -> np.ndarray:
    """The number of the group of texts that share a band, or -1 where a text is alone in it. (texts, bands), int32"""
    groups = bands.view(np.int32)  # in the same memory: a band is read whole before its groups are written
    used = 0
    for band in range(bands.shape[1]):
        _, inverse, counts = np.unique(bands[:, band], return_inverse=True, return_counts=True)
        shared = np.flatnonzero(counts > 1)
        names = np.full(len(counts), -1, dtype=np.int32)
        names[shared] = np.arange(used, used + len(shared), dtype=np.int32)
        groups[:, band] = names[inverse]
        used += len(shared)
    return groups
