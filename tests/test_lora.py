"""smvl/train/lora, lora_merge and nf4: which layers learn, what they start from, and that nothing is lost when they are merged or saved."""

import importlib.util
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, Qwen3ForCausalLM, SmolVLMForConditionalGeneration

import smvl
from smvl.config import LoraConfig, load_config
from smvl.model.marker_rows import attach_marker_rows, detach_marker_rows
from smvl.model.saving import save_model
from smvl.train import lora, lora_merge
from smvl.train.lora import attach_lora, is_lora_attached, lora_parameters, save_adapter
from smvl.train.lora_merge import MergeError, merge_lora, merged_state_dict
from smvl.train.nf4 import is_quantized, plain_weight, quantize_linears, quantize_text_layers
from tests.donors import save_text_donor, save_vision_donor
from tests.test_processing_smvl import answer, picture, question
from tests.tiny_run import write_run
from train import main

ROOT = Path(__file__).parent.parent
SETTINGS = LoraConfig(rank=4, alpha=8)
LEAVES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


@pytest.fixture(scope="module")
def donors(tmp_path_factory):
    """A text donor with a head of its own and one without, by `tied`."""
    folder = tmp_path_factory.mktemp("donors")
    vision = save_vision_donor(folder / "vision")
    return {tied: (vision, save_text_donor(folder / f"text-{tied}", tied=tied)) for tied in (True, False)}


@pytest.fixture
def spliced(donors):
    return smvl.splice(*donors[True])


def samples(processor) -> list[dict[str, torch.Tensor]]:
    """One with an image and one without."""
    found = []
    for parts, sizes in (([None, "图中有什么?"], [(64, 64)]), (["What is in the picture?"], [])):
        layout = processor.lay_out([question(*parts), answer("A red circle.")], sizes)
        inputs = {"input_ids": torch.tensor([layout.input_ids])}
        found.append(inputs | ({"pixel_values": torch.from_numpy(processor.pixel_values([picture()], layout))[None]} if sizes else {}))
    return found


@torch.no_grad()
def logits(model, processor) -> list[torch.Tensor]:
    return [model(**inputs).logits for inputs in samples(processor)]


def largest_difference(first: list[torch.Tensor], second: list[torch.Tensor]) -> float:
    return max((a.float() - b.float()).abs().max().item() for a, b in zip(first, second))


