"""smvl/train/state_check and learning_file: nothing of a state is left out in silence; what is missing or damaged is named.

python -m pytest tests/test_state_check.py
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import train
from smvl.train.checkpoint import RunFolderError, checkpoints_in, seal
from smvl.train.run import Run
from smvl.train.state_check import check_state
from tests.tiny_run import write_run

OVERRIDES = ["evaluation.generate=false", "stages.0.trainer.eval_strategy=no", "stages.0.trainer.eval_steps=null"]
NEEDED = [
    "data_position.json", "learning.safetensors", "optimizer.pt", "provenance.json", "rng_state.pth", "scheduler.pt", "trainer_state.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory) -> Path:
    """A run that was broken off at the end of its first stage, with checkpoints of steps 2 and 4."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Run, "_finish_stage", lambda *_: sys.exit(1))
        train.main([str(write_run(folder)), *OVERRIDES])
    return folder


@pytest.fixture
def stage(broken_off, tmp_path) -> Path:
    """The stage's folder in a copy of the run."""
    shutil.copytree(broken_off / "out", tmp_path / "out")
    recorded = tmp_path / "out/config.yaml"
    recorded.write_text(recorded.read_text(encoding="utf-8").replace(f"{broken_off}/out", f"{tmp_path}/out"), encoding="utf-8")
    return tmp_path / "out/align"


def resume(broken_off: Path, stage: Path) -> int:
    """Go on from what is there, as if it had been written so."""
    for checkpoint in checkpoints_in(stage):
        seal(checkpoint)
    return train.main([str(broken_off / "run.yaml"), *OVERRIDES, f"output_dir={stage.parent}", "--resume"])


def refused(checkpoint: Path) -> str:
    with pytest.raises(RunFolderError) as error:
        check_state(checkpoint, num_processes=1)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_whole_state_passes_and_says_where_it_stands(stage):
    assert check_state(stage / "checkpoint-4", num_processes=1) == (4, 4)
    assert check_state(stage / "checkpoint-2", num_processes=1) == (2, 2)


@pytest.mark.parametrize("name", NEEDED)
def test_a_file_that_is_missing_is_named_with_the_way_around_it(stage, name):
    (stage / "checkpoint-4" / name).unlink()
    assert refused(stage / "checkpoint-4") == (
        f"{stage}/checkpoint-4 cannot be gone on from: {name} is missing. Put it back as it was, or delete checkpoint-4: the run then goes "
        f"on from {stage}/checkpoint-2."
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def fill_with_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def write_text(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [cut, empty, fill_with_zeros, write_text, make_a_folder])
@pytest.mark.parametrize("name", NEEDED)
def test_a_file_that_is_damaged_is_named(stage, name, damage):
    damage(stage / "checkpoint-4" / name)
    assert f"checkpoint-4 cannot be gone on from: {name} is damaged (" in refused(stage / "checkpoint-4")


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_byte_that_has_flipped_is_seen(stage, name):
    path = stage / "checkpoint-4" / name
    content = bytearray(path.read_bytes())
    start = content.index(b"data.pkl") + 100
    content[start] ^= 0xFF
    path.write_bytes(content)
    assert f"{name} is damaged (" in refused(stage / "checkpoint-4")


def flip_the_end(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-40] + bytes(byte ^ 0xFF for byte in content[-40:]))


