"""SmVLMTrainer: Hugging Face's Trainer with packs for batches, a rate for each part, and an evaluation that asks whether the model sees."""

import gc
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from smvl.model.chinese_adapter import write_chinese_rows
from smvl.model.marker_rows import ATTRIBUTE, write_back_marker_rows
from smvl.packing.collator import FAILURES, SAMPLE_IDS, PackCollator
from smvl.packing.packs import PackedDataset, PackSampler
from smvl.packing.worker_process import WorkerStart
from smvl.train.checkpoint import POSITION_FILE, complete_checkpoint, read_position, remove_broken
from smvl.train.health import Health
from smvl.train.interruption import Interruption
from smvl.train.packed_model import BATCH_KEYS, PackedModel
from smvl.train.stages import LearningPart, StagePlan
from smvl.train.state_check import check_restored, restoring

logger = logging.getLogger(__name__)

LEANS_ON = {
    "_get_train_sampler": "asked once for each data loader; what it returns is the order of the packs",
    "get_batch_samples": "called once for each step, before its first batch is trained on; returns batches and their number of tokens",
    "_clip_grad_norm": "called once for each step, before `_get_grad_norm`, only where max_grad_norm asks for it",
    "_get_grad_norm": "called once for each step, after clipping and before the optimizer's step",
    "_save": "writes the model into a folder; called within `_save_checkpoint`",
    "_save_checkpoint": "called whenever a state is due, in every process",
    "_load_optimizer_and_scheduler": "called once, with None where nothing is resumed",
    "_load_rng_state": "called before the first resumed step; loaded again here, after the loader's own seed was drawn",
    "_load_from_checkpoint": "called for a resumed run, before and after the model is prepared",
}
"""Trainer's own hooks that are overridden here and are promised to nobody, and what is taken for granted of each. So it is in
transformers 5.17 and 5.23; tests/test_trainer_hooks.py looks at the installed one."""


