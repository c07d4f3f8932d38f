"""smvl/train/packed_model, model/packed_attention and train/loss: what transformers' own forward pass gives, with less arithmetic."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from transformers.image_transforms import normalize, rescale

import smvl
from smvl.data.quarantine import Failure
from smvl.data.sample import Sample
from smvl.layouts.find_model import layout_of
from smvl.layouts.pixel_scale import PixelScale
from smvl.layouts.smolvlm.tiles import cut_byte_tiles, cut_tiles, plan_grid
from smvl.model.packed_attention import PACKED, packed_sdpa_attention, sample_options, use_plain_attention
from smvl.packing.collator import FAILURES, SAMPLE_IDS, PackCollator
from smvl.packing.encode import Encoder
from smvl.train import loss as loss_module
from smvl.train.loss import linear_cross_entropy, token_losses
from smvl.train.packed_model import BATCH_KEYS, PackedModel
from smvl.train.parts import part_parameters
from tests.donors import SPLICE, let_taps_speak, save_text_donor, save_vision_donor
from tests.tiny_data import noise
from tests.varlen import varlen_attn


def splice_tiny(folder, layout="smolvlm", **options):
    model, processor = smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"), **SPLICE[layout], **options)
    let_taps_speak(model)
    return model, processor


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def spliced(request, layout, tmp_path_factory):
    model, processor = splice_tiny(tmp_path_factory.mktemp("donors"), layout, attention=request.param)
    return PackedModel(model, PixelScale()), Encoder(processor, max_length=10_000)


@pytest.fixture(scope="module")
def tiled(tmp_path_factory):
    model, processor = splice_tiny(tmp_path_factory.mktemp("donors"))
    return PackedModel(model, PixelScale()), Encoder(processor, max_length=10_000)


def sample(number: int, num_images: int, *, seed: int | None = None) -> Sample:
    parts = [{"type": "image"} for _ in range(num_images)] + [{"type": "text", "text": f"第{number}问?"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "答" * (number + 1)}]
    images = [noise((number if seed is None else seed) * 10 + index, (64, 32 + 32 * (index % 2))) for index in range(num_images)]
    return Sample(id=str(number), messages=messages, images=images, source="test")


FIVE = [sample(number, num_images) for number, num_images in enumerate([2, 0, 3, 1, 0])]


def collate(encoder: Encoder, packs: list[list[Sample]]) -> dict:
    return PackCollator(encoder.processor.image_token_id)([[encoder.encode(entry) for entry in pack] for pack in packs])


def inputs(encoder: Encoder, packs: list[list[Sample]]) -> dict:
    batch = collate(encoder, packs)
    return {key: batch[key] for key in BATCH_KEYS if key in batch}


def stock_inputs(model, encoder: Encoder, batch: dict) -> dict:
    """Ids and pixels of a batch as transformers' own forward pass takes them, normalised by transformers' own code."""
    processor = encoder.processor.image_processor
    rescaled = rescale(batch["pixels"].numpy(), processor.rescale_factor)
    pixels = np.stack([normalize(tile, processor.image_mean, processor.image_std, input_data_format="channels_first") for tile in rescaled])
    pictures = layout_of(model).stock_pictures(model, torch.from_numpy(pixels), batch["shapes"])
    return {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"], **pictures}


def losses(packed: PackedModel, encoder: Encoder, packs: list[list[Sample]]) -> list[float]:
    """Mean token loss of each sample."""
    batch = inputs(encoder, packs)
    with torch.no_grad():
        found = packed(**batch, reduction="none")
    ends = torch.tensor(batch["sample_lengths"]).cumsum(0)
    owner = torch.bucketize(batch["loss_positions"], ends, right=True)
    return [found[owner == number].mean().item() for number in range(len(ends))]


# ---- a batch ---------------------------------------------------------------------------------------------------------------------


def test_a_batch_is_the_samples_end_to_end(spliced):
    encoder = spliced[1]
    encoded = [encoder.encode(entry) for entry in FIVE]
    batch = collate(encoder, [FIVE[:2], FIVE[2:]])
    assert batch["input_ids"].tolist() == [[token for entry in encoded for token in entry.input_ids.tolist()]]
    assert batch["position_ids"].view(-1, batch["input_ids"].numel())[0].tolist() == [
        position for entry in encoded for position in range(len(entry.input_ids))
    ]
    assert torch.equal(batch["position_ids"].flatten(0, -2), torch.cat([entry.position_ids for entry in encoded], dim=1))
    assert batch["sample_lengths"] == [len(entry.input_ids) for entry in encoded]
    assert batch["input_ids"][0, batch["image_positions"]].unique().tolist() == [encoder.processor.image_token_id]
    assert batch["input_ids"][0, batch["loss_positions"] + 1].tolist() == batch["targets"].tolist()
    assert torch.equal(batch["pixels"], torch.cat([entry.pixels for entry in encoded])) and batch["pixels"].dtype == torch.uint8
    assert batch[SAMPLE_IDS] == [f"test/{number}" for number in range(5)] and batch[FAILURES] == []


def test_a_batch_of_nothing_but_bad_rows_asks_for_nothing(spliced):
    packed, _ = spliced
    failure = Failure("1", "s", "r", "because")
    batch = PackCollator(5)([[failure]])
    assert batch[FAILURES] == [failure] and batch["sample_lengths"] == [1]
    assert packed(**{key: batch[key] for key in BATCH_KEYS if key in batch}).item() == 0


@pytest.mark.parametrize("mean, deviation", [([0.5] * 3, [0.5] * 3), ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
def test_bytes_are_normalised_to_the_bit_as_the_processor_does(tiled, mean, deviation):
    packed, encoder = tiled
    settings = copy.copy(encoder.processor.image_processor)
    settings.image_mean, settings.image_std = mean, deviation
    every_byte = noise(0, (64, 64)), Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("RGB").resize((64, 64), 0)
    for image in every_byte:
        grid = plan_grid(64, 64, settings, 64)
        tiles = torch.from_numpy(cut_byte_tiles(image, settings, grid))
        found = PackedModel(packed.model, PixelScale.of(settings)).pixel_values(tiles)
        assert torch.equal(found, torch.from_numpy(cut_tiles(image, settings, grid)))


# ---- the same loss ---------------------------------------------------------------------------------------------------------------


def test_loss_and_gradients_are_the_stock_models_own(tmp_path, layout):
    model, processor = splice_tiny(tmp_path, layout)
    encoder = Encoder(processor, 10_000)
    batch = collate(encoder, [[FIVE[2]]])
    stock = model(**stock_inputs(model, encoder, batch), labels=batch["labels"]).loss * len(batch["targets"])
    stock.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    packed = PackedModel(model, PixelScale())(**inputs(encoder, [[FIVE[2]]]))
    packed.backward()
    assert packed.item() == pytest.approx(stock.item(), rel=1e-6)
    for name, parameter in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], atol=1e-4, rtol=1e-4)


def test_image_features_are_the_stock_models_own(tiled):
    packed, encoder = tiled
    batch = collate(encoder, [[FIVE[2]]])
    with torch.no_grad():
        stock = packed.model.get_image_features(stock_inputs(packed.model, encoder, batch)["pixel_values"], return_dict=True).pooler_output
        torch.testing.assert_close(packed.image_features(batch["pixels"], batch["shapes"]), torch.cat(tuple(stock)), atol=1e-6, rtol=0)


def test_packed_losses_equal_separate_losses(spliced):
    separate = [losses(*spliced, [[entry]])[0] for entry in FIVE]
    assert losses(*spliced, [FIVE]) == pytest.approx(separate, abs=1e-5)
    assert losses(*spliced, [FIVE[:3], FIVE[3:4], FIVE[4:]]) == pytest.approx(separate, abs=1e-5)


@pytest.mark.parametrize("changed", range(5))
def test_changing_one_sample_changes_no_others_loss(spliced, changed):
    other = sample(changed + 7, num_images=len(FIVE[changed].images), seed=99)
    before, after = losses(*spliced, [FIVE]), losses(*spliced, [[*FIVE[:changed], other, *FIVE[changed + 1 :]]])
    for number in range(5):
        if number == changed:
            assert abs(before[number] - after[number]) > 1e-3
        else:
            assert after[number] == pytest.approx(before[number], abs=1e-5)


def test_an_attention_mask_would_leak(spliced):
    """Why none is made: with one, transformers lets packed samples see each other."""
    packed, encoder = spliced
    batch = collate(encoder, [FIVE])
    stock = stock_inputs(packed.model, encoder, batch)
    with torch.no_grad():
        right = packed.model(**stock, use_cache=False).logits
        leaking = packed.model(**stock, use_cache=False, attention_mask=torch.ones_like(batch["input_ids"])).logits
    assert (right - leaking).abs().max() > 1e-2


def test_packed_attention_is_used_for_training_only_and_never_saved(tmp_path, layout):
    model, _ = splice_tiny(tmp_path, layout)
    PackedModel(model, PixelScale())
    assert model.get_decoder().config._attn_implementation == PACKED
    model.save_pretrained(tmp_path / "saved")
    assert PACKED not in (tmp_path / "saved/config.json").read_text(encoding="utf-8")
    use_plain_attention(model)
    assert model.get_decoder().config._attn_implementation == "sdpa"


def test_generation_with_a_model_in_training_is_generation(tmp_path, layout):
    model, processor = splice_tiny(tmp_path, layout)
    ids = torch.tensor([processor.lay_out(FIVE[1].messages[:1], add_generation_prompt=True).input_ids])
    before = model.generate(ids, max_new_tokens=8)
    PackedModel(model, PixelScale())
    assert torch.equal(model.generate(ids, max_new_tokens=8), before)


def test_activation_checkpointing_changes_memory_and_nothing_else(tmp_path, layout):
    model, processor = splice_tiny(tmp_path, layout)
    packed, batch = PackedModel(model, PixelScale()), inputs(Encoder(processor, 10_000), [FIVE])
    packed(**batch).backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    packed.activation_checkpointing_enable({"use_reentrant": False})
    packed.train()
    packed(**batch).backward()
    assert all(torch.equal(parameter.grad, expected[name]) for name, parameter in model.named_parameters() if name in expected)


def test_compiled_layers_give_the_same_loss_and_gradients_for_any_pack(tmp_path, layout):
    """Through the compiler's front end and its backward graph; benchmarks/gpu/sweep.py does it with its code generator."""
    model, processor = splice_tiny(tmp_path, layout)
    packed, encoder = PackedModel(model, PixelScale()), Encoder(processor, 10_000)
    batches = [inputs(encoder, [FIVE]), inputs(encoder, [FIVE[:2]])]
    plain = [loss_and_gradients(packed, batch) for batch in batches]
    packed.compile_layers(backend="aot_eager")
    for batch, expected in zip(batches, plain):
        assert_same(loss_and_gradients(packed, batch), expected)


