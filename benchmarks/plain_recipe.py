"""The plain recipe as published (ShaohonChen/Qwen3-SmVL, train.py), written anew: Hugging Face's Trainer and nothing clever.

One sample a row, padded to max_length; images are decoded and cut when a batch is collated, in the training process; the stock model
with eager attention makes logits at all positions and its own loss of them. Rows of a step: 1, accumulated 4 times.

What is asked of the model is what smvl asks, answers alone, so that both have one loss.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import PreTrainedTokenizerBase, Trainer
from transformers.trainer_callback import PrinterCallback

from smvl.data.sample import Sample
from smvl.packing.encode import Encoder
from smvl.processing.images import read_image
from smvl.processing.laid_out import IGNORED_LABEL, LaidOut
from smvl.train.step_clock import StepClock

ROWS_PER_BATCH = 1
BATCHES_PER_STEP = 4
SAMPLES_PER_STEP = ROWS_PER_BATCH * BATCHES_PER_STEP


class PaddingCollator:
    """Samples, one a row, padded to `max_length`."""

    def __init__(self, encoder: Encoder):
        self.encoder = encoder

    def __call__(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        tokenizer, length = self.encoder.processor.tokenizer, self.encoder.max_length
        layouts = [self.encoder.lay_out(sample) for sample in samples]
        padded = _pad(tokenizer, [layout.input_ids for layout in layouts], length)
        labels = torch.full_like(padded["input_ids"], IGNORED_LABEL)
        for target, layout in zip(labels, layouts):
            target[: len(layout.labels)] = torch.tensor(layout.labels)
        return {**padded, "labels": labels, "pixel_values": torch.stack([self._pixels(*row) for row in zip(samples, layouts)])}

    def _pixels(self, sample: Sample, layout: LaidOut) -> torch.Tensor:
        images = {index: read_image(sample.images[index]) for index in layout.kept_images}
        return torch.from_numpy(self.encoder.processor.pixel_values(images, layout))


def _pad(tokenizer: PreTrainedTokenizerBase, ids: Sequence[Sequence[int]], length: int) -> dict[str, torch.Tensor]:
    rows = {"input_ids": list(ids)}
    return dict(tokenizer.pad(rows, padding="max_length", max_length=length, padding_side="right", return_tensors="pt"))


class PlainTrainer(Trainer):
    """Trainer as it comes, with a clock. Rows come in the order in which they are given.

    Args:
        clock: is told what is waiting for data and what is not.
    """

    def __init__(self, *arguments: Any, clock: StepClock, **options: Any):
        self.clock = clock
        super().__init__(*arguments, **options)
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def get_batch_samples(self, *arguments: Any, **options: Any) -> tuple[list, Any]:
        self.clock.lap("other")
        batches = super().get_batch_samples(*arguments, **options)
        self.clock.lap("data")
        return batches

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            self.clock.lap("other")
            seconds = self.clock.read()
            logs["speed/data_wait_share"] = seconds.get("data", 0.0) / max(sum(seconds.values()), 1e-9)
        super().log(logs, start_time)
