"""What a run will do, before its first step: `python train.py train.yaml --dry-run`.

Reads samples, shows one as the model will see it, counts, packs, predicts memory and time, and refuses a plan that cannot fit. It claims
no run folder and writes nothing but to the screen; data that the configuration asks to draw is drawn into a temporary folder.
"""

import logging
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, SmolVLMForConditionalGeneration, TrainingArguments

from smvl.config import Config, SourceConfig, StageConfig
from smvl.data.quarantine import Quarantine
from smvl.layouts.pixel_scale import PixelScale
from smvl.layouts.settings import ANSWERS
from smvl.layouts.tokens import IMAGE_TOKEN
from smvl.model.rope import reached_positions, trained_positions
from smvl.packing.collator import PackCollator
from smvl.packing.mixture import RowKey
from smvl.packing.packs import Pack, PackedDataset
from smvl.processing.laid_out import IGNORED_LABEL, LaidOut
from smvl.train.arguments import activation_checkpointing
from smvl.train.beginning import load_model
from smvl.train.memory_check import MemoryPlanError, check_memory, memory_budget
from smvl.train.memory_forecast import GIGABYTE, StageMemory, autocast, gigabytes
from smvl.train.packed_model import BATCH_KEYS, PackedModel
from smvl.train.parts import part_parameters
from smvl.train.planned_stage import PlannedStage
from smvl.train.prepare import draw_scenes, prepare_checks

logger = logging.getLogger(__name__)

NUM_READ, NUM_MEASURED, NUM_LONGEST = 64, 512, 8
"""Samples that are looked at whole, samples whose lengths are measured, and of those the longest, whose positions are counted."""
NUM_TIMED = 2
"""Passes that are timed, after one that is not."""
BAR_WIDTH, NUM_BINS = 40, 8


def dry_run(config: Config, *, budget: float | None = None, recipe: str | Path | None = None) -> None:
    """Log the report of every stage.

    Args:
        budget: memory to plan for in GB, in place of what this machine has now.
        recipe: the YAML file of the configuration, for messages.

    Raises:
        MemoryPlanError: a stage cannot fit.
        ValueError: what `prepare` raises.
    """
    prepare_checks(config, recipe=recipe)
    refusals = []
    with tempfile.TemporaryDirectory() as folder:
        config = _with_data_drawn(config, Path(folder))
        parts = None
        for stage in config.stages:
            if parts is None:
                parts = load_model(config)
            try:
                StageForecast(config, stage, *parts, budget=budget).report()
            except MemoryPlanError as error:
                refusals.append(str(error))
            if stage.lora is not None:  # adapters cannot be taken off again without adding them up
                parts = None
    if refusals:
        raise MemoryPlanError("\n".join(refusals))


def _with_data_drawn(config: Config, folder: Path) -> Config:
    """The configuration with the data of `data.scenes` in `folder`, unless there is none or it was drawn by an earlier run."""
    scenes = config.data.scenes
    if scenes is None or Path(scenes.folder).exists():
        return config
    drawn = replace(config, data=replace(config.data, scenes=replace(scenes, folder=str(folder / "drawn"))))
    draw_scenes(drawn)

    def moved(source: SourceConfig) -> SourceConfig:
        path = Path(source.path)
        inside = Path(scenes.folder) in path.parents
        return replace(source, path=str(folder / "drawn" / path.relative_to(scenes.folder))) if inside else source

    return replace(drawn, stages=[replace(stage, mixture=[moved(source) for source in stage.mixture]) for stage in drawn.stages])


