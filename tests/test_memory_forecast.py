"""smvl/train/memory_meter and memory_forecast: sums that can be worked out by hand, what makes the peak rise and fall, and the refusal."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import train
from smvl.assemble import splice
from smvl.config import load_config
from smvl.train import memory_forecast
from smvl.train.arguments import training_arguments
from smvl.train.heap import HeapReplay
from smvl.train.memory_check import MemoryPlanError, check_memory
from smvl.train.memory_forecast import PackShape, StageMemory, process_bytes
from smvl.train.memory_meter import fake_copy, fake_run
from smvl.train.stages import plan_stage
from tests.donors import SPLICE
from tests.tiny_run import write_run

CPU = torch.device("cpu")
FLOAT = 4
PACK = PackShape(tokens=192, units=20, loss_tokens=20)


def stage_memory(folder, number: int = 1, *, attention: str = "sdpa", layout: str = "smolvlm", **trainer) -> StageMemory:
    """Of a stage of the tiny run."""
    config = load_config(write_run(folder, layout=layout))
    stage = replace(config.stages[number], trainer={**config.stages[number].trainer, **trainer})
    model, processor = splice(config.model.vision, config.model.text, attention=attention, **SPLICE[layout])
    trained = processor.trained_ids
    plan = plan_stage(stage, model, marker_ids=trained, max_steps=5, default_learning_rate=1e-3)
    arguments = training_arguments(config, stage, folder / "out", max_steps=5)
    return StageMemory(model, plan, arguments, PACK, CPU)


def test_a_linear_layer_with_adam_takes_four_times_its_weights_and_its_activations():
    linear = nn.Linear(300, 200, bias=False)
    weights, rows = FLOAT * 300 * 200, 7
    with fake_run(CPU) as meter:
        copied = fake_copy(linear, {id(linear.weight): linear.weight}, CPU)
        assert meter.now == weights
        optimizer = torch.optim.AdamW(copied.parameters(), fused=True)
        inputs = torch.empty(rows, 300)
        outputs = copied(inputs)
        assert meter.now == weights + FLOAT * rows * (300 + 200)
        outputs.sum().backward()
        del outputs
        optimizer.step()
        step_counter = FLOAT
        assert meter.now == 4 * weights + FLOAT * rows * 300 + step_counter
        optimizer.zero_grad()
        assert meter.now == 3 * weights + FLOAT * rows * 300 + step_counter
    assert linear.weight.grad is None and linear.weight.device == CPU


def test_weights_gradients_and_optimizer_of_a_stage_are_what_its_parameters_need(tmp_path, layout):
    memory = stage_memory(tmp_path, layout=layout)
    forecast = memory.forecast()
    learning = [parameter for part in memory.plan.parts for parameter in part.parameters]
    count = sum(parameter.numel() for parameter in learning)
    stored = [*memory.model.parameters(), *memory.model.buffers()]
    scale = 2 * 3 * FLOAT  # of the pixels: mean and deviation of each channel
    assert forecast.weights == sum(tensor.nbytes for tensor in stored) + scale
    assert forecast.gradients == FLOAT * count
    assert forecast.optimizer == 2 * FLOAT * count + FLOAT * len(learning)  # two moments, and a counter for each parameter
    pixels, axes, tokens_per_unit = {"smolvlm": (3 * 32 * 32, 1, 4)}.get(layout, (3 * 8 * 8, 4, 1 / 4))
    pixels *= PACK.units
    ids = 8 * ((2 + axes) * PACK.tokens + tokens_per_unit * PACK.units + 2 * PACK.loss_tokens) + 8  # and where the sample begins and ends
    batches = memory.arguments.gradient_accumulation_steps + 1  # accelerate's loader is one ahead
    assert forecast.batches == batches * (pixels + ids)


@pytest.mark.skipif(not HeapReplay().works, reason="the C library is not glibc")
def test_a_heap_replay_holds_blocks_as_long_as_their_owners_live_and_takes_no_memory():
    heap, size = HeapReplay(), 1 << 30
    owners = [nn.Module() for _ in range(4)]
    before = process_bytes(owners[0])
    heap.start()
    for owner in owners:
        heap.hold(owner, size)
    assert 4 * size <= heap.growth < 4.01 * size
    assert process_bytes(owners[0]) - before < size / 100
    owners.clear()
    del owner
    heap.hold(nn.Module(), size)
    assert heap.growth < 4.01 * size


def test_a_later_phase_takes_more(tmp_path, layout):
    memory = stage_memory(tmp_path, layout=layout)
    first, last = memory.forecast_at(0).tensors, memory.forecast().tensors
    assert memory.forecast_at(4).tensors == last > first


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_peak_grows_with_the_batch_and_falls_with_checkpointing(tmp_path, layout, attention):
    memory = stage_memory(tmp_path, attention=attention, layout=layout)
    twice = replace(memory, arguments=stage_memory(tmp_path, per_device_train_batch_size=2).arguments)
    checkpointed = replace(memory, arguments=stage_memory(tmp_path, gradient_checkpointing=True).arguments)
    assert checkpointed.forecast().tensors < memory.forecast().tensors < twice.forecast().tensors


def test_bfloat16_halves_what_does_not_learn(tmp_path):
    memory = stage_memory(tmp_path, bf16=True)
    halved = replace(memory, dtype=torch.bfloat16).forecast()
    learning = {id(parameter) for part in memory.plan.parts for parameter in part.parameters}
    frozen = sum(parameter.nbytes for parameter in memory.model.parameters() if id(parameter) not in learning)
    assert memory.forecast().weights - halved.weights == frozen / 2


def test_a_forecast_leaves_the_model_as_it_was(tmp_path, layout):
    memory = stage_memory(tmp_path, layout=layout)
    before = {name: (parameter.clone(), parameter.requires_grad) for name, parameter in memory.model.named_parameters()}
    memory.forecast()
    for name, parameter in memory.model.named_parameters():
        assert torch.equal(parameter, before[name][0]) and parameter.requires_grad is before[name][1] and parameter.grad is None
    assert process_bytes(memory.model) > 0


def test_several_processes_hold_the_gradients_twice(tmp_path):
    memory = stage_memory(tmp_path)
    alone, two = memory.forecast(), replace(memory, num_processes=2).forecast()
    assert two.tensors - alone.tensors == two.gradients - alone.gradients == alone.gradients


def test_a_plan_over_the_budget_is_refused_with_the_first_key_that_helps(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_forecast.StageMemory, "_process_bytes", lambda memory, waste: 0)
    memory = stage_memory(tmp_path, per_device_train_batch_size=4)
    halved = next(changed for keys, changed in memory.cheaper())
    check_memory(memory, memory.forecast().peak)
    with pytest.raises(MemoryPlanError) as refusal:
        check_memory(memory, halved.forecast().peak)
    message = str(refusal.value)
    assert "Set trainer.per_device_train_batch_size: 2 with gradient_accumulation_steps: 4." in message
    assert "trainer.gradient_checkpointing: true: " in message and "data.max_length: 96: " in message
    with pytest.raises(MemoryPlanError, match="None of these alone is enough"):
        check_memory(memory, 1)


def test_a_run_that_cannot_fit_ends_before_its_first_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("smvl.train.run.memory_budget", lambda *_: 1000)
    assert train.main([str(write_run(tmp_path))]) == 1
    message = capsys.readouterr().err
    assert "stage align needs" in message and "data.max_length: 96" in message and "Traceback" not in message
    assert not list((tmp_path / "out").rglob("checkpoint-*"))
