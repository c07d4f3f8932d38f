"""smvl/model_card: a folder's README says what the hubs read, what made the model, what it scores and how it is asked."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

import train
from smvl.config import SourceConfig
from smvl.export.command import main as export
from smvl.model_card import CARD_FILE, LICENSE_FILE, MARK, card_of_checkpoint, copy_license, data_sets, write_card
from tests.tiny_run import write_run

DONOR_CARD = "---\nlicense: apache-2.0\nbase_model: org/{name}-base\n---\n# A donor\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    recipe = write_run(folder)
    for name in ("vision", "text"):
        (folder / name / CARD_FILE).write_text(DONOR_CARD.format(name=name), encoding="utf-8")
    assert train.main([str(recipe), "evaluation.max_scored=8"]) == 0
    return folder


def card(folder: Path) -> ModelCard:
    return ModelCard.load(folder / CARD_FILE)


@pytest.mark.parametrize("place", ["out", "out/align/model", "out/finetune/model"])
def test_every_checkpoint_has_a_card_that_the_hubs_read(finished, place):
    data = card(finished / place).data
    assert (data.license, data.pipeline_tag, data.library_name) == ("apache-2.0", "image-text-to-text", "transformers")
    assert data.language == ["zh", "en"] and data.base_model == ["org/vision-base", "org/text-base"]


def test_it_holds_the_scores_with_swapped_pictures_and_what_was_trained_on(finished):
    text = (finished / "out" / CARD_FILE).read_text(encoding="utf-8")
    scores = json.loads((finished / "out/results.json").read_text(encoding="utf-8"))["scores"]["all"]
    assert f"| all | 8 | {scores['exact_match']:.3f} | {scores['exact_match_swapped']:.3f} |" in text
    assert re.search(r"- finetune: \d+ samples of data/colours.jsonl, \d+ samples of data/text.jsonl", text)
    assert "Stages finished: align, finetune, 9 steps." in text and "transformers 5." in text
    assert "nothing scored yet" in (finished / "out/align/model" / CARD_FILE).read_text(encoding="utf-8")


def test_its_example_runs_as_printed(finished, tmp_path, monkeypatch, capsys):
    from PIL import Image

    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.jpg")
    shutil.copytree(finished / "out", tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (finished / "out" / CARD_FILE).read_text(encoding="utf-8"), flags=re.DOTALL)
    for block in blocks:
        exec(block.replace("max_new_tokens=64", "max_new_tokens=4").replace('["a.jpg"])', '["a.jpg"], max_new_tokens=4)'), {})
    first, second = capsys.readouterr().out.splitlines()
    assert len(blocks) == 2 and first == second


def test_what_a_user_writes_there_stays(finished, tmp_path):
    write_card(tmp_path, card_of_checkpoint(finished / "out"))
    write_card(tmp_path, "again\n" + MARK)
    assert (tmp_path / CARD_FILE).read_text(encoding="utf-8") == "again\n" + MARK
    (tmp_path / CARD_FILE).write_text("mine", encoding="utf-8")
    write_card(tmp_path, card_of_checkpoint(finished / "out"))
    assert (tmp_path / CARD_FILE).read_text(encoding="utf-8") == "mine"


def test_an_export_has_one_too_with_how_it_compares(finished, tmp_path):
    arguments = ["--model", str(finished / "out"), "--to", "onnx", "--bits", "32", "--out", str(tmp_path / "onnx")]
    export([*arguments, "--questions", "2", "--max-new-tokens", "2"])
    text = (tmp_path / "onnx" / CARD_FILE).read_text(encoding="utf-8")
    assert card(tmp_path / "onnx").data.base_model == ["org/vision-base", "org/text-base"]
    assert f"smvl ask --model {tmp_path}/onnx" in text and '"equal_tokens"' in text and "not compared" not in text


def test_donors_that_say_nothing_leave_their_fields_out(finished, tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "config.yaml").write_text("model: {\n", encoding="utf-8")
    write_card(tmp_path, card_of_checkpoint(tmp_path))
    data = card(tmp_path).data
    assert data.license is None and data.base_model is None and data.pipeline_tag == "image-text-to-text"


def test_data_is_named_by_its_hub_id_where_one_is_known():
    local = [SourceConfig(path=path) for path in ("data/the_cauldron", "data/the_cauldron", "data/own", "/data/b.jsonl")]
    assert data_sets([*local, SourceConfig(source="hub", path="org/set")]) == ["HuggingFaceM4/the_cauldron", "org/set"]


@pytest.mark.parametrize("head", ["---\n- a\n---\n", "---\n{\n---\n", "---\nlicense: [1\n---\n", "no head", "\x00"])
def test_a_donors_card_may_hold_anything(tmp_path, head):
    from smvl.model_card import base_models, license_of

    (tmp_path / CARD_FILE).write_text(head, encoding="utf-8")
    assert license_of([str(tmp_path)]) is None and base_models([str(tmp_path)]) == []


def test_the_licence_of_the_text_donor_goes_along_to_checkpoints_and_exports(tmp_path):
    recipe = write_run(tmp_path)
    for name in ("vision", "text"):
        (tmp_path / name / LICENSE_FILE).write_text(f"of the {name} donor", encoding="utf-8")
    assert train.main([str(recipe), "evaluation.generate=false"]) == 0
    for place in ("out", "out/align/model"):
        assert (tmp_path / place / LICENSE_FILE).read_text(encoding="utf-8") == "of the text donor"
    copy_license(tmp_path / "out", tmp_path)
    assert (tmp_path / LICENSE_FILE).read_text(encoding="utf-8") == "of the text donor"
