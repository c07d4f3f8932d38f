"""smvl/processing/character_features and smvl/model/chinese_adapter: what is known of a token's characters, what learns from it, and that
nothing of it is left when it is folded."""

import copy
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn import functional
from transformers import AutoModelForImageTextToText, AutoTokenizer, PreTrainedTokenizerFast, SmolVLMForConditionalGeneration

import smvl
from smvl.config import LoraConfig, load_config
from smvl.data.sample import Sample
from smvl.layouts.pixel_scale import PixelScale
from smvl.model.chinese_adapter import (
    ATTRIBUTE,
    attach_chinese_adapter,
    detach_chinese_adapter,
    write_chinese_rows,
)
from smvl.model.marker_rows import attach_marker_rows
from smvl.model.saving import save_model
from smvl.packing.encode import Encoder
from smvl.processing.character_features import character_features, chinese_tokens, radical_of
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.train import loss as loss_module
from smvl.train.arguments import training_arguments
from smvl.train.checkpoint import last_complete_checkpoint
from smvl.train.lora import attach_lora, lora_parameters
from smvl.train.lora_merge import merge_lora, merged_state_dict
from smvl.train.memory_forecast import PackShape, StageMemory
from smvl.train.packed_model import PackedModel
from smvl.train.stages import attach_adapters, plan_stage
from tests.donors import save_text_donor, save_vision_donor, small_tokenizer
from tests.qwen3 import qwen3_tokenizer
from tests.test_packed_model import inputs
from tests.test_processing_smvl import answer, picture, question
from tests.test_train import run_in_process
from tests.tiny_data import noise
from tests.tiny_run import write_run
from train import main

DEMO = Path(__file__).parent.parent / "configs/demo.yaml"
ADAPTER_PARAMETERS = ["features", "output", "norm.weight", "norm.bias"]


@pytest.fixture(scope="module")
def donors(tmp_path_factory):
    """A text donor with a head of its own and one without, by `tied`."""
    folder = tmp_path_factory.mktemp("donors")
    vision = save_vision_donor(folder / "vision")
    return {tied: (vision, save_text_donor(folder / f"text-{tied}", tied=tied)) for tied in (True, False)}


@pytest.fixture(scope="module")
def of_qwen3():
    return character_features(qwen3_tokenizer())


def attach(model, processor, seed: int = 0):
    return attach_chinese_adapter(model, character_features(processor.tokenizer), seed)


@torch.no_grad()
def stir(adapter) -> None:
    """As if it had learned: every weight moves, and the rows follow."""
    generator = torch.Generator().manual_seed(1)
    for parameter in adapter.parameters():
        parameter += torch.randn(parameter.shape, generator=generator)
    adapter.write()


def chinese_sample(number: int, num_images: int) -> Sample:
    parts = [{"type": "image"} for _ in range(num_images)] + [{"type": "text", "text": "两张图中哪一张的数字更大?"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "一个红色的圆形。" * (number + 1)}]
    return Sample(id=str(number), messages=messages, images=[noise(10 * number + index) for index in range(num_images)], source="test")


PACK = [chinese_sample(number, num_images) for number, num_images in enumerate([1, 0, 2])]


def samples(processor) -> list[dict[str, torch.Tensor]]:
    """One with an image and one without; both questions and both answers are Chinese."""
    found = []
    for parts, sizes in (([None, "图中有什么?"], [(64, 64)]), (["哪一张的数字更大?"], [])):
        layout = processor.lay_out([question(*parts), answer("一个红色的圆形。")], sizes)
        row = {"input_ids": torch.tensor([layout.input_ids])}
        found.append(row | ({"pixel_values": torch.from_numpy(processor.pixel_values([picture()], layout))[None]} if sizes else {}))
    return found


@torch.no_grad()
def logits(model, processor) -> list[torch.Tensor]:
    return [model(**row).logits for row in samples(processor)]


def largest_difference(first: list[torch.Tensor], second: list[torch.Tensor]) -> float:
    return max((a.float() - b.float()).abs().max().item() for a, b in zip(first, second, strict=True))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


# ---- features --------------------------------------------------------------------------------------------------------------------


