"""smvl/model/rope and model.rope: a longer context stands in the checkpoint as stock classes read it, and nothing else changes."""

import json
import logging
import random
import re
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForImageTextToText

import smvl
from benchmarks import needle
from smvl.assemble import CheckpointError, load_checkpoint, outline
from smvl.config import Config, ConfigError, LongConfig, RopeConfig, load_config
from smvl.demo_scenes.picture import GLYPH
from smvl.demo_scenes.words import HELDOUT, TRAIN, split_of_text
from smvl.export.onnx.graphs import graphs_of
from smvl.export.onnx.tracing import trace
from smvl.model.rope import RopeError, change_rope
from smvl.model.saving import save_model
from smvl.strict_yaml import build
from smvl.train.beginning import load_model, outline_model
from tests.donors import SPLICE, save_text_donor, save_vision_donor
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
PAGES = ("long-context.md", "long-context.zh-CN.md")
IDS = torch.arange(3, 303).unsqueeze(0)
WAYS = {"theta": {"theta": 8e6, "length": 70_000}, "yarn": {"yarn": 4.0, "trained_length": 64}}


@pytest.fixture(scope="module")
def donors(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("donors")
    return save_vision_donor(folder / "vision"), save_text_donor(folder / "text")


def rope_of(model) -> dict:
    return model.config.text_config.rope_parameters


@torch.no_grad()
def logits(model) -> torch.Tensor:
    return model(IDS).logits


# ---- what is written ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_stock_class_reads_from_the_folder_what_was_set(donors, layout, way, tmp_path):
    model, processor = smvl.splice(*donors, **SPLICE[layout])
    before = logits(model)
    change_rope(model, **WAYS[way])
    after = logits(model)
    assert (after - before).abs().max() > 0.01
    save_model(model, tmp_path)
    processor.save_pretrained(tmp_path)
    assert torch.equal(logits(AutoModelForImageTextToText.from_pretrained(tmp_path)), after)
    assert torch.equal(logits(load_checkpoint(tmp_path)[0]), after)


def test_both_generations_of_transformers_find_their_keys(donors, layout, tmp_path):
    model, _ = smvl.splice(*donors, **SPLICE[layout])
    sections = {key: value for key, value in rope_of(model).items() if key.startswith("mrope")}
    change_rope(model, **WAYS["yarn"])
    save_model(model, tmp_path)
    text = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["text_config"]
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, **sections}
    assert bool(sections) is (layout == "qwen3_vl")
    assert text["rope_parameters"] == {**scaling, "rope_theta": 1_000_000.0} and text["rope_scaling"] == scaling
    assert (text["rope_theta"], text["max_position_embeddings"]) == (1_000_000.0, 256)
    change_rope(model, theta=2e6, max_length=300)
    save_model(model, tmp_path)
    text = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["text_config"]
    assert text["rope_parameters"] == {"rope_type": "default", "rope_theta": 2e6, **sections} and "rope_scaling" not in text
    assert (text["rope_theta"], text["max_position_embeddings"]) == (2e6, 300)


def test_yarn_leaves_fast_pairs_and_stretches_slow_ones(donors):
    """Of a trained length of 64: the first pair turns ten times within it, the last ones not once."""
    model, _ = smvl.splice(*donors)
    before = model.get_decoder().rotary_emb.inv_freq.clone()
    change_rope(model, yarn=4.0, trained_length=64)
    rotary = model.get_decoder().rotary_emb
    ratio = before / rotary.inv_freq
    assert ratio[0] == 1 and ratio[-3:].allclose(torch.tensor(4.0)) and (ratio.diff() >= 0).all()
    assert rotary.attention_scaling == pytest.approx(1.138629, abs=1e-6)  # 0.1 ln 4 + 1, as llama.cpp and vLLM have it


def test_an_outline_rotates_as_the_model_does_and_holds_nothing(donors, layout):
    model, _ = outline(*donors, **SPLICE[layout])
    change_rope(model, **WAYS["yarn"])
    assert model.get_decoder().rotary_emb.inv_freq.is_meta and model.config.text_config.max_position_embeddings == 256


