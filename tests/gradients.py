"""One optimizer step of SmVLMTrainer on given packs, and the gradient just before the weights change.

    python -m torch.distributed.run --standalone --nproc_per_node 2 -m tests.gradients FOLDER

runs every case of `TWO_PROCESSES` in as many processes and leaves their gradients in FOLDER, with `sharded` after it under FSDP2;
tests/test_gradients.py compares.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

import smvl
from smvl.config import Config, DataConfig, ModelConfig, SourceConfig, StageConfig
from smvl.data.quarantine import Quarantine
from smvl.layouts.pixel_scale import PixelScale
from smvl.model.chinese_adapter import ATTRIBUTE, write_chinese_rows
from smvl.model.sharded_tensors import full_tensor
from smvl.packing.encode import Encoder
from smvl.packing.mixture import Mixture, RowKey, open_mixture
from smvl.packing.packs import Pack
from smvl.train.arguments import training_arguments
from smvl.train.packed_model import PackedModel
from smvl.train.processes import process_state, shards_model
from smvl.train.sharding import ShardedTrainer
from smvl.train.stages import attach_adapters, plan_stage
from smvl.train.trainer import SmVLMTrainer
from tests.donors import TILE, save_text_donor, save_vision_donor
from tests.sharded_train import shard_on_cpus
from tests.tiny_data import write_json_lines

MAX_LENGTH = 4096
ALL_PARTS = ("connector", "markers", "text", "vision")
FROZEN_TOWER = ("connector", "markers", "text.layers[-1:]")
ADAPTER = ("connector", "chinese_adapter")


@dataclass(frozen=True)
class Case:
    """The packs of one step, each a string of t (a text) and i (a sample with an image), in the order in which processes take them."""

    packs: Sequence[str]
    batch_size: int = 1
    accumulation: int = 1
    train: Sequence[str] = ALL_PARTS


TWO_PROCESSES = {
    "one only text, the other only images": Case(["tttt", "ii"]),
    "one only images, the other only text": Case(["ii", "tttt"]),
    "both only text while the tower learns": Case(["tt", "ttt"]),
    "both only images": Case(["i", "iii"]),
    "both mixed": Case(["ti", "iit"]),
    "very different numbers of tokens": Case(["t", "iititittii"]),
    "only text and only images with a frozen tower": Case(["tt", "ii"], train=FROZEN_TOWER),
    "both only text with a frozen tower": Case(["tt", "ttt"], train=FROZEN_TOWER),
    "two batches accumulated": Case(["tt", "i", "iit", "t"], accumulation=2),
    "two batches accumulated, one process without any image": Case(["tt", "i", "tttt", "ii"], accumulation=2),
    "two packs a batch": Case(["t", "i", "tt", "iti"], batch_size=2),
    "a Chinese adapter, one process without any image": Case(["tt", "iiti"], train=ADAPTER),
    "a Chinese adapter and two batches accumulated": Case(["tt", "i", "iit", "t"], accumulation=2, train=ADAPTER),
}


class GivenPacks:
    """Deals given packs, over and over, in place of a PackSampler."""

    def __init__(self, packs: Sequence[Pack], mixture: Mixture, encoder: Encoder):
        self.packs, self.mixture, self.encoder = packs, mixture, encoder
        self.max_length, self.quarantine = MAX_LENGTH, Quarantine(None, 1.0)

    def __iter__(self) -> Iterator[Pack]:
        return itertools.cycle(self.packs)


class KeepGradients(TrainerCallback):
    """Keeps what the optimizer is about to use."""

    def __init__(self) -> None:
        self.gradients: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any) -> None:
        named = model.named_parameters()
        self.gradients = {name: full_tensor(parameter.grad).clone() for name, parameter in named if parameter.grad is not None}


@dataclass(frozen=True)
class Step:
    """What a step came to, over all processes."""

    loss: float
    gradients: dict[str, torch.Tensor]


def take_step(case: Case, folder: Path) -> Step:
    """Train one step of `case` in this process and those beside it; `folder` holds donors and data (`write_inputs`)."""
    torch.manual_seed(0)
    model, processor = smvl.splice(folder / "vision", folder / "text", longest_edge=2 * TILE)
    stage = stage_of(case, folder)
    config = Config(
        model=ModelConfig(vision=str(folder / "vision"), text=str(folder / "text")),
        data=DataConfig(workers=0),
        stages=[stage],
        output_dir=str(folder / "out"),
    )
    attach_adapters(stage, model, processor.tokenizer, seed=0)
    stir_adapter(model)
    plan = plan_stage(stage, model, marker_ids=processor.trained_ids, max_steps=1, default_learning_rate=1e-3)
    plan.freeze(model, 0)
    keeper = KeepGradients()
    trainer = (ShardedTrainer if shards_model() else SmVLMTrainer)(
        PackedModel(model, PixelScale()),
        training_arguments(config, stage, folder / "out", max_steps=1),
        plan=plan,
        sampler=GivenPacks(draw_packs(case.packs), open_mixture(stage, seed=0), Encoder(processor, MAX_LENGTH)),
        evaluate_model=lambda model, step: {},
        save_model=lambda folder, packs: None,
        save_total_limit=None,
        callbacks=[keeper],
    )
    trainer.train()
    loss = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    trainer.release()
    return Step(loss, keeper.gradients)


@torch.no_grad()
def stir_adapter(model: torch.nn.Module) -> None:
    """As if a Chinese adapter had learned: at its start, most of its gradient is zero."""
    if ATTRIBUTE in model._modules:
        model.get_submodule(ATTRIBUTE).output += torch.randn(model.get_submodule(ATTRIBUTE).output.shape)
        write_chinese_rows(model)


def stage_of(case: Case, folder: Path) -> StageConfig:
    trainer = {
        "per_device_train_batch_size": case.batch_size,
        "gradient_accumulation_steps": case.accumulation,
        "max_steps": 1,
        "max_grad_norm": 1e9,  # nothing is clipped
        "logging_steps": 1,
        "save_strategy": "no",
    }
    sources = [SourceConfig(source="jsonl", path=str(folder / f"data/{name}.jsonl")) for name in ("text", "colours")]
    return StageConfig(name="only", mixture=sources, train=list(case.train), trainer=trainer)


def draw_packs(packs: Sequence[str]) -> list[Pack]:
    """Rows of the two sources, each row once."""
    numbers = {"t": itertools.count(), "i": itertools.count()}
    return [tuple(RowKey("ti".index(kind), next(numbers[kind])) for kind in pack) for pack in packs]


def write_inputs(folder: Path) -> None:
    save_vision_donor(folder / "vision")
    save_text_donor(folder / "text")
    write_json_lines(folder / "data")


def main(folder: Path, *, is_sharded: bool) -> None:
    if is_sharded:
        shard_on_cpus()
    for number, case in enumerate(TWO_PROCESSES.values()):
        step = take_step(case, folder)
        if process_state().is_main_process:
            torch.save((step.loss, step.gradients), folder / f"{'sharded' if is_sharded else 'whole'}-{number}.pt")
        process_state().wait_for_everyone()


if __name__ == "__main__":
    main(Path(sys.argv[1]), is_sharded="sharded" in sys.argv[2:])
