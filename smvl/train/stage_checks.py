"""All stages are looked at before the first is trained: a mistake in the last one must not show after the others have run for a day."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from smvl.augment.opencv import opencv
from smvl.config import Config, ConfigError, StageConfig
from smvl.data.quarantine import Failure, Quarantine
from smvl.layouts.settings import ANSWERS
from smvl.packing.packs import PackedDataset
from smvl.source_registry import open_source
from smvl.train.beginning import outline_model
from smvl.train.checkpoint import QUARANTINE_FILE
from smvl.train.memory_check import check_memory, memory_budget
from smvl.train.memory_forecast import NUM_MEASURED_ROWS
from smvl.train.planned_stage import PlannedStage
from smvl.train.processes import process_state, shards_model

_TEXT_PACKAGES = ("opencc", "rjieba")
_FEW_ROWS = 8
"""As many rows in a row are not lost by chance."""


def check_stages(config: Config, folder: Path) -> None:
    """Plan every stage on a model without weights, with the first rows of its data, and forecast its memory.

    Args:
        folder: of the run, for the list of rows that cannot be used.

    Raises:
        ValueError: a stage cannot be trained; the message names it, its key or its data.
    """
    path = folder / QUARANTINE_FILE if process_state().is_main_process else None
    model = None
    with _muted():  # all of it is said again by the run
        for stage in config.stages:
            _check_packages(stage)
            model = model or outline_model(config)
            _check_answer_length(config, model[0].config.text_config.max_position_embeddings)
            _check_stage(PlannedStage(config, stage, *model, Quarantine(path, config.data.max_drop_share)))
            if stage.lora is not None:  # adapters cannot be taken off again without adding them up
                model = None
        if config.evaluation.heldout is not None:
            open_source(config.evaluation.heldout)


def _check_stage(stage: PlannedStage) -> None:
    """Look at the first rows, decode some, and forecast the memory."""
    memory = stage.memory()
    packs = stage.sampler.first_epoch(first_rows=NUM_MEASURED_ROWS)
    for entry in PackedDataset(stage.sampler.mixture, stage.encoder)[packs[0]]:
        if isinstance(entry, Failure):
            stage.quarantine.add(entry)
    _check_rows(stage.quarantine, all_seen=len(stage.sampler.mixture) <= NUM_MEASURED_ROWS)
    if not shards_model() and stage.stage.objective == ANSWERS:  # as Run._check_memory has it
        check_memory(memory, memory_budget(stage.device, stage.num_processes))


def _check_answer_length(config: Config, most: int) -> None:
    """Raise `ConfigError` for held-out answers that the model could not read to their end; they are asked for when all is trained."""
    asked = config.evaluation
    if asked.heldout is not None and asked.generate and asked.max_new_tokens >= most:
        raise ConfigError(
            f"evaluation.max_new_tokens: found {asked.max_new_tokens:,}, expected less than the {most:,} tokens that the text model reads, "
            "question and answer together; lower it, or set evaluation.generate: false"
        )


def _check_packages(stage: StageConfig) -> None:
    """Raise `ValueError` for a change of samples that is not every sample's, so that its package may be missed late."""
    for source in stage.mixture:
        if source.augment_images is not None:
            opencv()
        missing = [name for name in _TEXT_PACKAGES if source.augment_text is not None and find_spec(name) is None]
        if missing:
            raise ValueError(f"stage {stage.name}: augment_text needs {missing[0]}. Install it: pip install -r requirements.txt")


def _check_rows(quarantine: Quarantine, *, all_seen: bool) -> None:
    """Raise `ValueError` where the rows that were looked at say that a source's others will not do either."""
    if all_seen:
        quarantine.check(final=True)
    for source, counts in quarantine.table().items():
        if counts["lost"] == counts["seen"] >= _FEW_ROWS:
            rules = quarantine.describe(source)
            raise ValueError(f"{source}: none of {counts['seen']} rows can be used ({rules}). Read {quarantine.path}, and mend the data.")


@contextmanager
def _muted() -> Iterator[None]:
    """Within, the package says nothing but errors."""
    logger = logging.getLogger("smvl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
