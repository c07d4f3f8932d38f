"""A mistake in the second stage is told before the first is trained, in one line.

python -m pytest tests/test_stage_checks.py
"""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

import train
from smvl.assemble import outline, splice
from smvl.augment.opencv import opencv
from smvl.config import load_config
from smvl.train import stage_checks
from smvl.train.beginning import outline_model
from tests.donors import save_text_donor, save_vision_donor
from tests.tiny_data import text_row, write_rows
from tests.tiny_run import write_run

LORA = ["stages.1.train=[connector, lora]", "stages.1.unfreeze=[]"]
NO_ANSWER = {"messages": [{"role": "user", "content": "?"}]}
NO_IMAGE = {"messages": [{"role": "user", "content": [{"type": "image", "image": "none.png"}]}, {"role": "assistant", "content": "!"}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checks")
    write_run(folder)
    write_rows(folder / "no_answers.jsonl", [NO_ANSWER] * 30)
    write_rows(folder / "no_images.jsonl", [NO_IMAGE] * 30)
    write_rows(folder / "many.jsonl", [text_row(number) for number in range(600)])
    (folder / "nothing.jsonl").write_text("\n", encoding="utf-8")
    (folder / "accounts.jsonl").write_text("root:x:0:0\n" * 9, encoding="utf-8")
    (folder / "broken").mkdir()
    rows = json.loads("[" + ",".join((folder / "data/colours.jsonl").read_text(encoding="utf-8").splitlines()) + "]")
    write_rows(folder / "broken/rows.jsonl", rows)
    shutil.copytree(folder / "data/images", folder / "broken/images")
    for image in (folder / "broken/images").iterdir():
        image.write_bytes(image.read_bytes()[:80])  # its size can be read, its pixels cannot
    return folder


def refusal(folder: Path, capsys, *overrides: str) -> str:
    """What train.py says before it has trained anything."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    assert train.main([str(folder / "run.yaml"), *(override.format(folder=folder) for override in overrides)]) == 1
    assert {path.name for path in (folder / "out").glob("*")} <= {"config.yaml", "quarantine.jsonl"}
    return capsys.readouterr().err


MISTAKES = {
    "a slice that holds no layer": (
        ['stages.1.unfreeze=[{{at: 0.4, add: ["text.layers[7:]"]}}]'],
        "stage finetune: text.layers[7:] holds no layer: the text model has 2. Mend the slice.",
    ),
    "a part within another": (
        ['stages.1.unfreeze=[{{at: 0.4, add: [text]}}, {{at: 0.8, add: ["text.layers[0]"]}}]'],
        "stage finetune: every parameter of text.layers[0] belongs to an earlier part already; name it once.",
    ),
    "parts that do not go together": (
        ["stages.1.train=[connector, markers, lm_head]", "stages.1.unfreeze=[]"],
        "stage finetune: lm_head holds the marker rows already; take markers out of this stage's parts, or lm_head.",
    ),
    "a LoRA module that is not there": (
        [*LORA, "stages.1.lora={{modules: [qproj]}}"],
        "stage finetune: lora: no module of a text layer is named 'qproj'; its Linears are q_proj, k_proj,",
    ),
    "a LoRA beside a norm": (
        [*LORA, "stages.1.lora={{modules: [input_layernorm]}}"],
        "stage finetune: lora: input_layernorm is a Qwen3RMSNorm; only a Linear can have an adapter.",
    ),
    "a LoRA beside no name": (
        [*LORA, "stages.1.lora={{modules: ['']}}"],
        "stage finetune: lora: no module of a text layer is named ''; its Linears are q_proj, k_proj,",
    ),
    "a part that no model has": (["stages.1.train=[conector]"], "stages.1.train: there is no part 'conector' to train; parts are "),
    "a part that no model has, later": (
        ["stages.1.unfreeze=[{{at: 0.4, add: [texts]}}]"],
        "stages.1.unfreeze: there is no part 'texts' to train; parts are ",
    ),
    "a format that nobody knows": (["stages.1.mixture.1.source=lmdb"], "stages.1.mixture.1: the source 'lmdb' is unknown; expected one"),
    "data that is not there": (["stages.1.mixture.1.path=/none"], "stages.1.mixture.1: there is no data in /none. Either run "),
    "a path that no disk can have": (
        [f"stages.1.mixture.1.path=/{'y' * 500}"],
        f"stages.1.mixture.1: '/{'y' * 58}... (503 characters): File name too long",
    ),
    "held-out data that is not there": (["evaluation.heldout.path=/none"], "evaluation.heldout: there is no data in /none. Either run "),
    "LoRA layers that are not there": (
        [*LORA, "stages.1.lora={{layers: '[9:]'}}"],
        "stage finetune: text.layers[9:] holds no layer: the text model has 2.",
    ),
    "a schedule without what it needs": (
        ["stages.1.trainer.lr_scheduler_type=cosine_with_min_lr"],
        "stage finetune: trainer.lr_scheduler_type cosine_with_min_lr (5 steps, warmup 0) cannot be made: One of min_lr",
    ),
    "data without rows": (["stages.1.mixture.0.path={folder}/nothing.jsonl"], "nothing.jsonl: the data set is empty"),
    "data that is none": (["stages.1.mixture.0.path={folder}/accounts.jsonl"], "accounts.jsonl: none of the first 9 rows can be read. "),
    "data of another format": (["stages.1.mixture.0.source=parquet"], "there is no parquet data here; found jsonl"),
    "rows without an answer": (
        ["stages.1.mixture.1.path={folder}/no_answers.jsonl"],
        "no_answers.jsonl: 30 of 30 rows could not be used (no answer: 30), more than data.max_drop_share 0.05 allows.",
    ),
    "rows without an answer among many others": (
        ["stages.1.mixture=[{{path: {folder}/many.jsonl, weight: 9}}, {{path: {folder}/no_answers.jsonl}}]"],
        "no_answers.jsonl: none of 30 rows can be used (no answer: 30). Read ",
    ),
    "rows whose images are missing": (
        ["stages.1.mixture.0.path={folder}/no_images.jsonl"],
        "no_images.jsonl: 30 of 30 rows could not be used (missing image: 30)",
    ),
    "images whose pixels cannot be read": (
        ["stages.1.mixture.0.path={folder}/broken/rows.jsonl"],
        "rows could not be used (damaged image: ",
    ),
    "images in pure text": (
        ["stages.1.mixture.0.text=true"],
        "data/colours.jsonl: 24 of 24 rows could not be used (image in text: 24)",
    ),
    "sequences too short for any row": (["data.max_length=20", "data.max_drop_share=1"], "no row of the mixture can be used: too long: 16"),
    "answers longer than the model reads": (
        ["evaluation.max_new_tokens=1000000"],
        "train.py: evaluation.max_new_tokens: found 1,000,000, expected less than the ",
    ),
    "held-out data without rows": (["evaluation.heldout.path={folder}/nothing.jsonl"], "nothing.jsonl: the data set is empty"),
    "attention that is not installed": (
        ["model.attention=flash_attention_2"],
        "/vision cannot be made with model.attention flash_attention_2: FlashAttention2 has been toggled on",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_second_stage_is_told_before_the_first_is_trained(folder, capsys, name):
    overrides, message = MISTAKES[name]
    error = refusal(folder, capsys, *overrides)
    assert message in error and error.startswith("train.py: ") and error.count("\n") == 1


def test_four_bits_without_a_card_are_refused_before_the_first_stage(folder, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    error = refusal(folder, capsys, *LORA, "stages.1.lora={{quantize: nf4}}")
    assert "stage finetune: no CUDA device was found, and 4-bit training (quantize: nf4) needs one." in error


def test_a_second_stage_that_does_not_fit_is_refused_before_the_first(folder, capsys, monkeypatch):
    forecast, budgets = stage_checks.check_memory, iter([10**12, 1000])
    monkeypatch.setattr(stage_checks, "check_memory", lambda memory, budget: forecast(memory, next(budgets)))
    assert "stage finetune needs " in refusal(folder, capsys)


@pytest.mark.parametrize("within", ["run.yaml/out", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named_with_its_key(folder, capsys, within):
    error = refusal(folder, capsys, f"output_dir={{folder}}/{within}")
    assert error.startswith(f"train.py: the run folder {folder}/{within} cannot be made or written (") and error.count("\n") == 1
    assert error.endswith("). Give another output_dir.\n")
    scenes = "data.scenes={{folder: a, num_align: 1, num_finetune: 1, num_heldout: 1}}"
    error = refusal(folder, capsys, scenes, f"data.scenes.folder={{folder}}/{within}")
    assert error.startswith(f"train.py: data.scenes.folder: '{folder}/") and error.count("\n") == 1
    assert error.endswith(" Give another folder.\n")


@pytest.mark.parametrize("package", ["opencc", "rjieba"])
def test_a_package_that_only_some_samples_need_is_asked_for_at_once(folder, capsys, monkeypatch, package):
    monkeypatch.setattr(stage_checks, "find_spec", lambda name: None if name == package else True)
    error = refusal(folder, capsys, "stages.1.mixture.0.augment_text={{synonyms: 0.01}}")
    assert error == f"train.py: stage finetune: augment_text needs {package}. Install it: pip install -r requirements.txt\n"


def test_opencv_is_asked_for_at_once(folder, capsys, monkeypatch):
    opencv.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    error = refusal(folder, capsys, "stages.1.mixture.0.augment_images={{share: 0.01, blur: 0.1}}")
    assert "distortions of images need OpenCV: pip install opencv-python-headless" in error


def test_a_mended_mistake_needs_no_other_folder(folder, capsys):
    """What the check left in the run folder is not taken for a run."""
    assert "no_answers" in refusal(folder, capsys, "stages.1.mixture.1.path={folder}/no_answers.jsonl")
    assert (folder / "out/quarantine.jsonl").exists()
    assert train.main([str(folder / "run.yaml"), "evaluation.generate=false"]) == 0
    assert not (folder / "out/quarantine.jsonl").exists()


def test_lora_in_the_first_stage_leaves_the_second_to_be_looked_at(folder, capsys):
    lora = ["stages.0.train=[connector, lora]", "stages.0.lora={{rank: 2}}", "stages.0.lr={{}}"]
    assert "stage finetune: vision.layers[5] holds no layer" in refusal(
        folder, capsys, *lora, 'stages.1.unfreeze=[{{at: 0.4, add: ["vision.layers[5]"]}}]'
    )


@pytest.mark.parametrize(
    ("key", "path"), [("model.vision", "vision"), ("model.text", "text"), ("stages.1.mixture.1.path", "data/text.jsonl")]
)
def test_a_relative_path_that_leads_nowhere_names_both_folders(folder, tmp_path, capsys, monkeypatch, key, path):
    monkeypatch.chdir(tmp_path)
    counted = f"Relative paths count from the current folder, {tmp_path}, not from that of the YAML file, {folder}; "
    assert f" {counted}{path} is in {folder}: start there." in refusal(folder, capsys, f"{key}={path}")


# ---- the model without weights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text_kind", ["qwen3", "llama"])
@pytest.mark.parametrize("projector", ["linear", "mlp"])
def test_an_outline_has_the_shapes_of_the_splice_and_no_storage(tmp_path, text_kind, projector):
    donors = save_vision_donor(tmp_path / "vision"), save_text_donor(tmp_path / "text", kind=text_kind)
    whole, processor = splice(*donors, projector=projector, dtype=torch.bfloat16)
    shapes, its_processor = outline(*donors, projector=projector, dtype=torch.bfloat16)
    expected = {name: (value.shape, value.dtype) for name, value in whole.state_dict().items()}
    assert {name: (value.shape, value.dtype) for name, value in shapes.state_dict().items()} == expected
    assert type(shapes) is type(whole) and all(value.is_meta for value in [*shapes.parameters(), *shapes.buffers()])
    assert (shapes.lm_head.weight is shapes.get_input_embeddings().weight) == (whole.lm_head.weight is whole.get_input_embeddings().weight)
    assert shapes.config.to_dict() == whole.config.to_dict()
    assert its_processor.tokenizer.get_vocab() == processor.tokenizer.get_vocab()


def test_an_outline_reads_no_weights(tmp_path):
    config = load_config(write_run(tmp_path))
    for name in ("vision", "text"):
        (tmp_path / name / "model.safetensors").write_bytes(b"none")
    assert outline_model(config)[0].model.text_model.layers[1].mlp.up_proj.weight.shape == (64, 48)
