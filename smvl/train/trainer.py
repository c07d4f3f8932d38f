"""SmVLMTrainer: Hugging Face's Trainer with packs for batches, a rate for each part, and an evaluation that asks whether the model sees."""

import gc
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import SmolVLMForConditionalGeneration, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from smvl.data.collator import FAILURES, PackCollator
from smvl.data.packing import PackedDataset, PackSampler
from smvl.model.marker_rows import ATTRIBUTE
from smvl.train.loss import idle_vision_loss, supervised_loss
from smvl.train.stages import LearningPart, StagePlan

logger = logging.getLogger(__name__)

COMPLETE = "complete"
"""An empty file that is written into a checkpoint last: one without it was cut short by a kill."""


class SmVLMTrainer(Trainer):
    """Trains one phase of a stage: the parts that learn are fixed from its first to its last step.

    Args:
        plan: the stage; its parameter groups are the same in every phase, so that the optimizer's state carries over.
        sampler: names the packs; endless.
        evaluate_model: called at each evaluation, returns the figures to log.
        save_model: called with the folder of a checkpoint, writes model and processor into it.
    """

    def __init__(
        self,
        model: SmolVLMForConditionalGeneration,
        args: TrainingArguments,
        *,
        plan: StagePlan,
        sampler: PackSampler,
        evaluate_model: Callable[[int], dict[str, float]],
        save_model: Callable[[Path], None],
        pad_token_id: int,
        callbacks: list[TrainerCallback],
    ):
        self.plan, self.sampler = plan, sampler
        self._evaluate_model, self._save_model = evaluate_model, save_model
        self._group_names: list[str] = []
        super().__init__(
            model=model,
            args=args,
            train_dataset=PackedDataset(sampler.mixture, sampler.encoder),
            eval_dataset=[None],  # evaluate() brings its own samples; Trainer only asks whether there are any
            data_collator=PackCollator(pad_token_id),
            callbacks=callbacks,
        )
        for callback in (ProgressCallback, PrinterCallback):
            self.remove_callback(callback)
        # The loss is divided by the supervised tokens of the whole step, over all processes and accumulated batches.
        self.model_accepts_loss_kwargs = self.loss_is_scaled_for_ga = True

    # ---- data and loss ---------------------------------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: PackedDataset | None = None) -> PackSampler:
        return self.sampler

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        for failure in inputs.pop(FAILURES):
            self.sampler.quarantine.add(failure)
        total, num_tokens = supervised_loss(model, inputs)
        if "pixel_values" not in inputs and self._learns_from_pixels():
            total = total + idle_vision_loss(self.accelerator.unwrap_model(model))
        count = num_tokens if num_items_in_batch is None else num_items_in_batch
        # Processes average their gradients, but each divided by the count over all of them.
        scale = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
        return total * scale / torch.as_tensor(count, device=total.device).clamp(min=1)

    def _learns_from_pixels(self) -> bool:
        inner = self.model.model
        return any(parameter.requires_grad for module in (inner.connector, inner.vision_model) for parameter in module.parameters())

    # ---- optimizer -------------------------------------------------------------------------------------------------------------

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """One optimizer for all parts of the stage; what is still frozen has no gradient, and is passed over."""
        if self.optimizer is None:
            self._group_names = [part.name for part in self.plan.parts for _ in (0, 1)]
            groups = [group for part in self.plan.parts for group in self._groups(part)]
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = optimizer_class(groups, **options)
        return self.optimizer

    def _groups(self, part: LearningPart) -> list[dict[str, Any]]:
        """The matrices of a part decay; its biases, norms and marker rows do not."""
        rows = getattr(self.model, ATTRIBUTE).rows if hasattr(self.model, ATTRIBUTE) else None
        decays = [parameter for parameter in part.parameters if parameter.dim() > 1 and parameter is not rows]
        others = [parameter for parameter in part.parameters if parameter.dim() <= 1 or parameter is rows]
        shared = {"lr": part.learning_rate}
        return [{"params": decays, "weight_decay": self.args.weight_decay, **shared}, {"params": others, "weight_decay": 0.0, **shared}]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with one learning rate for each part that learns, in place of the first group's."""
        if "learning_rate" in logs and self.lr_scheduler is not None:
            del logs["learning_rate"]
            learning = {part.name for part in self.plan.learning_at(max(self.state.global_step - 1, 0))}
            rates = dict(zip(self._group_names, self.lr_scheduler.get_last_lr()))
            logs |= {f"learning_rate/{name}": rate for name, rate in rates.items() if name in learning}
        super().log(logs, start_time)

    # ---- evaluation and checkpoints --------------------------------------------------------------------------------------------

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        metrics = self._evaluate_model(self.state.global_step)
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        if self.args.should_save:
            self._save_model(Path(output_dir or self.args.output_dir))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            folder = Path(self.args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
            _flush(folder)
            (folder / COMPLETE).touch()
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Nothing: the model came from the checkpoint, whole and checked, before its parts were planned."""

    def release(self) -> None:
        """Give back what several processes share, so that the next phase can wrap the model anew."""
        self.accelerator.unwrap_model(self.model_wrapped, keep_fp32_wrapper=False, keep_torch_compile=False)
        self.model_wrapped = self.model
        self.callback_handler.train_dataloader = None
        self.optimizer = self.lr_scheduler = self.callback_handler.optimizer = self.callback_handler.lr_scheduler = None
        self.accelerator.free_memory()
        gc.collect()


class StopAt(TrainerCallback):
    """Ends a phase: saves at its last step, then stops."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step >= self.step:
            control.should_save = control.should_training_stop = True


class WriteBackMarkerRows(TrainerCallback):
    """Keeps the embedding equal to the marker rows after every step, so that evaluation and checkpoints hold them."""

    def on_optimizer_step(self, args: TrainingArguments, state: Any, control: Any, model: nn.Module | None = None, **kwargs: Any) -> None:
        if hasattr(model, ATTRIBUTE):
            getattr(model, ATTRIBUTE).write_back()


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; those that a kill cut short are deleted."""
    complete = []
    for checkpoint in sorted(folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*"), key=lambda path: int(path.name.rsplit("-", 1)[1])):
        if (checkpoint / COMPLETE).exists():
            complete.append(checkpoint)
        else:
            logger.warning("%s was cut short while it was written; it is deleted.", checkpoint)
            shutil.rmtree(checkpoint)
    return complete[-1] if complete else None


def _flush(folder: Path) -> None:
    """Make sure that the files are on the disk before they are called complete."""
    for path in folder.iterdir():
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
