"""train.py from end to end: both stages, what moves and what does not, killed and resumed, on two processes, and its errors."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import train
from benchmarks.packing_fill import draw_costs, make_sampler
from smvl.assemble import load_checkpoint, splice
from smvl.config import load_config
from smvl.packing.mixture import open_mixture
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.train.arguments import count_steps
from smvl.train.beginning import load_model
from smvl.train.parts import part_parameters
from smvl.train.stages import plan_stage
from tests.tiny_data import image_row, noise, text_row, write_rows
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
LAUNCH_TWO = ("-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu", "train.py")
LAST_TEXT_LAYER = "model.text_model.layers.1."
LAST_VISION_LAYER = "model.vision_model.encoder.layers.1."


def finished_run(folder: Path, **options) -> Path:
    """A folder in which a run went through, unbroken."""
    assert train.main([str(write_run(folder, **options))]) == 0
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return finished_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def either(finished, layout, tmp_path_factory) -> Path:
    """The same in each layout."""
    return finished if layout == "smolvlm" else finished_run(tmp_path_factory.mktemp("run"), layout=layout)


def begun_with(folder: Path) -> tuple[Any, SmVLMProcessor]:
    """The model and the processor that a run began with."""
    return load_model(load_config(folder / "run.yaml"))


def names_of(model: Any, *parts: str) -> set[str]:
    """Parameters of parts, but for a head that shares the embedding's."""
    wanted = {id(parameter) for part in parts for parameter in part_parameters(model, part)}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def run_in_process(*arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# ---- what learns -----------------------------------------------------------------------------------------------------------------


def test_align_moves_the_connector_and_the_marker_rows_and_nothing_else(either):
    model, processor = begun_with(either)
    before = {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    after = weights(either / "out/align/model")
    [embedding] = names_of(model, "embeddings")
    assert changed(before, after) == {embedding, *names_of(model, "connector")}
    rows = (before[embedding] != after[embedding]).any(dim=1).nonzero().flatten().tolist()
    shown = {"smolvlm": {"<vision_start>", *(f"<row_{r}_col_{c}>" for r in (1, 2) for c in (1, 2))}}
    expected = shown.get(processor.pictures.layout, {"<|vision_start|>", "<|vision_end|>"})
    assert set(processor.tokenizer.convert_ids_to_tokens(rows)) == expected


def test_after_align_a_text_only_prompt_equals_the_text_donor_alone_logit_for_logit(either):
    """For every token that the donor's tokenizer has and that is no marker; what markers' rows were before, nobody ever read."""
    model, processor = load_checkpoint(either / "out/align/model")
    donor = AutoModelForCausalLM.from_pretrained(either / "text")
    words = [token for token in range(len(AutoTokenizer.from_pretrained(either / "text"))) if token not in processor.trained_ids]
    inputs = torch.tensor([processor.lay_out([{"role": "user", "content": "一加一?"}], add_generation_prompt=True).input_ids])
    with torch.no_grad():
        assert torch.equal(model(inputs).logits[..., words], donor(inputs).logits[..., words])


def test_finetune_moves_just_what_it_unfreezes(either):
    model, _ = begun_with(either)
    moved = changed(weights(either / "out/align/model"), weights(either / "out/finetune/model"))
    always = names_of(model, "connector", "embeddings")
    unfrozen = names_of(model, "text.layers[-1:]", "vision.layers[-1:]")
    assert always <= moved <= always | unfrozen
    # A bias of the keys shifts all scores of a query alike, so that softmax gives it no gradient but rounding.
    assert unfrozen - moved <= {name for name in unfrozen if name.endswith("self_attn.k_proj.bias")}


def test_the_top_of_the_run_folder_is_the_last_stages_model(either):
    assert not changed(weights(either / "out"), weights(either / "out/finetune/model"))
    names = {path.name for path in (either / "out").iterdir()}
    assert {"config.json", "config.yaml", "generation_config.json", "tokenizer.json", "preprocessor_config.json"} <= names
    assert not list((either / "out").glob("*/checkpoint-*"))


def test_the_checkpoint_says_what_made_it(finished):
    made_by = json.loads((finished / "out/provenance.json").read_text(encoding="utf-8"))
    assert made_by["stages_done"] == ["align", "finetune"]
    assert made_by["packages"]["torch"] == torch.__version__
    assert made_by["mixed"]["align"]["packs"] == 4 and made_by["mixed"]["finetune"]["packs"] == 10
    mixed = {name: tally[0] for name, tally in made_by["mixed"]["finetune"]["by_source"].items()}
    assert set(mixed) == {"data/colours.jsonl", "data/text.jsonl"} and mixed["data/colours.jsonl"] > 2 * mixed["data/text.jsonl"] > 0
    assert set(made_by["data"]) == {str(finished / path) for path in ("cauldron", "data/colours.jsonl", "data/text.jsonl")}


def test_a_client_that_says_nothing_of_thinking_gets_the_prompt_that_was_trained(either):
    _, processor = load_checkpoint(either / "out")
    question = [{"role": "user", "content": "一加一?"}]
    assert processor.apply_chat_template(question, add_generation_prompt=True).endswith("<think>\n\n</think>\n\n")
    assert processor.apply_chat_template(question, add_generation_prompt=True, enable_thinking=True).endswith("<|im_start|>assistant\n")


def test_results_hold_both_scores_by_task(either):
    results = json.loads((either / "out/results.json").read_text(encoding="utf-8"))
    assert results["scores"].keys() == {"all", "colour"}
    assert results["scores"]["all"].keys() == {"num_questions", "exact_match", "exact_match_swapped", "loops"}
    assert results["scores"]["all"]["num_questions"] == 24
    answers = [json.loads(line) for line in (either / "out/answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(answers) == 48 and answers[0]["question"] == "什么颜色?"
    assert answers[0]["pictures"] == [str(either / "data/images/0.png")] and answers[0]["images"] == "right"


def test_the_resolved_configuration_is_in_the_folder_and_loads_as_the_same(either):
    assert load_config(either / "out/config.yaml") == load_config(either / "run.yaml")


def test_a_used_run_folder_is_refused(finished, capsys):
    assert train.main([str(finished / "run.yaml")]) == 1
    assert "is in use. Add --resume to go on with that run, give another output_dir, or delete the folder." in capsys.readouterr().err


def test_another_configuration_cannot_be_resumed(finished, capsys):
    assert train.main([str(finished / "run.yaml"), "seed=7", "--resume"]) == 1
    assert "was begun with another configuration (seed: 42 -> 7)" in capsys.readouterr().err


def test_a_finished_run_that_is_resumed_trains_nothing(finished):
    before = (finished / "out/model.safetensors").stat().st_mtime_ns
    assert train.main([str(finished / "run.yaml"), "--resume"]) == 0
    assert (finished / "out/model.safetensors").stat().st_mtime_ns == before


def test_the_same_seed_trains_the_same_weights(finished, tmp_path):
    assert train.main([str(finished / "run.yaml"), f"output_dir={tmp_path}/out", "evaluation.generate=false"]) == 0
    assert not changed(weights(finished / "out"), weights(tmp_path / "out"))


# ---- stages ----------------------------------------------------------------------------------------------------------------------


def test_a_stage_is_planned_with_each_parts_rate_and_first_step(finished):
    config = load_config(finished / "run.yaml")
    model, _ = splice(finished / "vision", finished / "text")
    plan = plan_stage(config.stages[1], model, marker_ids=[370], max_steps=5, default_learning_rate=0.5)
    assert [(part.name, part.learning_rate, part.first_step) for part in plan.parts] == [
        ("connector", 0.5, 0),
        ("markers", 0.5, 0),
        ("text.layers[-1:]", 1e-3, 2),
        ("vision.layers[-1:]", 1e-3, 4),
    ]
    assert plan.phase_ends == [2, 4, 5]
    short = plan_stage(config.stages[1], model, marker_ids=[370], max_steps=4, default_learning_rate=0.5)
    assert [part.first_step for part in short.parts] == [0, 0, 2, 3] and short.phase_ends == [2, 3, 4]  # at: 0.8 leaves one step of four
    plan.freeze(model, 2)
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name in learning if name.startswith(LAST_TEXT_LAYER)} and not {name for name in learning if "vision" in name}
    assert "everything else" in plan.describe(model)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("text.layer[0]", "there is no part 'text.layer\\[0\\]' to train; parts are connector, markers"),
        ("text.layers[5:]", "holds no layer: the text model has 2"),
    ],
)
def test_a_part_that_is_not_there_is_refused(finished, part, message):
    model, _ = splice(finished / "vision", finished / "text")
    with pytest.raises(ValueError, match=message):
        part_parameters(model, part)


@pytest.mark.parametrize(("slice_text", "layers"), [("[-1:]", [1]), ("[:1]", [0]), ("[0]", [0]), ("[-1]", [1]), ("[:]", [0, 1])])
def test_layers_are_named_as_python_slices(finished, slice_text, layers):
    model, _ = splice(finished / "vision", finished / "text")
    expected = [parameter for layer in layers for parameter in model.model.text_model.layers[layer].parameters()]
    assert list(map(id, part_parameters(model, f"text.layers{slice_text}"))) == list(map(id, expected))


def test_marker_rows_and_the_table_that_holds_them_are_not_trained_apart(finished):
    config = load_config(finished / "run.yaml", ["stages.0.train=[connector, markers, lm_head]"])
    model, _ = splice(finished / "vision", finished / "text")
    with pytest.raises(ValueError, match="lm_head holds the marker rows already; take markers out"):
        plan_stage(config.stages[0], model, marker_ids=[370], max_steps=4, default_learning_rate=1.0)


def test_epochs_are_counted_in_packs(finished):
    class Sampler:
        mixture = range(30)

        def first_epochs(self):
            return itertools.repeat(range(10))

    for epochs, steps in ((1, 5), (2, 10), (0.5, 3), (1.5, 8)):
        config = load_config(finished / "run.yaml", [f"stages.1.trainer={{num_train_epochs: {epochs}, per_device_train_batch_size: 2}}"])
        assert count_steps(config.stages[1], Sampler(), num_processes=1) == steps
        assert count_steps(config.stages[1], Sampler(), num_processes=2) == -(-steps // 2)


def test_the_packs_of_a_long_epoch_are_estimated_from_two_thousand_rows_and_it_says_so(finished, caplog):
    sampler = make_sampler(draw_costs("small", 30_000, max_length=2048, text_share=0.2), max_length=2048)
    config = load_config(finished / "run.yaml", ["stages.1.trainer={num_train_epochs: 2, per_device_train_batch_size: 1}"])
    estimate = count_steps(config.stages[1], sampler, num_processes=1)
    assert sampler.quarantine.num_seen < 10_000 and not sampler.statistics.packs
    assert "the number of steps is an estimate: 2,000 rows" in caplog.text and "Give trainer.max_steps" in caplog.text
    assert estimate == pytest.approx(2 * len(sampler.first_epoch()), rel=0.02)


def test_the_shares_of_the_stage_are_those_of_its_mixture(finished):
    mixture = open_mixture(load_config(finished / "run.yaml").stages[1], seed=0)
    assert mixture.shares == [0.8, 0.2]


# ---- killed, and on several processes --------------------------------------------------------------------------------------------


KILL_WHEN = ["align/checkpoint-2", "align/model", "finetune/checkpoint-2", "finetune/checkpoint-4", "finetune/model.partial"]


@pytest.mark.parametrize(
    ("layout", "kill_when"),
    [*(("smolvlm", place) for place in KILL_WHEN), *(("qwen3_vl", place) for place in KILL_WHEN[:4:3])],
    indirect=["layout"],
)
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(either, tmp_path, kill_when):
    arguments = ["train.py", str(either / "run.yaml"), f"output_dir={tmp_path}/out", "evaluation.generate=false"]
    process = run_in_process(*arguments)
    while process.poll() is None and not (tmp_path / "out" / kill_when).exists():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resumed = run_in_process(*arguments, "--resume")
    output, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, output
    assert not changed(weights(either / "out"), weights(tmp_path / "out"))


def test_a_checkpoint_that_was_cut_short_is_passed_over(finished, tmp_path):
    overrides = [f"output_dir={tmp_path}/out", "evaluation.generate=false"]
    process = run_in_process("train.py", str(finished / "run.yaml"), *overrides)
    while process.poll() is None and not (tmp_path / "out/align/checkpoint-2/complete").exists():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    broken = tmp_path / "out/align/checkpoint-3"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"half")
    assert train.main([str(finished / "run.yaml"), *overrides, "--resume"]) == 0
    assert not changed(weights(finished / "out"), weights(tmp_path / "out"))


def test_in_bfloat16_what_learns_is_float32_and_resumes_to_the_bit(tmp_path, layout):
    """The checkpoint's model file is bfloat16; learning.safetensors holds what learns as it was. Another rotation of the text model and a
    share of long samples go on too."""
    path = write_run(tmp_path, layout=layout)
    mixed = ["model.dtype=bfloat16", "stages.0.trainer.bf16=true", "stages.1.trainer.bf16=true", "evaluation.generate=false"]
    mixed += ["model.rope={yarn: 2, trained_length: 200}", "stages.1.long={tokens: 40, share: 0.4}"]
    assert train.main([str(path), *mixed]) == 0
    text = json.loads((tmp_path / "out/config.json").read_text(encoding="utf-8"))["text_config"]
    mixture = json.loads((tmp_path / "out/provenance.json").read_text(encoding="utf-8"))["mixed"]["finetune"]
    assert (text["rope_parameters"]["factor"], text["max_position_embeddings"]) == (2.0, 400)
    assert mixture["long"][0] / sum(samples for samples, *_ in mixture["by_source"].values()) == pytest.approx(0.4, abs=0.1)
    assert {tensor.dtype for tensor in weights(tmp_path / "out").values()} == {torch.bfloat16}
    arguments = ["train.py", str(path), *mixed, f"output_dir={tmp_path}/killed"]
    process = run_in_process(*arguments)
    while process.poll() is None and not (tmp_path / "killed/finetune/checkpoint-4/complete").exists():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    learning = load_file(tmp_path / "killed/finetune/checkpoint-4/learning.safetensors")
    assert {tensor.dtype for tensor in learning.values()} == {torch.float32}
    model, _ = begun_with(tmp_path)
    layers = names_of(model, "text.layers[:]", "vision.layers[:]")
    assert {name for name in learning if name not in layers} == {"marker_rows.rows", *names_of(model, "connector")}
    resumed = run_in_process(*arguments, "--resume")
    output, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, output
    assert not changed(weights(tmp_path / "out"), weights(tmp_path / "killed"))


def test_bfloat16_weights_ask_for_mixed_precision(tmp_path, capsys):
    assert train.main([str(write_run(tmp_path)), "model.dtype=bfloat16"]) == 1
    assert "model.dtype: found 'bfloat16', expected float32, or trainer.bf16: true in stage align" in capsys.readouterr().err


def test_two_processes_of_which_one_has_only_text_do_not_hang(tmp_path):
    """Without packing, rows of four texts and four images alternate, so that in some steps one process has no image."""
    path = write_run(tmp_path)
    text_only = write_rows(tmp_path / "data/mixed.jsonl", [text_row(number) for number in range(64)])
    images = f"{{source: cauldron, path: {tmp_path}/cauldron, subsets: [tiny], weight: 1}}"
    overrides = [
        f"stages.0.mixture=[{{source: jsonl, path: {text_only}, weight: 3}}, {images}]",
        "data.packing=false",
        "evaluation.generate=false",
        *(f"stages.1.trainer.{key}" for key in ("ddp_find_unused_parameters=true", "ddp_bucket_cap_mb=5", "ddp_broadcast_buffers=false")),
    ]
    process = run_in_process(*LAUNCH_TWO, str(path), *overrides)
    try:
        output, _ = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == 0, output
    moved = changed(weights(tmp_path / "out/align/model"), weights(tmp_path / "out"))
    assert {name for name in moved if name.startswith(LAST_VISION_LAYER)}


def test_two_processes_take_the_steps_that_one_takes_with_twice_the_batch(finished, tmp_path):
    """The loss is averaged over the tokens of all processes, so that splitting a batch changes nothing but rounding.

    With its usual epsilon, AdamW would make a step of the rounding of a gradient that is nearly 0.
    """
    unsaved = (f"stages.0.trainer.{setting}" for setting in ("save_strategy=no", "save_steps=null", "save_total_limit=null"))
    shared = ["evaluation.generate=false", "stages.1.trainer.max_steps=4", *unsaved]
    shared += [f"stages.{number}.trainer.adam_epsilon=0.001" for number in (0, 1)]
    one = train.main(
        [
            str(finished / "run.yaml"),
            f"output_dir={tmp_path}/one",
            *shared,
            "stages.0.trainer.per_device_train_batch_size=2",
            "stages.1.trainer.per_device_train_batch_size=2",
        ]
    )
    process = run_in_process(*LAUNCH_TWO, str(finished / "run.yaml"), f"output_dir={tmp_path}/two", *shared)
    output, _ = process.communicate(timeout=180)
    assert one == 0 and process.returncode == 0, output
    assert json.loads((tmp_path / "two/provenance.json").read_text(encoding="utf-8"))["num_processes"] == 2
    one_weights, two_weights = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name in one_weights:
        torch.testing.assert_close(one_weights[name], two_weights[name], atol=1e-6, rtol=0)


# ---- one clear message -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "stages.0.trainer.lerning_rate=1",
            "stages.0.trainer.lerning_rate: TrainingArguments has no such key; did you mean learning_rate?",
        ),
        ("model.visoin=x", "visoin"),
        ("model.vision=no/such/folder", "model.vision: there is no folder no/such/folder. Either run `bash download_resource.sh`"),
        ("stages.0.mixture.0.path=no/such/data", "there is no data in no/such/data"),
        ("stages.0.mixture.0={path: nobody/nothing}", "nobody/nothing: there is no such folder here, and no data set"),
        ("stages.0.mixture.0.source=lmdb", "the source 'lmdb' is unknown; expected one of auto, jsonl, "),
        (
            "stages.0.trainer.num_train_epochs=1",
            "stages.0.trainer: found max_steps and num_train_epochs; give either max_steps or num_train_epochs.",
        ),
        (
            "stages.0.train=[connector, markets]",
            "there is no part 'markets' to train; parts are connector, markers, text, vision, embeddings",
        ),
        ("data.image.tile=64", "Set data.image.tile: 32"),
        ("evaluation.heldout=null", "stages.0.trainer.eval_strategy: there is nothing to evaluate on"),
        ("stages.0.trainer.eval_strategy=sometimes", "stages.0.trainer.eval_strategy: found 'sometimes' (text), expected one of no, steps"),
    ],
)
def test_a_mistake_gives_one_message_and_no_traceback(tmp_path, capsys, override, message):
    path = write_run(tmp_path)
    assert train.main([str(path), override]) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_an_empty_data_set_is_refused(tmp_path, capsys):
    path = write_run(tmp_path)
    (tmp_path / "data/text.jsonl").write_text("\n", encoding="utf-8")
    assert train.main([str(path), "evaluation.generate=false"]) == 1
    assert "text.jsonl: the data set is empty" in capsys.readouterr().err


