"""One step of run.sh: where it writes, what it calls itself, and on which machine it ran."""

import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.throughput_presets import PRESETS, Preset

PACKAGES = ("torch", "transformers", "accelerate", "peft", "torchao", "bitsandbytes", "flash-attn", "triton", "datasets")
RECIPE_EDGE = 1024
"""train.yaml's data.image.longest_edge; the plain recipe's is that of the preset."""


@dataclass
class Step:
    """Results are written after each figure, so that a step that is cut off loses only what it had not measured yet.

    Args:
        name: of the step, and of its file.
        out: folder of the results.
        work: folder that all steps of a run share, for donors, data and checkpoints.
        tiny: the smallest sizes, on a CPU: shows that every step runs.
    """

    name: str
    out: Path
    work: Path
    tiny: bool
    results: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    failed: bool = False
    """Whether something that was to be measured could not be."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def preset(self) -> Preset:
        """Shapes and data at the plain recipe's resolution."""
        return PRESETS["tiny" if self.tiny else "full"]

    @property
    def recipe(self) -> Preset:
        """The same at train.yaml's resolution, with as many workers as there are cores to spare."""
        if self.tiny:
            return self.preset
        workers = max(2, (os.cpu_count() or 4) - 4)
        return replace(self.preset, longest_edge=RECIPE_EDGE, workers=workers, packs_per_batch=4, warm_up_steps=12, num_samples=288)

    def add(self, name: str, figures: Any) -> None:
        """Keep one result, on the disk too, and print it."""
        self.results[name] = figures
        self._write(finished=False)
        print(f"  {name}: {describe(figures)}", flush=True)

    def finish(self) -> None:
        self._write(finished=not self.failed)

    def donors(self) -> Path:
        """Folder of donors and samples, made by the first step that asks."""
        folder = self.work / "donors"
        if not (folder / "complete").exists():
            self.preset.write(folder)
            (folder / "complete").touch()
        return folder

    def _write(self, *, finished: bool) -> None:
        content = {
            "step": self.name,
            "finished": finished,
            "seconds": round(time.monotonic() - self.began, 1),
            "machine": describe_machine(self.tiny),
            "results": self.results,
        }
        path = self.out / f"{self.name}.json"
        beside = path.with_suffix(".partial")
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        beside.replace(path)


def describe_machine(tiny: bool) -> dict[str, Any]:
    """Card, driver, versions and commit."""
    card = {}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        card = {"card": properties.name, "card_bytes": properties.total_memory, "cuda": torch.version.cuda, "driver": _driver()}
    return {
        **card,
        "tiny": tiny,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "commit": os.environ.get("SMVL_COMMIT", "unknown"),
        "date": time.strftime("%Y-%m-%d"),
    }


def describe(figures: Any) -> str:
    """For the screen: rounded, without what is only for the file."""
    if not isinstance(figures, dict):
        return str(figures)
    shown = {name: value for name, value in figures.items() if not isinstance(value, (dict, list))}
    return ", ".join(f"{name} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in shown.items())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
