"""smvl/layouts/qwen3_vl: what is spliced is a stock Qwen3-VL, its text half Qwen3 and its vision half nearly SigLIP."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import smvl
import train
from smvl.assemble import CheckpointError, load_checkpoint
from smvl.config import ConfigError, load_config
from smvl.data.sample import Sample
from smvl.demo_scenes.draw import write_demo_data
from smvl.doctor.token_count import processor_of_config
from smvl.export.targets import find_target
from smvl.infer.budget.plan import plan_budget
from smvl.layouts.find_model import layout_of
from smvl.layouts.pixel_scale import PixelScale
from smvl.layouts.qwen3_vl.alignment import rotation_error
from smvl.layouts.qwen3_vl.patches import PatchPictures
from smvl.layouts.qwen3_vl.splice import vision_tensors
from smvl.layouts.qwen3_vl.teacher import VisionTeacher
from smvl.layouts.qwen3_vl.tower import encode_patches
from smvl.layouts.smolvlm.vision_tower import encode_tiles
from smvl.model.donors import DonorError, load_tower, read_vision_donor
from smvl.model.saving import save_model
from smvl.packing.collator import PackCollator
from smvl.packing.encode import Encoder
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.train.beginning import load_model
from smvl.train.feature_model import FeatureModel
from smvl.train.packed_model import BATCH_KEYS, PackedModel
from smvl.train.parts import part_parameters
from tests.donors import save_text_donor, save_vision_donor
from tests.qwen3 import SPECIAL_TOKENS
from tests.tiny_data import noise
from tests.tiny_run import TRAINER, broken_off, write_run

ROOT = Path(__file__).parent.parent
SIZES = [(64, 96), (16, 16), (48, 40), (200, 30), (30, 300)]
"""Heights and widths of five pictures that become five different grids."""


@pytest.fixture(scope="module")
def donors(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("donors")
    return save_vision_donor(folder / "vision"), save_text_donor(folder / "text")


def splice(donors: tuple[Path, Path], **options):
    options = {"layout": "qwen3_vl", "deepstack": [0, 1], "min_pixels": 256, "max_pixels": 64 * 64, **options}
    model, processor = smvl.splice(*donors, **options)
    generator = torch.Generator().manual_seed(5)
    for merger in model.model.visual.deepstack_merger_list:  # as if they had learned something
        torch.nn.init.normal_(merger.linear_fc2.weight, std=0.3, generator=generator)
    return model, processor


@pytest.fixture(scope="module")
def spliced(donors):
    return splice(donors)


@pytest.fixture(scope="module")
def saved(spliced, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_model(spliced[0], folder)
    spliced[1].save_pretrained(folder)
    return folder


def sample(*sizes: tuple[int, int], seed: int = 0, answer: str = "一只猫。") -> Sample:
    parts = [*[{"type": "image"}] * len(sizes), {"type": "text", "text": "图中有什么?"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]
    return Sample(id=str(seed), source="test", messages=messages, images=[noise(seed + n, (w, h)) for n, (h, w) in enumerate(sizes)])


def inputs_of(processor: SmVLMProcessor, samples: list[Sample]) -> dict:
    encoder = Encoder(processor, 10_000)
    batch = PackCollator(processor.image_token_id)([[encoder.encode(each) for each in samples]])
    return {key: batch[key] for key in BATCH_KEYS if key in batch}


def losses(packed: PackedModel, processor: SmVLMProcessor, samples: list[Sample]) -> torch.Tensor:
    """Of each supervised token."""
    return packed(**inputs_of(processor, samples), reduction="none")


# ---- the text half -----------------------------------------------------------------------------------------------------------------


def test_text_alone_is_read_as_qwen3_reads_it_to_the_bit(donors, spliced):
    ids = torch.arange(3, 300).unsqueeze(0)
    with torch.no_grad():
        assert torch.equal(spliced[0](ids).logits, AutoModelForCausalLM.from_pretrained(donors[1]).eval()(ids).logits)


def test_no_row_of_the_embedding_is_new(donors, spliced):
    """Its markers are Qwen3's own."""
    model, processor = spliced
    donor = AutoModelForCausalLM.from_pretrained(donors[1])
    assert torch.equal(model.get_input_embeddings().weight, donor.get_input_embeddings().weight)
    assert set(processor.pictures.special_tokens) <= set(SPECIAL_TOKENS)
    assert processor.tokenizer.convert_ids_to_tokens(list(processor.trained_ids)) == ["<|vision_start|>", "<|vision_end|>"]