def named(features, text: str, place: str) -> dict[str, float]:
    """The features of a token of Qwen3 in one place, with their weights to three digits."""
    [token_id] = qwen3_tokenizer().encode(text)
    found = features.of(token_id).items()
    return {name.removeprefix(f"{place}:"): round(weight, 3) for name, weight in found if name.startswith(f"{place}:")}


@pytest.mark.parametrize(
    ("text", "token_id", "place", "expected"),
    [
        ("马", 99313, "any", {"initial:m": 1, "final:a": 1, "tone:3": 1, "radical:馬": 1, "strokes:3": 1, "part:马": 1}),
        (
            "妈",
            99680,
            "any",
            {"initial:m": 1, "final:a": 1, "tone:1": 1, "radical:女": 1, "strokes:6": 1}
            | {"part:女": 0.333, "part:马": 0.333},  # a third is 妈 itself, which is a part of nothing else
        ),
        (
            "中国",
            58695,
            "first",
            {"initial:zh": 1, "final:ong": 1, "tone:1": 1, "radical:丨": 1, "strokes:4": 1}
            | {"part:中": 0.333, "part:口": 0.333, "part:冂": 0.333},
        ),
        (
            "中国",
            58695,
            "last",
            {"initial:g": 1, "final:uo": 1, "tone:2": 1, "radical:囗": 1, "strokes:8": 1}
            | {"part:国": 0.25, "part:囗": 0.25, "part:玉": 0.25, "part:王": 0.25},
        ),
    ],
)
def test_features_of_named_tokens(of_qwen3, text, token_id, place, expected):
    assert qwen3_tokenizer().encode(text) == [token_id]
    assert named(of_qwen3, text, place) == expected


def test_a_character_is_read_as_its_token_is(of_qwen3):
    assert named(of_qwen3, "行", "last").keys() >= {"initial:x", "final:ing", "tone:2"}
    assert named(of_qwen3, "银行", "last").keys() >= {"initial:h", "final:ang", "tone:2"}
    assert named(of_qwen3, "银行", "any")["final:ang"] == 0.5
    assert named(of_qwen3, "绿", "any").keys() >= {"initial:l", "final:v", "tone:4"}
    assert named(of_qwen3, "鱼", "any").keys() >= {"initial:-", "final:v"}


def test_only_tokens_of_whole_chinese_characters_have_features(of_qwen3):
    """Qwen3's vocabulary has 25,448 of them; a third or half of a character is a token too, and is none."""
    tokens = chinese_tokens(qwen3_tokenizer())
    assert list(tokens) == of_qwen3.token_ids.tolist() == sorted(tokens) and len(tokens) == 25448
    assert {"中国", "的", "一"} <= set(tokens.values())
    for text in ("hello", "，", "3", "か", "한", "<|im_end|>"):
        assert of_qwen3.of(qwen3_tokenizer().encode(text)[0]) == {}
    halves = [token_id for token_id in qwen3_tokenizer().encode("𪚥") if "\ufffd" in qwen3_tokenizer().decode([token_id])]
    assert halves and not any(of_qwen3.of(token_id) for token_id in halves)


def test_what_only_one_character_has_is_left_out(of_qwen3):
    """A weight of its own for a single character would be no feature, but another embedding."""
    assert of_qwen3.feature_ids.bincount(minlength=len(of_qwen3.names)).min() > 0
    assert "any:part:妈" not in of_qwen3.names and "any:part:马" in of_qwen3.names
    assert len(of_qwen3.token_ids) == len(of_qwen3.offsets) and len(of_qwen3.feature_ids) == len(of_qwen3.weights)


def test_the_features_of_one_kind_sum_to_at_most_one_in_each_place(of_qwen3):
    sums: dict[tuple[int, str], float] = {}
    for token_id in of_qwen3.token_ids[::500].tolist():
        for name, weight in of_qwen3.of(token_id).items():
            key = token_id, name.rpartition(":")[0]
            sums[key] = sums.get(key, 0.0) + weight
    assert max(sums.values()) <= 1 + 1e-6


