"""smvl/train/sight: a model that looks is told from one that does not, and the historic fault ends a run before its first step."""

import shutil
from dataclasses import replace

import pytest
import torch

import smvl
import train
from smvl.data.sample import Sample
from smvl.layouts.pixel_scale import PixelScale
from smvl.packing.collator import PackCollator
from smvl.packing.encode import Encoder
from smvl.train.packed_model import BATCH_KEYS, PackedModel
from smvl.train.parts import part_parameters
from smvl.train.sight import Sight, SightCheck, SightReport
from tests.donors import SPLICE, save_text_donor, save_vision_donor
from tests.tiny_data import image_row, open_json_lines, write_images, write_json_lines, write_rows
from tests.tiny_run import write_run


@pytest.fixture(scope="module")
def setting(layout, tmp_path_factory):
    """A model of two small donors that was trained to name colours, with its encoder and samples."""
    folder = tmp_path_factory.mktemp("sight")
    model, processor = smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"), **SPLICE[layout])
    write_json_lines(folder)
    source = open_json_lines(folder / "colours.jsonl")
    encoder, samples = Encoder(processor, 512), [source[row] for row in range(8)]
    batch = PackCollator(processor.image_token_id)([[encoder.encode(sample) for sample in samples]])
    packed = PackedModel(model, PixelScale())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        (packed(**{key: batch[key] for key in BATCH_KEYS if key in batch}) / len(batch["targets"])).backward()
        optimizer.step()
        optimizer.zero_grad()
    return packed, encoder, samples


def test_a_model_that_looks_has_a_gap(setting):
    packed, encoder, samples = setting
    report = SightCheck(encoder, samples).measure(packed)
    sight = report.all
    assert sight.loss_right < 0.1 < 1 < sight.loss_swapped and not sight.is_nil and not sight.is_cut_off
    assert sight.loss_blank > 1
    assert report.verdict.startswith("The model looks at its images: loss 0.0")
    assert report.metrics()["eval_sight_gap"] == pytest.approx(sight.loss_swapped - sight.loss_right)


def test_losses_are_those_of_each_sample_alone(setting):
    packed, encoder, samples = setting
    report = SightCheck(encoder, samples).measure(packed)
    total = tokens = 0
    for sample in samples:
        batch = PackCollator(encoder.processor.image_token_id)([[encoder.encode(sample)]])
        total += packed(**{key: batch[key] for key in BATCH_KEYS if key in batch}).item()
        tokens += len(batch["targets"])
    assert report.all.loss == pytest.approx(total / tokens, abs=1e-5)


def test_a_model_whose_projector_is_dead_is_called_blind(setting):
    packed, encoder, samples = setting
    connector = part_parameters(packed.model, "connector")
    kept = [parameter.detach().clone() for parameter in connector]
    try:
        with torch.no_grad():
            for parameter in connector:
                parameter.zero_()
        report = SightCheck(encoder, samples).measure(packed)
    finally:
        with torch.no_grad():
            for parameter, before in zip(connector, kept):
                parameter.copy_(before)
    assert report.all.is_cut_off and report.all.is_nil and report.all.gap == 0
    assert report.verdict.startswith("The model is blind: its answers do not depend on a single pixel (loss ")


def test_a_new_splice_is_not_called_blind(tmp_path, layout, setting):
    _, encoder, samples = setting
    model, _ = smvl.splice(save_vision_donor(tmp_path / "v"), save_text_donor(tmp_path / "t", seed=3), **SPLICE[layout])
    report = SightCheck(encoder, samples).measure(PackedModel(model, PixelScale()))
    assert not report.all.is_cut_off and "blind" not in report.verdict


