"""A whole run in small: donors, data and a configuration of two stages that trains in seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from smvl.train import run
from tests.donors import TILE, save_text_donor, save_vision_donor
from tests.tiny_data import write_cauldron, write_json_lines

TRAINER = {"per_device_train_batch_size": 1, "learning_rate": 1e-3, "logging_steps": 1, "save_steps": 2, "save_total_limit": 2}

MODEL: dict[str, dict[str, Any]] = {"smolvlm": {}, "qwen3_vl": {"layout": "qwen3_vl", "deepstack": [0]}}
IMAGE = {"smolvlm": {"tile": TILE, "longest_edge": 2 * TILE}, "qwen3_vl": {"min_pixels": 256, "max_pixels": 4 * TILE**2}}
"""By layout."""


def write_run(folder: Path, *, layout: str = "smolvlm", **changes: Any) -> Path:
    """Donors, data and `run.yaml` in `folder`; `changes` replace top-level keys. Returns the path of the YAML."""
    if not (folder / "vision").exists():
        save_vision_donor(folder / "vision")
        save_text_donor(folder / "text")
        write_json_lines(folder / "data")
        write_cauldron(folder / "cauldron")
    config = {
        "model": {"vision": str(folder / "vision"), "text": str(folder / "text"), **MODEL[layout]},
        "data": {"max_length": 192, "image": IMAGE[layout], "workers": 0},
        "stages": [
            {
                "name": "align",
                "mixture": [{"source": "cauldron", "path": str(folder / "cauldron"), "subsets": ["tiny"]}],
                "train": ["connector", "markers"],
                "lr": {"connector": 2e-3},
                "trainer": {**TRAINER, "max_steps": 4, "eval_strategy": "steps", "eval_steps": 2},
            },
            {
                "name": "finetune",
                "mixture": [
                    {"source": "jsonl", "path": str(folder / "data/colours.jsonl"), "weight": 0.8},
                    {"source": "jsonl", "path": str(folder / "data/text.jsonl"), "weight": 0.2},
                ],
                "train": ["connector", "markers"],
                "unfreeze": [
                    {"at": 0.4, "add": ["text.layers[-1:]"], "lr": 1e-3},
                    {"at": 0.8, "add": ["vision.layers[-1:]"], "lr": 1e-3},
                ],
                "trainer": {**TRAINER, "max_steps": 5, "gradient_accumulation_steps": 2},
            },
        ],
        "evaluation": {"heldout": {"source": "jsonl", "path": str(folder / "data/colours.jsonl")}, "max_samples": 6, "max_new_tokens": 4},
        "sight": {"stop_when_blind": None},  # a few steps teach no model to see
        "tracking": {"mode": "disabled"},
        "output_dir": str(folder / "out"),
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({**config, **changes}, allow_unicode=True), encoding="utf-8")
    return path


@contextmanager
def broken_off(num_saved: int) -> Iterator[None]:
    """Within, Ctrl-C comes to a run while it writes a checkpoint, after so many that it has written whole."""
    save_model, folders = run.save_model, []

    def save_or_stop(model: Any, folder: Path, *rest: Any) -> None:
        folders.append(folder)
        if len(folders) > num_saved:
            raise KeyboardInterrupt
        save_model(model, folder, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "save_model", save_or_stop)
        yield