def loss_and_gradients(packed: PackedModel, batch: dict) -> tuple[float, dict[str, torch.Tensor]]:
    packed.zero_grad()
    loss = packed(**batch)
    loss.backward()
    return loss.item(), {name: parameter.grad.clone() for name, parameter in packed.named_parameters()}


def assert_same(found: tuple[float, dict[str, torch.Tensor]], expected: tuple[float, dict[str, torch.Tensor]]) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-4, rtol=1e-4)


# ---- all samples at once, as on a card --------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch):
    """Packed attention as on a card, with a stand-in for the card's kernel."""

    def options(model, hidden, lengths, bounds):
        return {"cu_seq_lens_q": bounds, "max_length_q": max(lengths)}

    monkeypatch.setattr("smvl.train.packed_model.sample_options", options)
    monkeypatch.setattr("smvl.model.packed_attention.varlen_attn", varlen_attn)
    monkeypatch.setattr("smvl.layouts.qwen3_vl.tower.pictures_at_once", lambda hidden: True)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_samples_that_attend_at_once_give_the_same_loss_and_gradients(tmp_path, layout, at_once, monkeypatch, is_compiled):
    model, processor = splice_tiny(tmp_path, layout)
    packed, encoder = PackedModel(model, PixelScale()), Encoder(processor, 10_000)
    batches = [inputs(encoder, [FIVE[first:last]]) for first, last in ((0, 5), (0, 2), (1, 5), (2, 4))]
    with monkeypatch.context() as one_after_another:
        one_after_another.setattr("smvl.train.packed_model.sample_options", sample_options)
        one_after_another.setattr("smvl.layouts.qwen3_vl.tower.pictures_at_once", lambda hidden: False)
        expected = [loss_and_gradients(packed, batch) for batch in batches]
    if is_compiled:
        torch._dynamo.utils.counters.clear()
        packed.compile_layers(backend="aot_eager")
    for number, batch in enumerate(batches):
        assert_same(loss_and_gradients(packed, batch), expected[number])
        if is_compiled and number == 0:
            compiled = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    if is_compiled:
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == compiled  # other numbers and lengths compile nothing anew
        assert not torch._dynamo.utils.counters["graph_break"]


