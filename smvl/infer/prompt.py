"""A request that was laid out: what a model reads, and what its answer must be."""

from dataclasses import dataclass
from typing import Any

from smvl.infer.form.form import Form
from smvl.infer.request import Request
from smvl.processing.laid_out import LaidOut


@dataclass(frozen=True)
class Prompt:
    """`row` numbers it among those asked together: with a seed, it decides what is drawn."""

    request: Request
    form: Form | None
    """What the answer matches, calls of tools included."""
    functions: dict[str, dict[str, Any]]
    """Those that it may call, with the schema of their arguments."""
    laid_out: LaidOut
    row: int

    def __len__(self) -> int:
        return len(self.laid_out.input_ids)