def test_another_kind_of_text_model_is_refused_by_name(donors, tmp_path):
    with pytest.raises(DonorError, match="^the text donor is a llama model, and the text half of layout qwen3_vl is Qwen3 alone"):
        smvl.splice(donors[0], save_text_donor(tmp_path, kind="llama"), layout="qwen3_vl")


# ---- the vision half ---------------------------------------------------------------------------------------------------------------


def test_without_its_rotation_the_encoder_is_siglip(donors):
    donor = read_vision_donor(donors[0])
    tower = load_tower(donor, dtype=torch.float32, attention="sdpa")
    for aligned in (False, True):
        visual = splice(donors, rotary_alignment=aligned)[0].model.visual
        visual.rotary_pos_emb.inv_freq.zero_()
        assert rotation_error(visual, tower) < 1e-5


def test_alignment_leaves_a_quarter_of_the_rotations_error_at_most_on_pictures_of_the_demo(tmp_path):
    """Held-out ones, one tile each, seen by the demo's own tower."""
    write_demo_data(tmp_path, num_align=4, num_finetune=4, num_heldout=24, seed=1)
    pictures = [Image.open(path).convert("RGB").resize((48, 48)) for path in sorted(tmp_path.glob("images/heldout-*"))[:24]]
    assert len(pictures) >= 20
    donor = read_vision_donor(ROOT / "demo/donors/vision")
    tower, errors = load_tower(donor, dtype=torch.float32, attention="sdpa"), []
    for aligned in (False, True):
        model, processor = smvl.splice(
            donor.folder, ROOT / "demo/donors/text", layout="qwen3_vl", rotary_alignment=aligned, min_pixels=2304, max_pixels=2304
        )
        rule, visual = processor.pictures, model.model.visual
        pixels = torch.from_numpy(np.concatenate([rule.cut(each, rule.plan(48, 48)) for each in pictures]))
        with torch.no_grad():
            found = visual.merger.norm(encode_patches(visual, pixels, [(6, 6)] * len(pictures))[0])
            order = torch.arange(36).view(3, 2, 3, 2).permute(0, 2, 1, 3).flatten()
            tiles = (
                pixels.unflatten(0, (-1, 36))[:, order.argsort()].unflatten(1, (6, 6)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
            )
            expected = encode_tiles(tower, tiles)[:, order].flatten(0, 1)
        errors.append(((found - expected).norm() / expected.norm()).item())
    assert errors[0] > 0.05 and errors[1] < errors[0] / 4, errors


def test_every_tensor_of_the_donor_is_in_the_model(donors, spliced):
    tower = load_tower(read_vision_donor(donors[0]), dtype=torch.float32, attention="sdpa")
    tensors, found = vision_tensors(tower), spliced[0].model.visual.state_dict()
    turned = {name for name in tensors if "qkv" in name}
    assert turned and all(torch.equal(found[name], tensor) for name, tensor in tensors.items() if name not in turned)
    half = tensors["patch_embed.proj.weight"]
    assert torch.equal(half.sum(2), tower.embeddings.patch_embedding.weight)


@pytest.mark.parametrize(
    ("taps", "complaint"),
    [([2], "layers of the vision encoder, 0 to 1"), ([1, 0], "in rising order"), ([0, 0], "in rising order"), ([-1], "0 to 1")],
)
def test_taps_that_cannot_be_are_refused(donors, taps, complaint):
    with pytest.raises(DonorError, match=f"model.deepstack is .*{complaint}"):
        smvl.splice(*donors, layout="qwen3_vl", deepstack=taps)


def test_deepstack_mergers_begin_at_zero(donors):
    with_taps, _ = smvl.splice(*donors, layout="qwen3_vl", deepstack=[0, 1])
    without, processor = smvl.splice(*donors, layout="qwen3_vl")
    one = [sample((64, 64))]
    with torch.no_grad():
        found = [losses(PackedModel(model, PixelScale()), processor, one) for model in (with_taps, without)]
    assert torch.equal(*found)


# ---- stock classes -----------------------------------------------------------------------------------------------------------------


def test_the_folder_is_a_stock_checkpoint_with_the_files_that_engines_look_for(saved):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "qwen3_vl" and "auto_map" not in config and config["text_config"]["rope_theta"] == 1_000_000.0
    assert config["text_config"]["rope_parameters"]["mrope_section"] == [4, 2, 2]
    names = {path.name for path in saved.iterdir()}
    assert names >= {
        "model.safetensors",
        "preprocessor_config.json",
        "video_preprocessor_config.json",
        "tokenizer.json",
        "chat_template.jinja",
    }
    settings = json.loads((saved / "preprocessor_config.json").read_text(encoding="utf-8"))
    assert settings["image_processor_type"] == "Qwen2VLImageProcessor" and settings["processor_class"] == "Qwen3VLProcessor"
    assert "image_seq_len" not in json.loads((saved / "processor_config.json").read_text(encoding="utf-8"))
    model = AutoModelForImageTextToText.from_pretrained(saved)
    assert type(model) is Qwen3VLForConditionalGeneration


@pytest.mark.parametrize("sizes", [[], SIZES[:1], SIZES[1:3], SIZES], ids=len)
def test_its_logits_are_those_that_training_sees(spliced, saved, sizes):
    model, processor = spliced
    stock = AutoModelForImageTextToText.from_pretrained(saved)
    one = sample(*sizes)
    inputs = processor(text=processor.apply_chat_template(one.messages, tokenize=False), images=[one.images] if sizes else None)
    encoded = Encoder(processor, 10_000).encode(one)
    assert inputs["input_ids"][0].tolist() == encoded.input_ids.tolist()
    with torch.no_grad():
        logits, found = stock(**inputs).logits, losses(PackedModel(model, PixelScale()), processor, [one])
    places = (encoded.labels[1:] != -100).nonzero().squeeze(1)
    expected = torch.nn.functional.cross_entropy(logits[0, places], encoded.labels[places + 1], reduction="none")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_positions_are_those_that_transformers_works_out(spliced):
    model, processor = spliced
    for sizes in ([], SIZES, SIZES[::-1]):
        one = sample(*sizes)
        inputs = processor(text=processor.apply_chat_template(one.messages, tokenize=False), images=[one.images] if sizes else None)
        names = ("input_ids", "image_grid_thw", "mm_token_type_ids")
        expected, _ = model.model.get_rope_index(**{name: inputs[name] for name in names if name in inputs})
        found = Encoder(processor, 10_000).encode(one).position_ids
        assert found[1:].tolist() == expected[:, 0].tolist() and found[0].tolist() == list(range(found.shape[1]))


def test_gradients_are_the_stock_models_own(donors):
    model, processor = splice(donors)
    one = sample(*SIZES[:3])
    inputs = processor(text=processor.apply_chat_template(one.messages, tokenize=False), images=[one.images])
    encoded = Encoder(processor, 10_000).encode(one)
    stock = model(**inputs, labels=encoded.labels.unsqueeze(0)).loss * (encoded.labels != -100).sum()
    stock.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    found = PackedModel(model, PixelScale())(**inputs_of(processor, [one]))
    found.backward()
    assert found.item() == pytest.approx(stock.item(), rel=1e-5) and len(expected) > 60
    for name, parameter in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], atol=2e-4, rtol=2e-4, msg=name)


