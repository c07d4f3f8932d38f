"""Which samples share a sequence: as few packs as possible from samples whose costs are known.

The method is the minimum bin slack heuristic with the longest sample fixed (MBS': Fleszar and Hindi, Computers & Operations Research
29, 2002, after Gupta and Ho, 1999), with two costs: each pack starts with the longest sample left, and of the others it takes the
subset that fills it best. That subset comes from dynamic programming over the tokens, which keeps the fewest units (tiles or patches)
for each sum.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SLACK = 1 / 200
"""Share of a pack that may stay empty without a search for better: short samples spent on the last token are missing later."""
NUM_CANDIDATES = 48
"""Samples among which the rest of a pack is chosen, spread over all lengths. 24 fill some mixes by 0.01 less."""


class RowCost(NamedTuple):
    """What a row takes of a pack."""

    tokens: int
    units: int
    """Tiles or patches of its pictures."""
    shortened: tuple[str, ...] = ()
    """What is not shown of it, as in `Layout`."""


def plan_packs(costs: Sequence[RowCost], max_length: int, max_units: int | None = None) -> list[list[int]]:
    """Put rows into packs of at most `max_length` tokens and `max_units` tiles or patches.

    Returns the indices by pack, every index once. Equal costs give equal packs. A row that is over a limit alone gets a pack alone.
    """
    num_units = sum(cost.units for cost in costs)
    max_units = num_units if max_units is None else max_units
    left = sorted(range(len(costs)), key=lambda index: (-costs[index].tokens, -costs[index].units))  # equal ones stay in order
    packs = []
    while left:
        longest, *others = left
        room = RowCost(max_length - costs[longest].tokens, max_units - costs[longest].units)
        chosen = _best_filling(costs, others, room, slack=int(SLACK * max_length))
        packs.append([longest, *chosen])
        taken = set(chosen)
        left = [index for index in others if index not in taken]
    return packs


def _best_filling(costs: Sequence[RowCost], indices: Sequence[int], room: RowCost, *, slack: int) -> list[int]:
    """Those of `indices`, longest first, that together take the most tokens of `room` without more units than it has."""
    fitting = [index for index in indices if costs[index].tokens <= room.tokens and costs[index].units <= room.units]
    candidates = fitting[:: max(1, -(-len(fitting) // NUM_CANDIDATES))]
    if not candidates:
        return []
    # fewest_units[i][n]: the fewest units with which the first i candidates make exactly n tokens; out of reach where they cannot.
    out_of_reach = room.units + 1
    fewest_units = [np.full(room.tokens + 1, out_of_reach, dtype=np.int32)]
    fewest_units[0][0] = 0
    for index in candidates:
        tokens, units, _ = costs[index]
        before = fewest_units[-1]
        after = before.copy()
        np.minimum(before[tokens:], before[: len(before) - tokens] + units, out=after[tokens:])
        fewest_units.append(after)
        if after[-1 - slack :].min() <= room.units:  # good enough: the candidates that follow are shorter, and are kept for later
            break
    return _trace(costs, candidates, fewest_units, room.units)


def _trace(costs: Sequence[RowCost], candidates: Sequence[int], fewest_units: Sequence[np.ndarray], max_units: int) -> list[int]:
    """The candidates behind the largest sum of tokens that is within reach."""
    tokens = int(np.flatnonzero(fewest_units[-1] <= max_units)[-1])
    chosen = []
    for number in range(len(fewest_units) - 1, 0, -1):
        if fewest_units[number][tokens] < fewest_units[number - 1][tokens]:
            chosen.append(candidates[number - 1])
            tokens -= costs[candidates[number - 1]].tokens
    return chosen[::-1]