@pytest.mark.parametrize(("character", "radical"), zip("妈清谢邮龟一鿍", ["女", "水", "言", "邑", "龜", "一", None], strict=True))
def test_radicals_are_those_of_the_chart(character, radical):
    assert radical_of(character) == radical


def test_a_vocabulary_without_chinese_is_refused(donors):
    words = Tokenizer(models.WordLevel({"a": 0, "b": 1, "中文a": 2, "?": 3}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ValueError, match="none of the 4 tokens of this vocabulary is made of whole Chinese characters"):
        character_features(PreTrainedTokenizerFast(tokenizer_object=words))


def test_without_the_library_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "unicodedataplus", None)
    character_features.__globals__["_library"].cache_clear()
    with pytest.raises(ValueError, match="pip install unicodedataplus"):
        chinese_tokens(small_tokenizer())


# ---- the same model --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tied", [True, False])
def test_at_the_start_the_logits_are_the_models_own_bit_for_bit(donors, tied, dtype):
    model, processor = smvl.splice(*donors[tied], dtype=dtype)
    before = logits(model, processor)
    adapter = attach(model, processor)
    adapter.write()
    assert all(torch.equal(a, b) for a, b in zip(logits(model, processor), before))
    learning = [model(**row).logits for row in samples(processor)]  # with gradients, and the hooks at work
    assert all(torch.equal(a, b) and a.requires_grad for a, b in zip(learning, before))
    assert {parameter.dtype for parameter in adapter.parameters()} == {torch.float32}
    assert [name for name, _ in adapter.named_parameters()] == ADAPTER_PARAMETERS


def dense_table(model, adapter) -> torch.Tensor:
    """The embedding (V, D) that the adapter stands for, put together anew from its base and its delta."""
    table = model.get_input_embeddings().weight.detach().clone()
    table[adapter.ids] = adapter.base
    return table.index_add(0, adapter.ids, adapter().to(table.dtype))


def with_table(model, table: torch.Tensor, **row: torch.Tensor) -> torch.Tensor:
    """Logits of a model without adapter whose embedding, and head where it is tied, is `table`."""
    return torch.func.functional_call(model, {"model.text_model.embed_tokens.weight": table}, (), row).logits


@pytest.mark.parametrize("tied", [True, False])
def test_folded_equals_unfolded_and_the_checkpoint_is_stock(donors, tmp_path, tied):
    model, processor = smvl.splice(*donors[tied])
    plain, base, names = copy.deepcopy(model), logits(model, processor), list(model.state_dict())
    adapter = attach(model, processor)
    stir(adapter)
    unfolded = [with_table(plain, dense_table(model, adapter), **row).detach() for row in samples(processor)]
    assert largest_difference(unfolded, base) > 0.1, "nothing was learned, so that nothing is shown"
    live = logits(model, processor)
    assert largest_difference(live, unfolded) <= 1e-5
    save_model(model, tmp_path / "midway")
    detach_chinese_adapter(model)
    assert list(model.state_dict()) == names and not model._modules.keys() & {ATTRIBUTE}
    assert not model.get_input_embeddings()._forward_hooks and not model.lm_head._forward_hooks
    assert largest_difference(logits(model, processor), unfolded) <= 1e-5
    save_model(model, tmp_path / "folded")
    for folder in ("midway", "folded"):
        again, report = AutoModelForImageTextToText.from_pretrained(tmp_path / folder, output_loading_info=True)
        assert type(again) is SmolVLMForConditionalGeneration and not any(report.values())
        assert (again.lm_head.weight is again.get_input_embeddings().weight) is tied
        assert all(torch.equal(a, b) for a, b in zip(logits(again, processor), live))


def test_only_rows_of_chinese_tokens_change_and_of_an_untied_model_only_the_input(donors):
    model, processor = smvl.splice(*donors[False])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    stir(attach(model, processor))
    detach_chinese_adapter(model)
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == ["model.text_model.embed_tokens.weight"]
    rows = (model.get_input_embeddings().weight != before[changed[0]]).any(dim=1).nonzero().flatten().tolist()
    assert rows == list(chinese_tokens(processor.tokenizer)) and len(rows) > 10


