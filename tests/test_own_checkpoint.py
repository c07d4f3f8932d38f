"""Whatever transformers or TRL has saved of a checkpoint is exported as the checkpoint is."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, ProcessorMixin

import smvl
from smvl.assemble import load_checkpoint
from smvl.export.checkpoint import ExportError, open_checkpoint
from smvl.export.own_checkpoint import as_own_checkpoint, write_own_checkpoint
from smvl.export.targets import find_target
from smvl.model.saving import save_model
from tests.donors import save_text_donor, save_vision_donor


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """A checkpoint, and what transformers saves of it."""
    folder = tmp_path_factory.mktemp("own")
    model, processor = smvl.splice(save_vision_donor(folder / "vision"), save_text_donor(folder / "text"))
    processor.think_by_default(False)
    save_model(model, folder / "own")
    processor.save_pretrained(folder / "own")
    AutoModelForImageTextToText.from_pretrained(folder / "own").save_pretrained(folder / "saved")
    ProcessorMixin.save_pretrained(processor, folder / "saved")
    return folder / "own", folder / "saved"


def test_what_transformers_saves_lacks_what_exporters_read_and_is_made_whole(folders):
    own, saved = folders
    assert not (saved / "preprocessor_config.json").exists()
    with pytest.raises(ExportError, match="preprocessor_config.json"):
        open_checkpoint(saved)
    with as_own_checkpoint(saved) as whole:
        assert whole.name == saved.name
        for name in sorted(path.name for path in own.iterdir()):
            if name.endswith(".safetensors"):
                first, second = load_file(own / name), load_file(whole / name)
                assert first.keys() == second.keys() and all(first[key].equal(second[key]) for key in first)
            elif name != "tokenizer.json":
                assert (whole / name).read_text(encoding="utf-8") == (own / name).read_text(encoding="utf-8"), name
    assert not whole.exists()


def test_a_checkpoint_of_our_own_is_not_copied_and_what_is_no_model_is_left_to_others(folders, tmp_path):
    for folder in (folders[0], tmp_path, tmp_path / "nowhere"):
        with as_own_checkpoint(folder) as same:
            assert same == folder


@pytest.mark.parametrize("target", ["onnx", "idefics3", "smolvlm"])
def test_it_is_exported_as_the_checkpoint_is(folders, tmp_path, target):
    for folder in folders:
        find_target(target, 32 if target == "onnx" else None).write(folder, tmp_path / folder.name)
    own, saved = (sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) for out in (tmp_path / "own", tmp_path / "saved"))
    assert own == saved
    for folder in folders:
        assert "thinks_by_default = false" in (tmp_path / folder.name / "chat_template.jinja").read_text(encoding="utf-8")
    config = json.loads((tmp_path / "saved/config.json").read_text(encoding="utf-8"))
    assert config["text_config"]["rope_theta"] == 1_000_000 and config["use_cache"] is True


def test_a_folder_in_use_or_damaged_is_refused_by_name(folders, tmp_path):
    with pytest.raises(ExportError, match="own is in use"):
        write_own_checkpoint(folders[1], folders[0])
    (tmp_path / "broken").mkdir()
    with pytest.raises(ExportError, match="broken cannot be loaded"):
        write_own_checkpoint(tmp_path / "broken", tmp_path / "out")


def test_training_switches_the_cache_off_and_what_is_saved_has_it_on(folders, tmp_path):
    model, _ = load_checkpoint(folders[0])
    model.config.use_cache = False
    save_model(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["use_cache"] is True