def test_at_once_is_for_a_card_in_half_precision_without_dropout(tmp_path):
    model, _ = splice_tiny(tmp_path)
    bounds, hidden = torch.tensor([0, 2, 5], dtype=torch.int32), torch.zeros(1, 5, 8)
    one_after_another = {"sample_lengths": [2, 3]}
    assert sample_options(model, hidden, [2, 3], bounds) == one_after_another
    with FakeTensorMode():
        for dtype, dropout, at_once in ((torch.bfloat16, 0.0, True), (torch.float32, 0.0, False), (torch.bfloat16, 0.1, False)):
            model.config.text_config.attention_dropout = dropout
            found = sample_options(model.train(), torch.empty(1, 5, 8, dtype=dtype, device="cuda"), [2, 3], bounds)
            assert found == ({"cu_seq_lens_q": bounds, "max_length_q": 3} if at_once else one_after_another)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no card here")
def test_on_a_card_samples_at_once_are_samples_one_after_another():
    generator = torch.Generator("cuda").manual_seed(0)
    query, key, value = (torch.randn(1, heads, 90, 64, device="cuda", dtype=torch.bfloat16, generator=generator) for heads in (4, 2, 2))
    bounds = torch.tensor([0, 30, 31, 90], dtype=torch.int32, device="cuda")
    found = []
    for options in ({"cu_seq_lens_q": bounds, "max_length_q": 59}, {"sample_lengths": [30, 1, 59]}):
        inputs = [tensor.clone().requires_grad_() for tensor in (query, key, value)]
        output, _ = packed_sdpa_attention(torch.nn.Module(), *inputs, None, **options)
        output.float().square().sum().backward()
        found.append([output, *(tensor.grad for tensor in inputs)])
    for one, other in zip(*found):
        assert (one - other).norm() / other.norm() < 0.02