def train(model, processor, *, also: tuple[nn.Parameter, ...] = (), steps: int = 3) -> None:
    """Some optimizer steps of the adapters and of what `also` names."""
    for parameter in also:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW([*lora_parameters(model).values(), *also], lr=1e-2)
    model.train()
    for _ in range(steps):
        for inputs in samples(processor):
            model(**inputs, labels=inputs["input_ids"]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if "marker_rows" in model._modules:
            model.marker_rows.write_back()
    model.eval()


def snapshot(model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


# ---- attaching -------------------------------------------------------------------------------------------------------------------


def test_only_the_text_layers_get_adapters(spliced):
    """The vision encoder has a q_proj, k_proj and v_proj of its own."""
    model, _ = spliced
    attach_lora(model, SETTINGS, seed=0)
    expected = [f"model.text_model.layers.{index}.{leaf}" for index in (0, 1) for leaf in LEAVES]
    assert [name.removesuffix(".lora_A.weight") for name in lora_parameters(model) if "lora_A" in name] == expected
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        f"{name}.{matrix}.default.weight" for name in expected for matrix in ("lora_A", "lora_B")
    }


@pytest.mark.parametrize(("layers", "indices"), [("[:]", {0, 1}), ("[-1:]", {1}), ("[:1]", {0}), ("[0]", {0})])
def test_a_slice_of_the_layers_and_some_of_their_modules(spliced, layers, indices):
    model, _ = spliced
    attach_lora(model, LoraConfig(rank=2, layers=layers, modules=["q_proj", "v_proj"]), seed=0)
    names = {name.rsplit(".lora_", 1)[0] for name in lora_parameters(model)}
    assert names == {f"model.text_model.layers.{index}.self_attn.{leaf}" for index in indices for leaf in ("q_proj", "v_proj")}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_at_the_start_the_logits_are_the_bases_bit_for_bit_and_the_adapters_float32(donors, dtype):
    model, processor = smvl.splice(*donors[True], dtype=dtype)
    before = logits(model, processor)
    learning = attach_lora(model, LoraConfig(rank=4, dropout=0.5), seed=0)
    assert all(torch.equal(a, b) for a, b in zip(logits(model, processor), before))
    assert {parameter.dtype for parameter in learning} == {torch.float32} and all(parameter.requires_grad for parameter in learning)
    assert model.model.text_model.layers[0].mlp.up_proj.base_layer.weight.dtype == dtype


def test_the_same_seed_makes_the_same_start_whatever_was_drawn_before_and_draws_nothing_itself(donors):
    starts = []
    for seed, global_seed in ((1, 10), (1, 20), (2, 10)):
        model, _ = smvl.splice(*donors[True])
        torch.manual_seed(global_seed)
        attach_lora(model, SETTINGS, seed)
        drawn = torch.rand(3)
        torch.manual_seed(global_seed)
        assert torch.equal(drawn, torch.rand(3))
        starts.append({name: parameter.detach() for name, parameter in lora_parameters(model).items()})
    assert equal(starts[0], starts[1]) and not equal(starts[0], starts[2])


def test_dropout_is_at_rest_in_a_model_that_does_not_train(spliced):
    model, processor = spliced
    learning = attach_lora(model, LoraConfig(rank=4, dropout=0.5), seed=0)
    for parameter in learning:
        nn.init.normal_(parameter, std=0.1)
    assert largest_difference(logits(model, processor), logits(model, processor)) == 0


def test_what_cannot_be_attached_is_refused_and_leaves_the_model_stock(spliced):
    model, _ = spliced
    names = list(model.state_dict())
    with pytest.raises(ValueError, match=r"text.layers\[5:\] holds no layer: the text model has 2"):
        attach_lora(model, LoraConfig(layers="[5:]"), seed=0)
    with pytest.raises(ValueError, match="no module of a text layer is named 'out_proj'; its Linears are q_proj, k_proj"):
        attach_lora(model, LoraConfig(modules=["q_proj", "out_proj"]), seed=0)
    with pytest.raises(ValueError, match="self_attn is a Qwen3Attention; only a Linear can have an adapter"):
        attach_lora(model, LoraConfig(modules=["self_attn"]), seed=0)
    assert list(model.state_dict()) == names and not is_lora_attached(model)
    attach_lora(model, SETTINGS, seed=0)
    with pytest.raises(ValueError, match="attached to this model already"):
        attach_lora(model, SETTINGS, seed=0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lora={rank: 0}", "rank: found 0, expected at least 1"),
        ("lora={alpha: 0}", "alpha: found 0.0, expected a finite number above 0"),
        ("lora={dropout: 1.0}", "dropout: found 1.0, expected a share from 0 to below 1"),
        ("lora={modules: []}", "modules: found \\[\\], expected at least one linear map"),
        ("lora={quantize: int8}", "quantize"),
        ("train=[connector]", "expected lora among them"),
        ("train=[lora, 'text.layers[0]']", "expected either lora or the text layers themselves"),
        ("lora=null", "expected settings, for example"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, override, message):
    path = write_run(tmp_path)
    sound = {"unfreeze": "[]", "lora": "{}", "train": "[connector, lora]"}
    key, _, value = override.partition("=")
    with pytest.raises(ValueError, match=message):
        load_config(path, [f"stages.1.{name}={given}" for name, given in (sound | {key: value}).items()])


def test_without_peft_the_error_names_what_to_install(spliced, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ValueError, match="pip install peft"):
        attach_lora(spliced[0], SETTINGS, seed=0)


# ---- learning --------------------------------------------------------------------------------------------------------------------


def test_only_what_was_asked_to_learn_moves(spliced):
    model, processor = spliced
    attach_lora(model, SETTINGS, seed=0)
    before = snapshot(model)
    connector = model.model.connector.modality_projection.proj.weight
    train(model, processor, also=(connector,))
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    adapters = {name for name in before if ".lora_" in name}
    assert moved == adapters | {"model.connector.modality_projection.proj.weight"}


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_gives_the_same_gradients(spliced, reentrant):
    model, processor = spliced
    learning = attach_lora(model, SETTINGS, seed=0)
    train(model, processor, steps=1)
    model.train()
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            if reentrant:
                model.enable_input_require_grads()
        for inputs in samples(processor):
            model(**inputs, labels=inputs["input_ids"]).loss.backward()
        gradients.append([parameter.grad.clone() for parameter in learning])
        model.zero_grad()
    assert all(gradient.abs().max() > 0 for gradient in gradients[0])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients))


