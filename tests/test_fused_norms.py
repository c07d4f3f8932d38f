"""Norms as one kernel compute what transformers' do."""

import importlib

import pytest
import torch
from torch import nn

from smvl.model.fused_norms import PLAIN_NORMS, fuse_norms, fused_rms_norm

MODULES = {name: name.removesuffix("RMSNorm").lower() for name in PLAIN_NORMS}


def stock_norm(name: str, width: int = 48) -> nn.Module:
    family = MODULES[name]
    norm = getattr(importlib.import_module(f"transformers.models.{family}.modeling_{family}"), name)(width, eps=1e-6)
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    return norm


@pytest.mark.parametrize("name", PLAIN_NORMS)
def test_value_and_gradients_are_those_of_the_stock_class(name):
    torch.manual_seed(0)
    norm, hidden = stock_norm(name), torch.randn(3, 5, 48, requires_grad=True)
    upstream = torch.randn(3, 5, 48)
    results = []
    for compute in (norm, lambda given: fused_rms_norm(given, norm.weight, norm.variance_epsilon)):
        output = compute(hidden)
        results.append((output, *torch.autograd.grad(output, [hidden, norm.weight], upstream)))
    for stock, fused in zip(*results):
        torch.testing.assert_close(fused, stock, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("learns", [False, True])
def test_in_mixed_precision_it_gives_the_type_of_the_stock_class_and_its_values_but_for_the_last_bit(learns):
    torch.manual_seed(0)
    norm, hidden = stock_norm("Qwen3RMSNorm"), torch.randn(3, 5, 48).bfloat16()
    norm.to(torch.float32 if learns else torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        stock, fused = norm(hidden), fused_rms_norm(hidden, norm.weight, norm.variance_epsilon)
    assert fused.dtype == stock.dtype
    torch.testing.assert_close(fused.float(), stock.float(), atol=0, rtol=2**-7)


def test_only_norms_that_compute_just_this_are_taken_and_on_a_cpu_they_stay_to_the_bit():
    class GemmaRMSNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.eps = nn.Parameter(torch.zeros(48)), 1e-6

    norm, other, hidden = stock_norm("Qwen3RMSNorm"), GemmaRMSNorm(), torch.randn(2, 48)
    before = norm(hidden)
    assert fuse_norms(nn.ModuleList([norm, other, nn.Linear(2, 2)])) == 1
    assert torch.equal(norm(hidden), before) and "forward" not in vars(other)
