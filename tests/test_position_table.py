"""A wider table is read alike in every floating point type, also by the arithmetic that transformers had up to 5.20."""

import pytest
import torch
from torch import nn

from smvl.layouts.smolvlm.position_table import gather, read_places, spread, table_side

SIDES = [1, 2, 3, 6, 12, 14, 16, 24, 25, 27, 31, 32, 48]


def old_places(patches: int, rows: int, dtype: torch.dtype) -> list[int]:
    """What transformers 4.55 to 5.20 looks up for a whole tile whose pixels are of this type."""
    boundaries = torch.arange(1 / rows, 1.0, 1 / rows)
    step = 1.0 / torch.tensor([patches])
    fractions = (torch.arange(patches, dtype=torch.float32)[None, :] * step[:, None]).clamp(max=1.0 - 1e-6).to(dtype)
    buckets = torch.bucketize(fractions, boundaries, right=True)[0]
    return (buckets[:, None] * rows + buckets[None, :]).flatten().tolist()


@pytest.mark.parametrize("patches", SIDES)
def test_a_table_of_that_side_gives_each_patch_a_row_of_its_own_in_every_type(patches):
    rows = table_side(patches)
    found = read_places(patches, rows).tolist()
    assert len(set(found)) == patches**2 and max(found) < rows**2
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        assert old_places(patches, rows, dtype) == found


def test_a_power_of_two_keeps_its_table_and_six_patches_do_not():
    assert [table_side(patches) for patches in (1, 2, 4, 8, 16, 32, 64)] == [1, 2, 4, 8, 16, 32, 64]
    assert old_places(6, 6, torch.bfloat16) != old_places(6, 6, torch.float32)
    assert table_side(6) == 7


@pytest.mark.parametrize("patches", SIDES)
def test_what_is_read_of_a_wide_table_is_what_was_read_of_the_narrow_one(patches):
    table, rows = torch.randn(patches**2, 5), table_side(patches)
    wide = spread(table, patches, rows)
    read = table[read_places(patches, patches)]
    assert torch.equal(nn.functional.embedding(read_places(patches, rows), wide), read)
    assert torch.equal(gather(wide, patches), read)