# ---- merging ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
def test_the_merged_state_in_stock_classes_equals_the_live_model(donors, tmp_path, tied):
    model, processor = smvl.splice(*donors[tied])
    stock_names = list(model.state_dict())
    base = logits(model, processor)
    rows = attach_marker_rows(model, processor.trained_ids)
    attach_lora(model, SETTINGS, seed=0)
    train(model, processor, also=(rows.rows, model.model.connector.modality_projection.proj.weight))
    live, before = logits(model, processor), snapshot(model)
    merged = merged_state_dict(model)
    assert equal(snapshot(model), before) and is_lora_attached(model)
    assert list(merged) == stock_names
    model.save_pretrained(tmp_path, state_dict=merged)
    again, report = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert type(again) is SmolVLMForConditionalGeneration and not any(report.values())
    assert largest_difference(live, base) > 0.1, "nothing was learned, so that nothing is shown"
    assert largest_difference(logits(again, processor), live) <= 1e-4


def test_without_lora_the_merged_state_is_the_models_own_without_the_marker_rows(spliced):
    model, processor = spliced
    expected = snapshot(model)
    attach_marker_rows(model, processor.trained_ids)
    merged = merged_state_dict(model)
    assert equal(merged, expected)
    assert all(merged[name].data_ptr() == tensor.data_ptr() for name, tensor in model.state_dict().items() if name in merged)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-4), (torch.bfloat16, 0.5)])
def test_merging_makes_the_model_stock_again_with_the_same_logits(donors, tmp_path, dtype, bound):
    model, processor = smvl.splice(*donors[True], dtype=dtype)
    names, kind = list(model.state_dict()), type(model)
    modules = [(name, type(module)) for name, module in model.named_modules()]
    attach_lora(model, LoraConfig(rank=4, layers="[-1:]"), seed=0)
    train(model, processor)
    live, expected = logits(model, processor), merged_state_dict(model)
    difference = merge_lora(model, samples(processor))
    assert difference == largest_difference(logits(model, processor), live) <= bound
    assert list(model.state_dict()) == names and type(model) is kind and not is_lora_attached(model)
    assert [(name, type(module)) for name, module in model.named_modules()] == modules and not hasattr(model, "peft_config")
    assert equal(model.state_dict(), expected)
    save_model(model, tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=dtype)
    assert largest_difference(logits(again, processor), logits(model, processor)) == 0
    attach_lora(model, SETTINGS, seed=0)  # the next stage can have adapters of its own


