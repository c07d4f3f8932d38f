"""`model.checkpoint`, smvl/train/origin, `evaluation.before`: a run goes on from a model as from donors, and says from which."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import train
from smvl.assemble import load_checkpoint, outline_checkpoint
from smvl.config import ConfigError, load_config
from smvl.train import run
from smvl.train.beginning import load_model, outline_model
from tests.tiny_run import broken_off, write_run

LORA = ["stages.0.train=[connector, markers, lora]", "stages.0.lora={rank: 2}", "stages.0.unfreeze=[]"]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A model that a run of two stages left."""
    folder = tmp_path_factory.mktemp("base")
    assert train.main([str(write_run(folder)), "evaluation.generate=false"]) == 0
    return folder


def go_on(base: Path, folder: Path, **changes) -> Path:
    """A recipe that goes on from the base's model with the second stage alone."""
    config = yaml.safe_load((base / "run.yaml").read_text(encoding="utf-8"))
    config |= {"model": {"checkpoint": str(base / "out")}, "stages": config["stages"][1:], "output_dir": str(folder / "out")}
    del config["data"]["image"]
    folder.mkdir(exist_ok=True)
    (folder / "own.yaml").write_text(yaml.safe_dump(config | changes), encoding="utf-8")
    return folder / "own.yaml"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def equal(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


def test_a_run_begins_with_all_that_the_checkpoint_holds(base, tmp_path):
    config = load_config(go_on(base, tmp_path))
    model, processor = load_model(config)
    expected, its_processor = load_checkpoint(base / "out")
    assert all(value.equal(expected.state_dict()[name]) for name, value in model.state_dict().items())
    assert processor.tokenizer.get_vocab() == its_processor.tokenizer.get_vocab()
    assert processor.image_processor.size == its_processor.image_processor.size and processor.chat_template == its_processor.chat_template


def test_its_outline_has_the_same_shapes_and_no_storage(base, tmp_path):
    config = load_config(go_on(base, tmp_path))
    outlined, processor = outline_model(config)
    model, _ = load_model(config)
    assert {name: value.shape for name, value in outlined.state_dict().items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }
    assert all(value.is_meta for value in outlined.parameters()) and processor.image_seq_len > 0


@pytest.mark.parametrize("how", [[], LORA], ids=["full", "lora"])
def test_it_trains_on_and_says_from_what_it_began(base, tmp_path, how):
    recipe = go_on(base, tmp_path)
    assert train.main([str(recipe), "evaluation.generate=false", *how]) == 0
    assert not equal(base / "out", tmp_path / "out")
    made_by = json.loads((tmp_path / "out/provenance.json").read_text(encoding="utf-8"))
    origin = made_by["began_with"]
    assert origin["checkpoint"] == str(base / "out") and origin["provenance"]["stages_done"] == ["align", "finetune"]
    assert made_by["stages_done"] == ["finetune"] and made_by["steps_done"] == 5
    load_checkpoint(tmp_path / "out")


@pytest.mark.parametrize("how", [[], LORA], ids=["full", "lora"])
def test_broken_off_and_resumed_it_ends_with_the_same_weights(base, tmp_path, how):
    arguments = [str(go_on(base, tmp_path / "whole")), "evaluation.generate=false", *how]
    assert train.main(arguments) == 0
    broken = [str(go_on(base, tmp_path / "broken")), *arguments[1:]]
    with broken_off(1):
        assert train.main(broken) == 130
    assert list((tmp_path / "broken/out/finetune").glob("checkpoint-*/complete"))
    assert train.main([*broken, "--resume"]) == 0
    assert equal(tmp_path / "whole/out", tmp_path / "broken/out")


def test_a_broken_off_run_does_not_go_on_from_other_weights(base, tmp_path, monkeypatch, capsys):
    shutil.copytree(base, tmp_path / "base")
    arguments = [str(go_on(tmp_path / "base", tmp_path)), "evaluation.generate=false"]

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run.Run, "_finish_stage", interrupted)
        assert train.main(arguments) == 130
    file = tmp_path / "base/out/model.safetensors"
    changed = weights(tmp_path / "base/out")
    name = next(name for name in changed if name.endswith("norm.weight"))
    save_file(changed | {name: changed[name] + 1}, file, {"format": "pt"})
    assert train.main([*arguments, "--resume"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"train.py: the weights in {tmp_path}/base/out (model.checkpoint) are not those that ")


def test_a_model_with_another_projector_is_gone_on_from_too(tmp_path):
    assert train.main([str(write_run(tmp_path)), "model.projector=mlp", "evaluation.generate=false"]) == 0
    config = load_config(go_on(tmp_path, tmp_path / "own"))
    assert load_model(config)[0].config.model_type == outline_model(config)[0].config.model_type == "smvl"
    assert train.main([str(tmp_path / "own/own.yaml"), "evaluation.generate=false"]) == 0


def test_the_idefics3_flavour_is_gone_on_from_as_a_smolvlm(base, tmp_path):
    from smvl.export.idefics3 import export_idefics3

    export_idefics3(base / "out", tmp_path / "vllm")
    config = load_config(go_on(base, tmp_path), [f"model.checkpoint={tmp_path}/vllm"])
    (model, _), (outlined, _) = load_model(config), outline_model(config)
    assert model.config.model_type == outlined.config.model_type == "smolvlm"
    assert {name: value.shape for name, value in outlined.state_dict().items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.vision=a", "model.vision: found 'a', expected nothing, as model.checkpoint brings it; take one of the two out"),
        ("model.projector=mlp", "model.projector: found 'mlp', expected nothing"),
        ("model.scale_factor=2", "model.scale_factor: found 2, expected nothing"),
        ("model.checkpoint=''", "model.checkpoint: found '', expected a folder"),
        ("model.checkpoint=null", "model.vision: found None, expected a folder (or model.checkpoint, which takes no donors)"),
    ],
)
def test_a_model_comes_from_donors_or_from_a_checkpoint(base, tmp_path, override, complaint):
    with pytest.raises(ConfigError) as caught:
        load_config(go_on(base, tmp_path), [override])
    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.checkpoint=nowhere", "train.py: model.checkpoint: there is no folder nowhere. Expected a folder that train.py wrote"),
        ("model.checkpoint={base}/text", "train.py: model.checkpoint: "),
        ("model.checkpoint={base}/data", "train.py: model.checkpoint: {base}/data has no config.json."),
        ("data.image={{tile: 64, longest_edge: 64}}", "train.py: data.image.tile: found 64, but the checkpoint's vision encoder reads 32."),
        ("data.image={{tile: 32, longest_edge: 65}}", "train.py: data.image.longest_edge: "),
        ("output_dir={base}/out", "train.py: output_dir {base}/out is the checkpoint that the run goes on from. Give another folder."),
    ],
)
def test_what_cannot_be_gone_on_from_is_said_in_a_line(base, tmp_path, capsys, override, complaint):
    assert train.main([str(go_on(base, tmp_path)), override.format(base=base)]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(complaint.format(base=base)), said


def test_pictures_may_be_shown_larger_than_before_and_the_model_keeps_that(base, tmp_path):
    recipe = go_on(base, tmp_path)
    assert train.main([str(recipe), "data.image={tile: 32, longest_edge: 96}", "evaluation.generate=false"]) == 0
    processors = [load_checkpoint(folder / "out")[1] for folder in (base, tmp_path)]
    assert [processor.image_processor.size["longest_edge"] for processor in processors] == [64, 96]


def test_the_scores_before_the_first_step_stand_beside_those_at_the_end(base, tmp_path, caplog):
    arguments = [str(go_on(base, tmp_path)), "evaluation.before=true"]
    assert train.main(arguments) == 0
    before = json.loads((tmp_path / "out/before.json").read_text(encoding="utf-8"))
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert results["before"] == before and before["all"]["num_questions"] == results["scores"]["all"]["num_questions"] == 24
    assert "questions   before  exact match" in caplog.text
    (tmp_path / "out/before.json").write_text(json.dumps(before | {"all": before["all"] | {"exact_match": 0.125}}), encoding="utf-8")
    assert train.main([*arguments, "--resume"]) == 0  # what was scored then is not scored again
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert results["before"]["all"]["exact_match"] == 0.125


def test_scoring_before_changes_nothing_of_the_training(base, tmp_path):
    for name, more in (("plain", []), ("scored", ["evaluation.before=true"])):
        assert train.main([str(go_on(base, tmp_path / name)), *more]) == 0
    assert equal(tmp_path / "plain/out", tmp_path / "scored/out")


def test_a_checkpoint_without_provenance_is_gone_on_from(base, tmp_path):
    shutil.copytree(base / "out", tmp_path / "bare", ignore=shutil.ignore_patterns("provenance.json", "align", "finetune"))
    assert train.main([str(go_on(base, tmp_path)), f"model.checkpoint={tmp_path}/bare", "evaluation.generate=false"]) == 0
    made_by = json.loads((tmp_path / "out/provenance.json").read_text(encoding="utf-8"))
    assert made_by["began_with"]["provenance"] is None and len(made_by["began_with"]["weights"]) == 64


def test_the_outline_of_a_folder_without_tokenizer_is_refused(base, tmp_path):
    shutil.copytree(base / "out", tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*", "align", "finetune"))
    with pytest.raises(ValueError, match="bare"):
        outline_checkpoint(tmp_path / "bare")
