"""What is asked of a model on the way and at the end: whether it sees, what it answers, and how much of that is right."""

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from smvl.config import Config
from smvl.data.quarantine import Quarantine
from smvl.data.sample import Sample, SampleError
from smvl.eval.exact_match import Graded, Score, as_json, last_question, num_asked, score, table
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.infer.torch_model import TorchModel
from smvl.packing.encode import Encoder, failure_of
from smvl.packing.packs import PackSampler
from smvl.processing.images import read_image
from smvl.progress import counting
from smvl.source_registry import open_source
from smvl.train.checkpoint import ANSWERS_FILE, BEFORE_FILE, RESULTS_FILE, write_json, write_json_lines
from smvl.train.packed_model import PackedModel
from smvl.train.sight import BlindError, SightCheck, SightReport
from smvl.train.tracking import NoTracker, Shown

logger = logging.getLogger(__name__)

NUM_SHOWN = 4
"""Sample answers that each evaluation shows."""
_ROWS_SEARCHED = 256


class Evaluation:
    """The held-out samples of a run, and what is measured on them.

    Args:
        quarantine: where held-out rows go that cannot be used.
    """

    def __init__(self, config: Config, packed_model: PackedModel, encoder: Encoder, quarantine: Quarantine, tracker: NoTracker):
        self.config, self.settings = config, config.evaluation
        self.packed_model, self.encoder, self.quarantine, self.tracker = packed_model, encoder, quarantine, tracker
        self.heldout = self._open_heldout()
        self.sight = SightCheck(encoder, self._readable(self.heldout[: self.settings.max_samples]))

    def _open_heldout(self) -> list[Sample]:
        """The held-out samples that can be laid out, at most `max_scored`. Pixels are not read: it must not take long."""
        if self.settings.heldout is None:
            return []
        source = open_source(self.settings.heldout)
        samples = []
        for row in range(min(len(source), self.settings.max_scored)):
            self.quarantine.saw(source.name)
            try:
                sample = source[row]
                self.encoder.lay_out(sample)
            except SampleError as error:
                self.quarantine.add(failure_of(error, row_id=str(row), source=source.name))
            else:
                samples.append(sample)
        self.quarantine.check(final=True)
        return samples

    def _readable(self, samples: Sequence[Sample]) -> list[Sample]:
        """Those whose pixels can be read too; the others go into quarantine."""
        readable = []
        for sample in samples:
            try:
                self.encoder.encode(sample)
            except SampleError as error:
                self.quarantine.add(failure_of(error, row_id=sample.id, source=sample.source))
            else:
                readable.append(sample)
        return readable

    # ---- sight -------------------------------------------------------------------------------------------------------------------

    def begin_stage(self, sampler: PackSampler) -> None:
        """Where nothing is held out, sight is measured on rows of the stage: they are trained on, so the gap says less."""
        if self.heldout:
            return
        keys = (key for pack in sampler.first_epoch(first_rows=_ROWS_SEARCHED) for key in pack)
        samples = [sample for sample in (sampler.mixture[key] for key in keys) if sample.images]
        self.sight = SightCheck(self.encoder, self._readable(samples[: self.settings.max_samples]))

    def sight_step(self, max_steps: int) -> int | None:
        """The step from which on the model of the first stage must see; None where it need not, cannot be asked, or learns too shortly."""
        settings = self.config.sight
        if settings.stop_when_blind is None or not self.sight.samples:
            return None
        step = max(math.ceil(settings.stop_when_blind * max_steps), settings.least_steps)
        return step if step <= max_steps else None

    def measure(self, model: PackedModel, step: int, *, must_see_from: int | None) -> dict[str, float]:
        """Measure sight at a step; a model that cannot see ends the run at once, one that does not ends it from `must_see_from` on.

        Raises:
            BlindError: with the figures, and what to look at.
        """
        report = self.sight.measure(model)
        level = logging.WARNING if report.all.is_nil and step else logging.INFO
        logger.log(level, "Step %d. %s", step, report.verdict)
        if self.config.sight.stop_when_blind is not None:
            _stop_when_blind(report, step, must_see_from)
        return report.metrics()

    # ---- answers -----------------------------------------------------------------------------------------------------------------

    def show_answers(self, step: int) -> None:
        """Put a few answers on the dashboard."""
        self.tracker.show(self._answers(self._readable(self.heldout[:NUM_SHOWN])), step)

    @torch.compiler.set_stance("force_eager")  # each word that is generated has another shape
    def _answers(self, samples: Sequence[Sample]) -> list[Shown]:
        requests = [Request(messages=sample.prompt, images=sample.images, tools=sample.tools) for sample in samples]
        engine = self._engine()
        longest = max((len(engine.lay_out(request).input_ids) for request in requests), default=0)
        most = min(self.settings.max_new_tokens, engine.facts.max_positions - longest)  # an answer ends where the model reads no further
        answers = engine.answer(requests, max_new_tokens=most)
        return [
            Shown([read_image(image) for image in sample.images], last_question(sample), sample.answer, answer.text)
            for sample, answer in zip(samples, answers)
        ]

    @torch.compiler.set_stance("force_eager")
    def score(self, folder: Path) -> dict[str, Any] | None:
        """Score generated answers on the held-out samples and write `results.json`; None where there is nothing to score."""
        if not self.heldout or not self.settings.generate:
            return None
        samples = self._readable(self.heldout)
        if not samples:
            return None
        scores, graded = self._graded(samples)
        sight = self.sight.measure(self.packed_model)
        before = self._read_before(folder)
        results = {"scores": as_json(scores), "sight": {**sight.metrics(), "verdict": sight.verdict}}
        results |= {} if before is None else {"before": as_json(before)}
        write_json(folder / RESULTS_FILE, results)
        write_json_lines(folder / ANSWERS_FILE, [vars(entry) for entry in graded])
        shown = table(scores, before)
        return {**results, "table": shown, "example": self._answers(samples[:1])[0], "example_sample": samples[0]}

    @torch.compiler.set_stance("force_eager")
    def score_before(self, folder: Path) -> None:
        """Score the model as it begins and write `before.json`; nothing to do where there is nothing to score, or where it was done."""
        if not self.heldout or not self.settings.generate or (folder / BEFORE_FILE).exists():
            return
        samples = self._readable(self.heldout)
        if samples:
            scores, _ = self._graded(samples)
            logger.info("Exact match before the first step:\n%s", table(scores))
            write_json(folder / BEFORE_FILE, as_json(scores))

    def _graded(self, samples: Sequence[Sample]) -> tuple[dict[str, Score], list[Graded]]:
        settings = self.settings
        with counting("scoring", num_asked(samples)) as on_answered:
            return score(
                self._engine(),
                samples,
                max_new_tokens=settings.max_new_tokens,
                batch_size=settings.batch_size,
                on_answered=on_answered,
            )

    def _read_before(self, folder: Path) -> dict[str, Score] | None:
        if not self.settings.before or not (folder / BEFORE_FILE).exists():
            return None
        return {task: Score(**entry) for task, entry in json.loads((folder / BEFORE_FILE).read_text(encoding="utf-8")).items()}

    def _engine(self) -> Engine:
        return Engine(TorchModel(self.packed_model.model), self.encoder.processor)


def _stop_when_blind(report: SightReport, step: int, must_see_from: int | None) -> None:
    if report.all.is_cut_off:
        raise BlindError(
            f"{report.verdict} Pixels are cut off somewhere between the vision encoder and the text model: compare image_token_id in "
            "config.json (it stands on the outer and the inner model) with the tokenizer's, and look for a projector that is zero."
        )
    if must_see_from is not None and step >= must_see_from and report.all.is_blind:
        raise BlindError(
            f"{report.verdict} By step {must_see_from} it should (sight.stop_when_blind). Check that the answers cannot be guessed "
            "from the questions and that images belong to their rows, then raise the connector's learning rate or the steps; "
            "sight.stop_when_blind: null goes on regardless."
        )
