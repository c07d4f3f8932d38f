"""The idefics3 flavour: same logits, same ids, loaded and processed by stock classes alone."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    SmolVLMForConditionalGeneration,
    pipeline,
)
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

import smvl
from smvl.assemble import load_checkpoint
from smvl.export.checkpoint import ExportError
from smvl.export.idefics3 import export_idefics3
from smvl.export.own_checkpoint import write_own_checkpoint
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.layouts.smolvlm.position_table import gather, table_side
from smvl.model.saving import save_model
from tests.donors import save_text_donor, save_vision_donor

POSITIONS = "model.vision_model.embeddings.position_embedding.weight"
PICTURES = [Image.new("RGB", (64, 48), "red"), Image.new("RGB", (20, 60), "blue")]
CONVERSATIONS = {
    0: [{"role": "system", "content": "只用一个词回答。"}, {"role": "user", "content": "你好"}],
    1: [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有什么?"}]}],
    2: [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有什么?"}]},
        {"role": "assistant", "content": "一个红色的圆形。"},
        {"role": "user", "content": [{"type": "text", "text": "这张呢?"}, {"type": "image"}]},
    ],
}


@pytest.fixture(scope="module", params=[32, 48], ids=["four patches a side", "six patches a side"])
def folders(request, tmp_path_factory) -> tuple[Path, Path]:
    """A checkpoint and its export."""
    folder = tmp_path_factory.mktemp("idefics3")
    vision = save_vision_donor(folder / "vision", tile=request.param)
    model, processor = smvl.splice(vision=vision, text=save_text_donor(folder / "text"))
    save_model(model, folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    return folder / "checkpoint", export_idefics3(folder / "checkpoint", folder / "export")


@pytest.fixture(scope="module")
def checkpoint(folders):
    return load_checkpoint(folders[0])


@pytest.fixture(scope="module")
def stock(folders):
    """Model, what loading it reported, and processor, each by its Auto class."""
    model, report = AutoModelForImageTextToText.from_pretrained(folders[1], output_loading_info=True)
    return model.eval(), report, AutoProcessor.from_pretrained(folders[1])


def stock_inputs(processor, num_images: int) -> dict:
    text = processor.apply_chat_template(CONVERSATIONS[num_images], add_generation_prompt=True, tokenize=False, enable_thinking=False)
    return processor(text=[text], images=[PICTURES[:num_images]] if num_images else None, return_tensors="pt")


def own_inputs(processor, num_images: int) -> dict[str, torch.Tensor]:
    pictures = PICTURES[:num_images]
    sizes = [(picture.height, picture.width) for picture in pictures]
    layout = processor.lay_out(CONVERSATIONS[num_images], sizes, add_generation_prompt=True, enable_thinking=False)
    inputs = {"input_ids": torch.tensor([layout.input_ids])}
    return inputs | ({"pixel_values": torch.from_numpy(processor.pixel_values(pictures, layout))[None]} if pictures else {})


def test_stock_classes_load_every_tensor_and_no_other(stock) -> None:
    model, report, processor = stock
    assert type(model) is Idefics3ForConditionalGeneration and type(processor) is Idefics3Processor
    assert not any(report[fault] for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


@pytest.mark.parametrize("num_images", [0, 1, 2])
def test_the_stock_processors_ids_and_pixels_are_ours(stock, checkpoint, num_images) -> None:
    theirs, own = stock_inputs(stock[2], num_images), own_inputs(checkpoint[1], num_images)
    assert theirs["input_ids"].tolist() == own["input_ids"].tolist()
    if num_images:
        assert torch.equal(theirs["pixel_values"], own["pixel_values"])


@pytest.mark.parametrize("num_images", [0, 1, 2])
def test_logits_are_the_checkpoints_to_the_bit(stock, checkpoint, num_images) -> None:
    own = own_inputs(checkpoint[1], num_images)
    with torch.no_grad():
        assert torch.equal(stock[0](**own).logits, checkpoint[0](**own).logits)


def test_transformers_pipeline_with_no_option_given_answers_as_the_engine(folders, tmp_path) -> None:
    model, processor = load_checkpoint(folders[0])
    processor.think_by_default(False)  # as a stage of train.py does
    save_model(model, tmp_path / "trained")
    processor.save_pretrained(tmp_path / "trained")
    export_idefics3(tmp_path / "trained", tmp_path / "export")
    own = Engine.from_folder(tmp_path / "trained").answer([Request(CONVERSATIONS[1], PICTURES[:1])], max_new_tokens=12)
    question = [{"role": "user", "content": [{"type": "image", "image": PICTURES[0]}, {"type": "text", "text": "图中有什么?"}]}]
    closed, left_open = (
        pipeline("image-text-to-text", model=str(folder))(text=question, max_new_tokens=12, return_full_text=False)[0]["generated_text"]
        for folder in (tmp_path / "export", folders[1])
    )
    assert closed.strip() == own[0].text and left_open != closed


def test_it_counts_tiles_and_tokens_of_an_image_as_vllm_asks_for_them(stock, checkpoint) -> None:
    sizes = [(picture.height, picture.width) for picture in PICTURES]
    counted = stock[2]._get_num_multimodal_tokens(image_sizes=sizes)
    layout = checkpoint[1].lay_out(CONVERSATIONS[2], sizes, add_generation_prompt=True)
    assert counted.num_image_patches == [grid.num_tiles for grid in layout.plans] == [5, 3]
    markers = [len(checkpoint[1].tokenizer.encode(grid.text(checkpoint[1].image_seq_len))) for grid in layout.plans]
    assert counted.num_image_tokens == markers


def test_what_the_files_say(folders, checkpoint) -> None:
    config, processor, images, tokenizer = (
        json.loads((folders[1] / name).read_text(encoding="utf-8"))
        for name in ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
    )
    assert (config["model_type"], config["vision_config"]["model_type"]) == ("idefics3", "idefics3_vision")
    assert config["architectures"] == ["Idefics3ForConditionalGeneration"]
    assert config["text_config"]["architectures"] == ["Qwen3ForCausalLM"]
    assert config["tie_word_embeddings"] is config["text_config"]["tie_word_embeddings"] is True
    assert config["image_token_id"] == checkpoint[0].config.image_token_id
    assert config["text_config"]["vocab_size"] == checkpoint[0].config.text_config.vocab_size
    for settings in (images, processor["image_processor"]):
        assert settings["do_image_splitting"] and settings["image_processor_type"] == "Idefics3ImageProcessor"
        assert settings["size"]["longest_edge"] >= 2 * settings["max_image_size"]["longest_edge"]
    assert processor["processor_class"] == images["processor_class"] == tokenizer["processor_class"] == "Idefics3Processor"
    assert "video_processor" not in processor and processor["image_seq_len"] == checkpoint[1].image_seq_len
    assert tokenizer["image_token"] == "<image>" and "<fake_token_around_image>" in tokenizer["extra_special_tokens"]
    template = (folders[1] / "chat_template.jinja").read_text(encoding="utf-8")
    assert tokenizer["chat_template"] == template and "'<image>'" in template and "<|image_pad|>" not in template
    own = (folders[0] / "generation_config.json").read_bytes()
    assert (folders[1] / "generation_config.json").read_bytes() == own


def test_the_position_table_is_as_wide_as_half_precision_needs_it(folders) -> None:
    own, exported = (load_file(folder / "model.safetensors")[POSITIONS] for folder in folders)
    patches = round(len(own) ** 0.5)
    image_size = json.loads((folders[1] / "config.json").read_text(encoding="utf-8"))["vision_config"]["image_size"]
    assert image_size == 8 * table_side(patches) and len(exported) == table_side(patches) ** 2
    assert torch.equal(gather(exported, patches), own)


@pytest.mark.parametrize("saved_by", ["this project", "transformers"])
def test_it_turns_back_into_the_checkpoint(folders, checkpoint, stock, tmp_path, saved_by) -> None:
    """Also when transformers has saved it again, as TRL does after training."""
    folder = folders[1]
    if saved_by == "transformers":
        folder = tmp_path / "saved"
        stock[0].save_pretrained(folder)
        stock[2].save_pretrained(folder)
    model, processor = load_checkpoint(folder)
    assert type(model) is SmolVLMForConditionalGeneration and type(processor.image_processor) is SmolVLMImageProcessorPil
    for num_images in (0, 1, 2):
        own, again = own_inputs(checkpoint[1], num_images), own_inputs(processor, num_images)
        assert own.keys() == again.keys() and all(torch.equal(own[name], again[name]) for name in own)
        with torch.no_grad():
            assert torch.equal(model(**again).logits, checkpoint[0](**own).logits)
    write_own_checkpoint(folder, tmp_path / "own")
    assert {name: tensor.tolist() for name, tensor in load_file(tmp_path / "own/model.safetensors").items()} == {
        name: tensor.tolist() for name, tensor in load_file(folders[0] / "model.safetensors").items()
    }
    for name in ("config.json", "chat_template.jinja", "preprocessor_config.json"):
        assert (tmp_path / "own" / name).read_text(encoding="utf-8") == (folders[0] / name).read_text(encoding="utf-8")


def test_a_folder_in_use_is_refused_and_a_failed_export_leaves_nothing(folders, tmp_path) -> None:
    with pytest.raises(ExportError, match="is in use"):
        export_idefics3(folders[0], folders[1])
    (tmp_path / "broken").mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "chat_template.jinja"):
        (tmp_path / "broken" / name).write_bytes((folders[0] / name).read_bytes())
    with pytest.raises(ExportError, match="has no model.safetensors"):
        export_idefics3(tmp_path / "broken", tmp_path / "out")
    with pytest.raises(ExportError, match="holds a model of type idefics3; expected a smolvlm or qwen3_vl checkpoint"):
        export_idefics3(folders[1], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]
