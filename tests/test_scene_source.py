"""Scenes as a source: drawn as they are read, the same in every process, and in no file."""

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import train
from smvl.__main__ import main
from smvl.config import ConfigError, SceneSourceConfig, SourceConfig, load_config
from smvl.data.sources.row_source import RowSource
from smvl.doctor.targets import targets_of_config
from smvl.processing.images import read_image
from smvl.scenes.fonts import pip_fonts
from smvl.scenes.kinds import KINDS
from smvl.scenes.sample_drawing import encode_sample
from smvl.scenes.source import SceneRows
from smvl.source_registry import check_source, open_source
from smvl.train.checkpoint import fingerprint
from tests.tiny_run import TRAINER, write_run

ROOT = Path(__file__).parent.parent
PLAIN = {"plain_fonts": True, "longest_edge": 384}


def scenes(split: str = "train", **settings) -> RowSource:
    return open_source(SourceConfig(source="scenes", split=split, scenes=SceneSourceConfig(**PLAIN, **settings)))


def rows_of(source: RowSource) -> SceneRows:
    return source.storage.parts[0]


def test_a_row_is_what_the_same_scene_in_a_folder_is(tmp_path):
    source, written = scenes(), tmp_path / "rows.jsonl"
    with written.open("w", encoding="utf-8") as file:
        for row in range(30):
            pictures, line = encode_sample(rows_of(source).draw(row))
            file.write(f"{line}\n")
            for name, content in pictures.items():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(content)
    in_folder = open_source(SourceConfig(source="jsonl", path=str(written)))
    drawn, read = ([rows[row] for row in range(30)] for rows in (source, in_folder))
    for own, other in zip(drawn, read, strict=True):
        assert (own.id, own.messages, own.task, own.tools) == (other.id, other.messages, other.task, other.tools)
        for picture, copy in zip(own.images, other.images, strict=True):
            assert np.array_equal(read_image(picture), read_image(copy))
    assert any(sample.tools for sample in drawn) and any(len(sample.images) == 2 for sample in drawn)


def test_a_row_depends_on_the_seed_and_its_number_and_on_nothing_that_was_drawn_before():
    forwards, backwards, another = scenes(), scenes(), scenes(seed=2)
    once = {row: forwards[row] for row in range(8)}
    assert {row: backwards[row] for row in reversed(range(8))} == once
    assert all(another[row].images != once[row].images for row in range(8))


