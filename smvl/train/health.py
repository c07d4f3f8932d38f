"""The health of a run: how fast it goes and what holds it up, which parts learn, and an end when the loss is no number.

    tokens, samples a second; share of supervised tokens; how full the sequences are
    seconds of a step by what they went into, and the wait for data as a share
    gradient norm of each part
    model FLOPs utilization: useful arithmetic done, as a share of what the card could do (PaLM, arXiv 2204.02311, appendix B)
"""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import SmolVLMForConditionalGeneration

from smvl.infer.cores import usable_cores
from smvl.model.sharded_tensors import full_tensor
from smvl.train.checkpoint import last_complete_checkpoint
from smvl.train.flops import BatchSize, card_peak, training_flops
from smvl.train.stages import LearningPart
from smvl.train.step_clock import StepClock

logger = logging.getLogger(__name__)

DATA_WAIT_LIMIT = 0.1
"""Share of a step's time spent waiting for data above which the run says so."""


class DivergedError(ValueError):
    """A loss or gradient that is no number; the message names the samples and the last good state."""


class Health:
    """Counts what goes through a model, and reads its clock.

    Args:
        capacity: tokens that the packs of one batch can hold.
    """

    def __init__(self, model: SmolVLMForConditionalGeneration, clock: StepClock, *, capacity: int):
        self.model, self.clock, self.capacity = model, clock, capacity
        self._counts: Counter[str] = Counter()
        self._gradient_norms: dict[str, torch.Tensor] = {}
        self._num_readings, self._has_warned = 0, False

    def count(self, batch: dict[str, Any]) -> None:
        """Note one batch of the collator."""
        size = BatchSize.of(batch)
        self._counts.update(
            batches=1,
            tokens=size.tokens,
            supervised=size.loss_tokens,
            samples=len(batch["sample_lengths"]),
            flops=training_flops(self.model, size),
        )

    def keep_gradient_norms(self, parts: Sequence[LearningPart]) -> None:
        """Note the gradient norm of each part, before clipping."""
        for part in parts:
            gradients = [parameter.grad for parameter in part.parameters if parameter.grad is not None]
            if gradients:
                self._gradient_norms[part.name] = full_tensor(torch.nn.utils.get_total_norm(gradients))

    def check_finite(self, norm: Any, *, step: int, sample_ids: Sequence[str], folder: Path) -> None:
        """Raise `DivergedError` when the gradient of a step is not finite; the weights are still those of the step before."""
        norm = float(full_tensor(norm))
        if math.isfinite(norm):
            return
        last = last_complete_checkpoint(folder)
        shown = ", ".join(sample_ids[:32]) + (f" and {len(sample_ids) - 32} more" if len(sample_ids) > 32 else "")
        raise DivergedError(
            f"the gradient of step {step + 1} is {norm}, so the run stops before it changes a weight. Samples of this step: {shown}. "
            f"Last good state: {last or 'none was saved yet'}. Look at those samples; if they are sound, lower the learning rates or set "
            "trainer.max_grad_norm, and go on with --resume."
        )

    def figures(self, accelerator: Any, *, workers: int) -> dict[str, float]:
        """What was counted since the last call, over all processes, under the names that curves have."""
        seconds = self.clock.read()
        elapsed = sum(seconds.values())
        names = ("batches", "tokens", "supervised", "samples", "flops")
        counted = torch.tensor([float(self._counts[name]) for name in names], dtype=torch.float64, device=accelerator.device)
        totals = dict(zip(names, accelerator.reduce(counted, reduction="sum").tolist()))
        self._counts.clear()
        figures = {f"gradient_norm/{name}": float(norm) for name, norm in self._gradient_norms.items()}
        self._gradient_norms.clear()
        if not elapsed or not totals["batches"]:
            return figures
        figures |= {f"seconds/{name}": spent for name, spent in seconds.items()}
        figures |= {
            "speed/tokens_per_second": totals["tokens"] / elapsed,
            "speed/samples_per_second": totals["samples"] / elapsed,
            "speed/data_wait_share": seconds.get("data", 0.0) / elapsed,
            "data/supervised_share": totals["supervised"] / totals["tokens"],
            "data/fill": totals["tokens"] / (totals["batches"] * self.capacity),
        }
        if peak := card_peak(accelerator.device):
            figures["speed/model_flops_utilization"] = totals["flops"] / (elapsed * peak * accelerator.num_processes)
        if accelerator.device.type != "cpu" or torch.get_num_threads() < usable_cores():  # else workers would take what trains
            self._warn_of_waiting(figures["speed/data_wait_share"], workers)
        return figures

    def _warn_of_waiting(self, share: float, workers: int) -> None:
        """Say once that data holds the run up. The first reading is passed over: workers are only starting then."""
        self._num_readings += 1
        if share <= DATA_WAIT_LIMIT or self._has_warned or self._num_readings < 2:
            return
        self._has_warned = True
        logger.warning(
            "%.0f%% of the time goes into waiting for data. Raise data.workers (now %d), or make images smaller on disk.",
            100 * share,
            workers,
        )
