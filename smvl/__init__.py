"""Qwen3-SmVL: splice a small vision encoder and a small language model, train them in stages, run the result offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smvl.assemble import splice

__all__ = ["splice"]


def __getattr__(name: str):
    # Importing torch and transformers takes seconds: not before somebody splices.
    if name == "splice":
        from smvl.assemble import splice

        return splice
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
