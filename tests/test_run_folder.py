"""smvl/train/run_folder: one run to a folder at a time, nowhere in the data, and one clear line where there can be none.

python -m pytest tests/test_run_folder.py
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import train
from smvl.config import load_config
from smvl.train.run_folder import LOCK_FILE, check_output_dir, claim_run_folder
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
CLAIM = """
import sys, time
from smvl.config import load_config
from smvl.train.run_folder import claim_run_folder
with claim_run_folder(load_config(sys.argv[1]), resume=False):
    print("claimed", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def config(recipe, tmp_path):
    return load_config(recipe, [f"output_dir={tmp_path}/out"])


def message(config, *, resume: bool = False) -> str:
    with pytest.raises(ValueError) as error, claim_run_folder(config, resume=resume):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_claimed_folder_holds_configuration_and_lock_and_then_the_configuration_alone(config, tmp_path):
    with claim_run_folder(config, resume=False) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", LOCK_FILE]
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
    assert load_config(folder / "config.yaml") == config


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_in_the_same_folder_is_refused_while_the_first_goes_on(config, tmp_path, resume):
    with claim_run_folder(config, resume=False):
        said = f"another run is going on in {tmp_path}/out. Wait for its end, or give another output_dir."
        assert message(config, resume=resume) == said
        assert (tmp_path / "out" / LOCK_FILE).exists()  # the refused one has not taken it away
        assert message(config, resume=resume) == said
    with claim_run_folder(config, resume=False):
        pass


def test_another_process_is_refused_too_and_a_kill_frees_the_folder(recipe, tmp_path, capsys):
    """Whatever file it leaves, a killed run holds nothing."""
    path = tmp_path / "run.yaml"
    path.write_text(recipe.read_text(encoding="utf-8").replace(f"{recipe.parent}/out", f"{tmp_path}/out"), encoding="utf-8")
    holder = subprocess.Popen([sys.executable, "-c", CLAIM, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "claimed\n"
        assert train.main([str(path), "--resume"]) == 1
        assert f"train.py: another run is going on in {tmp_path}/out." in capsys.readouterr().err
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    finally:
        holder.kill()
    assert (tmp_path / "out" / LOCK_FILE).exists()
    with claim_run_folder(load_config(path), resume=False) as folder:  # the lock that was left is no sign of use either
        assert folder == tmp_path / "out"
    assert not (tmp_path / "out" / LOCK_FILE).exists()


def test_of_two_runs_that_are_started_at_once_one_is_refused(recipe, tmp_path):
    arguments = ["train.py", str(recipe), f"output_dir={tmp_path}/out", "evaluation.generate=false", "stages.0.trainer.max_steps=30"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [run.communicate(timeout=120)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1]
    [refused] = [text for run, text in zip(runs, errors) if run.returncode]
    assert f"another run is going on in {tmp_path}/out" in refused or f"the run folder {tmp_path}/out is in use" in refused


# ---- folders that cannot be one --------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_named_with_the_reason(recipe, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "at" / "all")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, reason in {
        f"{tmp_path}/file/out": "Not a directory",
        f"{tmp_path}/{'n' * 300}": "File name too long",
        f"{tmp_path}/dangling": "File exists",
        f"{loop}/out": "Too many levels of symbolic links",
    }.items():
        said = message(load_config(recipe, [f"output_dir={path}"]))
        assert said.startswith(f"the run folder {path} cannot be made or written ({reason}") and said.endswith("Give another output_dir.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused(recipe, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    for path in ("locked", "locked/out"):
        assert "Permission denied" in message(load_config(recipe, [f"output_dir={tmp_path / path}"]))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_folder_of_a_system_that_is_no_disk_is_refused(recipe):
    assert "cannot be made or written (No such file or directory" in message(load_config(recipe, ["output_dir=/proc/out"]))


def test_a_run_that_may_not_begin_says_so_in_one_line(recipe, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert train.main([str(recipe), f"output_dir={tmp_path}/file/out"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"train.py: the run folder {tmp_path}/file/out cannot be made or written (Not a directory")
    assert error.count("\n") == 1


def test_a_recorded_configuration_that_cannot_be_read_is_named(config, tmp_path):
    (tmp_path / "out/align").mkdir(parents=True)
    (tmp_path / "out/config.yaml").write_bytes("模型".encode("gbk"))
    assert message(config, resume=True).startswith(f"{tmp_path}/out/config.yaml cannot be read (cannot read {tmp_path}/out/config.yaml: ")


def test_a_full_disk_leaves_no_half_configuration(config, tmp_path, monkeypatch):
    def write_half(path, text, **options):
        Path(path).write_bytes(text.encode()[:10])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", write_half)
    assert "No space left on device" in message(config)
    assert list((tmp_path / "out").iterdir()) == []


# ---- in the data -----------------------------------------------------------------------------------------------------------------


PLACES = {"cauldron": "cauldron", "cauldron/out": "cauldron", "cauldron/tiny/deep": "cauldron", "link/out": "cauldron", "held/out": "held"}


@pytest.mark.parametrize(("place", "data"), PLACES.items())
def test_a_run_folder_in_the_data_is_refused_before_anything_is_made(recipe, tmp_path, capsys, place, data):
    folder = recipe.parent
    if not (folder / "link").exists():
        (folder / "link").symlink_to(folder / "cauldron")
    heldout = f"evaluation.heldout={{path: {folder}/held}}"
    before = sorted(folder.rglob("*"))
    assert train.main([str(recipe), f"output_dir={folder / place}", *([heldout] if data == "held" else [])]) == 1
    assert f"train.py: output_dir {folder / place} lies in {folder / data}, and would be read as data." in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_the_folder_of_drawn_scenes_is_data_too(recipe, tmp_path):
    scenes = f"data.scenes={{folder: {tmp_path}/drawn, num_align: 1, num_finetune: 1, num_heldout: 1}}"
    for place in ("drawn", "drawn/out"):
        with pytest.raises(ValueError, match="would be read as data"):
            check_output_dir(load_config(recipe, [scenes, f"output_dir={tmp_path / place}"]))
    check_output_dir(load_config(recipe, [scenes, f"output_dir={tmp_path}/drawn-out"]))


def test_a_folder_beside_the_data_is_fine(recipe, monkeypatch):
    check_output_dir(load_config(recipe))
    check_output_dir(load_config(recipe, [f"output_dir={recipe.parent}/data/out"]))  # of single files there
    monkeypatch.chdir(recipe.parent)
    check_output_dir(load_config(recipe, ["output_dir=cauldron-2/out"]))
    with pytest.raises(ValueError, match="lies in"):
        check_output_dir(load_config(recipe, ["output_dir=x/../cauldron/out"]))
