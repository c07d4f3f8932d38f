"""smvl/train/run_record: what a run leaves of its way; resumed, the figures go on where the state stood."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import train
from smvl.train.run_record import CURVE_FILE, CURVES, LOG_FILE, METRICS_FILE, MetricsFile, draw_curves, logging_to, read_metrics
from tests.tiny_run import broken_off, write_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    assert train.main([str(write_run(folder)), "evaluation.generate=false"]) == 0
    return folder


def test_every_step_that_was_logged_is_a_line(finished):
    rows = read_metrics(finished / "out" / METRICS_FILE)
    steps = [(row["stage"], row["step"]) for row in rows if "loss" in row]
    assert steps == [("align", step) for step in range(1, 5)] + [("finetune", step) for step in range(5, 10)]
    assert any("eval_sight_gap" in row for row in rows)


def test_there_is_a_picture_and_a_log(finished):
    assert Image.open(finished / "out" / CURVE_FILE).size == (960, 420)
    log = (finished / "out" / LOG_FILE).read_text(encoding="utf-8")
    assert "Stage align, 4 steps" in log and "The model is in" in log


def test_a_resumed_run_has_the_figures_of_an_unbroken_one(finished, tmp_path):
    arguments = [str(finished / "run.yaml"), "evaluation.generate=false", f"output_dir={tmp_path}/out"]
    with broken_off(4):
        assert train.main(arguments) == 130
    assert train.main([*arguments, "--resume"]) == 0
    rows = [read_metrics(folder / "out" / METRICS_FILE) for folder in (finished, tmp_path)]
    whole, resumed = ([(row["step"], row["loss"]) for row in each if "loss" in row] for each in rows)
    assert whole == resumed


def test_lines_beyond_the_state_and_a_broken_one_are_taken_out(tmp_path):
    path = tmp_path / METRICS_FILE
    path.write_text('{"stage": "a", "step": 3, "loss": 1}\n{"stage": "b", "step": 8, "loss": 2}\n{"stage": "b", "st', encoding="utf-8")
    callback = MetricsFile(path, stage="b", first_step=4)
    callback.on_train_begin(None, SimpleNamespace(global_step=2), None)
    callback.on_log(None, SimpleNamespace(global_step=3), None, logs={"loss": 0.5, "note": "x", "nan": float("nan")})
    assert read_metrics(path) == [{"stage": "a", "step": 3, "loss": 1}, {"stage": "b", "step": 7, "loss": 0.5}]
    MetricsFile(None, stage="b", first_step=0).on_log(None, SimpleNamespace(global_step=3), None, logs={"loss": 0.5})


def test_the_picture_shows_each_curve_in_its_colour(tmp_path):
    rows = [{"step": step, "loss": 3 - step / 10, "eval_loss": 2 - step / 10, "eval_loss_swapped": 2.5} for step in range(1, 11)]
    draw_curves(rows, tmp_path / CURVE_FILE)
    pixels = np.asarray(Image.open(tmp_path / CURVE_FILE)).reshape(-1, 3)
    for colour in CURVES.values():
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        assert (pixels == wanted).all(1).sum() > 300
    draw_curves([{"stage": "a", "step": 1, "learning_rate": 3}], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_log_ends_with_the_run(tmp_path):
    logger = logging.getLogger("smvl.test")
    logger.setLevel(logging.INFO)
    with logging_to(tmp_path):
        logger.info("图中 %s", json.dumps({"a": 1}))
    logger.info("after")
    assert (tmp_path / LOG_FILE).read_text(encoding="utf-8").endswith('图中 {"a": 1}\n')
    with logging_to(None):
        pass
