"""Qwen3-SmVL: splice a small vision encoder and a small language model, train them in stages, run the result offline.

    import smvl
    model = smvl.load("output/demo")
    print(model.ask("图中有什么?", images=["a.jpg"]))
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036  (pip refuses it too, but not everybody installs)
    raise ImportError(f"smvl needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")

if TYPE_CHECKING:
    from smvl.assemble import splice
    from smvl.infer.form.form import Form
    from smvl.infer.loaded_model import load
    from smvl.processing.load import load_processor

__all__ = ["Form", "__version__", "load", "load_processor", "splice"]
__version__ = "0.1.0"

_MODULES = {
    "Form": "smvl.infer.form.form",
    "load": "smvl.infer.loaded_model",
    "load_processor": "smvl.processing.load",
    "splice": "smvl.assemble",
}


def __getattr__(name: str):
    # Importing torch and transformers takes seconds: not before somebody loads or splices.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
