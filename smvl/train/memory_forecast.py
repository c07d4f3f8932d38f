"""The peak memory of a stage, before its first step.

One optimizer step of the real model, loss and optimizer runs on fake tensors (memory_meter.py), so that what torch saves, casts and frees
needs no formulas here: gradients, optimizer state, casts of autocast, activation checkpointing, the batches of an accumulated step, which
the Trainer fetches all at once. The batch is the largest that the stage may meet: full packs, and the most pictures of the measured ones.

On a card that is what torch allocates, and CONTEXT_BYTES for the driver. On CPU it is the resident memory of the training process, with
what Python and its libraries take already and what glibc's heap holds of freed blocks (heap.py); worker processes come on top and are
not counted.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import psutil
import torch
from transformers import SmolVLMForConditionalGeneration, Trainer, TrainingArguments

from smvl.layouts.find_model import layout_of
from smvl.layouts.pixel_scale import PixelScale
from smvl.packing.packs import PackSampler
from smvl.train.arguments import activation_checkpointing
from smvl.train.memory_meter import bytes_saved_by_quantizing, fake_copy, fake_run
from smvl.train.packed_model import BATCH_KEYS, PackedModel
from smvl.train.stages import StagePlan

GIGABYTE = 1e9
CONTEXT_BYTES = 500_000_000
"""What a CUDA context takes of a card beside torch's allocations, roughly."""
CPU_LIBRARY_BYTES = 140_000_000
"""What a CPU process grows by with its first step for other than tensors: libraries' first use, kernels, caches. Measured 115 to 152 MB
with torch 2.13 (resident memory after training, trimmed, less the same before and the optimizer's state)."""
MORE_CPU_PASSES = (0.96, 0.98, 1.0)
"""Shares of a full pack that pass through on CPU after a first one: a heap that meets other sizes each time grows more than with one."""
_SMALL_STEP_BYTES = 100_000_000
"""A step that needs no more than this is not worth them."""
NUM_MEASURED_ROWS = 256
_NUM_LAID_OUT_ROWS = 64
"""Rows whose supervised tokens are counted."""


