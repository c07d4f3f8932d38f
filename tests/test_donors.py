"""Donors of every kind that people have: as transformers 4 and 5 save them, quantized ones, and ones whose weights are no numbers.

python -m pytest tests/test_donors.py
"""

import json
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import SiglipVisionConfig, SiglipVisionModel

import infer
import smvl
import train
from smvl.assemble import CheckpointError, load_checkpoint
from smvl.model.donors import DonorError, check_donor_folder, check_text_donor, load_text, load_tower, read_vision_donor
from smvl.model.finite_weights import NotFiniteError
from smvl.model.saving import save_model, save_tensors
from tests.donors import PATCH, TILE, save_text_donor, save_vision_donor
from tests.tiny_run import write_run


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return save_text_donor(tmp_path_factory.mktemp("text"))


def save_siglip_tower(folder: Path) -> SiglipVisionModel:
    torch.manual_seed(0)
    shape = dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=TILE, patch_size=PATCH)
    model = SiglipVisionModel(SiglipVisionConfig(**shape))
    model.save_pretrained(folder)
    return model


def edit(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")


# ---- kinds -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "vision_model."])
def test_a_siglip_tower_saved_alone_is_a_donor_as_transformers_5_and_4_write_it(tmp_path, text, prefix):
    model = save_siglip_tower(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    if (plain := "embeddings.patch_embedding.weight") not in tensors:  # a release that writes the prefix
        tensors = {name.removeprefix("vision_model."): value for name, value in tensors.items()}
    assert plain in tensors
    save_file({prefix + name: value for name, value in tensors.items()}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    spliced, processor = smvl.splice(tmp_path, text)
    pixels = torch.randn(1, 3, TILE, TILE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(pixel_values=pixels).last_hidden_state
        torch.testing.assert_close(spliced.model.vision_model(pixel_values=pixels).last_hidden_state, expected, atol=1e-5, rtol=0)
    assert tuple(processor.image_processor.image_mean) == (0.5, 0.5, 0.5)


QUANTIZED = {
    "gptq": ("quantization_config", {"quant_method": "gptq", "bits": 4}, "`quantization_config`: gptq in config.json"),
    "awq": ("quantization_config", {"quant_method": "awq", "bits": 4}, "`quantization_config`: awq in config.json"),
    "bitsandbytes": ("quantization_config", {"load_in_4bit": True}, "`quantization_config` in config.json"),
    "fp8": ("quantization_config", {"quant_method": "fp8"}, "`quantization_config`: fp8 in config.json"),
    "mlx": ("quantization", {"group_size": 64, "bits": 4}, "`quantization` in config.json"),
    "compressed-tensors": ("compression_config", {"format": "int-quantized"}, "`compression_config` in config.json"),
}


@pytest.mark.parametrize("kind", QUANTIZED)
def test_a_quantized_donor_is_told_from_a_damaged_one(tmp_path, text, kind):
    key, value, told = QUANTIZED[kind]
    folder = save_text_donor(tmp_path / "text")
    edit(folder, **{key: value})
    with pytest.raises(DonorError) as error:
        load_text(folder, dtype=torch.float32, attention="sdpa")
    assert str(error.value) == (
        f"{folder} holds quantized weights ({told}), which cannot be trained. Take the model that it was made of, in float32, bfloat16 or "
        "float16."
    )
    folder = save_vision_donor(tmp_path / "vision")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    edit(folder, text_config={**config["text_config"], key: value})
    with pytest.raises(DonorError, match="holds quantized weights"):
        smvl.splice(folder, text)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model-Q4_K_M.gguf"])
def test_weights_of_another_format_are_named(tmp_path, name):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DonorError, match=f"has no .safetensors weights; {name} cannot be read here."):
        check_donor_folder(tmp_path)


@pytest.mark.parametrize("index", [{}, {"weight_map": None}, {"weight_map": []}, {"weight_map": {"a": 3}}], ids=repr)
def test_an_index_that_names_no_files_is_refused(tmp_path, text, index):
    folder = save_vision_donor(tmp_path)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(DonorError, match="model.safetensors.index.json names no files in its weight_map"):
        smvl.splice(folder, text)


@pytest.mark.parametrize("size", [0, -1, 10**12])
@pytest.mark.parametrize("name", ["patch_size", "num_hidden_layers", "hidden_size"])
def test_a_size_of_the_vision_encoder_that_is_none_is_refused(tmp_path, name, size):
    folder = save_vision_donor(tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    edit(folder, vision_config={**config["vision_config"], name: size})
    with pytest.raises(DonorError, match=f"{name} of the vision encoder is {size}; expected 1 to 1,000|does not describe|cannot be read"):
        read_vision_donor(folder)


def test_a_text_model_of_a_trillion_layers_is_refused_at_once(tmp_path):
    folder = save_text_donor(tmp_path, kind="llama")  # Qwen3 lists its layers besides
    edit(folder, num_hidden_layers=10**12)
    with pytest.raises(DonorError, match="asks for 1,000,000,000,000 layers; expected at most 1,000."):
        check_text_donor(folder)


def test_a_negative_scale_factor_is_refused(tmp_path, text):
    folder = save_vision_donor(tmp_path)
    edit(folder, scale_factor=-1)
    with pytest.raises(DonorError, match="config.json: scale_factor is -1; expected a whole number above 0."):
        smvl.splice(folder, text)


# ---- numbers ---------------------------------------------------------------------------------------------------------------------


def poison(folder: Path, name: str, value: float, dtype: torch.dtype = torch.float32) -> None:
    """Put one such number into a tensor of a folder's weights."""
    tensors = {key: tensor.to(dtype) for key, tensor in load_file(folder / "model.safetensors").items()}
    tensors[name].view(-1)[-1] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_donor_that_holds_a_number_that_is_none_is_refused_by_the_tensors_name(tmp_path, text, value, dtype):
    vision, spoilt = save_vision_donor(tmp_path / "vision"), save_text_donor(tmp_path / "text")
    poison(spoilt, "model.layers.1.mlp.up_proj.weight", value, dtype)
    with pytest.raises(
        NotFiniteError, match=r"the model in .*text holds numbers that are none \(NaN or infinite\) in model.layers.1.mlp.up_"
    ):
        smvl.splice(vision, spoilt)
    poison(vision, "model.vision_model.encoder.layers.0.mlp.fc1.bias", value, dtype)
    with pytest.raises(
        NotFiniteError, match="the vision encoder in .*vision holds numbers that are none .* in encoder.layers.0.mlp.fc1.bias"
    ):
        smvl.splice(vision, text)


def test_what_a_donor_does_not_bring_may_hold_any_number(tmp_path, text):
    """Of a SmolVLM the text model is left behind."""
    vision = save_vision_donor(tmp_path)
    poison(vision, "lm_head.weight", float("nan"))
    smvl.splice(vision, text)


def test_positions_that_are_no_numbers_are_refused(tmp_path):
    """A negative base makes rotary frequencies NaN, though every weight is sound."""
    folder = save_text_donor(tmp_path)
    edit(folder, rope_parameters={"rope_type": "default", "rope_theta": -1.0})
    with pytest.raises(NotFiniteError, match="in rotary_emb|in model.rotary_emb"):
        load_text(folder, dtype=torch.float32, attention="sdpa")


def test_a_checkpoint_that_holds_a_number_that_is_none_answers_nothing(tmp_path, text, capsys):
    model, processor = smvl.splice(save_vision_donor(tmp_path / "vision"), text)
    save_model(model, tmp_path / "o")
    processor.save_pretrained(tmp_path / "o")
    poison(tmp_path / "o", "model.text_model.norm.weight", float("nan"))
    with pytest.raises(CheckpointError, match="in model.text_model.norm.weight, and would answer nothing sensible"):
        load_checkpoint(tmp_path / "o")
    assert infer.main(["--model", str(tmp_path / "o"), "--device", "cpu", "?"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and "model.text_model.norm.weight" in captured.err


# ---- files -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_weights_get_the_mode_that_any_new_file_gets(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        path = write_run(tmp_path)
        lora = ["stages.1.train=[connector, lora]", "stages.1.unfreeze=[]", "stages.1.lora={rank: 2}"] if umask == 0o022 else []
        kept = ["stages.0.trainer.max_steps=1", "stages.1.trainer.max_steps=1", "evaluation.generate=false"]
        assert train.main([str(path), *kept, *lora]) == 0
        save_tensors({"a": torch.zeros(3)}, tmp_path / "out/a.safetensors")
    finally:
        os.umask(before)
    weights = list((tmp_path / "out").rglob("*.safetensors"))
    assert len(weights) == (5 if lora else 4)
    assert {stat.S_IMODE(file.stat().st_mode) for file in weights} == {mode}
    assert load_file(tmp_path / "out/a.safetensors")["a"].tolist() == [0, 0, 0]


def test_a_tower_is_read_from_shards(tmp_path):
    folder = save_vision_donor(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, own in parts.items():
        save_file({name: tensors[name] for name in own}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    weight_map = {name: file for file, own in parts.items() for name in own}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    tower = load_tower(read_vision_donor(folder), dtype=torch.float32, attention="sdpa")
    for name, value in tower.state_dict().items():
        assert torch.equal(value, tensors[f"model.vision_model.{name}"])
