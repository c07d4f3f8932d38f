"""smvl/model and smvl/assemble: what is joined, what is newly made, and what a stock class loads."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, SiglipModel, SmolVLMForConditionalGeneration

import smvl
from smvl.assemble import CheckpointError, load_checkpoint
from smvl.model.donors import DonorError, check_donor_folder
from smvl.model.marker_rows import attach_marker_rows, detach_marker_rows
from smvl.model.saving import save_model
from tests.donors import TILE, save_text_donor, save_vision_donor
from tests.test_processing_smvl import answer, picture, question


@pytest.fixture(scope="module")
def donors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    return save_vision_donor(folder / "vision"), save_text_donor(folder / "text")


@pytest.fixture
def spliced(donors):
    return smvl.splice(vision=donors[0], text=donors[1])


def inputs_of(processor, *, image: bool = True) -> dict[str, torch.Tensor]:
    layout = processor.lay_out([question(*([None] if image else []), "图中有什么?"), answer("圆形")], [(64, 64)] if image else [])
    inputs = {"input_ids": torch.tensor([layout.input_ids])}
    return inputs | ({"pixel_values": torch.from_numpy(processor.pixel_values([picture()], layout))[None]} if image else {})


def save(model, processor, folder):
    save_model(model, folder)
    processor.save_pretrained(folder)


# ---- the splice ------------------------------------------------------------------------------------------------------------------


def test_a_text_only_prompt_equals_the_text_donor_alone_logit_for_logit(spliced, donors):
    model, processor = spliced
    donor = AutoModelForCausalLM.from_pretrained(donors[1])
    inputs = inputs_of(processor, image=False)
    num_words = len(processor.tokenizer) - 37  # the markers' rows are spare rows of the donor
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits[..., :num_words], donor(**inputs).logits[..., :num_words])


def test_every_vision_tensor_is_the_donors(spliced, donors):
    stock = SmolVLMForConditionalGeneration.from_pretrained(donors[0]).model.vision_model.state_dict()
    mine = spliced[0].model.vision_model.state_dict()
    assert mine.keys() == stock.keys() and all(torch.equal(mine[name], stock[name]) for name in stock)


def test_changing_the_image_changes_the_logits(spliced):
    model, processor = spliced
    inputs = inputs_of(processor)
    with torch.no_grad():
        before, after = model(**inputs).logits, model(**{**inputs, "pixel_values": -inputs["pixel_values"]}).logits
    assert (before - after).abs().max() > 1e-3


def test_the_image_token_id_is_the_tokenizers_on_every_module(spliced):
    model, processor = spliced
    assert model.config.image_token_id == model.image_token_id == model.model.image_token_id == processor.image_token_id


def test_image_features_come_out_about_as_large_as_word_embeddings(spliced):
    model, processor = spliced
    with torch.no_grad():
        features = model.get_image_features(inputs_of(processor)["pixel_values"], return_dict=True).pooler_output[0]
    ratio = features.square().mean().sqrt() / model.get_input_embeddings().weight.square().mean().sqrt()
    assert 0.5 < ratio < 2


def test_a_projector_may_be_taken_from_a_checkpoint(donors, tmp_path, spliced):
    save(*spliced, tmp_path / "whole")
    model, _ = smvl.splice(*donors, seed=7)
    taken, _ = smvl.splice(*donors, seed=7, projector_from=tmp_path / "whole")
    first = spliced[0].model.connector.state_dict()
    assert all(torch.equal(value, first[name]) for name, value in taken.model.connector.state_dict().items())
    assert not all(torch.equal(value, first[name]) for name, value in model.model.connector.state_dict().items())
    others = [{name: value for name, value in each.state_dict().items() if "connector" not in name} for each in (model, taken)]
    assert all(torch.equal(value, others[1][name]) for name, value in others[0].items())


def test_a_projector_that_does_not_fit_or_is_not_there_is_refused(donors, tmp_path, spliced):
    save(*spliced, tmp_path / "whole")
    for folder, message in (
        (tmp_path / "nowhere", "there is no folder .*nowhere"),
        (tmp_path, "cannot be read"),
        (donors[1], "has no projector: no tensor of its weights begins with model.connector"),
    ):
        with pytest.raises(DonorError, match=message):
            smvl.splice(*donors, projector_from=folder)
    with pytest.raises(DonorError, match="does not fit: found .*modality_projection.proj.weight.*expected"):
        smvl.splice(*donors, projector="mlp", projector_from=tmp_path / "whole")


def test_no_embedding_is_resized_while_spare_rows_suffice(spliced, donors):
    rows = AutoModelForCausalLM.from_pretrained(donors[1]).get_input_embeddings().num_embeddings
    assert spliced[0].get_input_embeddings().num_embeddings == rows == spliced[0].config.text_config.vocab_size


def test_only_the_marker_rows_of_the_embedding_are_new(spliced, donors):
    donor = AutoModelForCausalLM.from_pretrained(donors[1]).get_input_embeddings().weight
    changed = (spliced[0].get_input_embeddings().weight != donor).any(dim=1).nonzero().flatten().tolist()
    assert changed == sorted(spliced[1].trained_ids)


def test_what_is_new_starts_alike_in_every_type(donors):
    exact, half = (smvl.splice(*donors, dtype=dtype)[0].model.connector.state_dict() for dtype in (torch.float32, torch.bfloat16))
    for name, tensor in exact.items():
        torch.testing.assert_close(half[name].float(), tensor, rtol=0.02, atol=0)


def test_the_same_seed_makes_the_same_new_weights(donors):
    first, second, other = (smvl.splice(*donors, seed=seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(
        first["model.connector.modality_projection.proj.weight"], other["model.connector.modality_projection.proj.weight"]
    )


@pytest.mark.parametrize("kind", ["smolvlm", "idefics3", "siglip"])
@pytest.mark.parametrize("text_kind", ["qwen3", "llama"])
def test_donors_of_several_kinds_can_be_joined(tmp_path, kind, text_kind):
    vision, text = save_vision_donor(tmp_path / "v", kind=kind), save_text_donor(tmp_path / "t", kind=text_kind)
    model, processor = smvl.splice(vision, text)
    inputs = inputs_of(processor)
    with torch.no_grad():
        assert torch.isfinite(model(**inputs).logits).all()
    save(model, processor, tmp_path / "o")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "o")
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_a_plain_siglip_tower_gives_siglips_own_features(tmp_path):
    """27 x 27 patches of 14 pixels, as in siglip-so400m-patch14-384: the positions are fractions there, and must land on SigLIP's."""
    vision = save_vision_donor(tmp_path / "v", kind="siglip", tile=384, patch=14)
    model, _ = smvl.splice(vision, save_text_donor(tmp_path / "t"))
    pixels = torch.randn(1, 3, 384, 384, generator=torch.Generator().manual_seed(0))
    donor = SiglipModel.from_pretrained(vision).vision_model
    with torch.no_grad():
        expected = donor(pixel_values=pixels).last_hidden_state
        torch.testing.assert_close(model.model.vision_model(pixel_values=pixels).last_hidden_state, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("tile", "patch", "scale_factor", "num_tokens"), [(512, 16, 4, 64), (384, 14, 3, 81)])
