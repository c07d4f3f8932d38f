"""A photograph of a sum becomes LaTeX with its steps, and every step is worked out again by the program.

    python -m examples.study.work_out --model output/demo sum.png [more ...]
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from examples.opened_model import look_at, open_model
from smvl import Form
from smvl.infer.loaded_model import LoadedModel

QUESTION = "写出题和答。"
FRACTION = re.compile(r"\\frac\{([0-9]+(?:\+[0-9]+)*)\}\{([0-9]+)\}")
MOST_TOKENS = 128


@dataclass(frozen=True)
class Solution:
    """What the model wrote, and what the program makes of it."""

    latex: str
    values: tuple[Fraction | None, ...]
    """Of each step; None for one that is no sum of fractions."""

    @property
    def steps(self) -> list[str]:
        return self.latex.split("=")

    @property
    def holds(self) -> bool:
        """Whether all steps have one value."""
        return None not in self.values and len(set(self.values)) == 1


def work_out(model: LoadedModel, picture: Any) -> Solution:
    """Read a sum, held to LaTeX: whatever the model opens, it closes."""
    latex = model.ask(QUESTION, [picture], form=Form.latex(), max_new_tokens=MOST_TOKENS).text
    return Solution(latex, tuple(map(value_of, latex.split("="))))


def value_of(step: str) -> Fraction | None:
    """What a sum of fractions makes; None for anything else."""
    parts = [FRACTION.fullmatch(part) for part in re.split(r"\+(?![^{]*\})", step)]
    if not all(part is not None and int(part[2]) for part in parts):
        return None
    return sum((Fraction(sum(map(int, part[1].split("+"))), int(part[2])) for part in parts), Fraction(0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where every picture was read and every step holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", required=True)
    options = parser.parse_args(arguments)
    model, failed = open_model(parser, options.model), []
    for picture, solution in look_at(options.pictures, partial(work_out, model), failed):
        failed += [] if solution.holds else [picture]
        print(f"{picture}: {'the steps hold' if solution.holds else 'the steps do not hold, look again'}")
        print("\n".join(f"  {'= ' if place else '  '}{step}" for place, step in enumerate(solution.steps)))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
