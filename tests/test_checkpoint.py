"""smvl/train/checkpoint: at every moment of a run there is a state to go on from, whatever ends it."""

import errno
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

import train
from smvl.train import run
from smvl.train.checkpoint import (
    COMPLETE,
    checkpoints_in,
    complete_checkpoint,
    finished_stages,
    last_complete_checkpoint,
    last_state,
    publish,
    remove_incomplete_checkpoints,
)
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


@pytest.mark.parametrize("failing", ["results.json", "answers.jsonl"])
def test_a_full_disk_while_results_are_written_is_one_line_and_leaves_no_half(finished, tmp_path, monkeypatch, capsys, failing):
    arguments = [str(finished / "run.yaml"), f"output_dir={tmp_path}/out", *OVERRIDES[1:]]
    write_text = Path.write_text

    def write_or_fail(path, text, **options):
        if path.name.startswith(failing):
            write_text(path, text[:10], **options)
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_text(path, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write_or_fail)
        assert train.main(arguments) == 1
    error = capsys.readouterr().err
    said = f"train.py: No space left on device ({tmp_path}/out/{failing}.partial). Make room there, and go on with --resume."
    assert error.splitlines()[-1] == said and "Traceback" not in error
    assert not list((tmp_path / "out").glob("*.partial"))
    assert train.main([*arguments, "--resume"]) == 0
    assert (tmp_path / "out" / failing).exists()


def test_a_full_disk_while_scenes_are_drawn_is_one_line_and_they_are_drawn_again(finished, tmp_path, monkeypatch, capsys):
    scenes = f"data.scenes={{folder: {tmp_path}/drawn, num_align: 8, num_finetune: 8, num_heldout: 4}}"
    arguments = [str(finished / "run.yaml"), f"output_dir={tmp_path}/out", scenes, *OVERRIDES]
    write_bytes = Path.write_bytes

    def write_or_fail(path, content):
        if path.name == "finetune-000002-0.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_bytes(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_or_fail)
        assert train.main(arguments) == 1
    error = capsys.readouterr().err
    said = f"train.py: No space left on device ({tmp_path}/drawn/images/finetune-000002-0.png). Make room there, and go on with --resume."
    assert error.splitlines()[-1] == said and "Traceback" not in error
    assert train.main(arguments) == 0
    assert (tmp_path / "drawn/drawn.json").exists()


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


BESIDE = ["checkpoint-best", "checkpoint-old-3", "checkpoint-3.bak", "checkpoint-03", "checkpoint-", "my-checkpoint-3", "checkpoint-٣"]
"""What people put beside checkpoints, and that is none."""


def test_what_people_put_beside_checkpoints_is_left_alone(finished, tmp_path):
    """Whole copies, with their mark: they are not counted, not gone on from and not deleted, whatever becomes of the checkpoints."""
    arguments = [str(finished / "run.yaml"), f"output_dir={tmp_path}/out", *OVERRIDES]
    stage = tmp_path / "out/align"

    def finish(*_):
        for name in BESIDE:
            shutil.copytree(stage / "checkpoint-4", stage / name)
        (stage / "checkpoint-3").symlink_to(stage / "checkpoint-best")
        (stage / "checkpoint-5").write_text("a file")
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(run.Run, "_finish_stage", finish)
        train.main(arguments)
    assert [path.name for path in checkpoints_in(stage)] == ["checkpoint-4"]
    assert train.main([*arguments, "--resume"]) == 0
    left = {path.name for path in stage.iterdir()}
    assert left == {*BESIDE, "checkpoint-3", "checkpoint-5", "model"}
    assert all((stage / name / "optimizer.pt").exists() for name in BESIDE)


def test_the_oldest_checkpoints_go_and_nothing_beside_them(tmp_path):
    for name in ("checkpoint-2", "checkpoint-4", "checkpoint-10", "checkpoint-best"):
        (tmp_path / name).mkdir()
        (tmp_path / name / COMPLETE).touch()
    complete_checkpoint(tmp_path / "checkpoint-10", keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-best"]
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_the_last_state_is_the_newest_stages(tmp_path):
    stages = ["align", "finetune"]
    assert last_state(tmp_path, stages) is None
    for folder in ("align/checkpoint-2", "align/model", "finetune/checkpoint-4"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / COMPLETE).touch()
        assert last_state(tmp_path, stages) == tmp_path / folder


def test_a_finished_stage_stays_finished_when_earlier_ones_are_deleted(tmp_path):
    stages = ["align", "finetune", "polish"]
    (tmp_path / "finetune/model").mkdir(parents=True)
    assert finished_stages(tmp_path, stages) == ["align", "finetune"]
    (tmp_path / "polish/checkpoint-2").mkdir(parents=True)
    assert finished_stages(tmp_path, stages) == ["align", "finetune"]
    shutil.rmtree(tmp_path / "finetune")
    with pytest.raises(ValueError, match="stage polish went on from .*/finetune/model, which is gone. Put it back, or begin a new run."):
        finished_stages(tmp_path, stages)


def test_a_finished_model_that_does_not_say_what_made_it_is_named(finished, tmp_path, capsys):
    shutil.copytree(finished / "out/align", tmp_path / "out/align")
    recorded = (finished / "out/config.yaml").read_text(encoding="utf-8").replace(f"{finished}/out", f"{tmp_path}/out")
    (tmp_path / "out/config.yaml").write_text(recorded, encoding="utf-8")
    (tmp_path / "out/align/model/provenance.json").write_text("{", encoding="utf-8")
    assert train.main([str(finished / "run.yaml"), f"output_dir={tmp_path}/out", *OVERRIDES, "--resume"]) == 1
    assert f"train.py: {tmp_path}/out/align/model/provenance.json cannot be read (Expecting property name" in capsys.readouterr().err


def test_looking_for_the_last_checkpoint_deletes_nothing(tmp_path):
    """Several processes look, while the first may be deleting what it needs no more."""
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-2" / COMPLETE).touch()
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    assert (tmp_path / "checkpoint-10").exists()
    remove_incomplete_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]
