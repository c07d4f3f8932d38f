"""Rows and images that come again: within the training data, within the evaluation data, and from one in the other.

A row repeats another when both have the same images, or none, and the same or nearly the same words. What is one question on many pictures
is counted apart: it is how many data sets are made.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from smvl.doctor.image_likeness import HASH_BYTES, look_alike
from smvl.doctor.ledger import Ledger
from smvl.doctor.text_overlap import NEAR, NUM_BANDS, band_keys, mix, similarity
from smvl.doctor.twins import NONE, Candidates, earlier_equals, equals_among, near_twins

SAME_ROW, NEAR_ROW, OTHER_IMAGES = "same row", "nearly the same row", "same words on other images"
SAME_IMAGE, NEAR_IMAGE = "same image", "images look alike"
KINDS = (SAME_ROW, NEAR_ROW, OTHER_IMAGES, SAME_IMAGE, NEAR_IMAGE)

_IMAGE_BANDS = HASH_BYTES // 2


@dataclass(frozen=True)
class Pairs:
    """Rows that repeat others, as places in the ledger."""

    places: np.ndarray
    """(pairs,) int64, each row once, in order"""
    twins: np.ndarray
    """(pairs,) int64, one row that each repeats"""

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class Repeats:
    """What comes again in some rows."""

    num_rows: int
    """Usable rows looked at."""
    pairs: dict[str, Pairs] = field(default_factory=dict)
    """By kind; a row that is the same is not counted as nearly the same too, and an image neither."""
    num_images: int = 0
    """Images of these rows, each as often as it comes."""
    num_distinct_images: int = 0


def find_duplicates(ledger: Ledger, sources: Sequence[int]) -> Repeats:
    """What comes again among the rows of some sources."""
    places = ledger.places(sources)
    same = earlier_equals(_row_keys(ledger, places))[0]
    near = _near_rows(ledger, places, None, wanted=same == NONE)
    words = earlier_equals(ledger.texts[places])[0]
    other = (words != NONE) & (same == NONE) & (near == NONE)
    pairs = {SAME_ROW: _pairs(places, places, same), NEAR_ROW: _pairs(places, places, near)}
    pairs[OTHER_IMAGES] = _pairs(places, places, np.where(other, words, NONE))
    images = _Images.of(ledger, places)
    again = earlier_equals(ledger.image_digests[images.all])[0]
    pairs[SAME_IMAGE] = _image_pairs(ledger, images.all, images.all, again)
    alike = near_twins(_image_bands(ledger, images.distinct, None), _look_alike(ledger, images, images), wanted=images.each)
    pairs[NEAR_IMAGE] = _image_pairs(ledger, images.all, images.distinct, alike[images.which])
    return Repeats(len(places), pairs, len(images.all), len(images.distinct))


def find_leaks(ledger: Ledger, training: Sequence[int], evaluation: Sequence[int]) -> Repeats:
    """What of the training data comes again in the evaluation data."""
    known, places = ledger.places(training), ledger.places(evaluation)
    same = equals_among(_row_keys(ledger, places), _row_keys(ledger, known))[0]
    near = _near_rows(ledger, places, known, wanted=same == NONE)
    words = equals_among(ledger.texts[places], ledger.texts[known])[0]
    other = (words != NONE) & (same == NONE) & (near == NONE)
    pairs = {SAME_ROW: _pairs(places, known, same), NEAR_ROW: _pairs(places, known, near)}
    pairs[OTHER_IMAGES] = _pairs(places, known, np.where(other, words, NONE))
    images, trained = _Images.of(ledger, places), _Images.of(ledger, known)
    again = equals_among(ledger.image_digests[images.distinct], ledger.image_digests[trained.distinct])[0]
    pairs[SAME_IMAGE] = _image_pairs(ledger, images.all, trained.distinct, again[images.which])
    bands = _image_bands(ledger, images.distinct, trained.distinct)
    alike = near_twins(bands, _look_alike(ledger, images, trained), wanted=again == NONE)
    pairs[NEAR_IMAGE] = _image_pairs(ledger, images.all, trained.distinct, alike[images.which])
    return Repeats(len(places), pairs, len(images.all), len(images.distinct))


# ---- rows ------------------------------------------------------------------------------------------------------------------------


def _row_keys(ledger: Ledger, places: np.ndarray) -> np.ndarray:
    return mix(ledger.texts[places]) ^ ledger.images[places]


def _near_rows(ledger: Ledger, places: np.ndarray, known: np.ndarray | None, *, wanted: np.ndarray) -> np.ndarray:
    """For each of `places` one of `known`, or one before it, with the same images and nearly the same words."""
    long = np.flatnonzero(ledger.has_signature[places])
    others = long if known is None else np.flatnonzero(ledger.has_signature[known])
    mine, theirs = places[long], (places if known is None else known)[others]

    def bands() -> Iterator[Candidates]:
        for band in range(NUM_BANDS):
            keys = _band_keys(ledger, mine, band)
            yield earlier_equals(keys) if known is None else equals_among(keys, _band_keys(ledger, theirs, band))

    def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        one, other = mine[one], theirs[other]
        overlap = similarity(ledger.signatures[one], ledger.signatures[other])
        return (overlap >= NEAR) & (ledger.images[one] == ledger.images[other])

    found = near_twins(bands(), alike, wanted=wanted[long])
    twins = np.full(len(places), NONE)
    twins[long[found != NONE]] = others[found[found != NONE]]
    return twins


def _band_keys(ledger: Ledger, places: np.ndarray, band: int) -> np.ndarray:
    keys = np.empty(len(places), dtype=np.uint64)
    for start in range(0, len(places), 100_000):
        part = places[start : start + 100_000]
        keys[start : start + 100_000] = mix(band_keys(ledger.signatures[part], band) ^ mix(ledger.images[part]))
    return keys


def _pairs(places: np.ndarray, others: np.ndarray, twins: np.ndarray) -> Pairs:
    found = np.flatnonzero(twins != NONE)
    return Pairs(places[found], others[twins[found]])


# ---- images ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Images:
    """The images of some rows, as indices into the ledger's."""

    all: np.ndarray
    distinct: np.ndarray
    """Each image where it comes first."""
    which: np.ndarray
    """Which of `distinct` each of `all` is."""

    @property
    def each(self) -> np.ndarray:
        return np.ones(len(self.distinct), dtype=bool)

    @classmethod
    def of(cls, ledger: Ledger, places: np.ndarray) -> "_Images":
        mine = np.flatnonzero(np.isin(ledger.image_rows, places))
        digests = ledger.image_digests[mine]
        distinct = mine[earlier_equals(digests)[0] == NONE]
        return cls(mine, distinct, equals_among(digests, ledger.image_digests[distinct])[0])