@pytest.mark.parametrize("damage", [flip_the_end, empty])
@pytest.mark.parametrize("name", ["learning.safetensors", "model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_file_that_has_changed_since_it_was_written_is_named(stage, name, damage):
    damage(stage / "checkpoint-4" / name)
    problem = f"{name} is damaged (" if damage is empty and name == "learning.safetensors" else f"{name} is not as it was written. Put it"
    assert f"checkpoint-4 cannot be gone on from: {problem}" in refused(stage / "checkpoint-4")


def test_a_file_that_nothing_reads_must_be_there_all_the_same(stage):
    (stage / "checkpoint-4/config.json").unlink()
    assert "checkpoint-4 cannot be gone on from: config.json is missing. Put it" in refused(stage / "checkpoint-4")


def test_a_seal_without_checksums_is_refused_and_files_of_others_are_not_asked_for(stage):
    (stage / "checkpoint-4/notes.txt").write_text("mine")
    assert check_state(stage / "checkpoint-4", num_processes=1) == (4, 4)
    empty(stage / "checkpoint-4/complete")
    assert "checkpoint-4 cannot be gone on from: complete holds no checksums. Put it back" in refused(stage / "checkpoint-4")


def change(path: Path, **values: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    content = {key: value for key, value in {**content, **values}.items() if value is not None}
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("data_position.json", {"step": 2}, "data_position.json is of step 2."),
        ("data_position.json", {"step": None, "sampler": None}, "data_position.json lacks step, sampler, or holds something else there."),
        ("data_position.json", {"num_packs": "2"}, "data_position.json lacks num_packs, or holds something else there."),
        ("data_position.json", {"sampler": {}}, "data_position.json lacks made_with, or holds something else there."),
        ("provenance.json", {"num_processes": "two"}, "provenance.json lacks num_processes, or holds something else there."),
        ("trainer_state.json", {"stateful_callbacks": {}}, "trainer_state.json lacks TrainerControl, or holds something else there."),
        ("trainer_state.json", {"log_history": 3}, "trainer_state.json lacks log_history, or holds something else there."),
        ("trainer_state.json", {"of_another": 1}, "trainer_state.json is damaged (TrainerState.__init__() got an unexpected keyword"),
        ("trainer_state.json", {"global_step": 3}, "trainer_state.json is of step 3."),
        ("trainer_state.json", {"global_step": None}, "trainer_state.json lacks global_step, or holds something else there."),
    ],
)
def test_a_state_that_lacks_something_or_is_of_another_step_than_its_name_says_is_refused(stage, name, values, problem):
    change(stage / "checkpoint-4" / name, **values)
    assert problem in refused(stage / "checkpoint-4")


def test_a_copy_under_another_number_is_refused(stage):
    shutil.copytree(stage / "checkpoint-2", stage / "checkpoint-7")
    assert "checkpoint-7 cannot be gone on from: data_position.json is of step 2." in refused(stage / "checkpoint-7")


def test_each_process_that_wrote_a_state_has_a_random_state_in_it(stage, caplog):
    checkpoint = stage / "checkpoint-4"
    change(checkpoint / "provenance.json", num_processes=2)
    assert "rng_state_0.pth is missing" in refused(checkpoint)
    (checkpoint / "rng_state.pth").rename(checkpoint / "rng_state_0.pth")
    assert "rng_state_1.pth is missing" in refused(checkpoint)
    shutil.copy(checkpoint / "rng_state_0.pth", checkpoint / "rng_state_1.pth")
    seal(checkpoint)
    with caplog.at_level("INFO", "smvl"):
        assert check_state(checkpoint, num_processes=1) == (4, 4)
    assert f"{checkpoint} was written by 2 processes; for 1, random states begin anew." in caplog.messages


@pytest.mark.parametrize("name", ["optimizer.pt", "learning.safetensors"])
def test_a_run_refuses_such_a_state_changes_nothing_and_goes_on_from_the_one_before_when_told_to(broken_off, stage, capsys, name):
    (stage / "checkpoint-4" / name).unlink()
    before = sorted(stage.rglob("*"))
    assert resume(broken_off, stage) == 1
    assert f"train.py: {stage}/checkpoint-4 cannot be gone on from: {name} is missing." in capsys.readouterr().err
    assert sorted(stage.rglob("*")) == before
    shutil.rmtree(stage / "checkpoint-4")
    assert resume(broken_off, stage) == 0
    assert not list(stage.glob("checkpoint-*"))


# ---- files that are whole, and of something else ---------------------------------------------------------------------------------


def drop_one(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["marker_rows.rows"]


def add_one(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.other"] = torch.zeros(2)


def reshape_one(tensors: dict[str, torch.Tensor]) -> None:
    tensors["marker_rows.rows"] = tensors["marker_rows.rows"][:1]


@pytest.mark.parametrize(
    ("alter", "problem"),
    [
        (drop_one, "marker_rows.rows is nothing, but the stage has trained ("),
        (add_one, "model.other is (2,), but the stage has trained nothing."),
        (reshape_one, "marker_rows.rows is (1, 48), but the stage has trained ("),
    ],
)
def test_what_was_learned_must_be_all_that_the_stage_trains(
    broken_off, stage, capsys, alter: Callable[[dict[str, torch.Tensor]], None], problem: str
):
    path = stage / "checkpoint-2/learning.safetensors"
    shutil.rmtree(stage / "checkpoint-4")
    tensors = load_file(path)
    alter(tensors)
    save_file(tensors, path)
    assert resume(broken_off, stage) == 1
    assert f"train.py: {path}: {problem}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt"])
@pytest.mark.parametrize("content", [{}, [1, 2], {"state": {}, "param_groups": []}])
def test_an_optimizer_or_schedule_of_something_else_is_refused_in_one_line(broken_off, stage, capsys, name, content):
    shutil.rmtree(stage / "checkpoint-4")
    torch.save(content, stage / "checkpoint-2" / name)
    assert resume(broken_off, stage) == 1
    error = capsys.readouterr().err
    [line] = [line for line in error.splitlines() if line.startswith("train.py: ")]
    assert f"{stage}/checkpoint-2: its optimizer or schedule is not that of this stage (" in line
    assert "Traceback" not in error


def with_another_shape(optimizer: dict) -> None:
    """torch would take it, and the process would end without a word in the next step."""
    state = next(iter(optimizer["state"].values()))
    state["exp_avg"] = torch.zeros(3)


def with_nothing_in_it(optimizer: dict) -> None:
    optimizer["state"].clear()


def at_another_step(schedule: dict) -> None:
    schedule["last_epoch"] = 3


@pytest.mark.parametrize(
    ("name", "alter", "found"),
    [
        ("optimizer.pt", with_another_shape, "exp_avg is (3,) for a parameter of (48, 96)"),
        ("optimizer.pt", with_nothing_in_it, "nothing is in it"),
        ("scheduler.pt", at_another_step, "the schedule is at step 3"),
        ("rng_state.pth", dict.clear, "'python'"),
    ],
)
def test_what_torch_would_take_in_silence_is_refused_in_one_line(
    broken_off, stage, capsys, name: str, alter: Callable[[dict], None], found: str
):
    shutil.rmtree(stage / "checkpoint-4")
    path = stage / "checkpoint-2" / name
    content = torch.load(path, weights_only=False)
    alter(content)
    torch.save(content, path)
    assert resume(broken_off, stage) == 1
    error = capsys.readouterr().err
    what = "random state" if name == "rng_state.pth" else "optimizer or schedule"
    assert f"train.py: {stage}/checkpoint-2: its {what} is not that of this stage ({found}). Put it back as it was, or delete" in error
    assert "Traceback" not in error