@pytest.mark.parametrize("section", [None, [], [4, 2], [4, 2, 3], [2, 3, 3], "x", 8, [4.0, 2, 2]], ids=str)
def test_a_rotation_that_is_shared_out_wrongly_is_refused(saved, tmp_path, section):
    """transformers would meet it in the midst of an answer, or rotate by other numbers."""
    shutil.copytree(saved, tmp_path / "copy")
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["rope_parameters"]["mrope_section"] = section
    (tmp_path / "copy/config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="config.json shares the rotation out as mrope_section .* that sum to half of head_dim, 8."):
        load_checkpoint(tmp_path / "copy")


# ---- pictures ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*SIZES, (9, 1000), (64, 64), (1, 1), (33, 47)], ids=str)
def test_patches_are_the_stock_processors_own(spliced, size):
    pictures = spliced[1].pictures
    image = noise(3, (size[1], size[0]))
    stock = Qwen2VLImageProcessorPil(**json.loads(pictures.image_processor.to_json_string()))([image], return_tensors="np")
    plan = pictures.plan(*size)
    found = pictures.batch([[pictures.cut(image, plan)]], [[plan]])
    assert found["image_grid_thw"].tolist() == stock["image_grid_thw"].tolist()
    assert np.array_equal(found["pixel_values"], stock["pixel_values"])
    bytes_of = pictures.cut_bytes(image, plan)
    scale = PixelScale.of(pictures.image_processor)
    assert bytes_of.dtype == np.uint8 and np.allclose((bytes_of / scale.white - 0.5) / 0.5, pictures.cut(image, plan), atol=1e-6)


def test_a_small_picture_costs_few_tokens_and_a_long_one_keeps_its_proportions(spliced):
    pictures = spliced[1].pictures
    tokens = {size: pictures.num_tokens(pictures.plan(*size)) for size in SIZES}
    assert tokens == {(64, 96): 12, (16, 16): 1, (48, 40): 6, (200, 30): 10, (30, 300): 12}
    assert pictures.plan(200, 30).shape == (20, 2) and pictures.plan(30, 300).shape == (2, 24)


def test_a_conversation_that_is_too_long_gets_smaller_pictures_and_never_a_cut_one(spliced):
    processor = spliced[1]
    messages = sample(*SIZES[:2]).messages
    whole = processor.lay_out(messages, SIZES[:2])
    shorter = processor.lay_out(messages, SIZES[:2], max_length=len(whole.input_ids) - 5)
    assert not whole.shortened and shorter.shortened == ("fewer_tiles",)
    assert shorter.num_units < whole.num_units and len(shorter.input_ids) <= len(whole.input_ids) - 5
    fewer = processor.lay_out(messages, SIZES[:2], max_units=whole.num_units - 1)
    assert fewer.num_units < whole.num_units
    for found in (whole, shorter, fewer):
        count = found.input_ids.count(processor.image_token_id)
        assert 4 * count == found.num_units


@pytest.mark.parametrize("sizes", [(0, 9), (256, 128), (256, 1 << 30), ("a", 300), (255, 1000)], ids=str)
def test_budgets_that_no_picture_can_have_are_refused(spliced, sizes):
    settings = json.loads(spliced[1].image_processor.to_json_string()) | {"size": {"shortest_edge": sizes[0], "longest_edge": sizes[1]}}
    with pytest.raises(ValueError, match="pictures are shown with .* expected whole numbers from 256"):
        PatchPictures(Qwen2VLImageProcessorPil(**settings)).check()


def test_limits_are_of_pixels_and_not_of_tiles(saved):
    processor = SmVLMProcessor.from_pretrained(saved)
    processor.limit_images(max_pixels=1024)
    assert processor.lay_out(sample((64, 64)).messages, [(64, 64)]).num_units == 16
    for limit in ({"longest_edge": 64}, {"most_tiles": 2}):
        with pytest.raises(ValueError, match="found .*, but this model sees pictures at their own resolution"):
            processor.limit_images(**limit)


def test_what_it_cannot_do_is_refused_by_the_layouts_name(saved, tmp_path):
    with pytest.raises(ValueError, match="is of layout qwen3_vl, for which no memory budget can be planned yet"):
        plan_budget(saved, "1GB")
    with pytest.raises(ValueError, match="is of layout qwen3_vl, which is exported to onnx, gguf, torchao here, not to idefics3"):
        find_target("idefics3", None).write(saved, tmp_path / "out")


@pytest.mark.parametrize(
    ("image", "expected"),
    [("{max_pixels: 1024}", (256, 1024)), ("{min_pixels: 1024}", (1024, 4096)), ("{min_pixels: 512, max_pixels: 2048}", (512, 2048))],
)
def test_a_checkpoint_shows_pictures_as_before_where_the_recipe_says_nothing(saved, tmp_path, image, expected):
    """To training and to the data check alike."""
    recipe = yaml.safe_load(write_run(tmp_path).read_text(encoding="utf-8"))
    recipe["model"], recipe["data"]["image"] = {"checkpoint": str(saved)}, yaml.safe_load(image)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    config = load_config(tmp_path / "own.yaml")
    for processor in (load_model(config)[1], processor_of_config(config.model, config.data)):
        assert processor.pictures.settings == dict(zip(("min_pixels", "max_pixels"), expected))


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        ("{tile: 32, longest_edge: 64}", "data.image.tile: found 32, expected min_pixels and max_pixels"),
        ("{max_pixels: 200}", "data.image.max_pixels: found 200, expected at least min_pixels (256)"),
        ("{min_pixels: 100, max_pixels: 200}", "data.image.min_pixels: pictures are shown with 100 to 200 pixels"),
    ],
)
def test_what_a_checkpoint_cannot_be_shown_is_refused_by_its_key(saved, tmp_path, image, complaint):
    recipe = yaml.safe_load(write_run(tmp_path).read_text(encoding="utf-8"))
    recipe["model"], recipe["data"]["image"] = {"checkpoint": str(saved)}, yaml.safe_load(image)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with pytest.raises(ValueError) as refusal:
        load_model(load_config(tmp_path / "own.yaml"))
    assert str(refusal.value).startswith(complaint)


