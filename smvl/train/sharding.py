"""FSDP2: a model whose learning state does not fit on one card is spread over several.

What is spread is a copy. The whole model stays where the run can save, merge and resume it as ever, on the CPU, and what was learned is
gathered into it whenever it is saved and at the end of a phase. So a checkpoint is the same whatever trained it, and can be resumed
by any number of processes, sharded or not.
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import distribute_tensor
from transformers import TrainingArguments
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from smvl.model.chinese_adapter import write_chinese_rows
from smvl.model.marker_rows import write_back_marker_rows
from smvl.model.sharded_tensors import full_tensor
from smvl.train.packed_model import PackedModel
from smvl.train.stages import StagePlan
from smvl.train.trainer import SmVLMTrainer


class ShardedTrainer(SmVLMTrainer):
    """Trains a sharded copy of the model for one phase; `release` brings what was learned into the model itself."""

    def __init__(self, model: PackedModel, args: TrainingArguments, *, plan: StagePlan, **options: Any):
        self.whole_model, self._whole_plan = model, plan
        copied = copy.deepcopy(model, {id(model.clock): model.clock})
        super().__init__(copied, args, plan=with_parameters_of(plan, model, copied), **options)
        plugin = self.accelerator.state.fsdp_plugin
        if plugin.mixed_precision_policy is not None:  # accelerate's adds gradients up in bfloat16, and rounds the loss
            plugin.mixed_precision_policy = replace(plugin.mixed_precision_policy, reduce_dtype=torch.float32, output_dtype=None)

    def _prepare_for_training(self, *arguments: Any, **options: Any) -> Any:
        prepared = super()._prepare_for_training(*arguments, **options)
        assert isinstance(self.packed_model, FSDPModule), "accelerate has not sharded the model"
        self.plan = with_parameters_of(self._whole_plan, self.whole_model, self.packed_model)  # sharding has made new parameters
        return prepared

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        metrics = super().evaluate(*arguments, **options)
        for module in self.packed_model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()  # a forward pass that no backward pass follows leaves the outer weights whole
        return metrics

    # ---- checkpoints ---------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def collect(self) -> None:
        """Gather what was learned into the whole model; all processes must take part."""
        for part in self._whole_plan.learning_at(self.state.global_step - 1):
            for name, parameter in _names(self.whole_model, part.parameters):
                parameter.copy_(full_tensor(self.packed_model.get_parameter(name)))
        write_back_marker_rows(self.whole_model.model)
        write_chinese_rows(self.whole_model.model)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        self.collect()
        self._save(output_dir)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """In the form in which an unsharded run writes them."""
        state = self.optimizer.state_dict()
        whole = {index: {name: full_tensor(value) for name, value in values.items()} for index, values in state["state"].items()}
        if self.args.should_save:
            torch.save(state | {"state": whole}, Path(output_dir, OPTIMIZER_NAME))
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir, SCHEDULER_NAME))

    def _restore(self, checkpoint: str) -> None:
        state = torch.load(Path(checkpoint, OPTIMIZER_NAME), map_location="cpu", weights_only=True)
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        for index, values in state["state"].items():
            values.update({name: _sharded_like(value, parameters[index]) for name, value in values.items()})
        self.optimizer.load_state_dict(state)
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint, SCHEDULER_NAME), weights_only=True))

    def release(self) -> None:
        """Bring what was learned into the whole model, and let go of the copy."""
        self.collect()
        self.model = self.model_wrapped = self.packed_model = self.callback_handler.model = self.health = None
        self.plan = None
        self._free()


def with_parameters_of(plan: StagePlan, model: nn.Module, other: nn.Module) -> StagePlan:
    """The plan of `model` for another model whose parameters have the same names."""
    parts = [replace(part, parameters=[other.get_parameter(name) for name, _ in _names(model, part.parameters)]) for part in plan.parts]
    return replace(plan, parts=parts)


def _names(model: nn.Module, parameters: Any) -> list[tuple[str, nn.Parameter]]:
    wanted = set(map(id, parameters))
    names = {id(parameter): name for name, parameter in model.named_parameters() if id(parameter) in wanted}
    return [(names[id(parameter)], parameter) for parameter in parameters]


def _sharded_like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A state of the optimizer, spread as its parameter is; a step count stays as it is."""
    if value.shape != parameter.shape:
        return value
    return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