def test_only_pixels_are_swapped_never_the_text_around_them(setting, tmp_path):
    """An image of another shape has other markers: a model that reads those alone would seem to see."""
    _, encoder, _ = setting
    write_images(tmp_path)
    (tmp_path / "wide").mkdir()
    wide = write_images(tmp_path / "wide", size=(64, 32))
    rows = [image_row(0, *write_images(tmp_path)[0]), image_row(1, f"wide/{wide[1][0]}", wide[1][1])]
    source = open_json_lines(write_rows(tmp_path / "rows.jsonl", rows))
    chunks = list(SightCheck(encoder, [source[0], source[1]])._chunks())
    if encoder.processor.pictures.takes_any_shape:  # then the partner's picture is scaled, and the ids stay
        [[first, second]] = chunks
        swapped = SightCheck(encoder, [])._with_pictures_of(first, second)
        assert torch.equal(swapped.input_ids, first.encoded.input_ids) and swapped.shapes == first.encoded.shapes
        assert not torch.equal(swapped.pixels, first.encoded.pixels)
    else:
        assert [len(chunk) for chunk in chunks] == [1, 1] and chunks[0][0].encoded.shapes != chunks[1][0].encoded.shapes


def test_pictures_of_other_shapes_are_swapped_where_any_can_be_shown_in_any_shape(setting, tmp_path):
    """And where they cannot, nobody is called blind for it."""
    packed, encoder, _ = setting
    (tmp_path / "wide").mkdir()
    rows = [image_row(0, *write_images(tmp_path)[0])]
    wide = write_images(tmp_path / "wide", size=(64, 32))
    rows.append(image_row(1, f"wide/{wide[1][0]}", wide[1][1]))
    source = open_json_lines(write_rows(tmp_path / "rows.jsonl", rows))
    sight = SightCheck(encoder, [source[0], source[1]]).measure(packed).all
    can_swap = encoder.processor.pictures.takes_any_shape
    assert (sight.gap == sight.gap) is can_swap and not sight.is_blind
    assert sight.gap > 1 if can_swap else "not known: no two samples could swap their images" in sight.verdict


def test_figures_are_given_for_each_source(setting):
    packed, encoder, samples = setting
    texts = [{"role": "user", "content": "一加一?"}, {"role": "assistant", "content": "二"}]
    mixed = [*samples[:4], *(replace(sample, source="other") for sample in samples[4:]), Sample("t", texts, [], "words")]
    report = SightCheck(encoder, mixed).measure(packed)
    assert set(report.by_source) == {"colours.jsonl", "other", "words"} or len(report.by_source) == 3
    assert {name for name in report.metrics() if "/" in name} == {f"eval_sight_gap/{source}" for source in report.by_source}
    assert report.by_source["other"].gap > 1


def test_a_source_whose_images_are_not_used_is_named():
    seen, unused = Sight(1, 1, 3, 2, 0.1, 1), Sight(1, 1, 1, 1, 0.1, 1)
    assert SightReport(seen, {"a": seen, "b": unused}).verdict.endswith("Not (yet) those of b.")


def test_without_images_nothing_is_claimed(setting):
    packed, encoder, _ = setting
    texts = [{"role": "user", "content": "一加一?"}, {"role": "assistant", "content": "二"}]
    report = SightCheck(encoder, [Sample("t", texts, [], "words")]).measure(packed)
    assert report.verdict.startswith("Whether the model sees is not known: no sample that it is asked about has an image")
    assert not report.all.is_cut_off


def test_the_training_mode_is_left_as_it_was(setting):
    packed, encoder, samples = setting
    for mode in (True, False):
        packed.train(mode)
        SightCheck(encoder, samples[:2]).measure(packed)
        assert packed.training is mode


def test_a_gap_within_its_error_is_nil():
    assert Sight(1.0, 1.0, 1.3, 2.0, standard_error=0.2, reaction=1).is_nil
    assert not Sight(1.0, 1.0, 1.3, 2.0, standard_error=0.1, reaction=1).is_nil
    assert Sight(1.0, 1.0, 1.005, 2.0, standard_error=0.001, reaction=1).is_nil
    nan = float("nan")
    assert Sight(1.0, nan, nan, nan, standard_error=float("inf"), reaction=nan).is_nil