def test_a_fold_in_bfloat16_rounds_the_sum_once(donors):
    model, processor = smvl.splice(*donors[True], dtype=torch.bfloat16)
    base = model.get_input_embeddings().weight.detach().clone()
    adapter = attach(model, processor)
    stir(adapter)
    adapter.write()  # again: on top of the base, not of what was written before
    ids, delta = adapter.ids, adapter().detach()
    detach_chinese_adapter(model)
    assert torch.equal(model.get_input_embeddings().weight[ids], (base[ids].float() + delta).to(torch.bfloat16))


def test_the_same_seed_makes_the_same_start_and_draws_nothing_else(donors):
    model, processor = smvl.splice(*donors[True])
    starts = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        starts.append(attach(model, processor, seed).features.detach())
        assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(0)))
        detach_chinese_adapter(model)
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])


def test_what_cannot_be_attached_is_refused(donors, of_qwen3):
    model, processor = smvl.splice(*donors[True])
    with pytest.raises(ValueError, match="the features name token 1[0-9]{5}, but the embedding has 4[0-9]{2} rows"):
        attach_chinese_adapter(model, of_qwen3, seed=0)
    attach(model, processor)
    with pytest.raises(ValueError, match="attached to this model already"):
        attach(model, processor)


# ---- learning --------------------------------------------------------------------------------------------------------------------


def gradients_of(adapter) -> dict[str, torch.Tensor]:
    found = {name: parameter.grad.clone() for name, parameter in adapter.named_parameters()}
    adapter.zero_grad()
    return found


@pytest.mark.parametrize("way", ["packed", "chunked", "chunked by an older torch", "checkpointed", "stock"])
@pytest.mark.parametrize("tied", [True, False])
def test_gradients_are_those_of_a_dense_table_at_both_ends(donors, tied, way, monkeypatch):
    model, processor = smvl.splice(*donors[tied])
    plain = copy.deepcopy(model)
    adapter = attach(model, processor)
    model.requires_grad_(False)
    adapter.requires_grad_(True)
    stir(adapter)
    if way == "stock":
        run, reference, batch = model, plain, {**samples(processor)[0], "labels": samples(processor)[0]["input_ids"]}
    else:
        run, reference = PackedModel(model, PixelScale()), PackedModel(plain, PixelScale())
        batch = inputs(Encoder(processor, 10_000), [PACK])
    if "chunked" in way:
        monkeypatch.setattr(loss_module, "LOGITS_BYTES", 4 * 1000 * 7)  # chunks of some ten tokens
        monkeypatch.setattr(loss_module, "_TORCH_HAS_IT", way == "chunked" and loss_module._TORCH_HAS_IT)
    if way == "checkpointed":
        run.activation_checkpointing_enable({"use_reentrant": False})
        run.train()
    loss = run(**batch)
    (loss.loss if way == "stock" else loss).backward()
    found = gradients_of(adapter)
    name = "model.text_model.embed_tokens.weight" if way == "stock" else "model.model.text_model.embed_tokens.weight"
    expected_loss = torch.func.functional_call(reference, {name: dense_table(model, adapter)}, (), batch)
    expected_loss = expected_loss.loss if way == "stock" else expected_loss
    expected_loss.backward()
    torch.testing.assert_close(loss.loss if way == "stock" else loss, expected_loss, rtol=1e-5, atol=0)
    expected = gradients_of(adapter)
    for name in ADAPTER_PARAMETERS:
        assert expected[name].abs().max() > 0
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5 * expected[name].abs().max().item())


def test_in_mixed_precision_what_learns_has_float32_gradients_near_those_of_float32(donors):
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        model, processor = smvl.splice(*donors[True], dtype=dtype)
        adapter = attach(model, processor)
        model.requires_grad_(False)
        adapter.requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            PackedModel(model, PixelScale())(**inputs(Encoder(processor, 10_000), [PACK])).backward()
        found.append(adapter.output.grad)
    assert found[1].dtype == torch.float32
    assert functional.cosine_similarity(found[0].flatten(), found[1].flatten(), dim=0) > 0.98