class StageForecast(PlannedStage):
    """One stage, planned as a run would plan it, and what can be said of it.

    Args:
        budget: memory in GB; None takes what this machine has now.
    """

    def __init__(self, config: Config, stage: StageConfig, model: SmolVLMForConditionalGeneration, processor: Any, *, budget: float | None):
        super().__init__(config, stage, model, processor, Quarantine(None, config.data.max_drop_share))
        self.budget = memory_budget(self.device, self.num_processes) if budget is None else round(budget * GIGABYTE)

    def report(self) -> None:
        """Log what the stage will do; the time last, for it takes longest.

        Raises:
            MemoryPlanError: the stage does not fit.
        """
        packs = self.sampler.first_epoch(first_rows=NUM_MEASURED)
        logger.info("\n==== Stage %s, dry run ====\n", self.stage.name)
        for text in (*self._examples(packs), *self._histograms(packs), self._packing(packs), describe_parts(self.model)):
            logger.info("%s\n", text)
        logger.info("%s\n", self.plan.describe(self.model))
        if self.stage.objective != ANSWERS:
            logger.info("Stage %s: %d steps; memory and time are foretold for answers alone.", self.stage.name, self.plan.max_steps)
            return
        memory = self.memory(num_rows=NUM_MEASURED)
        forecast = check_memory(memory, self.budget)
        logger.info("At the peak, in the last phase: %s. %s\n", forecast.describe(), self._other_phases(memory))
        logger.info("%s", self._time(packs))

    # ---- samples -----------------------------------------------------------------------------------------------------------------

    def _examples(self, packs: Sequence[Pack]) -> Iterator[str]:
        """One sample with an image, and one without if there is any."""
        keys = list(chain.from_iterable(packs))
        costs = [self.sampler.cost(key) for key in keys]
        for has_image, name in ((True, "A sample with an image"), (False, "A sample without an image")):
            if key := next((key for key, cost in zip(keys, costs) if (cost.units > 0) is has_image), None):
                sample = self.sampler.mixture[key]
                laid_out, pictures = self.encoder.lay_out(sample), self.processor.pictures
                shown = "".join(f", {pictures.describe(plan)}" for plan in laid_out.plans)
                yield (
                    f"{name}, {sample.source}/{sample.id}: {len(laid_out.input_ids)} ids, {laid_out.num_supervised} of them supervised "
                    f"[[so]]; {laid_out.num_units} {pictures.unit}{shown}\n{marked_text(laid_out, self.processor.tokenizer)}"
                )

    def _histograms(self, packs: Sequence[Pack]) -> Iterator[str]:
        keys = list(chain.from_iterable(packs))
        costs = [self.sampler.cost(key) for key in keys]
        yield histogram(f"Tokens of {len(costs)} samples", [cost.tokens for cost in costs])
        yield histogram(f"{self.processor.pictures.unit.capitalize()} of {len(costs)} samples", [cost.units for cost in costs])
        laid_out = [self.encoder.lay_out(self.sampler.mixture[key]) for key in keys[:NUM_READ]]
        num_supervised, num_tokens = sum(row.num_supervised for row in laid_out), sum(len(row.input_ids) for row in laid_out)
        yield f"Supervised: {num_supervised / num_tokens:.1%} of the tokens of {len(laid_out)} samples."
        yield self._positions([key for _, key in sorted(zip((cost.tokens for cost in costs), keys))][-NUM_LONGEST:])

    def _positions(self, longest: Sequence[RowKey]) -> str:
        """How far positions go, of which a picture may have fewer than tokens, and which factor would reach `data.max_length`."""
        text = self.model.config.text_config
        laid_out = [self.encoder.lay_out(self.sampler.mixture[key]) for key in longest]
        positions, tokens = max((int(self.processor.positions(row)[-3:].max()) + 1, len(row.input_ids)) for row in laid_out)
        reached, needed = reached_positions(text), -(-self.config.data.max_length * positions // tokens)
        most = f"{positions:,} in a sample of {tokens:,} tokens, the most of the longest"
        shown = f"Positions: {most}; the text model's rotation is for {reached:,}."
        if needed <= reached:
            return shown
        factor = math.ceil(2 * needed / trained_positions(text)) / 2
        return f"{shown} data.max_length tokens like these have {needed:,}: model.rope.yarn: {factor:g} would reach them."

    def _packing(self, packs: Sequence[Pack]) -> str:
        planned, unit = self.sampler.statistics_of(packs), self.processor.pictures.unit
        return (
            f"Packing the first {self.quarantine.num_seen} rows: {planned.describe(unit)} Left out: {self.quarantine.describe()}.\n"
            f"Mixed by {self.stage.mix_by}:\n{planned.describe_mixture()}"
        )

    # ---- memory and time -----------------------------------------------------------------------------------------------------------

    @property
    def _phase_starts(self) -> list[int]:
        return [0, *self.plan.phase_ends[:-1]]

    def _other_phases(self, memory: StageMemory) -> str:
        """The peaks of the phases before the last."""
        earlier = [(start, memory.forecast_at(start).peak) for start in self._phase_starts[:-1]]
        return "; ".join(f"from step {start} {gigabytes(peak)}" for start, peak in earlier)

    def _time(self, packs: Sequence[Pack]) -> str:
        """Steps and hours, from a few forward and backward passes of one batch on this machine."""
        batch, encoding = self._encode(packs[: self.arguments.per_device_train_batch_size])
        if workers := self.config.data.workers:
            encoding /= workers
        hours = 0.0
        for start, end in zip(self._phase_starts, self.plan.phase_ends):
            passing = self._time_pass(batch, start)
            seconds = max(passing, encoding) if workers else passing + encoding
            hours += (end - start) * self.arguments.gradient_accumulation_steps * seconds / 3600
        by_workers = f" with {workers} workers" if workers else ""
        return (
            f"Stage {self.stage.name}: {self.plan.max_steps:,} steps, about {_duration(hours)} on this machine (an estimate: the last "
            f"phase takes {passing:.2g} s a batch, its data {encoding:.2g} s{by_workers}; evaluation and checkpoints come on top)."
        )

    def _encode(self, packs: Sequence[Pack]) -> tuple[dict[str, Any], float]:
        """One batch on the device, and the seconds that one process takes to make it."""
        dataset, collate = PackedDataset(self.sampler.mixture, self.encoder), PackCollator(self.model.config.image_token_id)
        began = time.perf_counter()
        batch = collate([dataset[pack] for pack in packs])
        seconds = time.perf_counter() - began
        kept = {key: batch[key] for key in BATCH_KEYS if key in batch}
        return {key: value.to(self.device) if torch.is_tensor(value) else value for key, value in kept.items()}, seconds

    def _time_pass(self, batch: dict[str, Any], step: int) -> float:
        """Median seconds of a forward and backward pass with what learns at `step`; no weight changes."""
        self.plan.freeze(self.model, step)
        packed = PackedModel(self.model.to(self.device), PixelScale.of(self.processor.image_processor)).train()
        seconds = []
        with _checkpointing(packed, self.arguments):
            for _ in range(1 + NUM_TIMED):
                began = time.perf_counter()
                with autocast(self.arguments, self.device):
                    loss = packed(**batch)
                loss.backward()
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - began)
                self.model.zero_grad()
        return statistics.median(seconds[1:])


