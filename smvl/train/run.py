"""A run: the stages one after another in one folder, each begun from what the last one left, wherever the run was broken off."""

import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import SmolVLMForConditionalGeneration

from smvl.assemble import load_checkpoint, splice
from smvl.config import Config, StageConfig, dump_config
from smvl.data.encode import Encoded, Encoder, failure_of
from smvl.data.mixture import open_mixture
from smvl.data.packing import PackedDataset, PackSampler
from smvl.data.quarantine import Quarantine
from smvl.data.registry import open_source
from smvl.data.sample import Sample, SampleError
from smvl.eval.exact_match import as_json, score
from smvl.infer.engine import Engine, Request
from smvl.model.marker_rows import detach_marker_rows, write_back_marker_rows
from smvl.model.saving import save_model
from smvl.processing.images import read_image
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.processing.tokens import marker_ids
from smvl.train.arguments import SAVE_TOTAL_LIMIT, count_steps, training_arguments
from smvl.train.checkpoint import (
    CONFIG_FILE,
    PROVENANCE_FILE,
    RESULTS_FILE,
    fingerprints,
    last_complete_checkpoint,
    load_learning,
    package_versions,
    publish,
    save_learning,
    write_folder_atomically,
    write_json,
)
from smvl.train.lora import attach_lora, is_lora_attached, save_adapter
from smvl.train.lora_merge import merge_lora, merged_state_dict
from smvl.train.packed_model import PackedModel
from smvl.train.parts import LORA, MARKERS
from smvl.train.processes import process_state
from smvl.train.progress import ProgressBar
from smvl.train.sight import BlindError, SightCheck, SightReport
from smvl.train.stages import StagePlan, plan_stage
from smvl.train.step_clock import StepClock
from smvl.train.tracking import Shown, TrackingCallback, open_tracker
from smvl.train.trainer import EvaluateAt, SmVLMTrainer, StopAt, WriteBackMarkerRows, read_position

logger = logging.getLogger(__name__)

MODEL_FOLDER, ADAPTER_FOLDER = "model", "adapter"
NUM_SHOWN = 4
"""Sample answers that each evaluation shows."""


