"""benchmarks/gpu/run.sh at its smallest: every step runs on a CPU and leaves its figures; one that fails or hangs harms no other."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUN = ROOT / "benchmarks/gpu/run.sh"
STEPS = ("environment", "throughput", "sweep", "demo", "generation", "adapters", "profile")


def run(out: Path, *steps: str, **environment: str) -> subprocess.CompletedProcess:
    """run.sh --tiny in this environment."""
    options = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(["bash", RUN, out, "--tiny", *steps], capture_output=True, text=True, env=options, timeout=1600)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("gpu") / "out"
    done = run(out, SMVL_COMMIT="0123abcd", SMVL_LIMIT="500", SMVL_SECONDS="1500")  # machines may be busy
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def read(out: Path, step: str) -> dict:
    return json.loads((out / f"{step}.json").read_text(encoding="utf-8"))


def test_every_step_leaves_a_file_that_says_where_it_ran(whole):
    out, _ = whole
    assert sorted(path.name for path in out.iterdir()) == sorted([*(f"{step}.json" for step in STEPS), "log.txt"])  # eight come back
    for step in STEPS:
        content = read(out, step)
        assert content["step"] == step and content["finished"] and content["seconds"] >= 0
        machine = content["machine"]
        assert machine["tiny"] and machine["commit"] == "0123abcd" and machine["packages"]["torch"] and "card" not in machine


def test_yardsticks_and_packed_attention(whole):
    results = read(whole[0], "environment")["results"]
    assert results["yardsticks"]["matmul_tflops"] > 0 and results["yardsticks"]["copy_terabytes_per_second"] > 0
    assert results["packed_attention"]["by_sample_error"] < 1e-5


def test_both_stages_stand_beside_the_plain_recipe_with_the_same_loss(whole):
    results = read(whole[0], "throughput")["results"]
    for stage in ("align", "finetune"):
        ours, plain, ratio = (results[f"{stage}/{name}"] for name in ("ours", "plain", "ratio"))
        assert ratio["samples_per_second"] == pytest.approx(ours["samples_per_second"] / plain["samples_per_second"])
        assert ratio["loss_difference"] < 1e-4
        assert ours["peak"] > 0 and ours["forecast"] > 0 and ours["tokens_per_second"] > 0
        assert {"data", "vision", "text", "loss", "optimizer"} <= results[f"{stage}/recipe"]["seconds"].keys()


def test_the_sweep_names_its_fastest_line(whole):
    results = read(whole[0], "sweep")["results"]
    best = results.pop("best")
    assert results[best["line"]]["samples_per_second"] == max(found["samples_per_second"] for found in results.values())
    assert {"packs 2", "packs 4, compile", "packs 2 x 8, as in train.yaml", "packs 4, checkpointing"} <= results.keys()
    assert not any("failed" in found for found in results.values())


def test_the_demo_is_scored_and_a_killed_run_ends_as_an_unbroken_one(whole):
    results = read(whole[0], "demo")["results"]
    assert results["demo"]["by_task"]["all"]["num_questions"] == 8 and 0 <= results["demo"]["exact_match"] <= 1
    assert results["resumed"] == {"equal": True, "largest_difference": 0.0}


def test_generation_for_one_and_for_sixteen_beside_transformers_own(whole):
    results = read(whole[0], "generation")["results"]
    for name in ("float32/batch 1", "float32/batch 16", "float32/batch 1, transformers' generate"):
        assert results[name]["tokens_per_second"] > 0 and results[name]["seconds_to_first_token"] > 0


def test_adapters_train_and_what_needs_a_card_says_so(whole):
    results = read(whole[0], "adapters")["results"]
    assert results["lora"]["samples_per_second"] > 0 and "left_out" in results["qlora"]


def test_the_profile_names_the_longest_kernels(whole):
    results = read(whole[0], "profile")["results"]
    times = [kernel["milliseconds"] for kernel in results["longest"]]
    assert len(times) == 20 and times == sorted(times, reverse=True)
    assert sum(results["groups"].values()) == pytest.approx(1)


def test_the_table_is_printed_and_holds_every_step(whole):
    _, output = whole
    table = output[output.index("no card, ") :]
    assert all(re.search(rf"^{step} \(\d+ s\)$", table, re.MULTILINE) for step in STEPS)
    assert "| finetune/ours |" in table and "| float32/batch 16 |" in table


def stand_in(folder: Path, **steps: str) -> str:
    """An interpreter that does something else for some steps."""
    lines = [f'case "$*" in *"benchmarks.gpu {step} "*) {deed} ;; esac' for step, deed in steps.items()]
    path = folder / "python"
    path.write_text("\n".join(["#!/usr/bin/env bash", *lines, f'exec {sys.executable} "$@"']) + "\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_step_that_fails_and_one_that_hangs_leave_the_others_whole(tmp_path):
    python = stand_in(tmp_path, environment="sleep 600 & sleep 600", throughput="echo broken >&2; exit 3")
    done = run(tmp_path / "out", "environment", "throughput", "profile", PYTHON=python, SMVL_LIMIT="25", SMVL_SECONDS="120")
    assert done.returncode == 1
    assert "== environment: cut off after" in done.stdout and "== throughput: failed with status 3" in done.stdout
    assert "broken" in done.stdout and "did not end well: environment throughput" in done.stdout
    assert read(tmp_path / "out", "profile")["finished"]
    assert not (tmp_path / "out/throughput.json").exists()


def test_when_the_time_is_over_the_rest_is_left_out(tmp_path):
    done = run(tmp_path / "out", "environment", SMVL_SECONDS="0")
    assert done.returncode == 1 and "== environment: left out, the time is over" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--quick", "out"], ["out", "no-such-step"]])
def test_a_wrong_call_is_told(tmp_path, arguments):
    done = subprocess.run(["bash", RUN, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and ("run.sh OUT" in done.stderr or "there is no step no-such-step" in done.stderr)
    assert not (tmp_path / "out").exists()


def test_a_time_that_is_no_number_of_seconds_is_refused_before_anything_runs(tmp_path):
    done = run(tmp_path / "out", SMVL_SECONDS="7.5")
    assert done.returncode == 2 and "whole seconds, found 7.5" in done.stderr and not (tmp_path / "out").exists()


def test_without_a_card_a_step_says_so(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu", "profile", "--out", tmp_path, "--work", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 2 and "there is no card here" in done.stderr
