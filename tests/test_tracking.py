"""smvl/train/tracking and progress: SwanLab gets every figure, and its faults stop nothing."""

import logging
import sys
from types import SimpleNamespace

from PIL import Image

from smvl.config import TrackingConfig
from smvl.train.tracking import NoTracker, Shown, SwanLabTracker, TrackingCallback, open_tracker


class FakeSwanLab:
    """Records what it is told; `fail_on` names a call that raises."""

    def __init__(self, fail_on: str = ""):
        self.fail_on, self.calls = fail_on, []
        self.echarts = SimpleNamespace(Table=lambda: SimpleNamespace(add=lambda *arguments: None))

    def _record(self, name, /, *arguments, **options):
        if name == self.fail_on:
            raise RuntimeError("the network is gone")
        self.calls.append((name, arguments, options))

    def init(self, **options):
        self._record("init", **options)

    def log(self, figures, step):
        self._record("log", figures, step=step)

    def finish(self):
        self._record("finish")

    def Image(self, image, caption):
        return caption


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
    assert fake.calls[2][1][0]["sample_images"] == ["什么? 狗 (猫)"] and "samples" in fake.calls[2][1][0]
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


def test_swanlab_itself_takes_what_it_is_given(tmp_path):
    tracker = SwanLabTracker(TrackingConfig(mode="offline"), run_name="r", folder=tmp_path / "swanlog", settings={"seed": 1})
    tracker.log({"align/loss": 1.0}, 1)
    tracker.show([Shown([Image.new("RGB", (8, 8))], "什么?", "猫", "猫")], 1)
    tracker.finish()
    assert tracker._broken is False and list((tmp_path / "swanlog").glob("run-*"))