@dataclass(frozen=True)
class PackShape:
    """The largest pack that a stage may meet."""

    tokens: int
    units: int
    """Tiles or patches."""
    loss_tokens: int
    """Supervised ones."""

    def scaled(self, share: float) -> "PackShape":
        """With fewer tokens and as many pictures."""
        return replace(self, tokens=round(share * self.tokens), loss_tokens=round(share * self.loss_tokens))

    def halved(self, tokens_per_unit: float) -> "PackShape":
        """With half the tokens, which hold no more pictures than there is room for."""
        tokens = self.tokens // 2
        return PackShape(tokens, min(self.units, int(tokens / tokens_per_unit)), self.loss_tokens // 2)


@dataclass(frozen=True)
class MemoryForecast:
    """Bytes at the peak of a training step."""

    weights: int
    gradients: int
    optimizer: int
    batches: int
    activations: int
    """What the peak holds beyond the others: activations, casts of weights, workspace. Some of it may be smaller than it seems, for not
    all gradients are there at the moment of the peak."""
    process: int
    """Beside torch's tensors: Python, its libraries and what the heap holds of freed tensors on CPU, the context on a card."""

    @property
    def tensors(self) -> int:
        """What torch allocates."""
        return self.weights + self.gradients + self.optimizer + self.batches + self.activations

    @property
    def peak(self) -> int:
        return self.tensors + self.process

    def describe(self) -> str:
        """The sum and what it is made of."""
        names = ("weights", "gradients", "optimizer", "batches", "activations", "process")
        return f"{gigabytes(self.peak)}: " + ", ".join(f"{name} {gigabytes(getattr(self, name))}" for name in names)


@dataclass(frozen=True)
class StageMemory:
    """All that the memory of a stage depends on.

    Args:
        arguments: batch size, accumulation, precision, checkpointing and optimizer.
        pack: the largest that the stage may meet.
        dtype: of the frozen weights; None leaves them as they are.
        num_processes: several keep a second copy of the gradients, which they exchange.
    """

    model: SmolVLMForConditionalGeneration
    plan: StagePlan
    arguments: TrainingArguments
    pack: PackShape
    device: torch.device
    dtype: torch.dtype | None = None
    num_processes: int = 1

    def forecast(self) -> MemoryForecast:
        """Of the phase that takes most: each learns what the one before did and more, so that is the last."""
        return self.forecast_at(self.plan.max_steps)

    def forecast_at(self, step: int) -> MemoryForecast:
        """Of the phase that `step` belongs to."""
        learning = {id(parameter): parameter for part in self.plan.learning_at(step) for parameter in part.parameters}
        gradients = 4 * sum(parameter.numel() for parameter in learning.values())
        exchanged = gradients if self.num_processes > 1 else 0
        with fake_run(self.device) as meter:
            model = self._packed(fake_copy(self.model, learning, self.device, self.dtype))
            weights = meter.now
            if meter.heap is not None:
                meter.heap.start()
            optimizer, state = self._start_optimizer(model)
            optimizer_bytes = meter.now - weights
            batches = [self._batch() for _ in range(self._num_batches)]
            batch_bytes = meter.now - weights - optimizer_bytes
            meter.peak = meter.now
            self._step(model, optimizer, batches[0])
            if meter.heap is not None and meter.peak - weights > _SMALL_STEP_BYTES:
                for share in MORE_CPU_PASSES:
                    self._step(model, optimizer, replace(self, pack=self.pack.scaled(share))._batch())
            del state
        # The batches of a step are fetched while those of the step before are still held.
        fetching = weights + optimizer_bytes + 2 * batch_bytes
        peak = max(meter.peak, fetching) + exchanged - bytes_saved_by_quantizing(self.model)
        gradients += exchanged
        weights -= bytes_saved_by_quantizing(self.model)
        activations = peak - weights - gradients - optimizer_bytes - batch_bytes
        return MemoryForecast(
            weights=weights,
            gradients=gradients + min(activations, 0),
            optimizer=optimizer_bytes,
            batches=batch_bytes,
            activations=max(activations, 0),
            process=CONTEXT_BYTES if meter.heap is None else self._process_bytes(meter.heap.growth - (peak - weights)),
        )

    def _process_bytes(self, waste: int) -> int:
        """On CPU: what there is beside tensors, with what the heap holds of freed ones."""
        return process_bytes(self.model) + CPU_LIBRARY_BYTES + max(0, waste)

    def cheaper(self) -> Iterator[tuple[str, "StageMemory"]]:
        """Changes of keys that need less memory, each alone, those first that change nothing but the speed."""
        size, steps = self.arguments.per_device_train_batch_size, self.arguments.gradient_accumulation_steps
        if size > 1:
            keys = f"trainer.per_device_train_batch_size: {size // 2} with gradient_accumulation_steps: {-(-size * steps // (size // 2))}"
            changed = dict(per_device_train_batch_size=size // 2, gradient_accumulation_steps=-(-size * steps // (size // 2)))
            yield keys, self._with_arguments(**changed)
        if activation_checkpointing(self.arguments) is None:
            yield "trainer.gradient_checkpointing: true", self._with_arguments(activation_checkpointing=True)
        if self.pack.tokens > 1:
            halved = self.pack.halved(layout_of(self.model).tokens_per_unit(self.model))
            yield f"data.max_length: {self.pack.tokens // 2}", replace(self, pack=halved)
        if self.dtype is None and self.arguments.bf16 and self.model.get_input_embeddings().weight.dtype != torch.bfloat16:
            yield "model.dtype: bfloat16", replace(self, dtype=torch.bfloat16)

    def _with_arguments(self, **changes: Any) -> "StageMemory":
        arguments = copy.copy(self.arguments)
        for name, value in changes.items():
            setattr(arguments, name, value)
        return replace(self, arguments=arguments)

    # ---- a step on fake tensors ----------------------------------------------------------------------------------------------------

    @property
    def _num_batches(self) -> int:
        """That are on the device at once. On CPU that includes the one that accelerate's loader fetches ahead."""
        return self.arguments.gradient_accumulation_steps + (self.device.type != "cuda")

    def _packed(self, model: SmolVLMForConditionalGeneration) -> PackedModel:
        for config in (model.config.text_config, model.config.vision_config, model.get_decoder().config):
            if config._attn_implementation == "flash_attention_2":
                config._attn_implementation = "sdpa"  # keeps as much, and takes fake tensors
        packed = _MaskedModel(model, PixelScale())  # fake tensors have no values
        packed.train()
        if (options := activation_checkpointing(self.arguments)) is not None:
            packed.activation_checkpointing_enable({**options, "preserve_rng_state": False})
        return packed

    def _start_optimizer(self, model: PackedModel) -> tuple[torch.optim.Optimizer | None, Any]:
        """The optimizer with the state that it has after its first step. One that fake tensors cannot go through counts as Adam."""
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        try:
            optimizer_class, options = Trainer.get_optimizer_cls_and_kwargs(self.arguments, model)
            optimizer = optimizer_class(parameters, **options)
            for parameter in parameters:
                parameter.grad = torch.empty_like(parameter)
            optimizer.step()
        except (RuntimeError, NotImplementedError):  # it reads the value of a tensor
            for parameter in parameters:
                parameter.grad = None
            return None, [torch.empty_like(parameter) for parameter in parameters for _ in range(2)]
        optimizer.zero_grad()
        return optimizer, optimizer.state

    def _batch(self) -> dict[str, Any]:
        size = self.arguments.per_device_train_batch_size
        length, num_loss, layout = size * self.pack.tokens, size * self.pack.loss_tokens, layout_of(self.model)
        pixels, shapes = layout.no_pictures(self.model, size * self.pack.units)
        options = dict(dtype=torch.long, device=self.device)
        batch = {
            "input_ids": torch.empty(1, length, **options),
            "position_ids": torch.empty(*layout.position_axes, 1, length, **options),
            "labels": torch.empty(1, length, **options),
            "image_positions": torch.empty(int(pixels[0] * layout.tokens_per_unit(self.model)), **options),
            "loss_positions": torch.empty(num_loss, **options),
            "targets": torch.empty(num_loss, **options),
            "sample_lengths": [length],
            "sample_bounds": torch.empty(2, dtype=torch.int32, device=self.device),
        }
        if shapes:
            batch |= {"pixels": torch.empty(pixels, dtype=torch.uint8, device=self.device), "shapes": shapes}
        return batch

    def _step(self, model: PackedModel, optimizer: torch.optim.Optimizer | None, batch: dict[str, Any]) -> None:
        """The last batch of a step: gradients of the others are there already."""
        if self.arguments.gradient_accumulation_steps > 1:
            for parameter in model.parameters():
                parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
        with autocast(self.arguments, self.device):
            loss = model(**{key: batch[key] for key in BATCH_KEYS if key in batch})
        loss.backward()
        if optimizer is not None:
            optimizer.step()
        model.zero_grad()


class _MaskedModel(PackedModel):
    """With the mask that transformers would build for attention that is not packed: how it builds one depends on values."""

    def _read(
        self, embeddings: torch.Tensor, position_ids: torch.Tensor, sample_lengths: list[int], sample_bounds: torch.Tensor, **options: Any
    ) -> torch.Tensor:
        if self._is_packed:
            return super()._read(embeddings, position_ids, sample_lengths, sample_bounds, **options)
        mask = embeddings.new_zeros(1, 1, embeddings.shape[1], embeddings.shape[1])
        options |= dict(position_ids=position_ids, attention_mask=mask, use_cache=False)
        return self.model.get_decoder()(inputs_embeds=embeddings, **options).last_hidden_state


def autocast(arguments: TrainingArguments, device: torch.device) -> torch.autocast:
    """Mixed precision as the Trainer sets it up for these arguments."""
    return torch.autocast(device.type, torch.float16 if arguments.fp16 else torch.bfloat16, enabled=arguments.fp16 or arguments.bf16)


def measure_pack(sampler: PackSampler, *, num_rows: int = NUM_MEASURED_ROWS) -> PackShape:
    """A full pack, with the most tiles or patches and the mean share of supervised tokens of the first rows that the seed draws.

    Raises:
        ValueError: none of these rows can be used.
    """
    packs = sampler.first_epoch(first_rows=num_rows)
    costs = [[sampler.cost(key) for key in pack] for pack in packs]
    laid_out = [sampler.encoder.lay_out(sampler.mixture[key]) for key in islice(chain.from_iterable(packs), _NUM_LAID_OUT_ROWS)]
    share = sum(row.num_supervised for row in laid_out) / sum(len(row.input_ids) for row in laid_out)
    longest = max(sum(cost.tokens for cost in pack) for pack in costs)
    tokens = sampler.max_length if sampler.packing else longest
    return PackShape(tokens, max(sum(cost.units for cost in pack) for pack in costs), round(share * tokens))


def process_bytes(model: torch.nn.Module) -> int:
    """Resident memory of this process beside the model's tensors."""
    storages = {tensor.untyped_storage()._cdata: tensor.nbytes for tensor in chain(model.parameters(), model.buffers()) if tensor.is_cpu}
    return max(0, psutil.Process().memory_info().rss - sum(storages.values()))


def gigabytes(size: float) -> str:
    """Bytes for people, in MB below 1 GB."""
    return f"{size / GIGABYTE:.2f} GB" if size >= GIGABYTE else f"{size / 1e6:,.0f} MB"