class SmVLMTrainer(Trainer):
    """Trains one phase of a stage: the parts that learn are fixed from its first to its last step.

    Args:
        plan: the stage; its parameter groups are the same in every phase, so that the optimizer's state carries over.
        sampler: names the packs; endless.
        evaluate_model: called at each evaluation, returns the figures to log.
        save_model: called with the folder of a checkpoint and the packs that were trained on, writes model and processor into it.
        save_total_limit: checkpoints that are kept; None keeps all.
    """

    def __init__(
        self,
        model: PackedModel,
        args: TrainingArguments,
        *,
        plan: StagePlan,
        sampler: PackSampler,
        evaluate_model: Callable[[PackedModel, int], dict[str, float]],
        save_model: Callable[[Path, int], None],
        save_total_limit: int | None,
        callbacks: list[TrainerCallback],
    ):
        self.plan, self.sampler, self.packed_model = plan, sampler, model
        self._evaluate_model, self._save_model, self._save_total_limit = evaluate_model, save_model, save_total_limit
        self._group_names: list[str] = []
        self._step_sample_ids: list[str] = []
        self._packs_before, self._resumed_from = 0, None
        super().__init__(
            model=model,
            args=args,
            train_dataset=PackedDataset(sampler.mixture, sampler.encoder),
            eval_dataset=[None],  # evaluate() brings its own samples; Trainer only asks whether there are any
            data_collator=PackCollator(model.config.image_token_id),
            callbacks=callbacks,
        )
        for callback in (ProgressCallback, PrinterCallback):
            self.remove_callback(callback)
        # The loss is divided by the supervised tokens of the whole step, over all processes and accumulated batches.
        self.model_accepts_loss_kwargs = self.loss_is_scaled_for_ga = True
        self.health = Health(model.model, model.clock, capacity=sampler.max_length * self.args.per_device_train_batch_size)

    # ---- data --------------------------------------------------------------------------------------------------------------------

    def train(self, resume_from_checkpoint: str | None = None, **options: Any) -> Any:
        """Train to the end of the phase; a resumed one goes on with the pack after the last that was trained on."""
        self._resumed_from = resume_from_checkpoint
        if resume_from_checkpoint is not None:
            position = read_position(Path(resume_from_checkpoint))
            self._packs_before = position["num_packs"]
            self._step_before = position["step"]
            self.sampler.start_from(position["sampler"])
        else:
            self._step_before = 0
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **options)

    def get_train_dataloader(self) -> Any:
        loader = super().get_train_dataloader()
        inner = loader.base_dataloader  # accelerate's own wraps it
        inner.worker_init_fn = WorkerStart(inner.worker_init_fn)
        return loader

    def _get_train_sampler(self, train_dataset: PackedDataset | None = None) -> PackSampler:
        return self.sampler

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list, Any]:
        self.packed_model.clock.lap("other")
        batches, num_items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self._resumed_from is not None:  # after the loader has drawn its own seed, as in the run that was broken off
            self._load_rng_state(self._resumed_from)
            self._resumed_from = None
        self._step_sample_ids = []
        for batch in batches:
            for failure in batch.pop(FAILURES):
                self.sampler.quarantine.add(failure)
            self._step_sample_ids += batch.pop(SAMPLE_IDS)
            self.health.count(batch)
        self.packed_model.clock.lap("data")
        return batches, num_items

    @property
    def packs_trained(self) -> int:
        """Packs of the stage that were trained on, over all processes."""
        each_step = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps * self.accelerator.num_processes
        return self._packs_before + (self.state.global_step - self._step_before) * each_step

    # ---- a step ------------------------------------------------------------------------------------------------------------------

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        total = model(**{key: inputs[key] for key in BATCH_KEYS if key in inputs})
        count = len(inputs["targets"]) if num_items_in_batch is None else num_items_in_batch
        # Processes average their gradients, but each divided by the count over all of them.
        scale = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
        return total * scale / torch.as_tensor(count, device=total.device).clamp(min=1)

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        self.packed_model.clock.lap("other")
        loss = super().training_step(*arguments, **options)
        self.packed_model.clock.lap("vision")  # what is left of the backward pass after the text model's part
        return loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """As Trainer's, and the last moment before the weights change: a gradient that is not finite stops the run here."""
        norm = super()._get_grad_norm(model, grad_norm)
        self.health.check_finite(norm, step=self.state.global_step, sample_ids=self._step_sample_ids, folder=Path(self.args.output_dir))
        return norm

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        if (self.state.global_step + 1) % max(1, int(self.state.logging_steps or 1)) == 0:
            self.health.keep_gradient_norms(self.plan.learning_at(self.state.global_step))
        return super()._clip_grad_norm(model)

    # ---- optimizer ---------------------------------------------------------------------------------------------------------------

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
        stock = self.packed_model.model
        rows = getattr(stock, ATTRIBUTE).rows if hasattr(stock, ATTRIBUTE) else None
        decays = [parameter for parameter in part.parameters if parameter.dim() > 1 and parameter is not rows]
        others = [parameter for parameter in part.parameters if parameter.dim() <= 1 or parameter is rows]
        shared = {"lr": part.learning_rate}
        return [{"params": decays, "weight_decay": self.args.weight_decay, **shared}, {"params": others, "weight_decay": 0.0, **shared}]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with one learning rate for each part that learns, in place of the first group's, and with the run's health."""
        if "learning_rate" in logs and self.lr_scheduler is not None:
            del logs["learning_rate"]
            learning = {part.name for part in self.plan.learning_at(max(self.state.global_step - 1, 0))}
            rates = dict(zip(self._group_names, self.lr_scheduler.get_last_lr()))
            logs |= {f"learning_rate/{name}": rate for name, rate in rates.items() if name in learning}
        if "loss" in logs:
            logs |= self.health.figures(self.accelerator, workers=self.args.dataloader_num_workers)
        super().log(logs, start_time)

    # ---- evaluation and checkpoints ----------------------------------------------------------------------------------------------

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        with self.accelerator.autocast():
            metrics = self._evaluate_model(self.packed_model, self.state.global_step)
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        if self.args.should_save:
            self._save_model(Path(output_dir or self.args.output_dir), self.packs_trained)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()  # until each has written its random state
            if self.args.should_save:
                position = {
                    "num_packs": self.packs_trained,
                    "step": self.state.global_step,
                    "sampler": self.sampler.state_at(self.packs_trained),
                }
                Path(folder, POSITION_FILE).write_text(json.dumps(position), encoding="utf-8")
                complete_checkpoint(folder, keep=self._save_total_limit)
        except Exception as error:  # whatever a full disk makes torch, safetensors and json throw
            remove_broken(folder, error)
            raise
        self.accelerator.wait_for_everyone()

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        with restoring(Path(checkpoint), "optimizer or schedule"):
            self._restore(checkpoint)
            if not self.is_deepspeed_enabled:  # which has looked after its own
                check_restored(self.optimizer, self.lr_scheduler, self._step_before)

    def _restore(self, checkpoint: str) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            with restoring(Path(checkpoint), "random state"):
                super()._load_rng_state(checkpoint)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Nothing: the model came from the checkpoint, whole and checked, before its parts were planned."""

    def release(self) -> None:
        """Give back what several processes share, so that the next phase can wrap the model anew."""
        self.accelerator.unwrap_model(self.model_wrapped, keep_fp32_wrapper=False, keep_torch_compile=False)
        self.model_wrapped = self.model
        self.model._is_accelerate_prepared = False  # or the next phase would train without mixed precision
        self._free()

    def _free(self) -> None:
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


class StopOnSignal(TrainerCallback):
    """Ends a phase at the step, evaluation or checkpoint in which a signal came to some process, the same in all of them.

    Args:
        saves: whether a state is saved first, though none is due.
    """

    def __init__(self, interruption: Interruption, *, saves: bool):
        self.interruption, self.saves = interruption, saves

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        if self._has_come(args):
            control.should_training_stop, control.should_evaluate = True, False
            control.should_save |= self.saves

    def on_evaluate(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        if self._has_come(args):
            control.should_training_stop = True
            control.should_save |= self.saves

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop |= self._has_come(args)

    def _has_come(self, args: TrainingArguments) -> bool:
        """Whether to any process; all must ask at the same place."""
        number = torch.tensor(self.interruption.number or 0, device=args.device)
        if args.world_size > 1:
            torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.MAX)
        if has_come := bool(number):  # one that has come since it was asked for stays noted, for the next time
            self.interruption.number = int(number)
        return has_come


class EvaluateAt(TrainerCallback):
    """Evaluates at one step besides those that the arguments ask for."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            control.should_evaluate = True


class WriteBackRows(TrainerCallback):
    """Keeps the embedding's rows at what markers and Chinese adapter have learned, so that evaluation and checkpoints hold it."""

    def on_optimizer_step(self, args: TrainingArguments, state: Any, control: Any, model: PackedModel, **kwargs: Any) -> None:
        write_back_marker_rows(model.model)
        write_chinese_rows(model.model)
        model.clock.lap("optimizer")
