"""smvl/train/same_run: a run is resumed with whatever changes nothing of what it learns, and with nothing else."""

import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

import train
from smvl.config import load_config
from smvl.train.same_run import changed_keys
from tests.tiny_run import broken_off, write_run

QUICK = "evaluation.generate=false"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return folder


@pytest.mark.parametrize(
    "override",
    [
        "output_dir=elsewhere",
        "data.workers=2",
        "data.max_drop_share=0.5",
        "tracking.mode=offline",
        "sight.stop_when_blind=0.9",
        "evaluation.max_scored=7",
        "evaluation.heldout=null",
        "save_on_signal=false",
        "stages.0.trainer.logging_steps=7",
        "stages.0.trainer.save_total_limit=9",
        "stages.1.trainer.save_steps=9",
        "stages.1.trainer.eval_strategy=steps",
    ],
)
def test_what_is_shown_saved_and_measured_may_change(folder, override):
    assert changed_keys(load_config(folder / "run.yaml"), load_config(folder / "run.yaml", [override]), {}) == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed=7", "seed: 42 -> 7"),
        ("stages.0.lr.connector=1e-2", "stages.0.lr.connector: 0.002 -> 0.01"),
        ("stages.1.trainer.learning_rate=0.5", "stages.1.trainer.learning_rate: 0.001 -> 0.5"),
        ("stages.1.trainer.weight_decay=0.1", "stages.1.trainer.weight_decay: nothing -> 0.1"),
        ("stages.1.trainer.max_steps=6", "stages.1.trainer.max_steps: 5 -> 6"),
        ("stages.1.mixture.0.weight=0.9", "stages.1.mixture.0.weight: 0.8 -> 0.9"),
        ("stages.0.name=first", "stages.0.name: 'align' -> 'first'"),
        ("stages.0.train=[connector]", "stages.0.train.1: 'markers' -> nothing"),
        ("model.dtype=float32", None),
        ("model.projector=mlp", "model.projector: 'linear' -> 'mlp'"),
        ("data.max_length=256", "data.max_length: 192 -> 256"),
        ("data.look_ahead=8", "data.look_ahead: "),
        ("model.text=elsewhere", "model.text: "),
    ],
)
def test_what_is_learned_may_not(folder, override, said):
    changed = changed_keys(load_config(folder / "run.yaml"), load_config(folder / "run.yaml", [override]), {})
    assert len(changed) == (said is not None) and (said is None or changed[0].startswith(said)), changed


def test_a_path_may_be_spelt_in_another_way(folder, tmp_path, monkeypatch):
    config = load_config(folder / "run.yaml")
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    for spelling in (f"{folder}/./vision", f"{folder}/text/../vision", f"{tmp_path}/link/vision", "vision"):
        assert changed_keys(config, load_config(folder / "run.yaml", [f"model.vision={spelling}"]), {}) == []
    relative = load_config(folder / "run.yaml", ["stages.1.mixture.0.path=data/colours.jsonl"])
    assert changed_keys(config, relative, {}) == []


def test_data_may_lie_elsewhere_if_it_is_the_same(folder, tmp_path):
    from smvl.train.checkpoint import fingerprints

    config = load_config(folder / "run.yaml")
    made_by = {"data": fingerprints(config)}
    shutil.copytree(folder / "data", tmp_path / "data")
    moved = [f"stages.1.mixture.0.path={tmp_path}/data/colours.jsonl"]
    assert changed_keys(config, load_config(folder / "run.yaml", moved), made_by) == []
    with (tmp_path / "data/colours.jsonl").open("a", encoding="utf-8") as file:
        file.write("{}\n")
    [changed] = changed_keys(config, load_config(folder / "run.yaml", moved), made_by)
    assert changed.startswith("stages.1.mixture.0.path: ")
    assert changed_keys(config, load_config(folder / "run.yaml", moved), {}) == [changed]


def test_a_run_that_was_moved_goes_on_with_other_workers_to_the_same_weights(folder, tmp_path, capsys):
    """And a rate that was changed is refused by its name."""
    whole = [str(folder / "run.yaml"), QUICK, f"output_dir={tmp_path}/whole"]
    assert train.main(whole) == 0
    with broken_off(4):
        assert train.main([*whole[:2], f"output_dir={tmp_path}/begun"]) == 130
    os.rename(tmp_path / "begun", tmp_path / "moved")
    resumed = [*whole[:2], f"output_dir={tmp_path}/moved", "--resume"]
    assert train.main([*resumed, "stages.1.trainer.learning_rate=0.01"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "was begun with another configuration (stages.1.trainer.learning_rate: 0.001 -> 0.01). Resume it with the same one" in said
    assert train.main([*resumed, "data.workers=2", "stages.1.trainer.logging_steps=2", "stages.1.trainer.save_total_limit=1"]) == 0
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "moved"))
    assert one.keys() == two.keys() and all(one[name].equal(two[name]) for name in one)
    assert load_config(tmp_path / "moved/config.yaml").data.workers == 2
