"""Joining packs into one batch. Everything that training needs to know about a batch is worked out here, in the worker processes."""

from collections.abc import Sequence
from typing import Any

import torch

from smvl.data.quarantine import Failure
from smvl.packing.encode import Encoded
from smvl.processing.laid_out import IGNORED_LABEL

FAILURES = "failures"
"""Key of the batch under which rows that could not be decoded travel to the training process."""
SAMPLE_IDS = "sample_ids"
"""Key of the batch under which the names of its samples travel, for messages."""


class PackCollator:
    """Packs, end to end, to one sequence of L tokens without padding:

        input_ids, labels                (1, L) int64
        position_ids                     (1, L) int64, or (axes, 1, L); they start again at 0 with each sample
        image_positions                  (I,) int64: where the image tokens are
        loss_positions, targets          (K,) int64: where the loss is asked, and the token to be predicted there
        pixels                           (units, 3, side, side) uint8, in the order of their tokens; absent without images
        shapes                           of each picture, as `Plan.shape`, a list; absent without images
        sample_lengths                   tokens of each sample, a list that sums to L
        sample_bounds                    (samples + 1,) int32: where each begins, and L
        sample_ids                       `source/id` of each sample

    A batch of which no sample could be decoded is one token long and asks for nothing.
    """

    def __init__(self, image_token_id: int):
        self.image_token_id = image_token_id

    def __call__(self, packs: Sequence[Sequence[Encoded | Failure]]) -> dict[str, Any]:
        samples = [sample for pack in packs for sample in pack if isinstance(sample, Encoded)]
        input_ids = torch.cat([sample.input_ids for sample in samples] or [torch.zeros(1, dtype=torch.long)])
        labels = torch.cat([sample.labels for sample in samples] or [torch.full((1,), IGNORED_LABEL)])
        lengths = [len(sample.input_ids) for sample in samples] or [1]
        bounds = torch.tensor([0, *lengths]).cumsum(0)
        labels[bounds[:-1]] = IGNORED_LABEL  # nothing stands before a first token that could predict it
        supervised = (labels != IGNORED_LABEL).nonzero().squeeze(1)
        positions = torch.cat([sample.position_ids for sample in samples] or [torch.zeros(1, 1, dtype=torch.long)], dim=1)  # (axes, L)
        batch: dict[str, Any] = {
            "input_ids": input_ids.unsqueeze(0),
            "position_ids": positions if len(positions) == 1 else positions.unsqueeze(1),
            "labels": labels.unsqueeze(0),
            "image_positions": (input_ids == self.image_token_id).nonzero().squeeze(1),
            "loss_positions": supervised - 1,
            "targets": labels[supervised],
            "sample_lengths": lengths,
            "sample_bounds": bounds.to(torch.int32),
            SAMPLE_IDS: [f"{sample.source}/{sample.id}" for sample in samples],
            FAILURES: [sample for pack in packs for sample in pack if isinstance(sample, Failure)],
        }
        if shapes := [shape for sample in samples for shape in sample.shapes]:
            batch["pixels"] = torch.cat([sample.pixels for sample in samples if sample.shapes])
            batch["shapes"] = shapes
        return batch