# ---- images ----------------------------------------------------------------------------------------------------------------------


def test_tiles_that_are_not_as_many_as_image_tokens_are_refused(tiled):
    packed, encoder = tiled
    batch = inputs(encoder, [[FIVE[3]]])
    batch["pixels"] = batch["pixels"][:-1]
    with pytest.raises(ValueError, match="the batch has 2 tiles or patches, which make 8 image features, but 12 image tokens"):
        packed(**batch)


def test_without_images_the_loss_reaches_every_weight_between_pixels_and_text_with_nothing(tmp_path, layout):
    model, processor = splice_tiny(tmp_path, layout)
    packed = PackedModel(model, PixelScale())
    batch = inputs(Encoder(processor, 10_000), [[FIVE[1]]])
    packed(**batch).backward()
    between = [each for part in ("connector", "vision") for each in part_parameters(model, part)]
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in between)


def test_a_frozen_tower_keeps_no_graph(tmp_path):
    model, processor = splice_tiny(tmp_path)
    model.requires_grad_(False)
    model.model.connector.requires_grad_(True)
    packed, kept = PackedModel(model, PixelScale()), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.shape) or tensor, lambda tensor: tensor):
        packed.image_features(torch.randn(3, 3, 32, 32), [(1, 2)])
    assert kept == [torch.Size([12, 96])]  # the projector's input alone: 3 tiles of 4 tokens


# ---- cross-entropy ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torch_has_it", [True, False])
@pytest.mark.parametrize("head_learns", [True, False])
def test_chunked_cross_entropy_is_cross_entropy(monkeypatch, torch_has_it, head_learns):
    if torch_has_it and not hasattr(functional, "linear_cross_entropy"):
        pytest.skip("this torch has no linear_cross_entropy")
    monkeypatch.setattr(loss_module, "_TORCH_HAS_IT", torch_has_it)
    monkeypatch.setattr(loss_module, "LOGITS_BYTES", 4 * 50 * 7)  # chunks of 7
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(40, 16, generator=generator, requires_grad=True)
    weight = torch.randn(50, 16, generator=generator, requires_grad=head_learns)
    targets = torch.randint(50, (40,), generator=generator)
    expected = functional.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    wanted = torch.autograd.grad(expected, [hidden, weight] if head_learns else [hidden])
    found = linear_cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, [hidden, weight] if head_learns else [hidden]), wanted)
    torch.testing.assert_close(token_losses(hidden, weight, targets).sum(), expected)


def test_no_supervised_token_gives_zero_and_zero_gradients():
    hidden, weight = torch.randn(0, 4, requires_grad=True), torch.randn(6, 4, requires_grad=True)
    loss = linear_cross_entropy(hidden, weight, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0 and not weight.grad.any()
    assert token_losses(hidden, weight, torch.zeros(0, dtype=torch.long)).shape == (0,)