WRONG_LAYER = r"the merged weight of model.text_model.layers.1.mlp.up_proj is not what the live layer computes: entries differ by up to"
WRONG_LOGITS = r"logits differ from the live model's by \S+, more than the \S+ that rounding in \w+ explains"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("factor", [1.5, float("nan")])
@pytest.mark.parametrize("message", [WRONG_LAYER, WRONG_LOGITS])
def test_a_merge_that_went_wrong_is_refused_and_leaves_the_live_model(donors, monkeypatch, dtype, factor, message):
    model, processor = smvl.splice(*donors[True], dtype=dtype)
    attach_lora(model, SETTINGS, seed=0)
    train(model, processor)
    if message == WRONG_LOGITS:  # each of the two checks finds it by itself
        monkeypatch.setattr(lora_merge, "_check_layer", lambda name, live, merged: None)
    layer = model.model.text_model.layers[1].mlp.up_proj
    layer.register_forward_hook(lambda module, inputs, output: output * factor)  # the live layer now does what no merge knows of
    live, before, modes = logits(model, processor), snapshot(model), [module.training for module in model.modules()]
    with pytest.raises(MergeError, match=message):
        merge_lora(model, samples(processor))
    assert equal(snapshot(model), before) and is_lora_attached(model) and model.model.text_model.layers[1].mlp.up_proj is layer
    assert [module.training for module in model.modules()] == modes
    for again, entry in zip(logits(model, processor), live):
        torch.testing.assert_close(again, entry, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_merge_that_leaves_out_one_adapter_is_refused_however_little_that_learned(donors, monkeypatch, dtype):
    """A thousandth of the weight's size: in bfloat16 it is lost in the logits."""
    model, processor = smvl.splice(*donors[True], dtype=dtype)
    attach_lora(model, SETTINGS, seed=0)
    forgotten, merged_weight = model.model.text_model.layers[0].self_attn.k_proj, lora_merge._merged_weight
    nn.init.normal_(forgotten.lora_B.default.weight, std=0.0005)
    merge = {forgotten: lambda layer: layer.base_layer.weight.detach()}
    monkeypatch.setattr(lora_merge, "_merged_weight", lambda layer: merge.get(layer, merged_weight)(layer))
    with pytest.raises(MergeError, match="layers.0.self_attn.k_proj is not what the live layer computes.*live model was left as it was"):
        merge_lora(model, samples(processor))


def test_merging_nothing_or_unchecked_is_refused(spliced):
    model, processor = spliced
    with pytest.raises(ValueError, match="no LoRA to merge"):
        merge_lora(model, samples(processor))
    attach_lora(model, SETTINGS, seed=0)
    with pytest.raises(ValueError, match="at least one input"):
        merge_lora(model, [])


# ---- the adapter alone -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
def test_stock_peft_loads_the_adapter_with_connector_and_marker_rows(donors, tmp_path, tied):
    model, processor = smvl.splice(*donors[tied])
    save_model(model, tmp_path / "base")
    rows = attach_marker_rows(model, processor.trained_ids)
    attach_lora(model, SETTINGS, seed=0)
    train(model, processor, also=(rows.rows, model.model.connector.modality_projection.proj.weight))
    save_adapter(model, tmp_path / "adapter")
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    base = AutoModelForImageTextToText.from_pretrained(tmp_path / "base")
    again = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    assert largest_difference(logits(again, processor), logits(model, processor)) <= 1e-4
    merged = again.merge_and_unload()
    assert type(merged) is SmolVLMForConditionalGeneration
    assert largest_difference(logits(merged, processor), logits(model, processor)) <= 1e-4


def test_stock_peft_loads_an_adapter_without_marker_rows(spliced, tmp_path):
    model, processor = spliced
    save_model(model, tmp_path / "base")
    attach_lora(model, LoraConfig(rank=2, layers="[-1:]", modules=["q_proj"]), seed=0)
    train(model, processor)
    save_adapter(model, tmp_path / "adapter")
    again = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(tmp_path / "base"), tmp_path / "adapter").eval()
    assert largest_difference(logits(again, processor), logits(model, processor)) <= 1e-5


