"""What a run leaves of its way, without a dashboard: every figure in metrics.jsonl, the losses in loss.png, words in log.txt."""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from transformers import TrainerCallback

METRICS_FILE, CURVE_FILE, LOG_FILE = "metrics.jsonl", "loss.png", "log.txt"

WIDTH, HEIGHT, MARGIN = 960, 420, 48
"""Of the picture, in pixels."""
INK, PAPER, FRAME = "#222222", "#ffffff", "#bbbbbb"
CURVES = {"loss": "#9db8d2", "eval_loss": "#1f5a99", "eval_loss_swapped": "#c8553d"}
"""Figures that are drawn, and their colours."""
_LABELS = {"loss": "training loss", "eval_loss": "held-out loss", "eval_loss_swapped": "with another sample's pictures"}


class MetricsFile(TrainerCallback):
    """A line for each time that Trainer logs: stage, step over all stages, and figures. What a broken-off run wrote beyond the state that
    it goes on from is taken out.

    Args:
        path: of the file; None writes nothing, for all processes but the first.
        first_step: what earlier stages took.
    """

    def __init__(self, path: Path | None, *, stage: str, first_step: int):
        self.path, self.stage, self.first_step = path, stage, first_step

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.path is not None:
            known = [row for row in read_metrics(self.path) if row["step"] <= self.first_step + state.global_step]
            self.path.write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        figures = {name: value for name, value in (logs or {}).items() if isinstance(value, (int, float)) and math.isfinite(value)}
        if self.path is not None and figures:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stage": self.stage, "step": self.first_step + state.global_step, **figures}) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file; a last one that a kill cut short is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get("step"), int)]


def draw_curves(metrics: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the losses of all stages as a PNG, a rule where a stage begins; nothing where nothing was logged."""
    curves = {name: [(row["step"], row[name]) for row in metrics if name in row] for name in CURVES}
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return
    last, highest = max(step for step, _ in points) or 1, max(loss for _, loss in points) or 1.0
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)

    def place(step: float, loss: float) -> tuple[float, float]:
        return MARGIN + (WIDTH - 2 * MARGIN) * step / last, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * loss / highest

    for fraction in (0, 0.25, 0.5, 0.75, 1):
        draw.line([place(0, fraction * highest), place(last, fraction * highest)], fill=FRAME)
        draw.text((6, place(0, fraction * highest)[1] - 8), f"{fraction * highest:.2f}", fill=INK, font=font)
        draw.text((place(fraction * last, 0)[0] - 10, HEIGHT - MARGIN + 6), f"{round(fraction * last)}", fill=INK, font=font)
    for step, stage in _beginnings(metrics):
        draw.line([place(step, 0), place(step, highest)], fill=FRAME)
        draw.text((place(step, 0)[0] + 4, MARGIN - 18), stage.encode("ascii", "replace").decode(), fill=INK, font=font)
    for number, (name, curve) in enumerate(curve for curve in curves.items() if curve[1]):
        draw.line([place(*point) for point in curve], fill=CURVES[name], width=2)
        draw.text((WIDTH - 260, MARGIN + 4 + 18 * number), _LABELS[name], fill=CURVES[name], font=font)
    picture.save(path)


@contextmanager
def logging_to(folder: Path | None) -> Iterator[None]:
    """Within, what the package says is written into the folder's log too; None writes nothing."""
    if folder is None:
        yield
        return
    handler = logging.FileHandler(folder / LOG_FILE, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    package = logging.getLogger("smvl")
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        handler.close()


def _beginnings(metrics: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """The step before each stage, and its name."""
    begun: dict[str, int] = {}
    last = 0
    for row in metrics:
        begun.setdefault(str(row.get("stage")), last)
        last = row["step"]
    return [(step, stage) for stage, step in begun.items()]
