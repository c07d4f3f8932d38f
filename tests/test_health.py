"""smvl/train/health and flops: arithmetic is counted as torch does, and a loss that is no number stops a run and names the samples."""

import logging

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import smvl
import train
from smvl.layouts.pixel_scale import PixelScale
from smvl.train.flops import BatchSize, training_flops
from smvl.train.health import DivergedError, Health
from smvl.train.packed_model import PackedModel
from smvl.train.parts import part_parameters
from smvl.train.step_clock import StepClock
from smvl.train.trainer import SmVLMTrainer
from tests.donors import save_text_donor, save_vision_donor
from tests.test_packed_model import FIVE, Encoder, collate, inputs
from tests.tiny_run import write_run


@pytest.fixture(scope="module")
def spliced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    model, processor = smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"), attention="eager")
    return model, Encoder(processor, 10_000)


# ---- arithmetic ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [["connector"], ["connector", "text.layers[-1:]"], ["connector", "text", "vision"], ["text.layers[-1:]"], ["vision.layers[-1:]"]],
)
def test_flops_are_those_that_torch_counts(spliced, parts):
    """With eager attention and one sample; then the causal half that eager attention does not save is put back."""
    model, encoder = spliced
    model.requires_grad_(False)
    for part in parts:
        for parameter in part_parameters(model, part):
            parameter.requires_grad_(True)
    batch = collate(encoder, [[FIVE[2]]])
    with FlopCounterMode(display=False) as counter:
        PackedModel(model, PixelScale())(**inputs(encoder, [[FIVE[2]]])).backward()
    size = BatchSize.of(batch)
    full_square = BatchSize(size.tokens, 2 * size.token_pairs, size.loss_tokens, size.units, size.shapes)
    assert training_flops(model, full_square) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_the_size_of_a_batch(spliced):
    batch = collate(spliced[1], [FIVE[:2]])
    lengths = batch["sample_lengths"]
    assert BatchSize.of(batch) == BatchSize(sum(lengths), sum(n * n for n in lengths), len(batch["targets"]), 8, ((1, 2), (2, 2)))


# ---- figures ---------------------------------------------------------------------------------------------------------------------


class OneProcess:
    device, num_processes = torch.device("cpu"), 1

    def reduce(self, tensor, reduction):
        return tensor


def read(health: Health, monkeypatch, times, batch, workers=0) -> dict[str, float]:
    given = iter(times)
    monkeypatch.setattr(health.clock, "_now", lambda: next(given))
    health.clock.lap("start"), health.clock.lap("data"), health.clock.lap("text")
    health.count(batch)
    return health.figures(OneProcess(), workers=workers)


def test_speed_shares_and_fill(spliced, monkeypatch):
    model, encoder = spliced
    batch = collate(encoder, [FIVE])
    tokens = batch["input_ids"].numel()
    figures = read(Health(model, StepClock(), capacity=2 * tokens), monkeypatch, [0.0, 1.0, 4.0], batch)
    assert figures["seconds/data"] == 1 and figures["seconds/text"] == 3 and figures["speed/data_wait_share"] == 0.25
    assert figures["speed/samples_per_second"] == 5 / 4 and figures["speed/tokens_per_second"] == tokens / 4
    assert figures["data/fill"] == 0.5 and figures["data/supervised_share"] == len(batch["targets"]) / tokens


def test_waiting_for_data_is_said_once_with_the_setting_to_change(spliced, monkeypatch, caplog):
    health = Health(spliced[0], StepClock(), capacity=1)
    batch = collate(spliced[1], [FIVE])
    monkeypatch.setattr("smvl.train.health.usable_cores", lambda: torch.get_num_threads())
    with caplog.at_level(logging.WARNING, logger="smvl"):
        for start in (0, 4, 8, 12):
            read(health, monkeypatch, [start, start + 1.0, start + 4.0], batch, workers=2)
        assert not caplog.records, "every core is busy with training"
        monkeypatch.setattr("smvl.train.health.usable_cores", lambda: torch.get_num_threads() + 1)
        for start in (16, 20, 24, 28):
            read(health, monkeypatch, [start, start + 1.0, start + 4.0], batch, workers=2)
    said = [record.message for record in caplog.records]
    assert said == ["25% of the time goes into waiting for data. Raise data.workers (now 2), or make images smaller on disk."]


# ---- no number -------------------------------------------------------------------------------------------------------------------


def test_a_gradient_that_is_no_number_names_samples_and_the_last_good_state(spliced, tmp_path):
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4/complete").touch()
    health = Health(spliced[0], StepClock(), capacity=1)
    health.check_finite(torch.tensor(3.0), step=4, sample_ids=["a/1"], folder=tmp_path)
    with pytest.raises(
        DivergedError, match=r"gradient of step 6 is nan.*Samples of this step: a/1, b/2\. Last good state: .*checkpoint-4\."
    ):
        health.check_finite(torch.tensor(float("nan")), step=5, sample_ids=["a/1", "b/2"], folder=tmp_path)


def test_a_run_whose_loss_is_no_number_stops_before_it_changes_a_weight(tmp_path, capsys, monkeypatch):
    plain = SmVLMTrainer.compute_loss

    def broken(self, *arguments, **options):
        return plain(self, *arguments, **options) * (float("nan") if self.state.global_step == 2 else 1.0)

    monkeypatch.setattr(SmVLMTrainer, "compute_loss", broken)
    assert train.main([str(write_run(tmp_path))]) == 1
    message = capsys.readouterr().err
    assert "the gradient of step 3 is nan" in message and "cauldron[tiny]/" in message
    assert "Last good state: " in message and "checkpoint-2" in message