def test_an_adapter_folder_that_would_lose_something_is_refused(spliced, tmp_path):
    model, _ = spliced
    with pytest.raises(ValueError, match="no LoRA to save"):
        save_adapter(model, tmp_path)
    attach_lora(model, SETTINGS, seed=0)
    model.model.vision_model.post_layernorm.requires_grad_(True)
    with pytest.raises(ValueError, match=r"model.vision_model.post_layernorm.weight learns as well \(2 such parameters\)"):
        save_adapter(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_marker_rows_and_lora_come_off_in_either_order(donors):
    states = []
    for markers_first in (True, False):
        model, processor = smvl.splice(*donors[True])
        rows = attach_marker_rows(model, processor.trained_ids)
        attach_lora(model, SETTINGS, seed=0)
        train(model, processor, also=(rows.rows,))
        for detach in sorted((0, 1), reverse=markers_first):
            detach_marker_rows(model) if detach else merge_lora(model, samples(processor))
        states.append(model.state_dict())
    assert equal(*states)


# ---- four bits -------------------------------------------------------------------------------------------------------------------


def test_without_a_card_or_bitsandbytes_the_error_says_what_to_do(spliced, monkeypatch):
    model, _ = spliced
    names = list(model.state_dict())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device was found, and 4-bit training .* needs one.*leave quantize out"):
        attach_lora(model, LoraConfig(quantize="nf4"), seed=0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ValueError, match="pip install bitsandbytes"):
        quantize_text_layers(model)
    assert list(model.state_dict()) == names


def quantize_on_cpu(model) -> None:
    """What the package does on a card only, to show the arithmetic without one."""
    quantize_linears(model.model.text_model.layers, torch.device("cpu"))
    for module in model.modules():
        if is_quantized(module):
            module.support_avx512bf16_for_cpu = False  # the fast path repacks the weights in place


def save_text_donor_of_whole_blocks(folder):
    """A text donor of which each row is whole blocks of 64, as in Qwen3; bitsandbytes 0.50.2 dequantises others wrongly on a CPU."""
    config = AutoConfig.from_pretrained(save_text_donor(folder), hidden_size=64)
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_four_bit_text_layers_learn_and_merge_into_a_stock_model(donors, tmp_path, device, dtype, monkeypatch):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    if device == "cpu":
        monkeypatch.setattr(lora, "quantize_text_layers", quantize_on_cpu)
    model, processor = smvl.splice(donors[True][0], save_text_donor_of_whole_blocks(tmp_path / "text"), dtype=dtype)
    names, exact = list(model.state_dict()), snapshot(model)
    attach_lora(model, LoraConfig(rank=4, layers="[-1:]", quantize="nf4"), seed=0)
    quantized = [name.replace(".base_layer", "") for name, module in model.named_modules() if is_quantized(module)]
    assert quantized == [f"model.text_model.layers.{index}.{leaf}" for index in (0, 1) for leaf in LEAVES]
    inputs = [{name: tensor.to(device) for name, tensor in entry.items()} for entry in samples(processor)]
    monkeypatch.setattr(sys.modules[__name__], "samples", lambda processor: inputs)
    base = {name: plain_weight(model.get_submodule(name)) for name in quantized if "layers.0" in name}
    train(model, processor)
    live, merged = logits(model, processor), merged_state_dict(model)
    assert is_lora_attached(model) and largest_difference(logits(model, processor), live) == 0
    assert list(merged) == names and {tensor.dtype for tensor in merged.values()} == {dtype}
    for name, weight in base.items():
        assert torch.equal(merged[f"{name}.weight"], weight)
        error = (weight - exact[f"{name}.weight"].to(device)).float().square().mean().sqrt()
        assert 0.01 < error / 0.2 < 0.1, "NF4 of normal weights is off by about 9% of their size"
    rest = [name for name in names if name.removesuffix(".weight") not in quantized]
    assert all(torch.equal(merged[name].cpu(), exact[name].cpu()) for name in rest)
    model.save_pretrained(tmp_path / "merged", state_dict=merged)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged", dtype=dtype).to(device)
    size = max(entry.abs().max().item() for entry in live)
    assert largest_difference(logits(again, processor), live) <= 0.05 * size
    assert merge_lora(model, inputs) <= 0.05 * size and list(model.state_dict()) == names
    assert largest_difference(logits(model, processor), logits(again, processor)) == 0


# ---- in a run --------------------------------------------------------------------------------------------------------------------

LORA_STAGE = [
    "stages.1.unfreeze=[]",
    "stages.1.lora={rank: 4, dropout: 0.1}",
    "stages.1.train=[connector, markers, lora]",
    "evaluation.generate=false",
]


def test_a_stage_with_lora_leaves_a_stock_checkpoint_and_an_adapter(tmp_path, layout, caplog):
    path = write_run(tmp_path, layout=layout)
    with caplog.at_level(logging.INFO, logger="smvl"):
        assert main([str(path), *LORA_STAGE]) == 0
    assert any("LoRA is merged into the text layers; the logits of 4 samples changed by at most" in line for line in caplog.messages)
    before = load_file(tmp_path / "out/align/model/model.safetensors")
    after = load_file(tmp_path / "out/finetune/model/model.safetensors")
    assert before.keys() == after.keys()
    moved = {name.split(".", 3)[-1] for name in before if not torch.equal(before[name], after[name]) and ".layers." in name}
    assert moved == {f"{layer}.{leaf}.weight" for layer in (0, 1) for leaf in LEAVES}
    assert (tmp_path / "out/finetune/adapter/adapter_config.json").exists()


def test_a_killed_lora_stage_resumes_to_the_same_weights(tmp_path, layout):
    """From a checkpoint within the stage, which holds merged weights for others and the adapters for itself."""
    path = write_run(tmp_path, layout=layout)
    assert main([str(path), *LORA_STAGE]) == 0
    command = [sys.executable, "train.py", str(path), *LORA_STAGE, f"output_dir={tmp_path}/killed"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "killed/finetune/checkpoint-2/complete").exists():
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed/finetune/model").exists()
    assert main([*command[2:], "--resume"]) == 0
    files = [load_file(folder / "model.safetensors") for folder in (tmp_path / "out", tmp_path / "killed")]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
