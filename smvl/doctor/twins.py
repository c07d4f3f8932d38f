"""For each of many things, one that came before it and is the same, or nearly; and for each of many, one among others.

Near ones are looked for in bands of what describes a thing. In each band a thing is compared with two others that agree with it in the
whole band, the first and the nearest, and not with all: so the time stays in proportion to the number of things however alike
they are. Things that are alike in many ways share several bands, and seldom miss each other.
"""

from collections.abc import Callable, Iterable

import numpy as np

NONE = -1

_AT_ONCE = 50_000

Candidates = tuple[np.ndarray, np.ndarray]
"""For each thing the index of two others, or `NONE`: (things,) int64 each."""


def earlier_equals(keys: np.ndarray) -> Candidates:
    """The first thing of the same key, and the last one before it."""
    order = np.argsort(keys, kind="stable")
    ranked, ranks = keys[order], np.arange(len(keys))
    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = ranked[1:] != ranked[:-1]
    first, previous = np.full(len(keys), NONE), np.full(len(keys), NONE)
    first_rank = np.maximum.accumulate(np.where(begins, ranks, 0))
    follows = ~begins
    first[order[follows]] = order[first_rank[follows]]
    previous[order[follows]] = order[ranks[follows] - 1]
    return first, previous


def equals_among(keys: np.ndarray, others: np.ndarray) -> Candidates:
    """The first and the last of `others` with the same key."""
    order = np.argsort(others, kind="stable")
    ranked = others[order]
    left, right = np.searchsorted(ranked, keys, side="left"), np.searchsorted(ranked, keys, side="right")
    found = right > left
    first, last = np.full(len(keys), NONE), np.full(len(keys), NONE)
    first[found], last[found] = order[left[found]], order[right[found] - 1]
    return first, last


def near_twins(bands: Iterable[Candidates], alike: Callable[[np.ndarray, np.ndarray], np.ndarray], *, wanted: np.ndarray) -> np.ndarray:
    """For each thing the first candidate of any band that is alike, or `NONE`: (things,) int64.

    Args:
        alike: says of pairs, given as two arrays of indices, whether they are alike: (pairs,) bool.
        wanted: the things for which one is looked for: (things,) bool.
    """
    twins = np.full(len(wanted), NONE)
    for candidates in bands:
        for candidate in candidates:
            open_ = np.flatnonzero(wanted & (twins == NONE) & (candidate != NONE))
            for start in range(0, len(open_), _AT_ONCE):
                part = open_[start : start + _AT_ONCE]
                part = part[alike(part, candidate[part])]
                twins[part] = candidate[part]
    return twins
