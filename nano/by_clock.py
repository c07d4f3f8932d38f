"""Training that ends in its minutes on any machine: the learning rate follows the clock, and reports stand outside of the time."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

_WARMUP_STEPS = 40
_REMEMBERED = 0.98
"""Of the mean loss, from one step to the next."""


def muon_and_adam(matrices: Iterable[nn.Parameter], every: Iterable[nn.Parameter], *, rate: float) -> list[torch.optim.Optimizer]:
    """Muon at a rate for those of the parameters that are matrices of layers, AdamW for all others."""
    layers = [parameter for parameter in matrices if parameter.ndim == 2]
    known = {id(parameter) for parameter in layers}
    others = [parameter for parameter in every if id(parameter) not in known]
    muon = torch.optim.Muon(layers, lr=rate, momentum=0.95, weight_decay=0.02, adjust_lr_fn="original")
    return [muon, torch.optim.AdamW(others, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01)]


def num_measured(between_reports: float, low: int, high: int) -> int:
    """What a last report measures: as many as there are seconds between two reports, so that short runs end with a short one."""
    return int(min(high, max(low, between_reports)))


def train_by_clock(
    optimizers: list[torch.optim.Optimizer],
    loss_of_step: Callable[[float], torch.Tensor],
    report: Callable[[dict[str, Any], bool], None],
    *,
    minutes: float,
    between_reports: float,
    cooldown: float,
    max_norm: float,
) -> None:
    """Step until the minutes are over.

    Args:
        loss_of_step: draws a batch and gives its loss; told which share of the time is over.
        report: told the step, the seconds and the mean loss, and whether it is the last.
        between_reports: seconds.
        cooldown: share of the time in which the rates fall to zero, at the end.
        max_norm: larger gradients are scaled down to this.
    """
    groups = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    parameters = [parameter for group, _ in groups for parameter in group["params"]]
    start = reported = time.monotonic()
    step, mean, aside = 0, 0.0, 0.0
    while (spent := (time.monotonic() - start - aside) / (60 * minutes)) < 1:
        for group, rate in groups:
            group["lr"] = rate * min((step + 1) / _WARMUP_STEPS, 1.0, (1 - spent) / cooldown)
        loss = loss_of_step(spent)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, max_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        mean = loss.item() if step == 1 else _REMEMBERED * mean + (1 - _REMEMBERED) * loss.item()
        if time.monotonic() - reported > between_reports:
            before = time.monotonic()
            report({"step": step, "seconds": round(before - start - aside), "loss": round(mean, 4)}, False)
            reported = time.monotonic()
            aside += reported - before
    report({"step": step, "seconds": round(60 * minutes), "loss": round(mean, 4)}, True)
