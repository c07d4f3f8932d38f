"""benchmarks/train_throughput.py at its smallest: both sides train, have one loss, and every figure is there. No time is asserted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.train_throughput import check_losses, median

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def output():
    command = [sys.executable, "-m", "benchmarks.train_throughput", "--preset", "tiny", "--stage", "finetune"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def row(output: str, name: str) -> list[float]:
    line = next(line for line in output.splitlines() if line.startswith(name))
    return [float(figure.replace(",", "").rstrip("x")) for figure in line.removeprefix(name).split()]


@pytest.mark.parametrize("name", ["samples a second", "real tokens a second", "peak memory, MB"])
def test_speed_and_memory_stand_side_by_side_with_their_ratio(output, name):
    plain, ours, ratio = row(output, name)
    assert ratio == pytest.approx(ours / plain, rel=0.02)


def test_the_rest_of_the_table(output):
    plain, ours = row(output, "padding, %")
    assert 50 < plain < 90 and ours == 0
    assert len(row(output, "wait for data, %")) == 2
    assert 50 < float(re.search(r"packs filled, % +- +(\S+)", output)[1]) <= 100
    assert row(output, "samples timed") == [16, 16]


def test_both_sides_have_one_loss(output):
    plain, ours = map(float, re.search(r"before training: (\S+) and (\S+),", output).groups())
    assert plain > 1 and ours == pytest.approx(plain, abs=1e-4)


def test_losses_that_differ_are_told_and_end_with_a_status(capsys):
    assert check_losses({"loss": 7.0}, {"loss": 7.00009}, 1e-4) == 0
    assert check_losses({"loss": 7.0}, {"loss": 7.001}, 1e-4) == 1
    assert "differ by 0.001" in capsys.readouterr().err


def test_a_run_without_enough_memory_is_a_result():
    assert median([{"loss": 1.0, "seconds": {}}, {"out_of_memory": True}]) == {"out_of_memory": True}


def test_full_size_wants_a_card():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a card")
    command = [sys.executable, "-m", "benchmarks.train_throughput", "--preset", "full"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "there is no card here" in done.stderr