def test_pixel_shuffle_by_four_and_by_three_gives_smolvlms_token_counts(tmp_path, tile, patch, scale_factor, num_tokens):
    vision = save_vision_donor(tmp_path / "v", tile=tile, patch=patch, scale_factor=scale_factor)
    model, processor = smvl.splice(vision, save_text_donor(tmp_path / "t"))
    assert processor.image_seq_len == num_tokens and model.config.scale_factor == scale_factor
    layout = processor.lay_out([question(None, "?"), answer("!")], [(tile, 2 * tile)])
    inputs = {
        "input_ids": torch.tensor([layout.input_ids]),
        "pixel_values": torch.from_numpy(processor.pixel_values([picture(2 * tile, tile)], layout))[None],
    }
    assert layout.input_ids.count(processor.image_token_id) == 3 * num_tokens
    with torch.no_grad():
        assert torch.isfinite(model(**inputs).logits).all()


def test_an_untied_head_stays_the_donors(tmp_path):
    vision, text = save_vision_donor(tmp_path / "v"), save_text_donor(tmp_path / "t", tied=False)
    model, processor = smvl.splice(vision, text)
    assert model.config.tie_word_embeddings is False
    assert torch.equal(model.lm_head.weight, AutoModelForCausalLM.from_pretrained(text).lm_head.weight)
    save(model, processor, tmp_path / "o")
    again, _ = load_checkpoint(tmp_path / "o")
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    assert again.lm_head.weight.data_ptr() != again.get_input_embeddings().weight.data_ptr()


