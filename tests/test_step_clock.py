"""smvl/train/step_clock: laps sum to the whole, and the backward pass is told apart."""

import torch

from smvl.train.step_clock import StepClock


def clock_at(monkeypatch, times) -> StepClock:
    clock, given = StepClock(), iter(times)
    monkeypatch.setattr(clock, "_now", lambda: next(given))
    return clock


def test_each_lap_is_the_time_since_the_last(monkeypatch):
    clock = clock_at(monkeypatch, [10.0, 11.0, 14.0, 14.5, 20.0])
    for name in ("start", "data", "text", "data", "optimizer"):
        clock.lap(name)
    assert clock.read() == {"data": 1.5, "text": 3.0, "optimizer": 5.5}


def test_a_reading_goes_on_from_the_last_lap(monkeypatch):
    clock = clock_at(monkeypatch, [0.0, 1.0, 3.0])
    clock.lap("start"), clock.lap("text")
    assert clock.read() == {"text": 1.0} and clock.read() == {}
    clock.lap("data")
    assert clock.read() == {"data": 2.0}


def test_the_backward_pass_is_split_where_a_gradient_arrives(monkeypatch):
    clock = clock_at(monkeypatch, [0.0, 1.0, 3.0, 7.0])
    first = torch.ones(2, requires_grad=True)
    middle = first * 2
    clock.lap_backward(middle, "text")
    last = middle * 3
    clock.lap_backward(last, "loss")
    clock.lap("forward")
    last.sum().backward()
    clock.lap("vision")
    assert clock.read() == {"loss": 1.0, "text": 2.0, "vision": 4.0}


def test_what_needs_no_gradient_has_no_lap():
    clock = StepClock()
    clock.lap_backward(torch.ones(2), "text")
    assert clock.read() == {}
