"""smvl/train/tracking and progress: SwanLab gets every figure, and its faults stop nothing."""

import contextlib
import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from smvl.config import TrackingConfig
from smvl.train.interruption import Interrupted
from smvl.train.tracking import NoTracker, Shown, SwanLabTracker, TrackingCallback, open_tracker


class FakeSwanLab:
    """Records what it is told; `fail_on` names a call that raises."""

    def __init__(self, fail_on: str = ""):
        self.fail_on, self.calls = fail_on, []

    def _record(self, name, /, *arguments, **options):
        if name == self.fail_on:
            raise RuntimeError("the network is gone")
        self.calls.append((name, arguments, options))

    def init(self, **options):
        self._record("init", **options)
        return SimpleNamespace(_callbacker=SimpleNamespace(registered_callbacks=[]))

    def log(self, figures, step):
        self._record("log", figures, step=step)

    def finish(self, state):
        self._record("finish", state)

    def Image(self, image, caption):
        return caption

    def Text(self, content, caption):
        return caption, content


def start(monkeypatch, tmp_path, fake, mode="local"):
    monkeypatch.setitem(sys.modules, "swanlab", fake)
    return open_tracker(TrackingConfig(mode=mode), run_name="demo", folder=tmp_path / "swanlog", settings={}, is_main_process=True)


def test_figures_and_sample_answers_reach_the_dashboard(monkeypatch, tmp_path):
    fake = FakeSwanLab()
    tracker = start(monkeypatch, tmp_path, fake)
    callback = TrackingCallback(tracker, stage="finetune", first_step=100)
    callback.on_log(None, SimpleNamespace(global_step=7), None, logs={"loss": 1.5, "learning_rate/connector": 0.1, "note": "x"})
    tracker.show([Shown([Image.new("RGB", (4, 4))], "什么?", "猫", "狗")], step=107)
    tracker.finish()
    assert fake.calls[0][2]["mode"] == "local" and fake.calls[0][2]["project"] == "Qwen3-SmVL"
    assert fake.calls[1] == ("log", ({"finetune/loss": 1.5, "finetune/learning_rate/connector": 0.1},), {"step": 107})
    assert fake.calls[2][1][0] == {"samples": [("什么?", "狗    (expected: 猫)")], "sample_images": ["什么? 狗 (猫)"]}
    assert tracker.watch_command == f"swanlab watch {tmp_path / 'swanlog'}"


def test_training_goes_on_when_tracking_cannot_start(monkeypatch, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        tracker = start(monkeypatch, tmp_path, FakeSwanLab(fail_on="init"))
        tracker.log({"loss": 1.0}, 1)
        tracker.show([], 1)
        tracker.finish()
    assert tracker.watch_command is None
    assert [record.message for record in caplog.records] == [
        "SwanLab failed (RuntimeError: the network is gone); training goes on without it."
    ]


def test_training_goes_on_when_tracking_fails_on_the_way(monkeypatch, tmp_path, caplog):
    fake = FakeSwanLab(fail_on="log")
    tracker = start(monkeypatch, tmp_path, fake)
    for step in range(3):
        tracker.log({"loss": 1.0}, step)
    assert len([record for record in caplog.records if "SwanLab failed" in record.message]) == 1


def test_a_missing_swanlab_is_only_a_warning(monkeypatch, tmp_path):
    assert start(monkeypatch, tmp_path, None).watch_command is None


def test_disabled_or_not_the_first_process_tracks_nothing(tmp_path):
    options = {"run_name": "r", "folder": tmp_path, "settings": {}}
    assert type(open_tracker(TrackingConfig(mode="disabled"), is_main_process=True, **options)) is NoTracker
    assert type(open_tracker(TrackingConfig(mode="local"), is_main_process=False, **options)) is NoTracker


SHOW_AND_READ = """
import json, sys
from pathlib import Path
from PIL import Image
from smvl.config import TrackingConfig
from smvl.train.tracking import Shown, SwanLabTracker

tracker = SwanLabTracker(TrackingConfig(mode="local"), run_name="r", folder=Path(sys.argv[1]), settings={"seed": 1})
for step in (1, 2):
    tracker.log({"align/eval_loss": 5.0 / step, "align/gap": 0.25}, step)
    tracker.show([Shown([Image.new("RGB", (8, 8))], "什么?", "猫", "狗"), Shown([], "一加一?", "二", "")], step)
    tracker.log({"align/loss": 3.0 / step, "align/seconds/data": 0.125}, step)
tracker.finish()
from swanboard.controller.project import get_project_summary
print(get_project_summary().body.decode())
"""


def test_the_dashboards_table_shows_each_figure_in_its_own_column(tmp_path):
    """As `swanlab watch` serves it to the page: the last figure of each key, and the answers as a column of their own."""
    command = [sys.executable, "-c", SHOW_AND_READ, str(tmp_path / "swanlog")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    table = json.loads(done.stdout.splitlines()[-1])["data"]["summaries"]["r"]
    assert isinstance(table.pop("sample_images"), list)
    assert table == {
        "align/eval_loss": 2.5,
        "align/gap": 0.25,
        "align/loss": 1.5,
        "align/seconds/data": 0.125,
        "samples": ["狗    (expected: 猫)", "    (expected: 二)"],
    }


def test_an_interrupt_stays_the_trainings(tmp_path):
    """swanlab takes Ctrl-C for itself, and would call its run aborted while the training saves its state."""
    before = signal.getsignal(signal.SIGINT)
    tracker = SwanLabTracker(TrackingConfig(mode="offline"), run_name="r", folder=tmp_path / "swanlog", settings={})
    assert signal.getsignal(signal.SIGINT) is before
    tracker.finish()


@pytest.mark.parametrize(("error", "state"), [(None, "success"), (Interrupted(15), "aborted"), (ValueError("no"), "crashed")])
def test_the_dashboard_says_how_the_run_ended(monkeypatch, tmp_path, error, state):
    fake = FakeSwanLab()
    with contextlib.suppress(BaseException), start(monkeypatch, tmp_path, fake):
        if error is not None:
            raise error
    assert fake.calls[-1] == ("finish", (state,), {})


def test_nothing_to_show_is_not_shown(monkeypatch, tmp_path):
    fake = FakeSwanLab()
    start(monkeypatch, tmp_path, fake).show([], 1)
    assert [name for name, *_ in fake.calls] == ["init"]


def test_swanlab_itself_takes_what_it_is_given(tmp_path):
    tracker = SwanLabTracker(TrackingConfig(mode="offline"), run_name="r", folder=tmp_path / "swanlog", settings={"seed": 1})
    tracker.log({"align/loss": 1.0}, 1)
    tracker.show([Shown([Image.new("RGB", (8, 8))], "什么?", "猫", "猫")], 1)
    tracker.finish()
    assert tracker._broken is False and list((tmp_path / "swanlog").glob("run-*"))