def test_the_graph_of_an_export_rotates_as_the_model_does(donors, monkeypatch):
    onnx_ir, onnxruntime = pytest.importorskip("onnx_ir"), pytest.importorskip("onnxruntime")
    model, _ = smvl.splice(*donors)
    change_rope(model, **WAYS["yarn"])
    embedded = model.get_input_embeddings()(IDS).detach()
    expected = logits(model)[:, -1:]
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)  # else pytest collects a record of every operator
    traced = onnx_ir.to_proto(trace(graphs_of(model)[2])).SerializeToString()
    session = onnxruntime.InferenceSession(traced, providers=["CPUExecutionProvider"])
    inputs = {"inputs_embeds": embedded.numpy(), "attention_mask": torch.ones_like(IDS).numpy()}
    cache = torch.zeros(1, 2, 0, 16).numpy()
    inputs |= {entry.name: cache for entry in session.get_inputs() if entry.name.startswith("past")}
    torch.testing.assert_close(torch.from_numpy(session.run(["logits"], inputs)[0]), expected, atol=1e-4, rtol=1e-4)


# ---- a recipe ----------------------------------------------------------------------------------------------------------------------


def recipe(folder: Path, rope: str, *, checkpoint: Path | None = None, layout: str = "smolvlm") -> Config:
    path = write_run(folder, layout=layout)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    if checkpoint is not None:
        tree["model"], tree["data"]["image"] = {"checkpoint": str(checkpoint)}, None
    tree["model"]["rope"] = yaml.safe_load(rope)
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_config(path)


def test_a_run_begins_with_what_its_recipe_says_and_a_later_one_keeps_or_replaces_it(tmp_path, layout):
    config = recipe(tmp_path, "{yarn: 4, trained_length: 100}", layout=layout)
    model, processor = load_model(config)
    assert rope_of(model) == rope_of(outline_model(config)[0]) and rope_of(model)["factor"] == 4.0
    save_model(model, tmp_path / "first")
    processor.save_pretrained(tmp_path / "first")
    kept, _ = load_model(recipe(tmp_path, "null", checkpoint=tmp_path / "first"))
    assert rope_of(kept) == rope_of(model) and kept.config.text_config.max_position_embeddings == 400
    again, _ = load_model(recipe(tmp_path, "{yarn: 8}", checkpoint=tmp_path / "first"))
    assert (rope_of(again)["factor"], rope_of(again)["original_max_position_embeddings"]) == (8.0, 100)
    assert again.config.text_config.max_position_embeddings == 800
    based, _ = outline_model(recipe(tmp_path, "{theta: 4e6}", checkpoint=tmp_path / "first"))
    assert (rope_of(based)["rope_type"], rope_of(based)["rope_theta"], based.config.text_config.max_position_embeddings) == (
        "default",
        4e6,
        400,
    )


@pytest.mark.parametrize(
    ("rope", "message"),
    [
        ("{}", "model.rope.theta: found None, expected one of theta and yarn, and not both"),
        ("{theta: 2e6, yarn: 2}", "model.rope.theta: found 2000000.0, expected one of theta and yarn, and not both"),
        ("{theta: 1}", "model.rope.theta: found 1.0, expected a number above 1, up to 1e+12"),
        ("{yarn: 1}", "model.rope.yarn: found 1.0, expected a factor above 1, up to 1024"),
        ("{yarn: .nan}", "model.rope.yarn: found nan, expected a factor above 1, up to 1024"),
        ("{theta: 2e6, trained_length: 4}", "model.rope.trained_length: found 4, expected nothing, as it is for yarn and this is theta"),
        ("{yarn: 2, length: 0}", "model.rope.length: found 0, expected at least 1"),
        ("{factor: 2}", "model.rope.factor: unknown key; did you mean"),
    ],
)
def test_a_recipe_that_says_no_rotation_is_refused_by_its_key(tmp_path, rope, message):
    with pytest.raises(ConfigError) as error:
        recipe(tmp_path, rope)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("rope", "message"),
    [
        ("{theta: 1e4}", "theta is 10000, but the text model's own is 1e\\+06; a smaller base makes contexts shorter"),
        ("{theta: 2e6, length: 256}", "length is 256, but the text model reads 32,768 tokens as it is, and theta is for more"),
        ("{yarn: 2, trained_length: 50000}", "trained_length is 50,000, but by its config.json the text model reads 32,768 tokens"),
        ("{yarn: 2, length: 70000}", "length is 70,000, but yarn 2 reaches 65,536 positions, and here every token is one"),
    ],
)
def test_numbers_that_do_not_fit_the_text_model_are_refused(tmp_path, rope, message):
    with pytest.raises(ConfigError, match=f"^model.rope: {message}"):
        outline_model(recipe(tmp_path, rope))


