"""A stage as a run will train it, before its first step: its data opened, its steps counted, its parts found in the model."""

from pathlib import Path
from typing import Any

from transformers import SmolVLMForConditionalGeneration

from smvl.config import Config, StageConfig
from smvl.data.quarantine import Quarantine
from smvl.packing.encode import Encoder
from smvl.packing.mixture import open_mixture
from smvl.packing.packs import PackSampler
from smvl.train.arguments import count_steps, training_arguments
from smvl.train.memory_forecast import NUM_MEASURED_ROWS, StageMemory, measure_pack
from smvl.train.processes import process_state
from smvl.train.schedule import check_schedule
from smvl.train.stages import attach_adapters, plan_stage


class PlannedStage:
    """One stage of a run; nothing is trained, and nothing written but rows that cannot be used.

    Args:
        model: as the stage will begin with it, or one of its shapes (`smvl.assemble.outline`); its adapters are attached.
        processor: the model's.
        quarantine: of rows that cannot be used.

    Raises:
        ValueError: the stage cannot be trained; the message says why.
    """

    def __init__(self, config: Config, stage: StageConfig, model: SmolVLMForConditionalGeneration, processor: Any, quarantine: Quarantine):
        self.config, self.stage, self.model, self.processor, self.quarantine = config, stage, model, processor, quarantine
        state = process_state()
        self.device, self.num_processes = state.device, state.num_processes
        processor.think_by_default(stage.prompts.thinking)
        self.encoder = Encoder(processor, config.data.max_length, config.data.max_units)
        self.sampler = self._open_sampler()
        max_steps = count_steps(stage, self.sampler, num_processes=self.num_processes)
        self.arguments = training_arguments(config, stage, Path(config.output_dir) / stage.name, max_steps=max_steps)
        check_schedule(self.arguments, stage.name)
        attach_adapters(stage, model, processor.tokenizer, config.seed)
        self.plan = plan_stage(
            stage,
            model,
            marker_ids=processor.trained_ids,
            max_steps=max_steps,
            default_learning_rate=self.arguments.learning_rate,
        )

    def _open_sampler(self) -> PackSampler:
        data = self.config.data
        return PackSampler(
            open_mixture(self.stage, seed=self.config.seed),
            self.encoder,
            max_length=data.max_length,
            packing=data.packing,
            seed=self.config.seed,
            quarantine=self.quarantine,
            max_units=data.max_units,
            look_ahead=data.look_ahead,
        )

    def memory(self, *, num_rows: int = NUM_MEASURED_ROWS) -> StageMemory:
        """What its memory depends on, with the largest pack of the first rows that the seed draws."""
        pack = measure_pack(self.sampler, num_rows=num_rows)
        return StageMemory(self.model, self.plan, self.arguments, pack, self.device, num_processes=self.num_processes)
