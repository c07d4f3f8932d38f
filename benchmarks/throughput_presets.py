"""The sizes at which benchmarks/train_throughput.py compares.

In `cpu` a sample is as long as at full size, about 900 tokens, and the vocabulary is the real one. The model around it is small, so that
logits are most of the plain recipe's work: what it loses there is more than it loses at full size, which only `full` shows.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.donors import TextShape, VisionShape, save_text_donor, save_vision_donor
from benchmarks.photographs import read_texts, write_samples
from smvl.config import LoraConfig

STAGES = ("align", "finetune")


@dataclass(frozen=True)
class Preset:
    """Donors, data and duration of one comparison."""

    text: TextShape
    vision: VisionShape
    longest_edge: int
    max_length: int
    picture: tuple[int, int]
    """Width and height in pixels."""
    num_samples: int
    """That each side trains on while it is timed."""
    warm_up_steps: int
    """Of our side: enough that what its workers made ahead while it started is used up."""
    workers: int
    num_layers_learning: int
    """Last text layers that learn in finetune."""
    stages: tuple[str, ...]
    repeats: int
    on_card: bool
    """A card and bfloat16; else float32."""
    weights: str | None = None
    """Type of the frozen weights; None takes the arithmetic's."""
    packs_per_batch: int = 2
    """Of our side. At about 900 tokens a sample and a max_length of 2048 two are four samples, as many as the plain recipe's step has."""
    attention: str = "sdpa"
    """Of our side."""
    compile: bool = False
    """Of our side."""
    trainer: dict[str, Any] = field(default_factory=dict)
    """More keys of our side's `trainer`."""
    lora: LoraConfig | None = None
    """Of our side: adapters learn in the place of text layers."""

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.on_card else torch.float32

    @property
    def packs_per_step(self) -> int:
        """Of our side, in one optimizer step."""
        return self.packs_per_batch * self.trainer.get("gradient_accumulation_steps", 1)

    @property
    def weight_dtype(self) -> torch.dtype:
        return getattr(torch, self.weights) if self.weights else self.dtype

    def learning_parts(self, stage: str) -> list[str]:
        """What learns on both sides, in the words of train.yaml."""
        if stage == "align":
            return ["connector"]
        return ["connector", "lora" if self.lora else f"text.layers[-{self.num_layers_learning}:]"]

    def write(self, folder: Path) -> None:
        """Draw the samples and make the donors."""
        samples = write_samples(folder / "data", self.num_samples, size=self.picture)
        save_text_donor(folder / "text", self.text, read_texts(samples), dtype=self.dtype)
        save_vision_donor(folder / "vision", self.vision, dtype=self.dtype)


PRESETS = {
    "tiny": Preset(
        text=TextShape(vocabulary=1024, width=48, layers=2, heads=4, key_heads=2, head_size=16, inner_width=64),
        vision=VisionShape(tile=32, patch=8, scale_factor=2, width=24, layers=2, heads=2, inner_width=32),
        longest_edge=64,
        max_length=256,
        picture=(64, 48),
        num_samples=16,
        warm_up_steps=1,
        workers=0,
        num_layers_learning=1,
        stages=STAGES,
        repeats=1,
        on_card=False,
    ),
    "cpu": Preset(
        text=TextShape(vocabulary=151_936, width=192, layers=8, heads=6, key_heads=3, head_size=32, inner_width=512),
        vision=VisionShape(tile=96, patch=6, scale_factor=2, width=64, layers=2, heads=2, inner_width=192),
        longest_edge=384,
        max_length=2048,
        picture=(640, 480),
        num_samples=8,
        warm_up_steps=1,
        workers=0,
        num_layers_learning=2,
        stages=("align",),
        repeats=2,
        on_card=False,
    ),
    "full": Preset(
        text=TextShape(vocabulary=151_936, width=1024, layers=28, heads=16, key_heads=8, head_size=128, inner_width=3072),
        vision=VisionShape(tile=512, patch=16, scale_factor=4, width=768, layers=12, heads=12, inner_width=3072),
        longest_edge=2048,
        max_length=2048,
        picture=(640, 480),
        num_samples=192,
        warm_up_steps=24,
        workers=8,
        num_layers_learning=4,
        stages=STAGES,
        repeats=1,
        on_card=True,
    ),
}
