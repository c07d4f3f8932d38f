"""Curves on a SwanLab dashboard. Tracking is an observer: whatever goes wrong in it, training goes on."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from PIL import Image
from transformers import TrainerCallback

from smvl.config import TrackingConfig

logger = logging.getLogger(__name__)

State = Literal["success", "aborted", "crashed"]
"""How a run ended, as SwanLab calls it."""


@dataclass(frozen=True)
class Shown:
    """One row of the table of sample answers."""

    images: Sequence[Image.Image]
    question: str
    expected: str
    answer: str


class NoTracker:
    """Tracks nothing: for `mode: disabled` and for all processes but the first. Ends with a `with` block."""

    watch_command: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.finish()
        else:
            self.finish("aborted" if issubclass(kind, KeyboardInterrupt) else "crashed")

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Show figures at a step."""

    def show(self, rows: Sequence[Shown], step: int) -> None:
        """Show what the model answers at a step."""

    def finish(self, state: State = "success") -> None:
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
        if rows:
            self._safely(self._show, rows, step)

    def finish(self, state: State = "success") -> None:
        self._safely(lambda: self._swanlab.finish(state=state))

    def _start(self, config: TrackingConfig, run_name: str, folder: Path, settings: Mapping[str, Any]) -> None:
        import swanlab

        self._swanlab = swanlab
        folder.mkdir(parents=True, exist_ok=True)
        on_interrupt = signal.getsignal(signal.SIGINT)
        run = swanlab.init(project=config.project, name=run_name, mode=config.mode, log_dir=str(folder), config=dict(settings))
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)  # swanlab's own would call the run aborted in the middle of a step
        if config.mode == "local":
            _number_folders_from_zero(run)

    def _show(self, rows: Sequence[Shown], step: int) -> None:
        # Text, as the local dashboard has no place for a table of echarts: it shows texts with their captions as a table
        texts = [self._swanlab.Text(f"{row.answer}    (expected: {row.expected})", caption=row.question) for row in rows]
        pictures = [
            self._swanlab.Image(image, caption=f"{row.question} {row.answer} ({row.expected})") for row in rows for image in row.images
        ]
        shown = {"samples": texts, "sample_images": pictures}
        self._swanlab.log({name: media for name, media in shown.items() if media}, step=step)

    def _safely(self, action: Callable[..., None], *arguments: Any) -> None:
        if self._broken:
            return
        try:
            action(*arguments)
        except Exception as error:  # whatever a tracker throws must not end a run of days
            self._broken = True
            logger.warning("SwanLab failed (%s: %s); training goes on without it.", type(error).__name__, error)


def _number_folders_from_zero(run: Any) -> None:
    """Let the dashboard's table of runs find its figures: it takes a column's place, counted from 0, for the number of its folder.

    swanlab 0.10.3 numbers folders from 1, so that each column showed the figure of the one before, and the first none. Every key must be of
    a kind that the dashboard shows, or what comes after it would be one further off.
    """
    for callback in run._callbacker.registered_callbacks:
        if callback.name == "SwanLabLocalCallbacker":
            callback._next_kid = 0


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
