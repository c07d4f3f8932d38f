"""One side of benchmarks/train_throughput.py, in a process of its own: it trains, and prints what it measured as one line of JSON."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from transformers import SmolVLMForConditionalGeneration, TrainerCallback, TrainingArguments

from benchmarks.plain_recipe import BATCHES_PER_STEP, ROWS_PER_BATCH, SAMPLES_PER_STEP, PaddingCollator, PlainTrainer
from benchmarks.throughput_presets import Preset
from smvl.assemble import splice
from smvl.config import Config, DataConfig, ImageConfig, ModelConfig, PromptConfig, SourceConfig, StageConfig
from smvl.data.quarantine import Quarantine
from smvl.layouts.pixel_scale import PixelScale
from smvl.packing.collator import PackCollator
from smvl.packing.encode import Encoder
from smvl.packing.mixture import RowKey, open_mixture
from smvl.packing.packs import Pack, PackedDataset, PackSampler
from smvl.processing.laid_out import IGNORED_LABEL
from smvl.train.arguments import training_arguments
from smvl.train.flops import BatchSize, card_peak, training_flops
from smvl.train.memory_forecast import StageMemory, measure_pack
from smvl.train.packed_model import BATCH_KEYS, PackedModel
from smvl.train.parts import part_parameters
from smvl.train.prepare import quieten
from smvl.train.processes import has_card
from smvl.train.stages import StagePlan, attach_adapters, plan_stage
from smvl.train.step_clock import StepClock
from smvl.train.trainer import SmVLMTrainer, WriteBackRows

NUM_COMPARED = 16
"""Samples whose loss both sides measure before they train."""
PLAIN_WARM_UP_STEPS = 1
LEARNING_RATE = 1e-4


# ---- what is trained on ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Schedule:
    """The packs of our side in the order in which they are trained on. The plain side trains on the same rows in the same order."""

    warm_up: Sequence[Pack]
    measured: Sequence[Pack]

    @property
    def compared(self) -> list[Pack]:
        """The first packs that together hold enough samples to compare losses."""
        packs, count = [], 0
        for pack in chain(self.warm_up, self.measured):
            if count >= NUM_COMPARED:
                break
            packs.append(pack)
            count += len(pack)
        return packs


def plan_schedule(sampler: PackSampler, *, packs_per_step: int, warm_up_steps: int, num_samples: int) -> Schedule:
    """As many whole steps after the warm-up as hold `num_samples` samples."""
    stream = iter(sampler)
    warm_up, measured = list(islice(stream, warm_up_steps * packs_per_step)), []
    while sum(map(len, measured)) < num_samples:
        measured += islice(stream, packs_per_step)
    return Schedule(warm_up, measured)


def rows_of(packs: Sequence[Pack]) -> list[RowKey]:
    return list(chain.from_iterable(packs))


# ---- measuring ---------------------------------------------------------------------------------------------------------------------


class Stopwatch(TrainerCallback):
    """Seconds from the end of one step to the end of the last, and what the Trainer logs of them."""

    def __init__(self, first_step: int):
        self.first_step = first_step
        self.began, self.seconds, self.figures = 0.0, 0.0, {}

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step not in (self.first_step, state.max_steps):
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.began, self.seconds = now, now - self.began
        control.should_log = True  # the health of a run is counted from one log line to the next

    def on_log(self, args: TrainingArguments, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        if "loss" in logs:
            self.figures = logs


def peak_memory() -> dict[str, int]:
    """Bytes: of the card where there is one, else of this process."""
    if torch.cuda.is_available():
        return {"peak": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return {"peak": int(kilobytes) * 1024}


# ---- the two sides -----------------------------------------------------------------------------------------------------------------


class Side(ABC):
    """Model, encoder and schedule, which both sides build alike; `measure` trains.

    Args:
        folder: donors and data.
    """

    attention: str | None = None
    """None leaves it to the preset."""
    layout = "smolvlm"

    def __init__(self, preset: Preset, stage: str, folder: Path):
        self.preset, self.folder = preset, folder
        self.device = torch.device("cuda" if has_card() else "cpu")
        self.config = make_config(preset, stage, folder, attention=self.attention or preset.attention, layout=self.layout)
        self.stage = self.config.stages[0]
        data, model = self.config.data, self.config.model
        self.model, processor = splice(
            model.vision,
            model.text,
            layout=model.layout,
            scale_factor=model.scale_factor,
            **asdict(data.image),
            attention=model.attention,
            dtype=preset.weight_dtype,
            seed=self.config.seed,
        )
        self.model.to(self.device)
        self.encoder = Encoder(processor, data.max_length)
        self.mixture = open_mixture(self.stage, seed=self.config.seed)
        self.schedule = plan_schedule(
            self.open_sampler(),
            packs_per_step=preset.packs_per_step,
            warm_up_steps=preset.warm_up_steps,
            num_samples=preset.num_samples,
        )

    def open_sampler(self) -> PackSampler:
        data = self.config.data
        return PackSampler(
            self.mixture,
            self.encoder,
            max_length=data.max_length,
            packing=data.packing,
            seed=self.config.seed,
            quarantine=Quarantine(None, data.max_drop_share),
            look_ahead=data.look_ahead,
            workers=data.workers,
        )

    def measure(self, *, quickly: bool = False) -> dict[str, Any]:
        """Loss before training, then speed and memory of training.

        Args:
            quickly: leave out the loss, and what takes no training to know.
        """
        found = {} if quickly else {**self.measure_loss(), **self.forecast()}
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        return {**found, **self.train(), **peak_memory()}

    def measure_loss(self) -> dict[str, float]:
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.preset.on_card):
            total, count = self.sum_losses()
        return {"loss": total / count}

    def forecast(self) -> dict[str, int]:
        """Bytes that this project's forecast says; the plain recipe has none."""
        return {}

    @abstractmethod
    def sum_losses(self) -> tuple[float, int]:
        """Sum of token losses of the schedule's compared samples, and the number of those tokens."""

    @abstractmethod
    def train(self) -> dict[str, Any]:
        """Train on the schedule, and the figures of its measured part."""

    def to_device(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {name: value.to(self.device) if torch.is_tensor(value) else value for name, value in batch.items()}

    def figures(self, stopwatch: Stopwatch, rows: Sequence[RowKey], *, num_steps: int, padded_to: int | None) -> dict[str, Any]:
        """What both sides report of the rows that were trained on while the watch ran."""
        sizes = [self.size_of(key) for key in rows]
        tokens = sum(size.tokens for size in sizes)
        flops = sum(training_flops(self.model, size) for size in sizes)
        peak = card_peak(self.device)
        return {
            "samples": len(rows),
            "samples_per_second": len(rows) / stopwatch.seconds,
            "tokens_per_second": tokens / stopwatch.seconds,
            "padding_share": 1 - tokens / (padded_to * len(rows)) if padded_to else 0.0,
            "samples_per_step": len(rows) / num_steps,
            "data_wait_share": stopwatch.figures["speed/data_wait_share"],
            "flops_utilization": flops / (stopwatch.seconds * peak) if peak else None,
            "seconds": {name.removeprefix("seconds/"): value for name, value in stopwatch.figures.items() if name.startswith("seconds/")},
        }

    def size_of(self, key: RowKey) -> BatchSize:
        layout = self.encoder.lay_out(self.mixture[key])
        tokens = len(layout.input_ids)
        shapes = tuple(plan.shape for plan in layout.plans)
        return BatchSize(tokens, tokens**2, loss_tokens=layout.num_supervised, units=layout.num_units, shapes=shapes)


class PlainSide(Side):
    """The recipe as published."""

    attention = "eager"

    def sum_losses(self) -> tuple[float, int]:
        collate, total, count = PaddingCollator(self.encoder), 0.0, 0
        for key in rows_of(self.schedule.compared):
            batch = self.to_device(collate([self.mixture[key]]))
            asked = int((batch["labels"][:, 1:] != IGNORED_LABEL).sum())
            total, count = total + self.model(**batch).loss.item() * asked, count + asked
        return total, count

    def train(self) -> dict[str, Any]:
        warm_up = rows_of(self.schedule.warm_up)[-PLAIN_WARM_UP_STEPS * SAMPLES_PER_STEP :]
        measured = rows_of(self.schedule.measured)
        num_steps = len(measured) // SAMPLES_PER_STEP
        measured = measured[: num_steps * SAMPLES_PER_STEP]
        let_learn(self.model, self.stage.train)
        stopwatch = Stopwatch(PLAIN_WARM_UP_STEPS)
        PlainTrainer(
            self.model,
            self.arguments(PLAIN_WARM_UP_STEPS + num_steps),
            clock=StepClock(self.device),
            train_dataset=[self.mixture[key] for key in [*warm_up, *measured]],
            data_collator=PaddingCollator(self.encoder),
            callbacks=[stopwatch],
        ).train()
        return self.figures(stopwatch, measured, num_steps=num_steps, padded_to=self.encoder.max_length)

    def arguments(self, num_steps: int) -> TrainingArguments:
        return TrainingArguments(
            output_dir=str(self.folder / "output"),
            per_device_train_batch_size=ROWS_PER_BATCH,
            gradient_accumulation_steps=BATCHES_PER_STEP,
            max_steps=num_steps,
            learning_rate=LEARNING_RATE,
            bf16=self.preset.on_card,
            use_cpu=not has_card(),
            dataloader_num_workers=0,
            dataloader_pin_memory=has_card(),
            remove_unused_columns=False,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )


class OurSide(Side):
    """smvl's own training loop, as smvl/train/run.py puts it together."""

    def __init__(self, preset: Preset, stage: str, folder: Path):
        super().__init__(preset, stage, folder)
        self.packed = PackedModel(self.model, PixelScale.of(self.encoder.processor.image_processor), StepClock(self.device))
        if preset.compile:
            self.packed.compile_layers()

    def sum_losses(self) -> tuple[float, int]:
        dataset, collate, total, count = PackedDataset(self.mixture, self.encoder), self.collator(), 0.0, 0
        for pack in self.schedule.compared:
            batch = self.to_device(collate([dataset[pack]]))
            total += self.packed(**{key: batch[key] for key in BATCH_KEYS if key in batch}).item()
            count += len(batch["targets"])
        return total, count

    def collator(self) -> PackCollator:
        return PackCollator(self.model.config.image_token_id)

    def train(self) -> dict[str, Any]:
        plan, arguments = self.plan
        plan.freeze(self.model, 0)
        stopwatch = Stopwatch(self.preset.warm_up_steps)
        SmVLMTrainer(
            self.packed,
            arguments,
            plan=plan,
            sampler=self.open_sampler(),
            evaluate_model=lambda model, step: {},
            save_model=lambda folder: None,
            save_total_limit=None,
            callbacks=[WriteBackRows(), stopwatch],
        ).train()
        figures = self.figures(stopwatch, rows_of(self.schedule.measured), num_steps=self.num_steps, padded_to=None)
        return {**figures, "fill": stopwatch.figures["data/fill"]}

    def forecast(self) -> dict[str, int]:
        plan, arguments = self.plan
        found = StageMemory(self.model, plan, arguments, measure_pack(self.open_sampler()), self.device).forecast()
        return {"forecast": found.tensors if has_card() else found.peak}

    @property
    def num_steps(self) -> int:
        """That are timed."""
        return len(self.schedule.measured) // self.preset.packs_per_step

    @cached_property
    def plan(self) -> tuple[StagePlan, TrainingArguments]:
        """What learns, and the Trainer's arguments."""
        max_steps = self.preset.warm_up_steps + self.num_steps
        attach_adapters(self.stage, self.model, self.encoder.processor.tokenizer, self.config.seed)
        plan = plan_stage(self.stage, self.model, marker_ids=(), max_steps=max_steps, default_learning_rate=LEARNING_RATE)
        return plan, training_arguments(self.config, self.stage, self.folder / "output", max_steps=max_steps)


class NativeSide(OurSide):
    """The same with the donors spliced into a Qwen3-VL, whose pictures have as many pixels as the other sides' before they are cut."""

    layout = "qwen3_vl"


SIDES = {"plain": PlainSide, "ours": OurSide, "native": NativeSide}


def run_side(side: str, preset: Preset, stage: str, folder: Path) -> None:
    """Measure, and print the figures as one line of JSON; a card that is too small is a result too."""
    quieten()
    try:
        figures = SIDES[side](preset, stage, folder).measure()
    except torch.OutOfMemoryError:
        figures = {"out_of_memory": True}
    print(json.dumps(figures))


def let_learn(model: SmolVLMForConditionalGeneration, parts: Sequence[str]) -> None:
    """In the type in which the weights are, as the plain recipe does."""
    model.requires_grad_(False)
    for part in parts:
        for parameter in part_parameters(model, part):
            parameter.requires_grad_(True)


def image_of(preset: Preset, layout: str) -> ImageConfig:
    """Both layouts at one resolution: that of the longest edge."""
    width, height = preset.picture
    pixels = round(width * height * (preset.longest_edge / max(width, height)) ** 2)
    native = ImageConfig(min_pixels=pixels, max_pixels=pixels + preset.vision.patch**2 * 4)
    return {"qwen3_vl": native}.get(layout, ImageConfig(tile=preset.vision.tile, longest_edge=preset.longest_edge))


def make_config(preset: Preset, stage: str, folder: Path, *, attention: str, layout: str) -> Config:
    """The configuration that our side would be started with."""
    trainer = {
        "per_device_train_batch_size": preset.packs_per_batch,
        "max_steps": 1,
        "learning_rate": LEARNING_RATE,
        "bf16": preset.on_card,
        "save_strategy": "no",
        "logging_strategy": "no",
        **preset.trainer,
    }
    lora = preset.lora if stage == "finetune" else None
    source = SourceConfig(source="jsonl", path=str(folder / "data/samples.jsonl"))
    return Config(
        model=ModelConfig(
            vision=str(folder / "vision"),
            text=str(folder / "text"),
            layout=layout,
            scale_factor={"smolvlm": preset.vision.scale_factor}.get(layout),
            attention=attention,
            dtype=str(preset.weight_dtype).removeprefix("torch."),
            compile=preset.compile,
        ),
        data=DataConfig(
            max_length=preset.max_length,
            image=image_of(preset, layout),
            workers=preset.workers,
        ),
        stages=[
            StageConfig(
                name=stage,
                mixture=[source],
                train=preset.learning_parts(stage),
                lora=lora,
                trainer=trainer,
                prompts=PromptConfig(open_share=0.0, spaced_share=0.0),  # the plain recipe takes prompts as they are
            )
        ],
        output_dir=str(folder / "output"),
    )