def test_an_untied_head_gives_it_no_gradient_and_a_tied_one_does(donors):
    """Of text without any Chinese before it: only the head has seen the adapter."""
    for tied in (True, False):
        model, processor = smvl.splice(*donors[tied])
        adapter = attach(model, processor)
        model(input_ids=torch.tensor([processor.tokenizer.encode("What is in the picture?")])).logits.square().sum().backward()
        assert bool(adapter.output.grad.any()) is tied


def test_measuring_and_generating_build_no_graph_and_see_what_was_learned(donors):
    model, processor = smvl.splice(*donors[True])
    adapter = attach(model, processor)
    before = logits(model, processor)
    with torch.no_grad():
        adapter.output += 1.0
    assert largest_difference(logits(model, processor), before) == 0  # until the rows are written, as after every step
    write_chinese_rows(model)
    assert largest_difference(logits(model, processor), before) > 0.1
    assert not any(entry.requires_grad for entry in logits(model, processor))
    ids = torch.tensor([processor.lay_out(PACK[1].messages[:1], add_generation_prompt=True).input_ids])
    answer_of_live = model.generate(ids, max_new_tokens=8)
    detach_chinese_adapter(model)
    assert torch.equal(model.generate(ids, max_new_tokens=8), answer_of_live)


def test_beside_marker_rows_each_gets_its_own_gradient(donors):
    """Both hang on the embedding; their rows are not the same ones."""
    found = []
    for names in (["markers"], ["adapter"], ["markers", "adapter"], ["adapter", "markers"]):
        model, processor = smvl.splice(*donors[True])
        model.requires_grad_(False)
        learning = {}
        for name in names:
            if name == "adapter":
                learning[name] = attach(model, processor).output
            else:
                learning[name] = attach_marker_rows(model, processor.trained_ids).rows
        PackedModel(model, PixelScale())(**inputs(Encoder(processor, 10_000), [PACK])).backward()
        found.append({name: parameter.grad for name, parameter in learning.items()})
    for alone, together in ((0, 2), (1, 2), (0, 3), (1, 3)):
        [(name, gradient)] = found[alone].items()
        torch.testing.assert_close(found[together][name], gradient, rtol=1e-5, atol=1e-6)


def test_beside_lora_the_merged_state_is_stock_and_holds_both(donors):
    model, processor = smvl.splice(*donors[True])
    names = list(model.state_dict())
    adapter = attach(model, processor)
    attach_lora(model, LoraConfig(rank=2), seed=0)
    stir(adapter)
    for parameter in lora_parameters(model).values():
        torch.nn.init.normal_(parameter, std=0.1)
    live, merged = logits(model, processor), merged_state_dict(model)
    assert list(merged) == names
    merge_lora(model, samples(processor))
    detach_chinese_adapter(model)
    assert largest_difference(logits(model, processor), live) <= 1e-4
    assert list(merged) == list(model.state_dict())
    assert all(torch.equal(merged[name], tensor) for name, tensor in model.state_dict().items())


# ---- in a run --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "tied"), [("embeddings", True), ("embeddings", False), ("lm_head", True)])
def test_a_table_that_holds_the_rows_is_not_trained_beside_it(donors, tmp_path, part, tied):
    config = load_config(write_run(tmp_path), [f"stages.0.train=[connector, chinese_adapter, {part}]"])
    model, processor = smvl.splice(*donors[tied])
    attach_adapters(config.stages[0], model, processor.tokenizer, seed=0)
    with pytest.raises(ValueError, match=f"{part} holds the rows of Chinese tokens already; take chinese_adapter out"):
        plan_stage(config.stages[0], model, marker_ids=[370], max_steps=4, default_learning_rate=1.0)