def test_kinds_come_as_their_shares_say():
    chosen, alike = rows_of(scenes(kinds={"receipt": 3, "dial": 1})), rows_of(scenes())
    kinds = [chosen.job(row).kind for row in range(4000)]
    assert set(kinds) == {"receipt", "dial"} and 0.72 < kinds.count("receipt") / len(kinds) < 0.78
    kinds = [alike.job(row).kind for row in range(4000)]
    assert set(kinds) == set(KINDS) and all(330 < kinds.count(kind) < 470 for kind in KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_only_the_kinds_of_questions_that_were_chosen_are_asked(kind):
    rows = rows_of(scenes(kinds={kind: 1}, questions=["field", "read", "count"], turns=[0, 0, 1], pairs=0.0))
    talks = [rows.draw(row).conversation for row in range(12)]
    assert {question for talk in talks for question in talk.question_kinds} <= {"field", "read", "count"}
    assert all(1 <= len(talk.turns) <= 3 and not talk.tools for talk in talks) and any(len(talk.turns) == 3 for talk in talks)
    assert all(len({turn.question.question for turn in talk.turns}) == len(talk.turns) for talk in talks)
    assert all(talk.turns[0].pictures == (0,) and not any(turn.pictures for turn in talk.turns[1:]) for talk in talks)


def test_a_chosen_call_comes_last_and_once_with_its_tools():
    rows = rows_of(scenes(kinds={"price_tag": 1}, questions=["field", "tool"], turns=[0, 0, 0, 1], pairs=0.0))
    talks = [rows.draw(row).conversation for row in range(40)]
    calling = [talk for talk in talks if "tool" in talk.question_kinds]
    assert len(calling) > 10 and all(talk.question_kinds.index("tool") == len(talk.turns) - 1 and talk.tools for talk in calling)


def test_chosen_questions_about_two_pictures_say_which_one():
    rows = rows_of(scenes(kinds={"receipt": 1}, questions=["field"], turns=[0, 1], pairs=1.0))
    for row in range(12):
        turns = rows.draw(row).conversation.turns
        named = ["第一张图" in turn.question.question or "第二张图" in turn.question.question for turn in turns]
        assert turns[0].pictures == (0, 1) and all(named)


def test_questions_may_be_those_alone_that_are_answered_with_digits():
    """A scene without any, such as a sign that has a street's name alone, gives way to another."""
    rows = rows_of(scenes(kinds={"street_sign": 1, "price_tag": 1}, questions=["field"], numbers_only=True, turns=[0, 0, 1], pairs=0.0))
    answers = [turn.question.answer for row in range(40) for turn in rows.draw(row).conversation.turns]
    assert len(answers) > 60 and all(re.search("[0-9]", answer) for answer in answers)
    every = rows_of(scenes(kinds={"street_sign": 1}, questions=["field"], turns=[1], pairs=0.0))
    assert not all(re.search("[0-9]", every.draw(row).conversation.turns[0].question.answer) for row in range(10))
    with pytest.raises(ConfigError, match="numbers_only: found True, expected kinds in questions"):
        SceneSourceConfig(numbers_only=True)


def test_a_kind_of_scene_that_is_never_asked_so_is_said():
    with pytest.raises(ValueError, match="street_sign with one picture is never asked for latex"):
        scenes(kinds={"street_sign": 1}, questions=["latex"], pairs=0.0)[0]


def test_two_pictures_are_compared_where_that_was_chosen():
    rows = rows_of(scenes(kinds={"receipt": 1}, questions=["compare"], pairs=1.0))
    assert all(rows.draw(row).conversation.question_kinds == ["compare"] for row in range(8))
    both = rows_of(scenes(kinds={"receipt": 1}, questions=["compare", "field"], pairs=1.0))
    assert {kind for row in range(30) for kind in both.draw(row).conversation.question_kinds} == {"compare", "field"}


def test_shares_of_turns_and_of_pairs_hold():
    rows = rows_of(scenes(kinds={"receipt": 1}, questions=["field"], turns=[3, 1], pairs=0.0))
    lengths = [len(rows.draw(row).conversation.turns) for row in range(200)]
    assert 0.66 < lengths.count(1) / 200 < 0.84
    pairs = [rows_of(scenes(pairs=share)) for share in (0.0, 0.5)]
    counts = [sum(each.job(row).num_pictures == 2 for row in range(1000)) for each in pairs]
    assert counts[0] == 0 and 440 < counts[1] < 560


def test_fonts_of_a_folder_are_used_beside_the_one_that_pip_brings(tmp_path):
    with pytest.raises(ValueError, match="there is no Chinese font in"):
        open_source(SourceConfig(source="scenes", scenes=SceneSourceConfig(fonts=str(tmp_path))))
    whole = pip_fonts().faces[0].file
    (tmp_path / f"other{whole.suffix}").symlink_to(whole)
    faces = rows_of(open_source(SourceConfig(source="scenes", scenes=SceneSourceConfig(fonts=str(tmp_path)))))._fonts.faces
    assert faces[: len(pip_fonts().faces)] == pip_fonts().faces and len(faces) == len(pip_fonts().faces) + 1


def test_no_two_splits_share_a_text():
    def texts_of(split: str) -> set[str]:
        sources = [rows_of(scenes(split, seed=seed)) for seed in (1, 2)]
        return {text for rows in sources for row in range(40) for text in rows.draw(row).texts}

    texts = {split: texts_of(split) for split in ("train", "validation", "test")}
    assert all(len(each) > 500 for each in texts.values())
    assert not texts["train"] & texts["validation"] and not texts["train"] & texts["test"] and not texts["validation"] & texts["test"]


def test_a_row_that_there_is_not_is_an_index_error():
    for row in (-1, 5):
        with pytest.raises(IndexError, match=f"row {row} of 5"):
            scenes(rows=5)[row]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"source": "scenes", "path": "data"}, "path: found 'data', expected nothing, as scenes are drawn; their settings are in `scenes`"),
        ({"source": "scenes", "text": True}, "text: found True, expected nothing, as scenes are drawn"),
        ({"source": "scenes", "stream": 5}, "stream: found 5, expected nothing"),
        ({"source": "scenes", "subsets": ["a"]}, "subsets: found ['a'], expected nothing"),
        ({"path": "data", "scenes": SceneSourceConfig()}, "scenes: found 'settings', expected null, as the source is auto, or source: "),
        ({}, "path: found '', expected a folder, a file, or the id of a data set on the hub"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_by_their_key(settings, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        SourceConfig(**settings)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": 0}, "rows: found 0"),
        ({"longest_edge": 200}, "longest_edge: found 200, expected at least 384"),
        ({"clean_share": 1.5}, "clean_share: found 1.5, expected a share from 0 to 1"),
        ({"pairs": -0.1}, "pairs: found -0.1, expected a share from 0 to 1"),
        ({"turns": []}, "turns: found [], expected 1 to 16 shares"),
        ({"turns": [0, 0]}, "turns: found [0, 0], expected 1 to 16 shares"),
        ({"turns": [1, -1]}, "turns: found [1, -1], expected 1 to 16 shares"),
        ({"turns": [float("nan")]}, "turns: found [nan], expected 1 to 16 shares"),
        ({"fonts": "fonts", "plain_fonts": True}, "fonts: found 'fonts', expected null where plain_fonts is true"),
        ({"kinds": {"dial": 0}}, "kinds.dial: found 0"),
    ],
)
def test_settings_of_scenes_have_bounds(changes, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        SceneSourceConfig(**changes)


def test_a_kind_or_a_split_that_there_is_not_is_refused_before_anything_is_drawn():
    for source, told in (
        (SourceConfig(source="scenes", scenes=SceneSourceConfig(kinds={"recipt": 1})), "there is no kind of scene recipt; expected some "),
        (SourceConfig(source="scenes", split="dev"), "scenes have no split 'dev'; expected one of train, validation, test."),
    ):
        for look in (check_source, open_source):
            with pytest.raises(ValueError, match=re.escape(told)):
                look(source)


def test_the_fingerprint_is_of_all_that_decides_what_is_drawn():
    config = SourceConfig(source="scenes", scenes=SceneSourceConfig(**PLAIN))
    others = [
        SourceConfig(source="scenes", split="test", scenes=config.scenes),
        SourceConfig(source="scenes", scenes=SceneSourceConfig(**PLAIN, seed=2)),
        SourceConfig(source="scenes", scenes=SceneSourceConfig(**PLAIN, kinds={"dial": 1})),
    ]
    assert len({fingerprint(config), *map(fingerprint, others)}) == 4
    assert fingerprint(config) == fingerprint(SourceConfig(source="scenes", weight=2.0, scenes=config.scenes))


# ---- in training -----------------------------------------------------------------------------------------------------------------


def source_of(split: str, **settings) -> dict:
    return {"source": "scenes", "split": split, "scenes": {**PLAIN, "kinds": {"street_sign": 1.0}, **settings}}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    """A run of four steps on scenes, held-out ones among them."""
    folder = tmp_path_factory.mktemp("scenes")
    stage = {"name": "align", "mixture": [source_of("train")], "train": ["connector"], "trainer": {**TRAINER, "max_steps": 4}}
    evaluation = {"heldout": source_of("validation", rows=6), "max_samples": 4, "generate": False}
    data = {"max_length": 1024, "look_ahead": 8, "workers": 0, "image": {"tile": 32, "longest_edge": 64}}
    return write_run(folder, stages=[stage], evaluation=evaluation, data=data)


@pytest.fixture(scope="module")
def unbroken(recipe) -> dict[str, torch.Tensor]:
    assert train.main([str(recipe)]) == 0
    return load_file(recipe.parent / "out/model.safetensors")


def test_processes_that_draw_change_nothing(recipe, unbroken):
    assert train.main([str(recipe), f"output_dir={recipe.parent}/two", "data.workers=2"]) == 0
    weights = load_file(recipe.parent / "two/model.safetensors")
    assert all(torch.equal(weights[name], unbroken[name]) for name in unbroken)


def test_a_run_that_was_killed_goes_on_with_the_scenes_that_come_next(recipe, unbroken):
    folder = recipe.parent / "killed"
    command = [sys.executable, "train.py", str(recipe), f"output_dir={folder}"]
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while killed.poll() is None and not (folder / "align/checkpoint-2/complete").exists():
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    assert not (folder / "align/model").exists()
    assert train.main([str(recipe), f"output_dir={folder}", "--resume"]) == 0
    weights = load_file(folder / "model.safetensors")
    assert all(torch.equal(weights[name], unbroken[name]) for name in unbroken)


def test_the_check_of_data_says_that_there_is_no_row_to_look_at(recipe, capsys):
    assert targets_of_config(load_config(recipe)) == []
    assert main(["check", str(recipe), "--processes", "1"]) == 0
    shown = capsys.readouterr().out
    for name in ("scenes/train", "scenes/validation"):
        assert shown.count(f"{name}: not looked at: these scenes are drawn while they are read") == 1
