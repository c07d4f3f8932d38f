"""smvl/train/sight: a model that looks is told from one that does not, and the historic fault is caught."""

import pytest
import torch

import smvl
from smvl.data.collator import FAILURES, PackCollator
from smvl.data.encode import Encoder
from smvl.data.sources.json_lines import JsonLines
from smvl.train.loss import idle_vision_loss, supervised_loss
from smvl.train.sight import Sight, SightCheck
from tests.donors import save_text_donor, save_vision_donor
from tests.tiny_data import write_json_lines


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """A model of two small donors that was trained to name colours, with its encoder and samples."""
    folder = tmp_path_factory.mktemp("sight")
    model, processor = smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"))
    write_json_lines(folder)
    source = JsonLines(folder / "colours.jsonl")
    encoder, samples = Encoder(processor, 512), [source[row] for row in range(8)]
    batch = PackCollator(0)([[encoder.encode(sample) for sample in samples]])
    batch.pop(FAILURES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        total, count = supervised_loss(model, batch)
        (total / count).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, encoder, samples


def test_a_model_that_looks_has_a_gap(setting):
    model, encoder, samples = setting
    sight = SightCheck(encoder, samples).measure(model)
    assert sight.loss_right < 0.1 < 1 < sight.loss_swapped and not sight.is_blind
    assert sight.verdict.startswith("The model looks at its images: loss 0.0")
    assert sight.metrics()["eval_sight_gap"] == pytest.approx(sight.loss_swapped - sight.loss_right)


def test_a_model_whose_projector_is_dead_is_called_blind(setting):
    model, encoder, samples = setting
    projector = model.model.connector.modality_projection.proj
    kept = projector.weight.detach().clone()
    try:
        with torch.no_grad():
            projector.weight.zero_()
        sight = SightCheck(encoder, samples).measure(model)
    finally:
        with torch.no_grad():
            projector.weight.copy_(kept)
    assert sight.is_blind and sight.gap == pytest.approx(0, abs=1e-6)
    assert "does not use its images (yet)" in sight.verdict and "the gap is nil" in sight.verdict


def test_an_image_token_id_changed_on_one_module_only_cannot_pass(setting):
    """The historic fault of the public project: features of a model so set up had nowhere to go."""
    model, encoder, samples = setting
    right = model.config.image_token_id
    model.config.image_token_id = right + 1
    try:
        with pytest.raises(ValueError, match="Image features and image tokens do not match"):
            SightCheck(encoder, samples).measure(model)
    finally:
        model.config.image_token_id = right


def test_the_training_mode_is_left_as_it_was(setting):
    model, encoder, samples = setting
    for mode in (True, False):
        model.train(mode)
        SightCheck(encoder, samples[:2]).measure(model)
        assert model.training is mode


def test_a_gap_within_its_error_is_nil():
    assert Sight(1.0, 1.0, 1.3, standard_error=0.2).is_blind
    assert not Sight(1.0, 1.0, 1.3, standard_error=0.1).is_blind
    assert Sight(1.0, 1.0, 1.005, standard_error=0.001).is_blind
    assert Sight(1.0, float("nan"), float("nan"), standard_error=float("inf")).is_blind


def test_the_idle_loss_is_zero_and_reaches_every_weight_between_pixels_and_text(setting):
    model = setting[0]
    model.zero_grad()
    loss = idle_vision_loss(model)
    loss.backward()
    inner = model.model
    assert loss.item() == 0
    between = [*inner.connector.parameters(), *inner.vision_model.parameters()]
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in between)


def test_logits_are_computed_at_supervised_positions_only_and_the_loss_is_the_models_own(setting):
    model, encoder, samples = setting
    batch = PackCollator(0)([[encoder.encode(samples[0])]])
    with torch.no_grad():
        total, count = supervised_loss(model, {name: value for name, value in batch.items() if name != FAILURES})
        stock = model(input_ids=batch["input_ids"], pixel_values=batch["pixel_values"], labels=batch["labels"]).loss
    assert count == (batch["labels"] != -100).sum()
    assert (total / count).item() == pytest.approx(stock.item(), abs=1e-6)