def test_taps_of_a_checkpoint_that_do_not_rise_are_refused(saved, tmp_path):
    """transformers finds each tap's merger by its layer; here they come in the layers' order."""
    shutil.copytree(saved, tmp_path / "copy")
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config["vision_config"]["deepstack_visual_indexes"] = [1, 0]
    (tmp_path / "copy/config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"DeepStack from the layers \[1, 0\]; expected layers .* in rising order"):
        load_checkpoint(tmp_path / "copy")


# ---- packs -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_pack_of_five_sizes_gives_the_losses_of_its_samples_alone(donors, attention):
    model, processor = splice(donors, attention=attention)
    packed = PackedModel(model, PixelScale())
    five = [sample(*sizes, seed=10 * number) for number, sizes in enumerate([SIZES[:2], [], SIZES[2:3], SIZES[3:], SIZES])]
    with torch.no_grad():
        together = losses(packed, processor, five)
        alone = torch.cat([losses(packed, processor, [each]) for each in five])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
        changed = losses(packed, processor, [*five[:2], sample(*SIZES[2:3], seed=99), *five[3:]])
    ends = np.cumsum([0, *[len(losses(packed, processor, [each])) for each in five]])
    moved = [not torch.equal(together[start:end], changed[start:end]) for start, end in pairwise(ends.tolist())]
    assert moved == [False, False, True, False, False]


# ---- a recipe ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.projector=mlp", "model.projector: found 'mlp', expected nothing, as it is for layout smolvlm and this is qwen3_vl"),
        ("model.scale_factor=2", "model.scale_factor: found 2, expected nothing, as it is for layout smolvlm and this is qwen3_vl"),
        ("data.max_tiles=4", "data.max_tiles: found 4, expected nothing, as it is for layout smolvlm and this is qwen3_vl"),
        (
            "data.image={tile: 32, longest_edge: 64}",
            "data.image.tile: found 32, expected min_pixels and max_pixels, which are what layout qwen3_vl has",
        ),
        ("data.image={min_pixels: 900, max_pixels: 800}", "data.image.max_pixels: found 800, expected at least min_pixels (900)"),
        ("data.image={max_pixels: 800}", "data.image.max_pixels: found 800, expected at least min_pixels (8192)"),
        ("model.layout=qwen4_vl", "model.layout: found 'qwen4_vl' (text), expected one of smolvlm, qwen3_vl"),
    ],
)
def test_keys_of_another_layout_are_refused(tmp_path, override, complaint):
    with pytest.raises(ConfigError) as refusal:
        load_config(write_run(tmp_path, layout="qwen3_vl"), [override])
    assert str(refusal.value).startswith(complaint)


