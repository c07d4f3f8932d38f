"""One group of rows, looked at as training will: every rule, every image, and what is kept to find repeats. Runs in many processes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from smvl.data.image_label import image_label
from smvl.data.message_checks import text_of
from smvl.data.quarantine import Failure
from smvl.data.rules import SampleError
from smvl.data.sample import Sample
from smvl.data.sources.row_source import RowSource
from smvl.doctor.image_likeness import LOOK_BYTES, ImageFacts, ImageReader
from smvl.doctor.language import LANGUAGES, languages_of
from smvl.doctor.tally import Tally
from smvl.doctor.text_overlap import NUM_HASHES, plain, signatures_of
from smvl.processing.images import ImageError, check_shape, image_name

if TYPE_CHECKING:
    from smvl.doctor.token_count import TokenCounter

UNEXPECTED = "unexpected error"
MAX_COMPARED = 100_000
"""Characters of a row that are looked at for its language and for rows that are nearly the same: what a longer text holds beyond may be
anything, and must not take memory without end."""
_COMPARED_ROLES = ("user", "assistant", "tool")
"""System messages are left out: many rows share one, and it would make strangers alike."""


@dataclass(frozen=True)
class Group:
    """Some rows of one source."""

    source: int
    rows: Sequence[int]


@dataclass
class GroupFacts:
    """What is known of a group; arrays have an entry for each row, broken ones too, unless they are of images."""

    group: Group
    tally: Tally
    failures: list[Failure]
    usable: np.ndarray
    """(rows,) bool"""
    texts: np.ndarray
    """(rows,) uint64 digests of what is said, without white space"""
    images: np.ndarray
    """(rows,) uint64 digests of all images of the row together; 0 without any"""
    signatures: np.ndarray
    """(rows, NUM_HASHES) uint8"""
    has_signature: np.ndarray
    """(rows,) bool"""
    image_rows: np.ndarray
    """(images,) int64: whose each image is, counted within the group"""
    image_sizes: np.ndarray
    """(images, 2) int32, height and width"""
    image_digests: np.ndarray
    """(images,) uint64"""
    looks: np.ndarray
    """(images, LOOK_BYTES) uint8"""


@dataclass
class _Seen:
    """What was read of the usable rows of a group."""

    rows: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """At most `MAX_COMPARED` characters of each."""
    digests: list[int] = field(default_factory=list)
    """Of all that is said, without white space."""
    images: list[list[ImageFacts]] = field(default_factory=list)


class Inspector:
    """Looks at rows.

    Args:
        counter: counts tokens; None counts characters instead.
        pixels: decode images.
    """

    def __init__(self, sources: Sequence[RowSource | None], counter: "TokenCounter | None", *, pixels: bool):
        self.sources, self.counter = sources, counter
        self.read = ImageReader(pixels=pixels)

    def __call__(self, group: Group) -> GroupFacts:
        source, tally, seen = self.sources[group.source], Tally(checked=len(group.rows)), _Seen()
        failures = []
        for position, row in enumerate(group.rows):
            try:
                text, images = self._inspect(source, row, tally)
            except SampleError as error:
                failures.append(Failure(id=str(row), source=source.name, rule=error.rule, reason=str(error)))
                tally.add_failure(failures[-1])
                continue
            seen.rows.append(position)
            seen.digests.append(digest(plain(text).encode("utf-8", errors="surrogatepass")))
            seen.texts.append(text[:MAX_COMPARED])
            seen.images.append(images)
            if self.counter is None:
                tally.lengths[len(text)] += 1
        _tally_languages(tally, seen.texts)
        return _to_facts(group, tally, failures, seen)

    def _inspect(self, source: RowSource, row: int, tally: Tally) -> tuple[str, list[ImageFacts]]:
        """What is said in a row, and its images; the rest is counted."""
        try:
            sample, unread = source.read(row)
            images = [self._read(sample, index) for index in range(len(sample.images))]
            count = self.counter(sample, [(image.height, image.width) for image in images]) if self.counter else None
        except SampleError:
            raise
        except ImageError as error:
            raise SampleError(error.rule, str(error)) from error
        except Exception as error:  # whatever it is, training would end with it: it belongs in the report, with the row
            raise SampleError(UNEXPECTED, f"{type(error).__name__}: {error}") from error
        tally.turns[sum(message["role"] == "user" for message in sample.messages)] += 1
        tally.images[len(images)] += 1
        tally.unread.update(unread)
        tally.first_frames += sum(image.has_more_frames for image in images)
        if count is not None:
            tally.lengths[count.tokens] += 1
            tally.kept_tokens += count.kept
            tally.supervised_tokens += count.supervised
            tally.shortened.update(count.shortened)
            tally.num_shortened += bool(count.shortened)
        return conversation_text(sample), images

    def _read(self, sample: Sample, index: int) -> ImageFacts:
        image, label = sample.images[index], image_label(sample, index)
        facts = self.read(image, name=label)
        check_shape(facts.height, facts.width, name=label or image_name(image))
        return facts


def conversation_text(sample: Sample) -> str:
    """All that is said, but for system messages, with calls of tools."""
    return "\n".join(_words(message) for message in sample.messages if message["role"] in _COMPARED_ROLES)


def _words(message: dict[str, Any]) -> str:
    calls = message.get("tool_calls")
    return f"{text_of(message)}\n{calls}" if calls else text_of(message)


def _tally_languages(tally: Tally, texts: Sequence[str]) -> None:
    names, letters = languages_of(texts)
    tally.languages.update(names)
    tally.letters.update({language: int(count) for language, count in zip(LANGUAGES, letters)})


def _to_facts(group: Group, tally: Tally, failures: list[Failure], seen: _Seen) -> GroupFacts:
    num_rows = len(group.rows)
    plain_texts = [plain(text) for text in seen.texts]
    rows = np.array(seen.rows, dtype=np.int64)
    facts = GroupFacts(
        group=group,
        tally=tally,
        failures=failures,
        usable=np.zeros(num_rows, dtype=bool),
        texts=np.zeros(num_rows, dtype=np.uint64),
        images=np.zeros(num_rows, dtype=np.uint64),
        signatures=np.zeros((num_rows, NUM_HASHES), dtype=np.uint8),
        has_signature=np.zeros(num_rows, dtype=bool),
        image_rows=np.repeat(rows, list(map(len, seen.images))).astype(np.int64),
        image_sizes=np.array([(image.height, image.width) for row in seen.images for image in row], dtype=np.int32).reshape(-1, 2),
        image_digests=np.array([image.digest for row in seen.images for image in row], dtype=np.uint64),
        looks=np.frombuffer(b"".join(image.look for row in seen.images for image in row), dtype=np.uint8).reshape(-1, LOOK_BYTES),
    )
    facts.usable[rows] = True
    facts.texts[rows] = seen.digests
    facts.images[rows] = [_digest_of_images(images) for images in seen.images]
    facts.signatures[rows], facts.has_signature[rows] = signatures_of(plain_texts)
    return facts


def _digest_of_images(images: Sequence[ImageFacts]) -> int:
    return digest(b"".join(image.digest.to_bytes(8, "little") for image in images)) if images else 0


def digest(data: bytes) -> int:
    """64 bits of BLAKE2b: among a million different texts, two agree with a probability of 3 in 100 million."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