ADAPTER_STAGE = [
    "stages.1.train=[connector, markers]",
    "stages.1.unfreeze=[{at: 0.2, add: [chinese_adapter], lr: 0.02}, {at: 0.6, add: ['text.layers[-1:]']}]",
    "stages.1.trainer.save_steps=1",
    "evaluation.generate=false",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which a run went through, unbroken."""
    folder = tmp_path_factory.mktemp("run")
    assert main([str(write_run(folder)), *ADAPTER_STAGE]) == 0
    return folder


def test_a_run_leaves_a_stock_checkpoint_in_whose_embedding_chinese_rows_moved(finished):
    before, after = (weights(finished / "out" / stage / "model") for stage in ("align", "finetune"))
    assert before.keys() == after.keys()
    table = "model.text_model.embed_tokens.weight"
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in moved if ".layers." not in name} == {table, "model.connector.modality_projection.proj.weight"}
    rows = (before[table] != after[table]).any(dim=1).nonzero().flatten().tolist()
    tokenizer = AutoTokenizer.from_pretrained(finished / "out")
    markers = SmVLMProcessor.from_pretrained(finished / "out").trained_ids
    assert set(chinese_tokens(tokenizer)) < set(rows) <= {*chinese_tokens(tokenizer), *markers}


def test_a_killed_stage_resumes_to_the_same_weights_bit_for_bit(finished, tmp_path):
    """The adapter's weights from learning.safetensors, the base rows from the model with which the stage began."""
    arguments = ["train.py", str(finished / "run.yaml"), *ADAPTER_STAGE, f"output_dir={tmp_path}/out"]
    process = run_in_process(*arguments)
    while process.poll() is None and not (tmp_path / "out/finetune/checkpoint-2/complete").exists():
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert not (tmp_path / "out/finetune/model").exists()
    saved = last_complete_checkpoint(tmp_path / "out/finetune")
    assert f"{ATTRIBUTE}.output" in load_file(saved / "learning.safetensors") and not any(ATTRIBUTE in name for name in weights(saved))
    assert main([*arguments[1:], "--resume"]) == 0
    one, two = weights(finished / "out"), weights(tmp_path / "out")
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("with_it_again", [False, True], ids=["without", "with it again"])
def test_a_model_that_had_learned_with_it_is_gone_on_from(finished, tmp_path, with_it_again):
    recipe = yaml.safe_load((finished / "run.yaml").read_text(encoding="utf-8"))
    stage = recipe["stages"][1] | {"train": ["connector", *["chinese_adapter"] * with_it_again], "unfreeze": []}
    recipe |= {"model": {"checkpoint": str(finished / "out")}, "stages": [stage], "output_dir": str(tmp_path / "out")}
    del recipe["data"]["image"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    assert main([str(tmp_path / "own.yaml"), "evaluation.generate=false"]) == 0
    table = "model.text_model.embed_tokens.weight"
    before, after = weights(finished / "out"), weights(tmp_path / "out")
    rows = (before[table] != after[table]).any(dim=1).nonzero().flatten().tolist()
    assert before.keys() == after.keys()
    assert set(rows) == (set(chinese_tokens(AutoTokenizer.from_pretrained(tmp_path / "out"))) if with_it_again else set())


def test_a_dry_run_counts_it_in_the_plan_and_in_the_memory(finished, caplog):
    with caplog.at_level(logging.INFO, logger="smvl"):
        assert main([str(finished / "run.yaml"), *ADAPTER_STAGE, f"output_dir={finished}/dry", "--dry-run"]) == 0
    text = "\n".join(caplog.messages)
    assert "chinese_adapter" in text and "from step 1" in text


def test_its_work_is_in_the_memory_forecast(donors):
    """Its parameters, their gradients and two moments of AdamW, and the gradient of the tied table."""
    config = load_config(DEMO)
    forecasts = []
    for parts in (["connector"], ["connector", ATTRIBUTE]):
        model, processor = smvl.splice(*donors[True])
        stage = replace(config.stages[0], train=parts, lr={})
        attach_adapters(stage, model, processor.tokenizer, seed=0)
        plan = plan_stage(stage, model, marker_ids=[370], max_steps=1, default_learning_rate=1e-3)
        arguments = training_arguments(config, stage, Path("unused"), max_steps=1)
        forecasts.append(StageMemory(model, plan, arguments, PackShape(64, 1, 16), torch.device("cpu")).forecast())
        num_parameters = sum(parameter.numel() for parameter in model._modules[ATTRIBUTE].parameters()) if ATTRIBUTE in parts else 0
    without, with_it = forecasts
    assert with_it.weights - without.weights >= 4 * num_parameters
    assert with_it.gradients - without.gradients == 4 * num_parameters
    assert with_it.optimizer - without.optimizer >= 8 * num_parameters
