"""A run: the stages one after another in one folder, each begun from what the last one left, wherever the run was broken off."""

import logging
from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import SmolVLMForConditionalGeneration

from smvl.assemble import load_checkpoint
from smvl.config import Config, StageConfig, dump_config
from smvl.data.quarantine import Quarantine
from smvl.layouts.find_model import layout_of
from smvl.layouts.pixel_scale import PixelScale
from smvl.layouts.settings import ANSWERS
from smvl.layouts.splicing import splice_report
from smvl.model.chinese_adapter import detach_chinese_adapter, write_chinese_rows
from smvl.model.marker_rows import detach_marker_rows, write_back_marker_rows
from smvl.model.saving import save_model
from smvl.model_card import card_of_checkpoint, copy_license_of_donors, write_card
from smvl.packing.encode import Encoded, Encoder
from smvl.packing.mixture import open_mixture
from smvl.packing.packs import PackedDataset, PackSampler
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.train.arguments import SAVE_TOTAL_LIMIT, count_steps, training_arguments
from smvl.train.beginning import load_model
from smvl.train.checkpoint import (
    CONFIG_FILE,
    MODEL_FOLDER,
    PROVENANCE_FILE,
    QUARANTINE_FILE,
    fingerprints,
    finished_stages,
    last_complete_checkpoint,
    last_state,
    package_versions,
    publish,
    read_provenance,
    remove_checkpoints,
    remove_incomplete_checkpoints,
    write_folder_atomically,
    write_json,
)
from smvl.train.evaluation import Evaluation
from smvl.train.feature_model import FeatureModel
from smvl.train.interruption import Interruption
from smvl.train.learning_file import load_learning, save_learning
from smvl.train.lora import is_lora_attached, save_adapter
from smvl.train.lora_merge import merge_lora, merged_state_dict
from smvl.train.memory_check import check_memory, memory_budget
from smvl.train.memory_forecast import StageMemory, measure_pack
from smvl.train.origin import check_origin, read_origin
from smvl.train.packed_model import PackedModel
from smvl.train.parts import LORA, MARKERS
from smvl.train.processes import process_state, shards_model
from smvl.train.progress import ProgressBar
from smvl.train.run_record import CURVE_FILE, METRICS_FILE, MetricsFile, draw_curves, read_metrics
from smvl.train.sharding import ShardedTrainer
from smvl.train.stages import StagePlan, attach_adapters, plan_stage
from smvl.train.state_check import check_state
from smvl.train.step_clock import StepClock
from smvl.train.tracking import TrackingCallback, open_tracker
from smvl.train.trainer import EvaluateAt, SmVLMTrainer, StopAt, StopOnSignal, WriteBackRows

logger = logging.getLogger(__name__)

ADAPTER_FOLDER = "adapter"
_MERGE_SAMPLES, _MERGE_ROWS = 4, 64
"""Samples on which the merged model is compared with the live one, and rows among which they are looked for."""


