"""smvl/train/dry_run: what it shows of a run, that it writes nothing, and that it refuses what cannot fit."""

import pytest

import train
from smvl.assemble import splice
from smvl.config import load_config
from smvl.data.sample import Sample
from smvl.packing.encode import Encoder
from smvl.train.dry_run import histogram, load_model, marked_text
from tests.tiny_data import noise
from tests.tiny_run import write_run


def files(folder) -> set:
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_dry_run_reports_every_stage_and_leaves_no_files(tmp_path, layout, caplog):
    path = write_run(tmp_path, layout=layout)
    before = files(tmp_path)
    caplog.set_level("INFO", logger="smvl")
    assert train.main([str(path), "--dry-run"]) == 0
    assert files(tmp_path) == before
    for stage in ("align", "finetune"):
        assert f"Stage {stage}. Peak memory forecast: " in caplog.text
    for shown in (
        "/cauldron[tiny]/tiny/train-00000-of-00001.parquet:",
        "A sample without an image, data/text.jsonl/text-",
        "Tokens of 16 samples",
        {"smolvlm": "Tiles of 16 samples"}.get(layout, "Patches of 16 samples"),
        f"Packing the first 16 rows: { {'smolvlm': 12}.get(layout, 7)} packs of 16 samples",
        "text.layers[-1:]",
        "Stage finetune: 5 steps, about ",
    ):
        assert shown in caplog.text


def test_positions_are_counted_a_factor_is_advised_and_the_share_of_long_samples_is_shown(tmp_path, layout, caplog):
    """As many positions as tokens in tiles, fewer where pictures count rows and columns."""
    path = write_run(tmp_path, layout=layout)
    caplog.set_level("INFO", logger="smvl")
    counted = {"smolvlm": ("105 in a sample of 105", "192", "5", "2        33.33%")}
    positions, needed, factor, long = counted.get(layout, ("73 in a sample of 85", "165", "4.5", "3        27.27%"))
    overrides = ["stages.0.long={tokens: 80, share: 0.25}", "model.rope={yarn: 2, trained_length: 40}"]
    assert train.main([str(path), "--dry-run", *overrides]) == 0
    assert (
        f"Positions: {positions} tokens, the most of the longest; the text model's rotation is for 80. "
        f"data.max_length tokens like these have {needed}: model.rope.yarn: {factor} would reach them."
    ) in caplog.text
    assert f"(of all: from 80 tokens on)                     {long}" in caplog.text
    assert "data.max_length is 192, but by its config.json the text model reads 80 tokens" in caplog.text


def test_a_plan_over_the_budget_is_refused_with_the_keys_and_exit_code_1(tmp_path, capsys):
    path = write_run(tmp_path)
    before = files(tmp_path)
    assert train.main([str(path), "--dry-run", "--memory-budget", "0.001"]) == 1
    message = capsys.readouterr().err
    assert "stage align needs" in message and "stage finetune needs" in message and "Traceback" not in message
    assert "trainer.gradient_checkpointing: true" in message and "data.max_length: 96" in message
    assert files(tmp_path) == before


@pytest.mark.parametrize("options", [["--memory-budget", "24"], ["--dry-run", "--resume"]])
def test_options_that_do_not_go_together_are_refused(tmp_path, capsys, options):
    with pytest.raises(SystemExit):
        train.main([str(write_run(tmp_path)), *options])
    assert "--dry-run" in capsys.readouterr().err


def test_scenes_that_were_not_drawn_are_drawn_elsewhere(tmp_path, monkeypatch):
    scenes = {"folder": str(tmp_path / "drawn"), "num_align": 4, "num_finetune": 8, "num_heldout": 2}
    source = {"source": "jsonl", "path": str(tmp_path / "drawn/finetune.jsonl")}
    stage = {"name": "only", "mixture": [source], "train": ["connector"], "trainer": {"max_steps": 2}}
    data = {"max_length": 512, "image": {"tile": 32, "longest_edge": 64}, "workers": 0, "scenes": scenes}
    path = write_run(tmp_path, data=data, stages=[stage], evaluation={"heldout": None})
    before = files(tmp_path)
    assert train.main([str(path), "--dry-run"]) == 0
    assert files(tmp_path) == before


def test_the_supervised_part_is_marked_and_image_tokens_are_counted(tmp_path):
    model = load_config(write_run(tmp_path)).model
    _, processor = splice(model.vision, model.text)
    content = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "A circle."}]
    sample = Sample(id="0", messages=messages, images=[noise(0, (32, 32))], source="test")
    layout = Encoder(processor, max_length=1000).lay_out(sample)
    text = marked_text(layout, processor.tokenizer)
    assert text.endswith("What is it?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n[[A circle.<|im_end|>]]\n")
    assert text.count("<|image_pad|> x 4\n") == layout.num_units and text.count("<|image_pad|>") == layout.num_units
    assert text.count("[[") == 1


def test_a_histogram_counts_every_value_once():
    assert histogram("Tokens", [1, 1, 2, 10]).splitlines() == [
        "Tokens: median 1.5, at most 10",
        "   1 to 2      3  ########################################",
        "   3 to 4      0",
        "   5 to 6      0",
        "   7 to 8      0",
        "  9 to 10      1  #############",
    ]


def test_the_model_is_the_one_that_a_run_begins_with(tmp_path):
    config = load_config(write_run(tmp_path))
    first, _ = load_model(config)
    second, _ = splice(config.model.vision, config.model.text, longest_edge=64, seed=config.seed)
    assert {name: parameter.shape for name, parameter in first.named_parameters()} == {
        name: parameter.shape for name, parameter in second.named_parameters()
    }
