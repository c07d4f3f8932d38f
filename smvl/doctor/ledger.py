"""What is kept of every row until all were seen: about 140 bytes, and 100 for each image."""

from collections.abc import Sequence

import numpy as np

from smvl.doctor.image_likeness import LOOK_BYTES
from smvl.doctor.inspection import GroupFacts
from smvl.doctor.text_overlap import NUM_HASHES


class Ledger:
    """Rows of all sources, one after another.

    Args:
        rows: the rows that are looked at, for each source.
    """

    def __init__(self, rows: Sequence[np.ndarray]):
        self.rows = list(rows)
        self.starts = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
        num_rows = int(self.starts[-1])
        self.usable = np.zeros(num_rows, dtype=bool)
        self.texts = np.zeros(num_rows, dtype=np.uint64)
        self.images = np.zeros(num_rows, dtype=np.uint64)
        self.signatures = np.zeros((num_rows, NUM_HASHES), dtype=np.uint8)
        self.has_signature = np.zeros(num_rows, dtype=bool)
        self._image_parts: list[tuple[np.ndarray, ...]] = []
        self._num_seen = 0

    def add(self, facts: GroupFacts) -> None:
        """Groups come in order."""
        here = slice(self._num_seen, self._num_seen + len(facts.usable))
        for name in ("usable", "texts", "images", "signatures", "has_signature"):
            getattr(self, name)[here] = getattr(facts, name)
        if len(facts.image_rows):
            self._image_parts.append((facts.image_rows + self._num_seen, facts.image_sizes, facts.image_digests, facts.looks))
        self._num_seen = here.stop

    def close(self) -> None:
        """All rows were seen."""
        parts, self._image_parts = self._image_parts, []
        empty = (np.zeros(0, np.int64), np.zeros((0, 2), np.int32), np.zeros(0, np.uint64), np.zeros((0, LOOK_BYTES), np.uint8))
        columns = [np.concatenate(column) for column in zip(*parts)] if parts else empty
        self.image_rows, self.image_sizes, self.image_digests, self.looks = columns

    def source_of(self, place: int) -> tuple[int, int]:
        """Which source a row of the ledger is of, and which row of it."""
        source = int(np.searchsorted(self.starts, place, side="right")) - 1
        return source, int(self.rows[source][place - self.starts[source]])

    def places(self, sources: Sequence[int]) -> np.ndarray:
        """The usable rows of some sources."""
        parts = [np.arange(self.starts[source], self.starts[source + 1]) for source in sources]
        places = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        return places[self.usable[places]]