@contextmanager
def _checkpointing(packed: PackedModel, arguments: TrainingArguments) -> Iterator[None]:
    options = activation_checkpointing(arguments)
    if options is not None:
        packed.activation_checkpointing_enable(options)
    try:
        yield
    finally:
        packed.activation_checkpointing_disable()


# ---- text ----------------------------------------------------------------------------------------------------------------------------


def marked_text(laid_out: LaidOut, tokenizer: PreTrainedTokenizerBase) -> str:
    """The tokens as text: [[supervised]], and the run of one tile's image tokens as `<|image_pad|> x 64` with a line break."""
    image_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)

    def kind(pair: tuple[int, int]) -> tuple[bool, bool]:
        return pair[1] != IGNORED_LABEL, pair[0] == image_id

    pieces = []
    for (is_supervised, is_image), pairs in groupby(zip(laid_out.input_ids, laid_out.labels), kind):
        ids = [token for token, _ in pairs]
        text = f"{IMAGE_TOKEN} x {len(ids)}\n" if is_image else tokenizer.decode(ids, skip_special_tokens=False)
        pieces.append(f"[[{text}]]" if is_supervised else text)
    return "".join(pieces)


def histogram(title: str, values: Sequence[int]) -> str:
    """How often values fall into ranges, as bars of text."""
    low, high = min(values), max(values)
    size = max(1, -(-(high - low + 1) // NUM_BINS))
    bins = [(start, min(start + size - 1, high)) for start in range(low, high + 1, size)]
    counts = [sum(start <= value <= end for value in values) for start, end in bins]
    labels = [f"{start}" if start == end else f"{start} to {end}" for start, end in bins]
    width = max(map(len, labels))
    lines = [
        f"  {label:>{width}}  {count:>5}  {'#' * round(BAR_WIDTH * count / max(counts))}".rstrip() for label, count in zip(labels, counts)
    ]
    return "\n".join([f"{title}: median {statistics.median(values):g}, at most {high}", *lines])


def _duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{max(1, round(60 * hours))} minutes"


@dataclass(frozen=True)
class _PartSize:
    name: str
    parameters: int
    num_bytes: int


def describe_parts(model: SmolVLMForConditionalGeneration) -> str:
    """Parameters and megabytes of each part; a table that two parts share counts once."""
    sizes, counted = [], set()
    for name in ("vision", "connector", "text", "embeddings", "lm_head"):
        parameters = [parameter for parameter in part_parameters(model, name) if id(parameter) not in counted]
        counted.update(map(id, parameters))
        sizes.append(_size_of(name, parameters))
    sizes.append(_size_of("markers, adapters (at work)", [parameter for parameter in model.parameters() if id(parameter) not in counted]))
    sizes.append(_PartSize("all", sum(size.parameters for size in sizes), sum(size.num_bytes for size in sizes)))
    lines = [f"  {size.name:26}  {size.parameters:>13,}  {size.num_bytes / 1e6:>9,.1f} MB" for size in sizes if size.parameters]
    return "\n".join(["The model by part", *lines])


def _size_of(name: str, parameters: Sequence[torch.nn.Parameter]) -> _PartSize:
    return _PartSize(name, sum(parameter.numel() for parameter in parameters), sum(parameter.nbytes for parameter in parameters))
