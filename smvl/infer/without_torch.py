"""Running without torch where it is installed."""

import os
import sys
from pathlib import Path

from smvl.infer.gguf_folder import is_gguf_folder
from smvl.infer.onnx_folder import is_onnx_folder


def is_export(folder: str | Path) -> bool:
    """Whether a folder says of itself that it is an export, whole or not, which needs no torch."""
    return is_onnx_folder(folder) or is_gguf_folder(folder)


def without_torch() -> None:
    """Let transformers be imported as if torch were not installed: two seconds and a few hundred megabytes less.

    transformers imports torch wherever it finds it, and an export needs none. Call it before transformers is imported; a process that
    has imported torch already stays as it is.
    """
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # it would advise to install torch
    sys.modules.setdefault("torch", None)
