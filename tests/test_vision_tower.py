"""The tower on whole tiles gives what transformers' own forward pass gives, and in bfloat16 what it should have given before 5.21."""

import pytest
import torch
from transformers import SmolVLMVisionConfig
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionTransformer

from smvl.layouts.smolvlm.vision_tower import encode_tiles, patch_places


def make_tower(side: int, *, patch: int = 4) -> SmolVLMVisionTransformer:
    torch.manual_seed(0)
    config = SmolVLMVisionConfig(
        image_size=side * patch, patch_size=patch, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    config._attn_implementation = "sdpa"
    return SmolVLMVisionTransformer(config).eval()


def stock_places(tower: SmolVLMVisionTransformer) -> torch.Tensor:
    """What transformers looks up for one whole tile."""
    asked: list[torch.Tensor] = []
    hook = tower.embeddings.position_embedding.register_forward_hook(lambda _module, given, _output: asked.append(given[0]))
    tower(pixel_values=torch.zeros(1, 3, tower.config.image_size, tower.config.image_size))
    hook.remove()
    return asked[0].flatten()


@pytest.mark.parametrize("side", [1, 2, 6, 8, 14, 16, 24, 25, 27, 31, 32])
def test_patches_take_the_places_that_transformers_gives_them(side):
    tower = make_tower(side)
    assert torch.equal(patch_places(tower), stock_places(tower))


@pytest.mark.parametrize("side", [1, 2, 6, 14, 16, 24, 27, 32])
def test_in_the_sizes_that_are_used_they_are_counted_row_by_row(side):
    assert torch.equal(patch_places(make_tower(side)), torch.arange(side**2))


@torch.no_grad()
def test_features_are_those_of_the_stock_forward_pass():
    tower = make_tower(6)
    tiles = torch.randn(3, 3, 24, 24)
    torch.testing.assert_close(encode_tiles(tower, tiles), tower(pixel_values=tiles).last_hidden_state, atol=1e-6, rtol=0)


@torch.no_grad()
def test_in_bfloat16_no_patch_is_misplaced():
    tower = make_tower(6).to(torch.bfloat16)
    assert torch.equal(patch_places(tower), torch.arange(36))
    tiles = torch.randn(3, 3, 24, 24)
    exact = encode_tiles(make_tower(6), tiles)
    assert (encode_tiles(tower, tiles.bfloat16()).float() - exact).norm() / exact.norm() < 0.02
