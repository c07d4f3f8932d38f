"""smvl/train/checkpoint: at every moment of a run there is a state to go on from, whatever ends it."""

import errno
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

import train
from smvl.train import run
from smvl.train.checkpoint import COMPLETE, last_complete_checkpoint, publish, remove_incomplete_checkpoints
from tests.tiny_run import write_run

OVERRIDES = ["evaluation.generate=false", "stages.0.trainer.save_total_limit=1", "stages.1.trainer.save_total_limit=1"]
SYSTEM_ERROR = OSError(errno.ENOSPC, "No space left on device")
SAFETENSORS_ERROR = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run that went through while one checkpoint was kept, with every deletion watched."""
    folder = tmp_path_factory.mktemp("run")
    deleted: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", watched(Path.unlink, deleted))
        patch.setattr(shutil, "rmtree", watched(shutil.rmtree, deleted))
        assert train.main([str(write_run(folder)), *OVERRIDES]) == 0
    assert deleted.count("checkpoint-2") == 4  # mark and folder in both stages
    return folder


def watched(delete, deleted: list[str]):
    """`delete`, which may only take a checkpoint, or its mark, when there is another state to go on from."""

    def check_and_delete(path, *arguments, **options):
        checkpoint = Path(path).parent if Path(path).name == COMPLETE else Path(path)
        if checkpoint.name.startswith("checkpoint-"):
            deleted.append(checkpoint.name)
            others = [path for path in checkpoint.parent.glob("checkpoint-*") if path != checkpoint and (path / COMPLETE).exists()]
            assert others or (checkpoint.parent / "model/config.json").exists()
        return delete(path, *arguments, **options)

    return check_and_delete


def test_a_checkpoint_is_deleted_only_when_the_next_one_or_the_model_is_complete(finished):
    """The fixture has watched it."""


@pytest.mark.parametrize(
    ("save", "error", "what", "last"),
    [
        (2, SYSTEM_ERROR, "align is full, so checkpoint-4", "align/checkpoint-2"),
        (7, SAFETENSORS_ERROR, "finetune is full, so model", "finetune/checkpoint-5"),
    ],
)
def test_a_full_disk_stops_with_a_message_and_the_run_goes_on_from_the_last_good_state(
    finished, tmp_path, monkeypatch, capsys, save, error, what, last
):
    arguments = [str(finished / "run.yaml"), f"output_dir={tmp_path}/out", *OVERRIDES]
    calls = []

    def save_or_fail(model, folder, *rest):
        calls.append(folder)
        if len(calls) == save:
            Path(folder, "model.safetensors").write_bytes(b"half")
            raise error
        save_model(model, folder, *rest)

    save_model = run.save_model
    monkeypatch.setattr(run, "save_model", save_or_fail)
    assert train.main(arguments) == 1
    message = capsys.readouterr().err
    assert f"{what} could not be written. Last good state: {tmp_path}/out/{last}. Make room" in message and "Traceback" not in message
    assert last_complete_checkpoint(tmp_path / "out" / Path(last).parent) == tmp_path / "out" / last
    assert not calls[-1].exists()
    monkeypatch.setattr(run, "save_model", save_model)
    assert train.main([*arguments, "--resume"]) == 0
    one, two = (load_file(folder / "out/model.safetensors") for folder in (finished, tmp_path))
    assert all(one[name].equal(two[name]) for name in one)


def test_a_run_killed_before_its_model_was_published_publishes_it_when_it_is_resumed(finished):
    output = finished / "out"
    for name in ("config.json", "model.safetensors"):
        (output / name).unlink()
    (output / "finetune/checkpoint-5").mkdir()
    assert train.main([str(finished / "run.yaml"), *OVERRIDES, "--resume"]) == 0
    assert (output / "config.json").exists()
    assert (output / "model.safetensors").read_bytes() == (output / "finetune/model/model.safetensors").read_bytes()
    assert not list(output.glob("finetune/checkpoint-*")) and not list(output.glob("*.partial"))


def test_what_is_published_twice_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text(name)
    (tmp_path / "run").mkdir()
    for _ in range(2):
        publish(tmp_path / "model", tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config.json", "model.safetensors"]


def test_looking_for_the_last_checkpoint_deletes_nothing(tmp_path):
    """Several processes look, while the first may be deleting what it needs no more."""
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-2" / COMPLETE).touch()
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    assert (tmp_path / "checkpoint-10").exists()
    remove_incomplete_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]
