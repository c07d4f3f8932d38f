"""A bar for each stage, with the loss behind it."""

import logging
from collections.abc import Mapping
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback

from smvl.progress import SCREEN


class BarHandler(logging.Handler):
    """Writes log lines above the bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=SCREEN)


class ProgressBar(TrainerCallback):
    """Shows the steps of a stage and the latest figures; in the first process only."""

    def __init__(self, stage: str):
        self.stage = stage
        self.bar: tqdm | None = None
        self.shown: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            options = {"desc": self.stage, "unit": "step", "dynamic_ncols": True, "file": SCREEN}
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, **options)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        names = {"loss": "loss", "eval_loss": "held-out", "eval_sight_gap": "sight gap"}
        self.shown |= {names[name]: f"{value:.3f}" for name, value in (logs or {}).items() if name in names}
        if self.bar is not None:
            self.bar.set_postfix(self.shown)

    def close(self) -> None:
        """Leave the bar as it stands; what is written next begins a line."""
        if self.bar is not None:
            self.bar.close()
