"""How full packs are on length mixes like The Cauldron's, and what planning them costs. No model, no images: lengths alone.

    python -m benchmarks.packing_fill
    python -m benchmarks.packing_fill --text-share 0.1 --rows 20000

Every mix has 10 to 500 text tokens a sample, and in `--text-share` of the samples nothing else. The others have
    sample   800 to 1,300 image tokens a sample, however many images those are
    image    1 to 4 images of 800 to 1,300 tokens each
    small    1 to 4 images of 3 or 5 tiles of 67 tokens each, as train.yaml's longest_edge of 1024 gives
and, as in training, images get fewer tiles where a sample would be longer than max_length.

Columns: share of token places that hold a token
    padded   one sample a row, in batches of 16 padded to their longest: the plain recipe
    ffd      first-fit-decreasing (Johnson, 1973) on windows of the same size
    ours     PackSampler
    bound    what no packing of all rows at once can pass: Martello and Toth's lower bound L2 on the number of packs (Discrete Applied
             Mathematics 28, 1990). At a max_length of 2048 two samples with images seldom fit one pack, and this is what limits
and the microseconds that PackSampler takes for a sample, once it is measured.
"""

import argparse
import itertools
import time
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from smvl.data.quarantine import Quarantine
from smvl.packing.mixture import Mixture, RowKey
from smvl.packing.packs import PackSampler
from smvl.packing.plan import RowCost

LENGTHS = (2048, 4096, 8192)
TOKENS_PER_TILE = 67
"""64 features and the markers around them."""
BATCH_SIZE = 16


# ---- the mixes -------------------------------------------------------------------------------------------------------------------


def image_tokens(mix: str, generator: np.random.Generator) -> list[int]:
    """Tokens of each image of one sample at the finest resolution; `sample` counts all of its images as one."""
    if mix == "sample":
        return [int(generator.integers(800, 1301))]
    num_images = int(generator.integers(1, 5))
    if mix == "image":
        return generator.integers(800, 1301, num_images).tolist()
    return (generator.choice([3, 5], num_images) * TOKENS_PER_TILE).tolist()


def draw_costs(mix: str, num_rows: int, *, max_length: int, text_share: float, seed: int = 0) -> list[RowCost]:
    """The costs of so many rows."""
    generator = np.random.default_rng(seed)
    costs = []
    while len(costs) < num_rows:
        num_words = int(generator.integers(10, 501))
        images = [] if generator.random() < text_share else image_tokens(mix, generator)
        for scale in (1, 9 / 16, 4 / 16, 1 / 16):  # of the area: 4, 3, 2 and 1 tiles a side
            scaled = [max(TOKENS_PER_TILE, round(tokens * scale)) for tokens in images]
            if num_words + sum(scaled) <= max_length:
                costs.append(RowCost(num_words + sum(scaled), sum(-(-tokens // TOKENS_PER_TILE) for tokens in scaled)))
                break
    return costs


class DrawnRows:
    """A source and an encoder whose rows have costs and nothing else."""

    name = "drawn"

    def __init__(self, costs: Sequence[RowCost]):
        self.costs = costs

    def __len__(self) -> int:
        return len(self.costs)

    def __getitem__(self, row: int) -> RowCost:
        return self.costs[row]

    def lay_out(self, cost: RowCost) -> SimpleNamespace:
        return SimpleNamespace(input_ids=range(cost.tokens), num_units=cost.units, shortened=cost.shortened)


def make_sampler(costs: Sequence[RowCost], *, max_length: int, seed: int = 0, **options) -> PackSampler:
    """A PackSampler over drawn rows."""
    rows = DrawnRows(costs)
    return PackSampler(
        Mixture([rows], [1], seed=seed),
        rows,
        **{"max_length": max_length, "packing": True, "seed": seed, "quarantine": Quarantine(None, max_share=0.5), **options},
    )


# ---- ways to fill rows -----------------------------------------------------------------------------------------------------------


def padded_fill(lengths: Sequence[int]) -> float:
    batches = [lengths[start : start + BATCH_SIZE] for start in range(0, len(lengths), BATCH_SIZE)]
    return sum(lengths) / sum(max(batch) * len(batch) for batch in batches)


def first_fit_decreasing_fill(lengths: Sequence[int], max_length: int, look_ahead: int) -> float:
    num_packs = 0
    for start in range(0, len(lengths), look_ahead):
        room: list[int] = []
        for length in sorted(lengths[start : start + look_ahead], reverse=True):
            target = next((number for number, free in enumerate(room) if free >= length), None)
            if target is None:
                room.append(max_length - length)
            else:
                room[target] -= length
        num_packs += len(room)
    return sum(lengths) / (num_packs * max_length)


def best_possible_fill(lengths: Sequence[int], max_length: int) -> float:
    """From L2: for each k, samples longer than max_length - k take a pack alone, and those from k on need the room that is left."""
    ordered = np.sort(lengths)
    sums = np.concatenate([[0], np.cumsum(ordered)])
    half = np.searchsorted(ordered, max_length // 2, "right")
    num_packs = 0
    for k in (0, *np.unique(ordered[:half])):
        alone, small = np.searchsorted(ordered, max_length - k, "right"), np.searchsorted(ordered, k, "left")
        num_large = alone - half
        overflow = sums[half] - sums[small] - (num_large * max_length - (sums[alone] - sums[half]))
        num_packs = max(num_packs, len(ordered) - alone + num_large + max(0, -(-overflow // max_length)))
    return sums[-1] / (num_packs * max_length)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="rows of an epoch")
    parser.add_argument("--text-share", type=float, default=0.2, help="share of the samples without images")
    parser.add_argument("--look-ahead", type=int, default=256, help="as data.look_ahead")
    options = parser.parse_args(arguments)
    print(f"{'mix':8}  {'max_length':>10}  {'padded':>6}  {'ffd':>6}  {'ours':>6}  {'bound':>6}  microseconds a sample")
    for mix, max_length in itertools.product(("sample", "image", "small"), LENGTHS):
        costs = draw_costs(mix, options.rows, max_length=max_length, text_share=options.text_share)
        sampler = make_sampler(costs, max_length=max_length, look_ahead=options.look_ahead)
        for row in range(len(costs)):
            sampler.cost(RowKey(0, row))
        began = time.perf_counter()
        num_packs = len(sampler.first_epoch())
        seconds = time.perf_counter() - began
        lengths = [cost.tokens for cost in costs]
        fills = (
            padded_fill(lengths),
            first_fit_decreasing_fill(lengths, max_length, options.look_ahead),
            sum(lengths) / (num_packs * max_length),
            best_possible_fill(lengths, max_length),
        )
        print(f"{mix:8}  {max_length:10}  " + "  ".join(f"{fill:6.3f}" for fill in fills) + f"  {seconds / len(costs) * 1e6:21.0f}")


if __name__ == "__main__":
    main()
