"""Curves on a SwanLab dashboard. Tracking is an observer: whatever goes wrong in it, training goes on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import TrainerCallback

from smvl.config import TrackingConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown:
    """One row of the table of sample answers."""

    images: Sequence[Image.Image]
    question: str
    expected: str
    answer: str


class NoTracker:
    """Tracks nothing: for `mode: disabled` and for all processes but the first."""

    watch_command: str | None = None

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Show figures at a step."""

    def show(self, rows: Sequence[Shown], step: int) -> None:
        """Show what the model answers at a step."""

    def finish(self) -> None:
        """End the run's tracking."""


class SwanLabTracker(NoTracker):
    """Tracks with SwanLab. A failure is reported once, and tracking ends there.

    Steps are counted over all stages, so that the curves of one run are one line.
    """

    def __init__(self, config: TrackingConfig, *, run_name: str, folder: Path, settings: Mapping[str, Any]):
        self._broken = False
        self._safely(self._start, config, run_name, folder, settings)
        self.watch_command = None if self._broken or config.mode == "online" else f"swanlab watch {folder}"

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._safely(lambda: self._swanlab.log(dict(figures), step=step))

    def show(self, rows: Sequence[Shown], step: int) -> None:
        self._safely(self._show, rows, step)

    def finish(self) -> None:
        self._safely(lambda: self._swanlab.finish())

    def _start(self, config: TrackingConfig, run_name: str, folder: Path, settings: Mapping[str, Any]) -> None:
        import swanlab

        self._swanlab = swanlab
        folder.mkdir(parents=True, exist_ok=True)
        swanlab.init(project=config.project, name=run_name, mode=config.mode, log_dir=str(folder), config=dict(settings))

    def _show(self, rows: Sequence[Shown], step: int) -> None:
        table = self._swanlab.echarts.Table()
        table.add(["question", "expected", "answer"], [[row.question, row.expected, row.answer] for row in rows])
        pictures = [
            self._swanlab.Image(image, caption=f"{row.question} {row.answer} ({row.expected})") for row in rows for image in row.images
        ]
        self._swanlab.log({"samples": table} | ({"sample_images": pictures} if pictures else {}), step=step)

    def _safely(self, action: Callable[..., None], *arguments: Any) -> None:
        if self._broken:
            return
        try:
            action(*arguments)
        except Exception as error:  # whatever a tracker throws must not end a run of days
            self._broken = True
            logger.warning("SwanLab failed (%s: %s); training goes on without it.", type(error).__name__, error)


def open_tracker(config: TrackingConfig, *, run_name: str, folder: Path, settings: Mapping[str, Any], is_main_process: bool) -> NoTracker:
    """The tracker that `tracking.mode` asks for; one that does nothing in all processes but the first."""
    if config.mode == "disabled" or not is_main_process:
        return NoTracker()
    return SwanLabTracker(config, run_name=run_name, folder=folder, settings=settings)


class TrackingCallback(TrainerCallback):
    """Hands what the Trainer logs to a tracker; `first_step` is what earlier stages took."""

    def __init__(self, tracker: NoTracker, *, stage: str, first_step: int):
        self.tracker, self.stage, self.first_step = tracker, stage, first_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        figures = {f"{self.stage}/{name}": value for name, value in (logs or {}).items() if isinstance(value, (int, float))}
        self.tracker.log(figures, self.first_step + state.global_step)
