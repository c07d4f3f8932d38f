"""Stacking packs into a batch. Nothing is decided here, and nothing leaves the CPU."""

from collections.abc import Sequence
from typing import Any

import torch

from smvl.data.encode import Encoded
from smvl.data.quarantine import Failure
from smvl.processing.layout import IGNORED_LABEL

FAILURES = "failures"
"""Key of the batch under which rows that could not be decoded travel to the training process."""


class PackCollator:
    """Packs to one batch:

        input_ids, position_ids, labels  (number of packs, longest pack) int64
        pixel_values                     (1, num_tiles, 3, tile, tile) float32, tiles in the order of their tokens; absent without images

    Shorter packs are filled up with padding that is a sample of its own to the attention, so that no mask is needed.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, packs: Sequence[Sequence[Encoded | Failure]]) -> dict[str, Any]:
        rows = [[sample for sample in pack if isinstance(sample, Encoded)] for pack in packs]
        length = max(1, *(sum(len(sample.input_ids) for sample in row) for row in rows))
        batch: dict[str, Any] = {
            "input_ids": torch.full((len(rows), length), self.pad_token_id),
            "position_ids": torch.zeros((len(rows), length), dtype=torch.long),
            "labels": torch.full((len(rows), length), IGNORED_LABEL),
        }
        for number, row in enumerate(rows):
            self._fill(batch, number, row)
        tiles = [sample.pixel_values for row in rows for sample in row if len(sample.pixel_values)]
        if tiles:
            batch["pixel_values"] = torch.cat(tiles).unsqueeze(0)
        batch[FAILURES] = [sample for pack in packs for sample in pack if isinstance(sample, Failure)]
        return batch

    def _fill(self, batch: dict[str, Any], number: int, row: Sequence[Encoded]) -> None:
        start = 0
        for sample in row:
            end = start + len(sample.input_ids)
            batch["input_ids"][number, start:end] = sample.input_ids
            batch["labels"][number, start:end] = sample.labels
            batch["position_ids"][number, start:end] = torch.arange(end - start)
            start = end
        padding = batch["position_ids"].shape[1] - start
        batch["position_ids"][number, start:] = torch.arange(padding)