def test_where_pictures_count_rows_and_columns_a_smaller_factor_may_read_more_tokens(tmp_path):
    model, _ = outline_model(recipe(tmp_path, "{yarn: 3, length: 131072}", layout="qwen3_vl"))
    assert model.config.text_config.max_position_embeddings == 131_072 and rope_of(model)["factor"] == 3.0


def test_a_text_model_that_rotates_otherwise_is_refused_by_what_it_is(donors):
    model, _ = outline(*donors)
    model.config.text_config.rope_parameters = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0}
    with pytest.raises(RopeError, match="the text model, a qwen3, has a rotation of the type llama3; only a plain one or yarn can be"):
        change_rope(model, yarn=2.0)
    model.config.text_config.rope_parameters = None
    with pytest.raises(RopeError, match="has no rotation that is the same in all layers"):
        change_rope(model, theta=2e6)


@pytest.mark.parametrize(("key", "value"), [("factor", "4"), ("factor", 0.5), ("original_max_position_embeddings", 0)])
def test_a_checkpoint_whose_yarn_is_broken_is_refused_by_its_key(donors, tmp_path, key, value):
    model, processor = smvl.splice(*donors)
    change_rope(model, **WAYS["yarn"])
    save_model(model, tmp_path)
    processor.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["rope_parameters"][key] = value
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match=f"text_config.rope_parameters.{key} is {value!r}; expected a"):
        load_checkpoint(tmp_path)


# ---- what is told of it ------------------------------------------------------------------------------------------------------------


def test_the_page_gives_in_both_languages_the_same_recipes_and_they_can_be_read():
    blocks = [re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.DOTALL) for name in PAGES]
    assert blocks[0] == blocks[1] and len(blocks[0]) == 3
    first, second, third = map(yaml.safe_load, blocks[0])
    assert build(RopeConfig, first["model"]["rope"]) == RopeConfig(yarn=4.0, trained_length=32768)
    assert build(RopeConfig, second["model"]["rope"]).length == 131_072 > 3 * 32_768
    assert build(LongConfig, third["stages"][0]["long"]) == LongConfig(tokens=4096, share=0.3)


def test_a_needle_is_one_sign_among_pages_and_those_asked_for_are_held_out(tmp_path):
    scenes = {split: [needle.draw_needle(random.Random(seed), split, 5) for seed in range(40)] for split in (TRAIN, HELDOUT)}
    signs = {split: {scene.turns[0].answer for scene in drawn} for split, drawn in scenes.items()}
    assert all({split_of_text(text) for text in texts} == {split} for split, texts in signs.items())
    for scene in scenes[HELDOUT]:
        written = ["".join(mark.label for mark in picture.marks if mark.kind == GLYPH) for picture in scene.pictures]
        assert sorted(written) == ["", "", "", "", scene.turns[0].answer]
    tree = needle.recipe(tmp_path / "m", needle.ways_of(930, 930, 1e4)["yarn"], tmp_path / "short", tmp_path / "pages", 5, [200, 500])
    (tmp_path / "long.yaml").write_text(json.dumps({**tree, "output_dir": str(tmp_path / "out")}), encoding="utf-8")
    config = load_config(tmp_path / "long.yaml")
    assert config.model.rope == RopeConfig(yarn=4.0, trained_length=256) and config.stages[0].long == LongConfig(tokens=200, share=0.7)
    assert needle.ways_of(930, 220, 1e4)["yarn"] == {"yarn": 2.0, "trained_length": 256, "length": 938}


def test_only_buffers_change(donors, layout):
    """What learns, and what a checkpoint holds, is as before."""
    model, _ = smvl.splice(*donors, **SPLICE[layout])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    change_rope(model, **WAYS["theta"])
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[key], tensor) for key, tensor in after.items())
