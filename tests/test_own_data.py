"""docs/own-data.md: both languages give the same commands, its recipes load and run, and its pictures show what their rows say."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train
from examples.own_pictures import DICE, PIPS, draw_die, main
from smvl.config import load_config
from smvl.infer.command import parse_arguments
from tests.test_engine import save_small_checkpoint
from tests.test_readme import code_blocks

ROOT = Path(__file__).parent.parent
PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("own-data.md", "own-data.zh-CN.md")}
RECIPES = ("own_data.yaml", "own_data_lora.yaml")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["own_pictures", str(folder), "--train", "12", "--heldout", "6"])
        main()
    return folder


def test_both_languages_give_the_same_commands_and_figures():
    one, other = (code_blocks(page) for page in PAGES.values())
    assert one == other and len(one) > 6
    figures = [re.findall(r"\b0\.\d{3}\b", page) for page in PAGES.values()]
    assert figures[0] == figures[1]


def test_its_commands_are_those_that_there_are():
    lines = [line for kind, block in code_blocks(PAGES["own-data.md"]) if kind == "bash" for line in block.splitlines()]
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[1] == "train.py":
            load_config(ROOT / words[2], words[3:])
        elif words[1] == "infer.py":
            parse_arguments(words[2:])
        else:
            command = [sys.executable, *words[1:3], *(words[3:4] if words[2] == "smvl" else []), "--help"]
            assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0, line
    assert len(lines) == 5


def test_rows_are_equally_many_of_each_number_and_say_what_the_picture_shows(drawn):
    rows = [json.loads(line) for line in (drawn / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["messages"][1]["content"] for row in rows] == [f"{number}个" for number in (1, 2, 3, 4, 5, 6)] * 2
    paths = {row["messages"][0]["content"][0]["image"] for row in rows}
    assert len(paths) == 12 and all((drawn / path).exists() for path in paths)
    assert not {path.read_bytes() for path in drawn.glob("images/train*")} & {path.read_bytes() for path in drawn.glob("images/heldout*")}


@pytest.mark.parametrize("points", PIPS)
def test_a_die_shows_so_many_points(points):
    """Counted as regions of the points' colour."""
    from random import Random

    import cv2

    for seed in range(10):
        picture = np.asarray(draw_die(points, Random(seed))).astype(int)
        near = {ink: (np.abs(picture - np.array(ink)).sum(-1) < 60).astype(np.uint8) for _, ink in DICE}
        areas = [cv2.connectedComponentsWithStats(mask, connectivity=4)[2][1:, cv2.CC_STAT_AREA] for mask in near.values()]
        counts = [(area > 12).sum() for area in areas]  # the smallest point has 36 pixels; edges are thinner
        assert points in counts


@pytest.mark.parametrize("recipe", RECIPES)
def test_its_recipes_run_from_any_checkpoint_and_score_before_and_after(drawn, tmp_path, recipe):
    overrides = [
        f"model.checkpoint={save_small_checkpoint(tmp_path / 'base')}",
        f"stages.0.mixture.0.path={drawn}/train.jsonl",
        f"evaluation.heldout.path={drawn}/heldout.jsonl",
        "stages.0.trainer.max_steps=2",
        "stages.0.trainer.warmup_steps=0",
        "stages.0.train=[connector, markers, {}]".format("lora" if "lora" in recipe else "'text.layers[-1:]'"),
        "stages.0.lr={}",
        "evaluation.max_new_tokens=2",
        f"output_dir={tmp_path}/out",
    ]
    assert train.main([str(ROOT / "configs" / recipe), *overrides]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert results["before"]["all"]["num_questions"] == results["scores"]["all"]["num_questions"] == 6
    answers = [json.loads(line) for line in (tmp_path / "out/answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"question", "pictures", "expected", "answer"} <= answers[0].keys() and answers[0]["pictures"][0].endswith("heldout-000.png")


def test_pictures_are_as_large_as_the_demos():
    from random import Random

    assert draw_die(3, Random(0)).size == (96, 96) and isinstance(draw_die(3, Random(0)), Image.Image)
