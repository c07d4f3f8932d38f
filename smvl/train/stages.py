"""What learns when: a stage is a list of parts, each with its rate and the step from which it learns.

A stage runs in phases. Within a phase the set of learning parameters is fixed; the next phase begins as a resumed run does, from a
checkpoint, with more of them learning. So unfreezing needs no machinery of its own, and is as exact as resuming is.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedTokenizerBase, SmolVLMForConditionalGeneration

from smvl.config import StageConfig
from smvl.model.chinese_adapter import attach_chinese_adapter, detach_chinese_adapter
from smvl.model.marker_rows import attach_marker_rows, detach_marker_rows
from smvl.processing.character_features import character_features
from smvl.train.lora import attach_lora
from smvl.train.parts import CHINESE_ADAPTER, MARKERS, check_parts, part_parameters


@dataclass(frozen=True)
class LearningPart:
    """One part of the model in one stage."""

    name: str
    parameters: Sequence[nn.Parameter]
    learning_rate: float
    first_step: int
    """It learns from this optimizer step on, counted from 0."""

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters)


@dataclass(frozen=True)
class StagePlan:
    """A stage with its steps counted."""

    name: str
    parts: Sequence[LearningPart]
    max_steps: int

    @property
    def phase_ends(self) -> list[int]:
        """The steps at which a phase ends, the last one included."""
        starts = {part.first_step for part in self.parts if part.first_step}
        return sorted(starts | {self.max_steps})

    def learning_at(self, step: int) -> list[LearningPart]:
        """The parts that learn in the phase that `step` belongs to."""
        return [part for part in self.parts if part.first_step <= step]

    def freeze(self, model: nn.Module, step: int) -> None:
        """Let exactly the parts of this phase learn, in float32 whatever the model's type: small steps are lost in bfloat16."""
        model.requires_grad_(False)
        for part in self.learning_at(step):
            for parameter in part.parameters:
                parameter.data = parameter.data.float()
                parameter.requires_grad_(True)

    def named_parameters(self, model: nn.Module, step: int) -> dict[str, nn.Parameter]:
        """What learns at a step, by its name in the model."""
        learning = {id(parameter) for part in self.learning_at(step) for parameter in part.parameters}
        return {name: parameter for name, parameter in model.named_parameters() if id(parameter) in learning}

    def describe(self, model: nn.Module) -> str:
        """A table of what learns: part, parameters, learning rate, first step."""
        rows = [(part.name, f"{part.num_parameters:,}", f"{part.learning_rate:g}", str(part.first_step)) for part in self.parts]
        learning = sum(part.num_parameters for part in self.parts)
        total = sum(parameter.numel() for parameter in model.parameters())
        rows.append(("everything else", f"{total - learning:,}", "frozen", "-"))
        rows.insert(0, ("part", "parameters", "learning rate", "from step"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([f"Stage {self.name}, {self.max_steps} steps", *("  " + line for line in lines)])


def attach_adapters(stage: StageConfig, model: SmolVLMForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
    """Put beside the model's own weights what the stage trains besides: LoRA and the Chinese adapter.

    Raises:
        ValueError: the stage's settings do not fit the model, or something that they need is not installed.
    """
    detach_chinese_adapter(model)
    with _naming(stage):
        if stage.lora is not None:
            attach_lora(model, stage.lora, seed)
        if CHINESE_ADAPTER in stage.parts:
            attach_chinese_adapter(model, character_features(tokenizer), seed)


@contextmanager
def _naming(stage: StageConfig) -> Iterator[None]:
    """Within, a message names the stage whose mistake it tells."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"stage {stage.name}: {error}") from error


def plan_stage(
    stage: StageConfig,
    model: SmolVLMForConditionalGeneration,
    *,
    marker_ids: Sequence[int],
    max_steps: int,
    default_learning_rate: float,
) -> StagePlan:
    """Find the parameters of a stage's parts and the steps at which they start. A parameter belongs to the first part that names it.

    Adapters must be there already (`attach_adapters`).

    Raises:
        ValueError: a part does not exist, cannot be trained together with another, or is wholly held by earlier ones.
    """
    detach_marker_rows(model)
    names = stage.parts
    with _naming(stage):
        check_parts(model, names)
    if MARKERS in names:
        attach_marker_rows(model, marker_ids)
    first_steps = dict.fromkeys(stage.train, 0)
    rates = {name: stage.lr.get(name, default_learning_rate) for name in names}
    for unfreeze in stage.unfreeze:
        first_step = min(math.ceil(unfreeze.at * max_steps), max_steps - 1)  # a share below 1 leaves at least the last step
        first_steps.update(dict.fromkeys(unfreeze.add, first_step))
        if unfreeze.lr is not None:
            rates.update(dict.fromkeys(unfreeze.add, unfreeze.lr))
    taken: set[int] = set()
    parts = []
    for name in names:
        parameters = [parameter for parameter in part_parameters(model, name) if id(parameter) not in taken]
        if not parameters:
            raise ValueError(f"stage {stage.name}: every parameter of {name} belongs to an earlier part already; name it once.")
        taken.update(map(id, parameters))
        parts.append(LearningPart(name, parameters, rates[name], first_steps[name]))
    return StagePlan(stage.name, parts, max_steps)