class Run:
    """Model, processor and held-out samples of one run, and where it stands.

    Args:
        config: the whole configuration.
        folder: the claimed run folder.
        interruption: who takes the signals; ends a stage after one.
    """

    def __init__(self, config: Config, folder: Path, interruption: Interruption):
        self.config, self.folder, self.interruption = config, folder, interruption
        self.is_main = process_state().is_main_process
        self.done = finished_stages(folder, [stage.name for stage in config.stages])
        self.began_with = read_origin(config, folder / self.done[-1] / MODEL_FOLDER if self.done else None)
        self.model, self.processor = self._begin()
        pixel_scale = PixelScale.of(self.processor.image_processor)
        self.packed_model = PackedModel(self.model, pixel_scale, StepClock(process_state().device))
        if config.model.compile:
            self.packed_model.compile_layers()
        self.encoder = Encoder(self.processor, config.data.max_length, config.data.max_units)
        self.quarantine = Quarantine(folder / QUARANTINE_FILE if self.is_main else None, config.data.max_drop_share)
        self.fingerprints = fingerprints(config) if self.is_main else {}
        self.steps_done, self.mixed = self._what_finished_stages_did()
        self.spliced = self._how_it_was_spliced()
        self.tracker = open_tracker(
            config.tracking,
            run_name=folder.name,
            folder=folder / "swanlog",
            settings={"config": dump_config(config)},
            is_main_process=self.is_main,
        )
        self.evaluation = Evaluation(config, self.packed_model, self.encoder, self.quarantine, self.tracker)

    # ---- beginning -------------------------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
        """What the last finished stage left, or else what the run begins with.

        What a broken stage has learned since is put on top by `train_stage`.
        """
        model, dtype = self.config.model, getattr(torch, self.config.model.dtype)
        if self.done:
            folder = self.folder / self.done[-1] / MODEL_FOLDER
            logger.info("Going on from %s.", folder)
            return load_checkpoint(folder, attention=model.attention, dtype=dtype)
        return load_model(self.config)

    def _what_finished_stages_did(self) -> tuple[int, dict[str, Any]]:
        """Optimizer steps of the stages before this one, so that curves go on where they were, and what was mixed in each."""
        if not self.done:
            return 0, {}
        made_by = read_provenance(self.folder / self.done[-1] / MODEL_FOLDER)
        return made_by["steps_done"], made_by["mixed"]

    def _how_it_was_spliced(self) -> dict[str, Any]:
        """What the splice says of itself, or said when the finished stages began."""
        if self.done:
            return read_provenance(self.folder / self.done[-1] / MODEL_FOLDER).get("spliced", {})
        return splice_report(self.model)

    # ---- training --------------------------------------------------------------------------------------------------------------

    def train_stage(self, stage: StageConfig) -> None:
        """Train one stage to its end and write its model; a finished stage is passed over."""
        if stage.name in self.done:
            logger.info("Stage %s is finished already.", stage.name)
            if stage.name == self.done[-1]:
                self._publish(stage)  # a kill may have come before, or in the midst of it
            return
        folder = self.folder / stage.name
        sampler = self._open_sampler(stage)
        if self.is_main:
            remove_incomplete_checkpoints(folder)
        checkpoint = last_complete_checkpoint(folder)
        num_processes = process_state().num_processes
        step, num_packs = check_state(checkpoint, num_processes=num_processes) if checkpoint else (0, 0)
        max_steps = count_steps(stage, sampler, num_processes=num_processes, steps_done=step, packs_done=num_packs)
        arguments = training_arguments(self.config, stage, folder, max_steps=max_steps)
        self.processor.think_by_default(stage.prompts.thinking)
        attach_adapters(stage, self.model, self.processor.tokenizer, self.config.seed)
        plan = plan_stage(
            stage,
            self.model,
            marker_ids=self.processor.trained_ids,
            max_steps=max_steps,
            default_learning_rate=arguments.learning_rate,
        )
        logger.info("%s", plan.describe(self.model))
        self.evaluation.begin_stage(sampler)
        self._check_memory(stage, plan, arguments, sampler)
        if checkpoint is not None:
            logger.info("Going on from %s.", checkpoint)
            check_origin(self.began_with, checkpoint)
            plan.freeze(self.model, step)  # in the type in which they were saved
            load_learning(plan.named_parameters(self.model, step - 1), checkpoint)
            write_back_marker_rows(self.model)  # a tied head reads them from the embedding
            write_chinese_rows(self.model)
        for end in plan.phase_ends:
            if step < end:
                self._train_phase(stage, plan, arguments, sampler, step, end, checkpoint)
                step, checkpoint = end, last_complete_checkpoint(folder)
        self.quarantine.check(final=True)
        logger.info("Stage %s: left out %s.", stage.name, self.quarantine.describe())
        if stage.lora is not None:
            self._merge_lora(stage, sampler)
        self._finish_stage(stage, max_steps)

    def _check_memory(self, stage: StageConfig, plan: StagePlan, arguments: Any, sampler: PackSampler) -> None:
        """Refuse a stage that cannot fit; a sharded one holds too little of the model on each card for the forecast to say.

        Nor is there a forecast for other objectives: they leave most of the step out, and have a teacher beside the model.
        """
        if shards_model() or stage.objective != ANSWERS:
            return
        state = process_state()
        memory = StageMemory(self.model, plan, arguments, measure_pack(sampler), state.device, num_processes=state.num_processes)
        check_memory(memory, memory_budget(state.device, state.num_processes))

    def _open_sampler(self, stage: StageConfig) -> PackSampler:
        return PackSampler(
            open_mixture(stage, seed=self.config.seed),
            self.encoder,
            max_length=self.config.data.max_length,
            packing=self.config.data.packing,
            seed=self.config.seed,
            quarantine=self.quarantine,
            max_units=self.config.data.max_units,
            look_ahead=self.config.data.look_ahead,
            workers=self.config.data.workers,
        )

    def _train_phase(
        self, stage: StageConfig, plan: StagePlan, arguments: Any, sampler: PackSampler, step: int, end: int, checkpoint: Path | None
    ) -> None:
        """Train from `step` to `end` with the parts that learn there.

        A phase goes on from the checkpoint that the one before wrote at its end, just as a run that was broken off there would: so there
        is one way to go on, and what learns is fixed while a Trainer lives, which FSDP and torch.compile want.
        """
        plan.freeze(self.model, step)
        is_first = stage is next((each for each in self.config.stages if each.objective == ANSWERS), None)
        sight_step = self.evaluation.sight_step(plan.max_steps) if is_first else None
        arguments.eval_on_start = step == 0 and bool(self.evaluation.sight.samples)
        bar = ProgressBar(stage.name)
        trainer = (ShardedTrainer if shards_model() else SmVLMTrainer)(
            self._model_of(stage),
            arguments,
            plan=plan,
            sampler=sampler,
            evaluate_model=lambda model, step: self._evaluate(model, step, must_see_from=sight_step),
            save_model=lambda folder, packs: self._save_within(stage, folder, sampler, packs, plan.named_parameters(self.model, step)),
            save_total_limit=stage.trainer.get(SAVE_TOTAL_LIMIT),
            callbacks=[
                WriteBackRows(),
                TrackingCallback(self.tracker, stage=stage.name, first_step=self.steps_done),
                MetricsFile(self.folder / METRICS_FILE if self.is_main else None, stage=stage.name, first_step=self.steps_done),
                bar,
                StopOnSignal(self.interruption, saves=self.config.save_on_signal),
                *([EvaluateAt(sight_step)] if sight_step else []),
                *([StopAt(end)] if end < plan.max_steps else []),
            ],
        )
        with closing(bar), self.interruption.after_the_step():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        assert trainer.state.global_step == end, "something has stopped the Trainer early"
        trainer.release()
        mixed = sampler.statistics_at(trainer.packs_trained)
        self.mixed[stage.name] = mixed.to_json()
        if end == plan.max_steps:
            described = mixed.describe(self.processor.pictures.unit)
            logger.info("Stage %s: %s Mixed by %s:\n%s", stage.name, described, stage.mix_by, mixed.describe_mixture())

    def _model_of(self, stage: StageConfig) -> PackedModel:
        """With the loss that the stage's objective has."""
        if stage.objective == ANSWERS:
            return self.packed_model
        return FeatureModel(self.packed_model, layout_of(self.model).teacher(self.model, self.config.model.vision))

    def _merge_lora(self, stage: StageConfig, sampler: PackSampler) -> None:
        """Write the adapter as peft reads it, then add it into the weights, which must leave the logits of a few samples as they are."""
        if others := sorted({*stage.parts} - {LORA, MARKERS, "connector"}):
            logger.info("No adapter folder is written: %s learned besides, which an adapter cannot hold.", ", ".join(others))
        elif self.is_main:
            save_adapter(self.model, self.folder / stage.name / ADAPTER_FOLDER)
        dataset = PackedDataset(sampler.mixture, self.encoder)
        samples = (entry for pack in sampler.first_epoch(first_rows=_MERGE_ROWS) for entry in dataset[pack] if isinstance(entry, Encoded))
        difference = merge_lora(self.model, [self._stock_inputs(entry) for entry in islice(samples, _MERGE_SAMPLES)])
        logger.info("LoRA is merged into the text layers; the logits of %d samples changed by at most %.1e.", _MERGE_SAMPLES, difference)

    def _stock_inputs(self, sample: Encoded) -> dict[str, torch.Tensor]:
        """One sample as transformers' own forward pass takes it."""
        positions = sample.position_ids.to(self.model.device)
        inputs = {"input_ids": sample.input_ids.unsqueeze(0).to(self.model.device)}
        inputs["position_ids"] = positions if len(positions) == 1 else positions.unsqueeze(1)
        if sample.shapes:
            pixels = self.packed_model.pixel_values(sample.pixels.to(self.model.device))
            inputs |= layout_of(self.model).stock_pictures(self.model, pixels, sample.shapes)
        return inputs

    def _finish_stage(self, stage: StageConfig, max_steps: int) -> None:
        detach_marker_rows(self.model)
        detach_chinese_adapter(self.model)
        self.model.requires_grad_(False)
        for parameter in self.model.parameters():  # not the buffers: rotary frequencies stay float32
            parameter.data = parameter.data.to(getattr(torch, self.config.model.dtype))
        self.steps_done += max_steps
        self.done.append(stage.name)
        process_state().wait_for_everyone()  # until no process reads the checkpoints any more, which go now
        if self.is_main:
            write_folder_atomically(self.folder / stage.name / MODEL_FOLDER, self._save)
        self._publish(stage)

    def _publish(self, stage: StageConfig) -> None:
        """Put a finished stage's model at the top of the run folder; what served to resume the stage is not needed any more."""
        if self.is_main:
            folder = self.folder / stage.name
            publish(folder / MODEL_FOLDER, self.folder)
            remove_checkpoints(folder)
        process_state().wait_for_everyone()

    def _save_within(
        self, stage: StageConfig, folder: Path, sampler: PackSampler, packs: int, learning: Mapping[str, torch.Tensor]
    ) -> None:
        """Write a checkpoint of a stage that is not at its end, `packs` of which were trained on."""
        self.mixed[stage.name] = sampler.statistics_at(packs).to_json()
        self._save(folder, learning)

    def _save(self, folder: Path, learning: Mapping[str, torch.Tensor] | None = None) -> None:
        """Write the checkpoint as it is now, with what made it and, within a stage, what learns in full precision."""
        folder.mkdir(parents=True, exist_ok=True)
        if learning is not None:
            save_learning(learning, folder)
        save_model(self.model, folder, merged_state_dict(self.model) if is_lora_attached(self.model) else None)
        self.processor.save_pretrained(folder)
        (folder / CONFIG_FILE).write_text(dump_config(self.config), encoding="utf-8")
        made_by = {
            "packages": package_versions(),
            "data": self.fingerprints,
            "stages_done": self.done,
            "steps_done": self.steps_done,
            "mixed": self.mixed,
            "num_processes": process_state().num_processes,
            "seed": self.config.seed,
            **({"spliced": self.spliced} if self.spliced else {}),
            **({} if self.began_with is None else {"began_with": self.began_with}),
        }
        write_json(folder / PROVENANCE_FILE, made_by)
        write_card(folder, card_of_checkpoint(folder, self.folder.name))
        copy_license_of_donors(folder)

    # ---- evaluation ------------------------------------------------------------------------------------------------------------

    def _evaluate(self, model: PackedModel, step: int, *, must_see_from: int | None) -> dict[str, float]:
        figures = self.evaluation.measure(model, step, must_see_from=must_see_from)
        if self.is_main and not shards_model():  # one process alone cannot generate with a model that is spread over all
            self.evaluation.show_answers(self.steps_done + step)
        return figures

    def score_before(self) -> None:
        """The scores before the first step, if they are asked for; in the first process."""
        if self.is_main and self.config.evaluation.before and last_state(self.folder, [stage.name for stage in self.config.stages]) is None:
            self.model.to(process_state().device)
            self.evaluation.score_before(self.folder)
        process_state().wait_for_everyone()

    def score(self) -> dict[str, Any] | None:
        """The scores at the end, in the first process; None in others and where there is nothing to score."""
        if not self.is_main:
            return None
        self.model.to(process_state().device)  # after sharded training it is not there yet
        results = self.evaluation.score(self.folder)
        write_card(self.folder, card_of_checkpoint(self.folder))
        draw_curves(read_metrics(self.folder / METRICS_FILE), self.folder / CURVE_FILE)
        return results