def test_a_data_set_of_unreadable_images_stops_with_the_file_that_says_why(tmp_path, capsys):
    path = write_run(tmp_path)
    for image in (tmp_path / "data/images").iterdir():
        image.write_bytes(b"not an image")
    assert train.main([str(path)]) == 1
    assert "rows could not be used (unreadable image: " in capsys.readouterr().err
    assert "not an image that can be read" in (tmp_path / "out/quarantine.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("num_damaged", [1, 3])
def test_heldout_pictures_whose_pixels_are_damaged_are_neither_asked_nor_end_the_run(tmp_path, num_damaged):
    path = write_run(tmp_path)
    rows = [image_row(number, f"images/{'cut.jpg' if number < num_damaged else f'{number}.png'}", "红色") for number in range(3)]
    heldout = write_rows(tmp_path / "data/heldout.jsonl", rows)
    noise(0).save(tmp_path / "cut.jpg")
    (tmp_path / "data/images/cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-1000])  # the header is whole
    steps = [f"stages.{number}.trainer.max_steps=2" for number in (0, 1)]
    assert train.main([str(path), f"evaluation.heldout.path={heldout}", "data.max_drop_share=1", *steps]) == 0
    lost = [json.loads(line) for line in (tmp_path / "out/quarantine.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [entry["rule"] for entry in lost] == ["damaged image"] * num_damaged
    assert (tmp_path / "out/results.json").exists() == (num_damaged < 3)


def test_a_wrong_path_of_the_yaml_is_named(capsys):
    assert train.main(["no.yaml"]) == 1
    assert "cannot read no.yaml" in capsys.readouterr().err