class Run:
    """Model, processor and held-out samples of one run, and where it stands.

    Args:
        config: the whole configuration.
        folder: the claimed run folder.
    """

    def __init__(self, config: Config, folder: Path):
        self.config, self.folder = config, folder
        self.is_main = process_state().is_main_process
        self.done = [stage.name for stage in config.stages if (folder / stage.name / MODEL_FOLDER).is_dir()]
        self.model, self.processor = self._begin()
        self.packed_model = PackedModel(self.model, StepClock(process_state().device))
        if config.model.compile:
            self.packed_model.compile_layers()
        self.encoder = Encoder(self.processor, config.data.max_length, config.data.max_tiles)
        self.quarantine = Quarantine(folder / "quarantine.jsonl" if self.is_main else None, config.data.max_drop_share)
        self.heldout = self._open_heldout()
        self.sight = SightCheck(self.encoder, self.heldout[: config.evaluation.max_samples]) if self.heldout else None
        self.fingerprints = fingerprints(config) if self.is_main else {}
        self.steps_done = 0
        self.tracker = open_tracker(
            config.tracking,
            run_name=folder.name,
            folder=folder / "swanlog",
            settings={"config": dump_config(config)},
            is_main_process=self.is_main,
        )

    # ---- beginning -------------------------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[SmolVLMForConditionalGeneration, SmVLMProcessor]:
        """What the last finished stage left, or else a new splice. What a broken stage has learned since is put on top by `train_stage`."""
        model, dtype = self.config.model, getattr(torch, self.config.model.dtype)
        if self.done:
            folder = self.folder / self.done[-1] / MODEL_FOLDER
            logger.info("Going on from %s.", folder)
            return load_checkpoint(folder, attention=model.attention, dtype=dtype)
        return splice(
            model.vision,
            model.text,
            projector=model.projector,
            scale_factor=model.scale_factor,
            tile=self.config.data.image.tile,
            longest_edge=self.config.data.image.longest_edge,
            attention=model.attention,
            dtype=dtype,
            seed=self.config.seed,
        )

    def _open_heldout(self) -> list[Sample]:
        """The held-out samples that can be used, at most `evaluation.max_scored`."""
        if self.config.evaluation.heldout is None:
            return []
        source = open_source(self.config.evaluation.heldout)
        samples = []
        for row in range(min(len(source), self.config.evaluation.max_scored)):
            self.quarantine.saw()
            try:
                sample = source[row]
                self.encoder.encode(sample)
            except SampleError as error:
                self.quarantine.add(failure_of(error, row_id=str(row), source=source.name))
            else:
                samples.append(sample)
        self.quarantine.check(final=True)
        return samples

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
        checkpoint = last_complete_checkpoint(folder)
        step, num_packs = read_position(checkpoint) if checkpoint else (0, 0)
        max_steps = count_steps(stage, sampler, num_processes=process_state().num_processes, steps_done=step, packs_done=num_packs)
        arguments = training_arguments(self.config, stage, folder, max_steps=max_steps)
        if stage.lora is not None:
            attach_lora(self.model, stage.lora, self.config.seed)
        plan = plan_stage(
            stage,
            self.model,
            marker_ids=marker_ids(self.processor.tokenizer).trained,
            max_steps=max_steps,
            default_learning_rate=arguments.learning_rate,
        )
        logger.info("%s", plan.describe(self.model))
        if checkpoint is not None:
            logger.info("Going on from %s.", checkpoint)
            plan.freeze(self.model, plan.max_steps)  # in the type in which they were saved
            load_learning(plan.named_parameters(self.model, plan.max_steps), checkpoint)
            write_back_marker_rows(self.model)  # a tied head reads them from the embedding
        for end in plan.phase_ends:
            if step < end:
                self._train_phase(stage, plan, arguments, sampler, step, end, checkpoint)
                step, checkpoint = end, last_complete_checkpoint(folder)
        self.quarantine.check(final=True)
        logger.info("Stage %s: left out %s; %s", stage.name, self.quarantine.describe(), sampler.statistics.describe())
        if stage.lora is not None:
            self._merge_lora(stage, sampler)
        self._finish_stage(stage, max_steps)

    def _open_sampler(self, stage: StageConfig) -> PackSampler:
        return PackSampler(
            open_mixture(stage.mixture, seed=self.config.seed),
            self.encoder,
            max_length=self.config.data.max_length,
            packing=self.config.data.packing,
            seed=self.config.seed,
            quarantine=self.quarantine,
            max_tiles=self.config.data.max_tiles,
            look_ahead=self.config.data.look_ahead,
            workers=self.config.data.workers,
        )

    def _train_phase(
        self, stage: StageConfig, plan: StagePlan, arguments: Any, sampler: PackSampler, step: int, end: int, checkpoint: Path | None
    ) -> None:
        """Train from `step` to `end` with the parts that learn there."""
        plan.freeze(self.model, step)
        is_first = stage is self.config.stages[0]
        sight_step = self._sight_step(plan.max_steps) if is_first else None
        arguments.eval_on_start = step == 0 and self.sight is not None
        trainer = SmVLMTrainer(
            self.packed_model,
            arguments,
            plan=plan,
            sampler=sampler,
            evaluate_model=lambda model, step: self._evaluate(model, step, must_see_from=sight_step),
            save_model=lambda folder: self._save(folder, plan.named_parameters(self.model, step)),
            save_total_limit=stage.trainer.get(SAVE_TOTAL_LIMIT),
            callbacks=[
                WriteBackMarkerRows(),
                TrackingCallback(self.tracker, stage=stage.name, first_step=self.steps_done),
                ProgressBar(stage.name),
                *([EvaluateAt(sight_step)] if sight_step else []),
                *([StopAt(end)] if end < plan.max_steps else []),
            ],
        )
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.release()

    def _sight_step(self, max_steps: int) -> int | None:
        """The step from which on the first stage's model must see."""
        share = self.config.sight.stop_when_blind
        return None if share is None or self.sight is None else math.ceil(share * max_steps)

    def _merge_lora(self, stage: StageConfig, sampler: PackSampler) -> None:
        """Write the adapter as peft reads it, then add it into the weights, which must leave the logits of a few samples as they are."""
        parts = {*stage.train, *(part for step in stage.unfreeze for part in step.add)}
        if others := sorted(parts - {LORA, MARKERS, "connector"}):
            logger.info("No adapter folder is written: %s learned besides, which an adapter cannot hold.", ", ".join(others))
        elif self.is_main:
            save_adapter(self.model, self.folder / stage.name / ADAPTER_FOLDER)
        dataset = PackedDataset(sampler.mixture, self.encoder)
        samples = (entry for pack in sampler.epoch(0) for entry in dataset[pack] if isinstance(entry, Encoded))
        difference = merge_lora(self.model, [_stock_inputs(entry, self.model.device) for entry in islice(samples, NUM_SHOWN)])
        logger.info("LoRA is merged into the text layers; the logits of %d samples changed by at most %.1e.", NUM_SHOWN, difference)

    def _finish_stage(self, stage: StageConfig, max_steps: int) -> None:
        detach_marker_rows(self.model)
        self.model.requires_grad_(False)
        self.model.to(getattr(torch, self.config.model.dtype))
        self.steps_done += max_steps
        self.done.append(stage.name)
        if self.is_main:
            write_folder_atomically(self.folder / stage.name / MODEL_FOLDER, self._save)
        self._publish(stage)

    def _publish(self, stage: StageConfig) -> None:
        """Put a finished stage's model at the top of the run folder; what served to resume the stage is not needed any more."""
        if self.is_main:
            folder = self.folder / stage.name
            publish(folder / MODEL_FOLDER, self.folder)
            for checkpoint in folder.glob("checkpoint-*"):
                shutil.rmtree(checkpoint)
        process_state().wait_for_everyone()

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
            "num_processes": process_state().num_processes,
            "seed": self.config.seed,
        }
        write_json(folder / PROVENANCE_FILE, made_by)

    # ---- evaluation ------------------------------------------------------------------------------------------------------------

    def _evaluate(self, model: PackedModel, step: int, *, must_see_from: int | None) -> dict[str, float]:
        """Measure sight; a model that cannot see ends the run at once, one that does not end it from `must_see_from` on."""
        assert self.sight is not None, "check_trainer_keys lets no stage evaluate without held-out samples"
        report = self.sight.measure(model)
        level = logging.WARNING if report.all.is_nil and step else logging.INFO
        logger.log(level, "Step %d. %s", step, report.verdict)
        self._stop_when_blind(report, step, must_see_from)
        if self.is_main:
            self.tracker.show(self._show(self.heldout[:NUM_SHOWN]), self.steps_done + step)
        return report.metrics()

    def _stop_when_blind(self, report: SightReport, step: int, must_see_from: int | None) -> None:
        if self.config.sight.stop_when_blind is None:
            return
        if report.all.is_cut_off:
            raise BlindError(
                f"{report.verdict} Pixels are cut off somewhere between the vision encoder and the text model: compare image_token_id in "
                "config.json (it stands on the outer and the inner model) with the tokenizer's, and look for a projector that is zero."
            )
        if must_see_from is not None and step >= must_see_from and report.all.is_nil:
            raise BlindError(
                f"{report.verdict} By step {must_see_from} it should (sight.stop_when_blind). Check that the answers cannot be guessed from "
                "the questions and that images belong to their rows, then raise the connector's learning rate or the steps; "
                "sight.stop_when_blind: null goes on regardless."
            )

    @torch.compiler.set_stance("force_eager")  # generation has other shapes at each step
    def _show(self, samples: Sequence[Sample]) -> list[Shown]:
        requests = [Request(messages=sample.prompt, images=sample.images, tools=sample.tools) for sample in samples]
        answers = Engine(self.model, self.processor).answer(requests, max_new_tokens=self.config.evaluation.max_new_tokens)
        return [
            Shown([read_image(image) for image in sample.images], _last_question(sample), sample.answer, answer.text)
            for sample, answer in zip(samples, answers)
        ]

    @torch.compiler.set_stance("force_eager")
    def score(self) -> dict[str, Any] | None:
        """Score generated answers on the held-out samples and write `results.json`; None where there is nothing to score."""
        if not self.heldout or not self.config.evaluation.generate or not self.is_main:
            return None
        options = {"max_new_tokens": self.config.evaluation.max_new_tokens, "batch_size": self.config.evaluation.batch_size}
        scores, graded = score(Engine(self.model, self.processor), self.heldout, **options)
        sight = self.sight.measure(self.packed_model)
        results = {"scores": as_json(scores), "sight": {**sight.metrics(), "verdict": sight.verdict}}
        write_json(self.folder / RESULTS_FILE, results)
        write_json(self.folder / "answers.json", [vars(entry) for entry in graded])
        return {**results, "table": scores, "example": self._show(self.heldout[:1])[0], "example_sample": self.heldout[0]}


def _stock_inputs(sample: Encoded, device: torch.device) -> dict[str, torch.Tensor]:
    """One sample as transformers' own forward pass takes it."""
    inputs = {"input_ids": sample.input_ids.unsqueeze(0).to(device)}
    return inputs | ({"pixel_values": sample.pixel_values.unsqueeze(0).to(device)} if len(sample.pixel_values) else {})


def _last_question(sample: Sample) -> str:
    content = next(message for message in reversed(sample.prompt) if message["role"] == "user")["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
