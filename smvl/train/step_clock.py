"""Where the time of a training step goes.

The clock is a row of laps: each lap gives the time since the last one a name, so that the parts always sum to the whole. On a card a lap
is an event in its queue, and what is measured is when the card gets there: a wait for data shows only if the card had nothing to do.
"""

import time
from collections import defaultdict

import torch


class StepClock:
    """Sums the time between laps by name, in seconds.

    Args:
        device: whose time is measured.
    """

    def __init__(self, device: torch.device | str = "cpu"):
        self._on_card = torch.device(device).type == "cuda"
        self._laps: list[tuple[str, float | torch.cuda.Event]] = []

    def lap(self, name: str) -> None:
        """What happened since the last lap was `name`."""
        self._laps.append((name, self._now()))

    def lap_backward(self, tensor: torch.Tensor, name: str) -> None:
        """In the backward pass, what happens until the gradient of `tensor` is there is `name`."""
        if tensor.requires_grad:
            tensor.register_hook(lambda gradient: self.lap(name))

    def read(self) -> dict[str, float]:
        """Seconds by name since the last reading, which starts anew at the last lap."""
        if self._on_card:
            torch.cuda.synchronize()
        seconds: dict[str, float] = defaultdict(float)
        for (_, start), (name, end) in zip(self._laps, self._laps[1:]):
            seconds[name] += start.elapsed_time(end) / 1000 if self._on_card else end - start
        del self._laps[:-1]
        return dict(seconds)

    def _now(self) -> float | torch.cuda.Event:
        if not self._on_card:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