def _image_pairs(ledger: Ledger, images: np.ndarray, others: np.ndarray, twins: np.ndarray) -> Pairs:
    """Rows whose image is one of another row; a row with several such images counts once."""
    found = np.flatnonzero(twins != NONE)
    rows, twin_rows = ledger.image_rows[images[found]], ledger.image_rows[others[twins[found]]]
    apart = rows != twin_rows
    rows, first = np.unique(rows[apart], return_index=True)
    return Pairs(rows, twin_rows[apart][first])


def _image_bands(ledger: Ledger, images: np.ndarray, known: np.ndarray | None) -> Iterator[Candidates]:
    for band in range(_IMAGE_BANDS):
        keys = _look_keys(ledger, images, band)
        candidates = earlier_equals(keys) if known is None else equals_among(keys, _look_keys(ledger, known, band))
        yield tuple(np.where(keys == 0, NONE, candidate) for candidate in candidates)  # nothing there: says nothing


def _look_keys(ledger: Ledger, images: np.ndarray, band: int) -> np.ndarray:
    """One row of the difference hash, (images,) uint16."""
    return np.ascontiguousarray(ledger.looks[images, 2 * band : 2 * band + 2]).view(np.uint16).reshape(-1)


def _look_alike(ledger: Ledger, images: _Images, others: _Images) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda one, other: look_alike(ledger.looks[images.distinct[one]], ledger.looks[others.distinct[other]])