# ---- errors ----------------------------------------------------------------------------------------------------------------------


def test_a_missing_folder_is_named(donors):
    with pytest.raises(DonorError, match="there is no folder nowhere"):
        smvl.splice("nowhere", donors[1])
    with pytest.raises(DonorError, match="there is no folder nowhere"):
        smvl.splice(donors[0], "nowhere")


def test_a_folder_without_weights_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DonorError, match=r"has no \.safetensors weights"):
        check_donor_folder(tmp_path)


def test_donors_in_each_others_place_are_refused(donors):
    with pytest.raises(DonorError, match="holds a qwen3 model; a vision donor must be one of smolvlm"):
        smvl.splice(donors[1], donors[1])
    with pytest.raises(DonorError, match="holds a smolvlm model; the text donor must be a decoder-only language model"):
        smvl.splice(donors[0], donors[0])


def test_a_vision_donor_with_a_missing_or_reshaped_tensor_is_refused(tmp_path):
    folder = save_vision_donor(tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["vision_config"]["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(DonorError, match=r"does not match its config.json: missing encoder.layers.2.* and 13 more, unknown none"):
        smvl.splice(folder, save_text_donor(tmp_path / "t"))


def test_a_text_donor_with_a_missing_tensor_is_refused(tmp_path, donors):
    folder = save_text_donor(tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["num_hidden_layers"], config["layer_types"] = 3, ["full_attention"] * 3
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(DonorError, match=r"do not match its config.json: .*missing_keys.*layers.2"):
        smvl.splice(donors[0], folder)


def test_a_scale_factor_that_does_not_divide_is_refused(donors):
    with pytest.raises(DonorError, match=r"scale_factor 3 does not divide the 4 x 4 patches .* choose one of \[1, 2, 4\]"):
        smvl.splice(*donors, scale_factor=3)


def test_another_tile_than_the_encoders_is_refused(donors):
    with pytest.raises(DonorError, match=f"the tile is 64 pixels, but the vision encoder in .* reads {TILE}"):
        smvl.splice(*donors, tile=64)


# ---- checkpoints -----------------------------------------------------------------------------------------------------------------


def test_a_stock_class_loads_the_checkpoint_without_this_package(spliced, tmp_path):
    model, processor = spliced
    save(model, processor, tmp_path / "o")
    inputs = {"image": inputs_of(processor), "text": inputs_of(processor, image=False)}
    with torch.no_grad():
        torch.save({name: (value, model(**value).logits) for name, value in inputs.items()}, tmp_path / "expected.pt")
    program = (
        "import sys, torch\n"
        "from transformers import AutoModelForImageTextToText\n"
        "model = AutoModelForImageTextToText.from_pretrained(sys.argv[1])\n"
        "assert type(model).__name__ == 'SmolVLMForConditionalGeneration'\n"
        "assert not any(name.split('.')[0] == 'smvl' for name in sys.modules)\n"
        "for inputs, logits in torch.load(sys.argv[2]).values():\n"
        "    assert (model(**inputs).logits - logits).abs().max() <= 1e-5\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "o", tmp_path / "expected.pt"], check=True, cwd=tmp_path)


def test_the_configuration_has_what_every_runtime_reads(spliced, tmp_path):
    save(*spliced, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    text = config["text_config"]
    assert (config["model_type"], config["architectures"]) == ("smolvlm", ["SmolVLMForConditionalGeneration"])
    assert config["tie_word_embeddings"] is True and text["tie_word_embeddings"] is True
    assert text["architectures"] == ["Qwen3ForCausalLM"] and text["rope_theta"] == 1_000_000.0
    assert text["head_dim"] == 16 and text["num_key_value_heads"] == 2
    assert config["pad_token_id"] == text["pad_token_id"] == spliced[1].tokenizer.pad_token_id
    assert str(tmp_path.parent) not in json.dumps(config)
    generation = json.loads((tmp_path / "generation_config.json").read_text(encoding="utf-8"))
    assert generation["eos_token_id"] == [spliced[1].tokenizer.eos_token_id, spliced[1].tokenizer.pad_token_id]


def test_generation_never_writes_a_marker(spliced):
    model, processor = spliced
    assert set(model.generation_config.suppress_tokens) == {processor.image_token_id, *processor.trained_ids}


def test_an_mlp_projector_travels_with_its_code(donors, tmp_path):
    model, processor = smvl.splice(*donors, projector="mlp")
    save(model, processor, tmp_path / "o")
    inputs = inputs_of(processor)
    with torch.no_grad():
        torch.save((inputs, model(**inputs).logits), tmp_path / "expected.pt")
        assert torch.equal(load_checkpoint(tmp_path / "o")[0](**inputs).logits, model(**inputs).logits)
    program = (
        "import sys, torch\n"
        "from transformers import AutoModelForImageTextToText\n"
        "model = AutoModelForImageTextToText.from_pretrained(sys.argv[1], trust_remote_code=True)\n"
        "assert type(model).__name__ == 'SmVLMForConditionalGeneration'\n"
        "inputs, logits = torch.load(sys.argv[2])\n"
        "assert (model(**inputs).logits - logits).abs().max() <= 1e-5\n"
    )
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PATH": ""}
    subprocess.run([sys.executable, "-c", program, tmp_path / "o", tmp_path / "expected.pt"], check=True, cwd=tmp_path, env=environment)


def test_a_checkpoint_whose_image_token_differs_is_refused(spliced, tmp_path):
    save(*spliced, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["image_token_id"] += 1
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="The model would not see"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_with_missing_weights_is_refused(spliced, tmp_path):
    save(*spliced, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["vision_config"]["num_hidden_layers"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="do not match its config.json: .*missing_keys"):
        load_checkpoint(tmp_path)


# ---- marker rows -----------------------------------------------------------------------------------------------------------------


def test_marker_rows_learn_while_the_rest_of_the_embedding_is_frozen(spliced):
    model, processor = spliced
    ids = processor.trained_ids
    before = model.get_input_embeddings().weight.detach().clone()
    inputs = inputs_of(processor)
    untouched = model(**inputs).logits
    model.requires_grad_(False)
    rows = attach_marker_rows(model, ids)
    assert torch.equal(model(**inputs).logits, untouched)
    optimizer = torch.optim.SGD([rows.rows], lr=1.0)
    model(**inputs).logits.square().mean().backward()
    assert model.get_input_embeddings().weight.grad is None
    optimizer.step()
    rows.write_back()
    with_hook = model(**inputs).logits
    detach_marker_rows(model)
    after = model.get_input_embeddings().weight
    changed = (after != before).any(dim=1).nonzero().flatten().tolist()
    used = set(inputs["input_ids"][0].tolist())
    assert changed == sorted(used.intersection(ids))
    assert torch.equal(model(**inputs).logits, with_hook) and not torch.equal(with_hook, untouched)
    assert not hasattr(model, "marker_rows")


def test_the_gradient_of_marker_rows_does_not_depend_on_the_order_of_threads(spliced):
    """Two runs with the same seed end bit for bit alike on several threads only if every sum has one order."""
    model, processor = spliced
    rows = attach_marker_rows(model, processor.trained_ids)
    generator = torch.Generator().manual_seed(0)
    ids = rows.ids[torch.randint(0, len(rows.ids), (4, 4096), generator=generator)]
    weights = torch.randn(4, 4096, rows.rows.shape[1], generator=generator)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        gradients = []
        for _ in range(8):
            rows.rows.grad = None
            (model.get_input_embeddings()(ids) * weights).sum().backward()
            gradients.append(rows.rows.grad.clone())
    finally:
        torch.set_num_threads(threads)
        detach_marker_rows(model)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
