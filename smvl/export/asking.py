"""Asking an export in the runtime that it was made for."""

from pathlib import Path

import numpy as np

from smvl.export.probe import Probed, probe
from smvl.export.targets import Target


def ask_export(target: Target, folder: Path, questions: Path, out: Path, *, max_new_tokens: int) -> tuple[Probed, np.ndarray]:
    """What `probe.probe` gives, of an export: onnxruntime, llama.cpp or torch answers, in a process of its own.

    Raises:
        ValueError: the export cannot be loaded there, or the runtime is not installed.
    """
    return probe(folder, questions, out, max_new_tokens=max_new_tokens)