# ---- what the donor's encoder saw ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tower(donors):
    return load_tower(read_vision_donor(donors[0]), dtype=torch.float32, attention="sdpa")


def in_merge_order(features: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """(rows, columns, width), row by row, to (patches, width) as a `qwen3_vl` encoder counts them."""
    return features.view(rows // 2, 2, columns // 2, 2, -1).permute(0, 2, 1, 3, 4).flatten(0, 3)


def picture_and_patches(processor: SmVLMProcessor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, 3, height, width) normalised, and its patches."""
    image, rule = noise(7, (width, height)), processor.pictures
    plan = rule.plan(height, width)
    assert plan.shape == (height // 8, width // 8)
    pixels = torch.tensor(np.asarray(image)).permute(2, 0, 1).unsqueeze(0).float().div(255).sub(0.5).div(0.5)
    return pixels, torch.from_numpy(rule.cut(image, plan))


def test_the_teacher_sees_whole_tiles_as_the_old_encoder_did(spliced, tower):
    pixels, patches = picture_and_patches(spliced[1], 32, 64)
    with torch.no_grad():
        left, right = (encode_tiles(tower, pixels[..., start : start + 32]).view(4, 4, -1) for start in (0, 32))
    found = VisionTeacher(tower, 2).features(patches, [(4, 8)])
    torch.testing.assert_close(found, in_merge_order(torch.cat([left, right], dim=1), 4, 8), atol=1e-5, rtol=1e-5)


def test_the_last_window_lies_against_the_edge_and_a_short_side_is_filled_up(spliced, tower):
    tall, patches = picture_and_patches(spliced[1], 48, 16)
    filled = torch.nn.functional.pad(tall, (0, 16))
    with torch.no_grad():
        above, below = (encode_tiles(tower, filled[..., start : start + 32, :]).view(4, 4, -1)[:, :2] for start in (0, 16))
    found = VisionTeacher(tower, 2).features(patches, [(6, 2)])
    torch.testing.assert_close(found, in_merge_order(torch.cat([above, below[2:]]), 6, 2), atol=1e-5, rtol=1e-5)


def features_stage(folder: Path, **changes) -> dict:
    mixture = [{"source": "cauldron", "path": str(folder / "cauldron"), "subsets": ["tiny"]}]
    trainer = {**TRAINER, "max_steps": 4, "learning_rate": 2e-4}
    return {"name": "features", "objective": "vision_features", "mixture": mixture, "train": ["vision"], "trainer": trainer, **changes}


def with_features(folder: Path, **changes) -> Path:
    path = write_run(folder, layout="qwen3_vl")
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    recipe["stages"].insert(0, features_stage(folder, **changes))
    path.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    return path


def test_the_encoder_comes_nearer_to_what_its_donor_saw(tmp_path):
    """The demo's, on a picture of two by two tiles, which it has never seen whole."""
    donor = ROOT / "demo/donors/vision"
    model, processor = smvl.splice(donor, ROOT / "demo/donors/text", layout="qwen3_vl", min_pixels=9216, max_pixels=9216)
    write_demo_data(tmp_path, num_align=4, num_finetune=4, num_heldout=8, seed=1)
    messages = sample((96, 96)).messages
    rows = [Sample(id="1", source="demo", messages=messages, images=[path]) for path in sorted(tmp_path.glob("images/heldout-*"))[:4]]
    learner = FeatureModel(PackedModel(model, PixelScale()), layout_of(model).teacher(model, donor))
    inputs, parameters = inputs_of(processor, rows), part_parameters(model, "vision")
    optimizer, errors = torch.optim.AdamW(parameters, lr=1e-3), []
    for _ in range(25):
        error = learner(**inputs) / len(inputs["targets"])
        error.backward()
        optimizer.step()
        optimizer.zero_grad()
        errors.append(error.item())
    assert 0.1 < errors[0] < 1 and errors[-1] < errors[0] / 2


def test_such_a_stage_moves_the_encoder_alone_and_resumes_to_the_same_weights(tmp_path):
    recipe = with_features(tmp_path)
    assert train.main([str(recipe), "evaluation.generate=false"]) == 0
    before = splice_of(recipe)
    after = load_file(tmp_path / "out/features/model/model.safetensors")
    moved = {name for name, tensor in before.items() if name in after and not torch.equal(tensor, after[name])}
    assert moved and all(name.startswith("model.visual.") and "merger" not in name for name in moved)
    broken = [str(recipe), "evaluation.generate=false", f"output_dir={tmp_path}/broken"]
    with broken_off(1):
        assert train.main(broken) == 130
    assert train.main([*broken, "--resume"]) == 0
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("out", "broken"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def splice_of(recipe: Path) -> dict[str, torch.Tensor]:
    return load_model(load_config(recipe))[0].state_dict()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"train": ["vision", "connector"]}, "stages.0.train: found ['connector'], expected vision or its layers alone, as the objective"),
        (
            {"mixture": [{"source": "jsonl", "path": "a.jsonl", "text": True}]},
            "stages.0.mixture: found ['a.jsonl'], expected sources with pictures",
        ),
        ({"objective": "features"}, "stages.0.objective: found 'features' (text), expected one of answers, vision_features"),
    ],
)
def test_what_such_a_stage_cannot_be_is_refused(tmp_path, changes, complaint):
    with pytest.raises(ConfigError) as refusal:
        load_config(with_features(tmp_path, **changes))
    assert str(refusal.value).startswith(complaint)


def test_the_other_layout_has_no_such_stage(tmp_path):
    path = with_features(tmp_path)
    with pytest.raises(ConfigError, match="stages.0.objective: found 'vision_features', expected answers for this model"):
        load_config(path, ["model.layout=smolvlm", "model.deepstack=[]", "data.image={tile: 32, longest_edge: 64}"])