# ---- in a run --------------------------------------------------------------------------------------------------------------------


class HistoricModel(PackedModel):
    """The public project's fault, as transformers of its day let it pass: the image token's id was changed on the outer module, the inner
    one went on looking for the donor's, found none, and merged nothing; the loss fell all the same."""

    def _put_images(self, embeddings, positions, pixels, shapes):
        self.model.model.image_token_id = self.model.config.image_token_id - 1
        found = positions[self.model.model.image_token_id == self.model.config.image_token_id :][:0]
        features = self.image_features(pixels, shapes)
        return embeddings.flatten(0, 1).index_copy(0, found, features[: len(found)]).view_as(embeddings), []


def test_the_historic_fault_ends_a_run_before_its_first_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("smvl.train.run.PackedModel", HistoricModel)
    assert train.main([str(write_run(tmp_path)), "sight.stop_when_blind=1"]) == 1
    message = capsys.readouterr().err
    assert "The model is blind: its answers do not depend on a single pixel" in message and "image_token_id" in message
    assert not list((tmp_path / "out/align").glob("checkpoint-*"))


def test_the_stock_modules_refuse_the_historic_fault_today(setting):
    packed, encoder, samples = setting
    model, right = packed.model, packed.config.image_token_id
    batch = PackCollator(right)([[encoder.encode(samples[0])]])
    model.config.image_token_id = right + 1
    try:
        with pytest.raises(ValueError, match="Image features and image tokens do not match"):
            pictures = packed.layout.stock_pictures(model, packed.pixel_values(batch["pixels"]), batch["shapes"])
            model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], **pictures)
    finally:
        model.config.image_token_id = right


def test_a_run_whose_images_say_nothing_is_ended_at_the_given_share(tmp_path, capsys):
    """Every answer is the same word: there is nothing to see."""
    path = write_run(tmp_path)
    images = write_images(tmp_path / "data")
    rows = [image_row(number, images[number % 4][0], "红色") for number in range(24)]
    write_rows(tmp_path / "data/colours.jsonl", rows)
    jsonl = f"[{{source: jsonl, path: {tmp_path}/data/colours.jsonl}}]"
    overrides = [f"stages.0.mixture={jsonl}", "stages.0.trainer.max_steps=8", "sight.stop_when_blind=0.75"]
    assert train.main([str(path), *overrides, "sight.least_steps=0"]) == 1
    message = capsys.readouterr().err
    assert "does not use them (yet)" in message and "By step 6 it should (sight.stop_when_blind)" in message
    shutil.rmtree(tmp_path / "out")
    assert train.main([str(path), *overrides, "evaluation.generate=false"]) == 0  # in so few steps nobody learns to see


@pytest.mark.parametrize(
    ("gap", "standard_error", "nil", "blind"),
    [(0.3, 0.1, False, False), (0.08, 0.05, True, False), (0.02, 0.05, True, True), (0.008, 0.001, True, True), (-0.2, 0.05, True, True)],
)
def test_a_gap_that_is_small_but_above_its_error_is_no_sign_of_blindness(gap, standard_error, nil, blind):
    sight = Sight(1.0, 1.0, 1.0 + gap, 1.0, standard_error, 1.0)
    assert (sight.is_nil, sight.is_blind) == (nil, blind)


def test_null_goes_on_regardless(tmp_path, monkeypatch):
    monkeypatch.setattr("smvl.train.run.PackedModel", HistoricModel)
    path = write_run(tmp_path)
    only_images = f"[{{source: cauldron, path: {tmp_path}/cauldron, subsets: [tiny]}}]"
    assert train.main([str(path), "sight.stop_when_blind=null", "evaluation.generate=false", f"stages.1.mixture={only_images}"]) == 0
