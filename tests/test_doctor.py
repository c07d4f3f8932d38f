"""The data doctor: what is planted is found, exactly, however many processes look; and it says what to do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from smvl.assemble import splice
from smvl.config import DataConfig, ImageConfig, SourceConfig, load_config
from smvl.data.rules import RULES
from smvl.data.sample import Sample
from smvl.doctor.command import main
from smvl.doctor.crew import in_order
from smvl.doctor.histogram import Histogram
from smvl.doctor.image_likeness import look_alike, look_of
from smvl.doctor.inspection import UNEXPECTED, Group, Inspector
from smvl.doctor.language import languages_of
from smvl.doctor.rule_fixes import fix_of
from smvl.doctor.targets import targets_of_config
from smvl.doctor.text_overlap import NUM_BANDS, band_keys, overlap, plain, signatures_of, similarity
from smvl.doctor.token_count import TokenCount, TokenCounter, processor_of_config, processor_of_folder
from smvl.layouts.encoder_sides import sides_in
from smvl.packing.encode import Encoder
from smvl.source_registry import open_source
from tests.donors import save_text_donor, save_vision_donor
from tests.tiny_data import noise, text_row, write_rows
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
HANZI = "春夏秋冬山水花鸟风雨雷电金木土火日月星辰东南西北上下左右前后高低大小多少远近快慢新旧黑白红绿"


def chat(question: str, answer: str, **more) -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


def text(seed: int, length: int = 60) -> str:
    return "".join(np.random.default_rng(seed).choice(list(HANZI), length))


def about_image(image: str, question: str, answer: str) -> dict:
    return chat([{"type": "image", "image": image}, {"type": "text", "text": question}], answer)


def check(*arguments, out: Path, processes: int = 1) -> tuple[int, dict]:
    """The exit status and report.json."""
    status = main([*map(str, arguments), "--out", str(out), "--processes", str(processes)])
    return status, json.loads((out / "report.json").read_text(encoding="utf-8"))


def counts_of(repeats: dict) -> dict[str, int]:
    return {kind: entry["rows"] for kind, entry in repeats["kinds"].items()}


# ---- everything at once ------------------------------------------------------------------------------------------------------------


def write_planted(folder: Path) -> Path:
    """599 rows in `rows.jsonl`, with faults; 11 in `heldout.jsonl`, some of which are trained on."""
    (folder / "images").mkdir(parents=True)
    for number in range(20):
        noise(number, (48, 40)).resize((240, 200)).save(folder / f"images/{number}.png")
    Image.open(folder / "images/3.png").convert("RGB").resize((120, 100)).save(folder / "images/3-small.jpg")
    rows = [chat(f"问题{number}:{text(number)}?", text(1000 + number, 40)) for number in range(540)]
    rows += [about_image(f"images/{number}.png", f"图{number}里有什么?", text(2000 + number, 30)) for number in range(20)]
    rows += [about_image("images/3-small.jpg", "这是什么?", text(2999, 30))]  # looks like image 3
    rows += [about_image("images/4.png", "图4在哪里?", text(3000, 30))]  # the same image, another question
    rows += rows[:7]  # word for word
    rows += [chat(rows[20 + k]["messages"][0]["content"], rows[20 + k]["messages"][1]["content"] + "。好") for k in range(5)]
    rows += [about_image("images/5.png", "图3里有什么?", text(2003, 30))]  # the words of row 543 on another image
    rows += [chat("问", " ")] * 6 + [chat("问", "答", images=["images/0.png"] * 2) | {"messages": chat("<image>问", "答")["messages"]}] * 3
    rows += [about_image("images/lost.png", "?", "答")] * 2
    rows += [{"messages": [{"role": "narrator", "content": "!"}, {"role": "assistant", "content": "答"}]}] * 4
    path = write_rows(folder / "rows.jsonl", rows)
    noise(99, (240, 200)).save(folder / "images/cut.jpg")
    (folder / "images/cut.jpg").write_bytes((folder / "images/cut.jpg").read_bytes()[:9000])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"messages": [\n')
        file.write(json.dumps(about_image("images/cut.jpg", "?", "答")) + "\n")
        file.writelines(json.dumps(chat(text(5000 + number, 20), text(6000 + number, 20))) + "\n" for number in range(7))
    noise(77, (48, 40)).resize((240, 200)).save(folder / "images/new.png")
    heldout = [rows[100], chat(rows[101]["messages"][0]["content"], rows[101]["messages"][1]["content"] + "呢")]
    heldout += [about_image("images/6.png", "另一个问题?", "另一个回答"), about_image("images/new.png", "图7里有什么?", text(2007, 30))]
    noise(7, (48, 40)).resize((240, 200)).resize((180, 150)).save(folder / "images/7-other.jpg")
    heldout += [about_image("images/7-other.jpg", "又一个问题?", "又一个回答")]
    heldout += [chat(text(7000 + number), text(8000 + number)) for number in range(6)]
    write_rows(folder / "heldout.jsonl", heldout)
    return path


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[int, dict, Path]:
    """Status, report and folder of one check of all that is planted."""
    folder = tmp_path_factory.mktemp("planted")
    path = write_planted(folder / "data")
    status, report = check(path, "--against", folder / "data/heldout.jsonl", out=folder / "out")
    return status, report, folder


def test_every_broken_row_is_counted_by_its_rule_with_the_first_rows_and_the_fix(planted):
    _, report, folder = planted
    source = report["sources"][0]
    assert source["format"] == {"storage": "jsonl", "layouts": ["messages"]}
    counts = {rule: entry["count"] for rule, entry in source["broken"].items()}
    assert counts == {
        "empty answer": 6, "unknown role": 4, "image count": 3, "missing image": 2, "broken JSON": 1, "damaged image": 1,
    }  # fmt: skip
    assert (source["rows"], source["checked"], source["usable"]) == (599, 599, 582)
    empty = source["broken"]["empty answer"]
    assert [example["row"] for example in empty["examples"]] == [575, 576, 577]
    assert empty["fix"] == RULES["empty answer"] and "message 1 is the assistant's and is empty" in empty["examples"][0]["reason"]
    lines = (folder / "out/quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    assert Counter(json.loads(line)["rule"] for line in lines) == counts


def test_repeated_rows_and_images_are_counted_exactly(planted):
    _, report, _ = planted
    repeats = report["duplicates"]["training"]
    assert counts_of(repeats) == {
        "same row": 7, "nearly the same row": 5, "same words on other images": 1, "same image": 2, "images look alike": 1,
    }  # fmt: skip
    assert (repeats["rows"], repeats["images"], repeats["distinct_images"]) == (582, 23, 21)
    near = repeats["kinds"]["nearly the same row"]["examples"][0]
    assert (near["row"], near["of_row"]) == (569, 20) and near["exact_overlap"] > 0.9
    alike = repeats["kinds"]["images look alike"]["examples"]
    assert [(example["row"], example["of_row"]) for example in alike] == [(560, 543)]


def test_evaluation_data_that_is_trained_on_is_found_and_fails_the_check(planted):
    status, report, folder = planted
    assert counts_of(report["leakage"]) == {
        "same row": 1, "nearly the same row": 1, "same words on other images": 1, "same image": 1, "images look alike": 1,
    }  # fmt: skip
    errors = [finding["found"] for finding in report["findings"] if finding["level"] == "error"]
    assert status == 1
    assert errors == [
        "rows that are trained on, words and images: 1 (9.09%)",
        "rows that are nearly the same as rows trained on (an estimate): 1 (9.09%)",
        "rows with an image that is trained on: 1 (9.09%)",
    ]
    overlaps = [json.loads(line) for line in (folder / "out/overlaps.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = {(entry["kind"], entry["row"], entry["of_row"]) for entry in overlaps if entry["scope"] == "leakage"}
    assert pairs == {("same row", 0, 100), ("nearly the same row", 1, 101), ("same image", 2, 546), ("images look alike", 4, 547)}
    assert len([entry for entry in overlaps if entry["scope"] == "duplicates"]) == 7 + 5 + 1


def test_the_report_is_the_same_bytes_for_one_and_for_three_processes(planted):
    _, _, folder = planted
    check(folder / "data/rows.jsonl", "--against", folder / "data/heldout.jsonl", out=folder / "out3", processes=3)
    for name in ("report.json", "overlaps.jsonl", "quarantine.jsonl", "histograms.png"):
        assert (folder / "out" / name).read_bytes() == (folder / "out3" / name).read_bytes(), name


def test_without_pixels_damage_and_likeness_are_not_seen_and_the_same_bytes_still_are(planted):
    _, _, folder = planted
    _, report = check(folder / "data/rows.jsonl", "--no-pixels", out=folder / "out-headers")
    counts = counts_of(report["duplicates"]["training"])
    assert (counts["same image"], counts["images look alike"]) == (2, 0)
    assert "damaged image" not in report["sources"][0]["broken"]


def test_what_is_not_read_is_named_with_its_counts_on_the_page_and_in_the_report(tmp_path, capsys):
    rows = [chat("问", "答", score=5, meta={}), chat("问", "答", score=4, tags=["a"]), chat("问", "答")]
    rows[2]["messages"][0]["name"] = "小明"
    rows += [chat("问", " ", lost=1)]
    _, report = check(write_rows(tmp_path / "data/rows.jsonl", rows), "--no-pixels", out=tmp_path / "out")
    assert report["sources"][0]["not_read"] == {"score": 2, "tags": 1, "messages[].name": 1}
    page = capsys.readouterr().out
    assert "  Not read: score (2), tags (1), messages[].name (1)\n" in page
    assert "filled columns and keys that are not read: 3, named above" in page


def test_animations_are_counted_with_what_becomes_of_them(tmp_path, capsys):
    frames = [noise(number) for number in range(3)]
    (tmp_path / "data").mkdir()
    frames[0].save(tmp_path / "data/a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "data/b.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "data/c.png")
    path = write_rows(tmp_path / "data/rows.jsonl", [about_image(name, "?", "答") for name in ("a.gif", "b.tif", "c.png")])
    for options in ((), ("--no-pixels",)):
        assert check(path, *options, out=tmp_path / "out")[1]["sources"][0]["first_frames"] == 2
        assert "animations and images of several pages, of which the first is read: 2" in capsys.readouterr().out


def test_of_an_endless_text_only_the_beginning_is_compared_and_all_is_told_apart(tmp_path):
    endless = text(1, 1000) * 200
    rows = [chat("问", endless + end) for end in "甲乙甲"]
    _, report = check(write_rows(tmp_path / "data/rows.jsonl", rows), out=tmp_path / "out")
    assert report["sources"][0]["histograms"]["characters"]["max"] == 200_003  # the question, a line break, and the answer's last
    assert counts_of(report["duplicates"]["training"])["same row"] == 1
    assert counts_of(report["duplicates"]["training"])["nearly the same row"] == 1


# ---- lengths -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return folder


def test_histograms_are_exact_and_in_the_tokens_that_training_counts(run_folder, tmp_path):
    config = load_config(run_folder / "run.yaml")
    processor = processor_of_config(config.model, config.data)
    status, report = check(run_folder / "run.yaml", out=tmp_path)
    names = [Path(source["name"]).name for source in report["sources"]]
    assert names == ["tiny", "colours.jsonl", "text.jsonl", "colours.jsonl"]
    configs = [SourceConfig(path=str(run_folder / path)) for path in ("cauldron/tiny", "data/colours.jsonl", "data/text.jsonl")]
    for source, entry in zip(map(open_source, configs), report["sources"]):
        layouts = [Encoder(processor, None).lay_out(source[row]) for row in range(len(source))]
        tokens, tiles = Counter(len(layout.input_ids) for layout in layouts), Counter(layout.num_units for layout in layouts)
        assert entry["histograms"]["tokens"] == Histogram(tokens).to_json()
        assert entry["histograms"]["tiles"] == Histogram(tiles).to_json()
        kept = [Encoder(processor, 192).lay_out(source[row]) for row in range(len(source))]
        supervised = sum(layout.num_supervised for layout in kept) / sum(len(layout.input_ids) for layout in kept)
        assert entry["supervised_share"] == round(supervised, 6)
    images = [entry["histograms"]["images"]["ranges"] for entry in report["sources"]]
    assert images[0] == [{"low": 1, "high": 1, "count": 12}, {"low": 2, "high": 2, "count": 4}]
    assert images[2] == [{"low": 0, "high": 0, "count": 24}]


def test_what_is_done_to_samples_that_are_too_long_is_counted(run_folder, tmp_path):
    config = load_config(run_folder / "run.yaml", ["data.max_length=90"])
    source = open_source(SourceConfig(path=str(run_folder / "cauldron/tiny")))
    encoder = Encoder(processor_of_config(config.model, config.data), 90)
    shortened, left_out = Counter(), 0
    for row in range(len(source)):
        try:
            shortened.update(encoder.lay_out(source[row]).shortened)
        except ValueError:
            left_out += 1
    _, report = check(run_folder / "run.yaml", "data.max_length=90", out=tmp_path)
    too_long = report["sources"][0]["too_long"]
    assert too_long["fewer_tiles"] == shortened["fewer_tiles"] > 0 and too_long["left_out"] == left_out
    assert too_long["early_turns_dropped"] == shortened["early_turns_dropped"]
    advice = [finding["advice"] for finding in report["findings"] if "fewer tiles" in finding["found"]]
    assert advice and "99% of the samples fit data.max_length: 256" in advice[0]


def test_the_tokens_of_an_endless_sample_are_estimated_from_its_beginning(run_folder, monkeypatch):
    processor = processor_of_folder(run_folder / "text", DataConfig(image=ImageConfig()))
    question, answer = {"role": "user", "content": HANZI * 40}, {"role": "assistant", "content": "!"}
    sample = Sample("1", [question, answer, {"role": "user", "content": "?"}, answer], [], "test")
    exact = TokenCounter(processor, max_length=64, max_units=None)(sample, [])
    monkeypatch.setattr("smvl.doctor.token_count.MOST_COUNTED", 400)
    estimated = TokenCounter(processor, max_length=64, max_units=None)(sample, [])
    assert estimated.kept == exact.kept < 64 and abs(estimated.tokens - exact.tokens) < 0.05 * exact.tokens


@pytest.mark.parametrize("kind", ["smolvlm", "idefics3", "siglip"])
def test_tokens_of_a_tile_are_those_of_the_spliced_model(tmp_path, kind):
    vision, text_folder = save_vision_donor(tmp_path / "vision", kind=kind), save_text_donor(tmp_path / "text")
    for scale_factor in (None, 4):
        assert sides_in(vision, scale_factor).features == splice(vision, text_folder, scale_factor=scale_factor)[1].image_seq_len


def test_a_tokenizers_folder_or_a_checkpoint_counts_tokens_of_a_path(run_folder, tmp_path, capsys):
    text_path = run_folder / "data/text.jsonl"
    _, report = check(text_path, out=tmp_path / "characters")
    assert "characters" in report["sources"][0]["histograms"] and "supervised_share" not in report["sources"][0]
    assert "Characters a sample (give --model for tokens)" in capsys.readouterr().out
    _, report = check(text_path, "--model", run_folder / "text", out=tmp_path / "tokens")
    processor = processor_of_folder(run_folder / "text", DataConfig(image=ImageConfig()))
    processor.save_pretrained(tmp_path / "checkpoint")
    _, again = check(text_path, "--model", tmp_path / "checkpoint", out=tmp_path / "again")
    assert report["sources"] == again["sources"] and "tokens" in report["sources"][0]["histograms"]
    assert main([str(text_path), "--model", str(tmp_path / "nothing")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_ranges_are_round_and_the_long_tail_is_one_bar():
    histogram = Histogram(Counter({value: 10 for value in range(3, 113)}) + Counter({5000: 1}))
    ranges = histogram.ranges()
    assert [part.label for part in ranges[:2]] == ["0 to 9", "10 to 19"] and ranges[-1].label == "120 to 5,000"
    assert sum(part.count for part in ranges) == histogram.total == 1101
    assert (histogram.percentile(0.5), histogram.percentile(0.99), histogram.above(111)) == (58, 111, 11)
    assert "#" in histogram.bars("Tokens").splitlines()[-1]


# ---- configurations ------------------------------------------------------------------------------------------------------------------


def test_a_configuration_is_checked_source_by_source_and_its_heldout_data_for_leakage(run_folder, tmp_path):
    status, report = check(run_folder / "run.yaml", out=tmp_path)
    assert [source["role"] for source in report["sources"]] == ["training"] * 3 + ["evaluation"]
    assert [source["stages"] for source in report["sources"]] == [["align"], ["finetune"], ["finetune"], []]
    assert status == 1 and counts_of(report["leakage"])["same row"] == 24


def test_a_source_of_two_stages_is_looked_at_once_and_by_subset(run_folder):
    config = load_config(run_folder / "run.yaml")
    both = [{"source": "cauldron", "path": "c", "subsets": ["a", "b"]}]
    again = [{"source": "cauldron", "path": "c", "subsets": ["b"], "weight": 3.0}]
    tree = yaml.safe_load((run_folder / "run.yaml").read_text(encoding="utf-8"))
    tree["stages"][0]["mixture"], tree["stages"][1]["mixture"] = both, again
    path = run_folder / "two.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    targets = targets_of_config(load_config(path))
    assert [(target.name, target.stages) for target in targets[:2]] == [("c/a", ("align",)), ("c/b", ("align", "finetune"))]
    assert len(targets) == 3 and config.evaluation.heldout == targets[2].config


def test_a_source_that_cannot_be_opened_is_an_error_and_the_others_are_checked(run_folder, tmp_path, capsys):
    status, report = check(run_folder / "run.yaml", f"stages.0.mixture.0.path={tmp_path}/lost", "model.text=nowhere", out=tmp_path / "out")
    assert status == 1 and "there is no data in" in report["sources"][0]["refusal"]
    assert report["findings"][0]["level"] == "error" and report["sources"][1]["usable"] == 24
    assert report["settings"]["lengths"] == "characters"


def test_a_source_that_loses_too_many_rows_fails_the_check_and_the_key_decides(run_folder, tmp_path, capsys):
    path = write_rows(tmp_path / "rows.jsonl", [text_row(number) for number in range(18)] + [chat("问", "")] * 2)
    status, report = check(path, out=tmp_path / "out")
    found = report["findings"][0]
    assert status == 1 and found["level"] == "error"
    assert found["found"] == "10.00% of the rows are unusable, more than data.max_drop_share 5.00%: training would stop"
    assert "Broken, empty answer: 2." in (page := capsys.readouterr().out) and "row 18: rows.jsonl:18: message 1" in page


# ---- the command ---------------------------------------------------------------------------------------------------------------------


def test_clean_data_passes_and_warnings_fail_only_when_strict(tmp_path, capsys):
    rows = [chat(text(number), text(100 + number)) for number in range(30)]
    assert main([str(write_rows(tmp_path / "clean.jsonl", rows)), "--processes", "1"]) == 0
    assert "Nothing to mend." in capsys.readouterr().out and list(tmp_path.iterdir()) == [tmp_path / "clean.jsonl"]
    repeated = str(write_rows(tmp_path / "repeated.jsonl", rows + rows[:5]))
    assert main([repeated, "--processes", "1"]) == 0 and main([repeated, "--strict", "--processes", "1"]) == 1


def test_a_limit_draws_the_same_rows_for_a_seed(planted, tmp_path):
    _, _, folder = planted
    reports = [
        check(folder / "data/rows.jsonl", "--limit", 50, "--seed", seed, out=tmp_path / name)[1]
        for seed, name in ((1, "a"), (1, "b"), (2, "c"))
    ]
    assert reports[0] == reports[1] and reports[0]["sources"] != reports[2]["sources"]
    assert (reports[0]["sources"][0]["rows"], reports[0]["sources"][0]["checked"]) == (599, 50)


@pytest.mark.parametrize("training_is_broken", [True, False])
def test_data_without_a_usable_row_is_reported_too(tmp_path, training_is_broken):
    good, broken = write_rows(tmp_path / "good.jsonl", [text_row(0)]), write_rows(tmp_path / "broken.jsonl", [chat("问", "")] * 3)
    training, heldout = (broken, good) if training_is_broken else (good, broken)
    status, report = check(training, "--against", heldout, out=tmp_path / "out")
    assert status == 1 and sorted(source["usable"] for source in report["sources"]) == [0, 1]
    assert set(counts_of(report["leakage"]).values()) == {0}


def test_wrong_commands_end_with_two_and_say_what_was_expected(tmp_path, capsys):
    assert main([str(tmp_path / "lost.yaml")]) == 2 and "cannot read" in capsys.readouterr().err
    inside = ["data", "--out", "data/check"]
    for arguments in (["a.jsonl", "--limit", "0"], ["a.jsonl", "data.max_length=3"], ["a.yaml", "--max-length", "9"], inside):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2


def test_control_c_ends_it_and_all_its_processes(tmp_path):
    words = text(1)
    write_rows(tmp_path / "many.jsonl", [chat(f"{number}?", words) for number in range(1000)] * 40)
    command = [sys.executable, "-m", "smvl", "check", str(tmp_path / "many.jsonl"), "--processes", "2", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where these tests run in a shell's background
    )
    while not (tmp_path / "out/quarantine.jsonl").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=60)  # waits for every process that holds the pipes
    assert process.returncode == 130 and out == ""
    assert "nothing was concluded" in error and "Traceback" not in error


def test_without_a_tokenizer_nothing_heavy_is_loaded(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [text_row(number) for number in range(3)])
    program = f"import sys; from smvl.doctor.command import main; main([{str(path)!r}, '--processes', '1']); "
    program += "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True)


def _end_at_three(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_a_process_that_is_killed_ends_the_check_with_a_reason():
    with pytest.raises(ValueError, match="a process was killed from outside"):
        list(in_order(_end_at_three, range(10), num_processes=2))


def test_results_come_in_the_order_of_the_tasks():
    assert list(in_order(abs, range(-50, 0), num_processes=3)) == list(range(50, 0, -1))


def test_an_error_that_no_rule_foresees_is_a_broken_row(tmp_path):
    source = open_source(SourceConfig(path=str(write_rows(tmp_path / "rows.jsonl", [text_row(0), text_row(1)]))))

    def counter(sample, sizes):
        if sample.id == "text-1":
            raise KeyError("lost")
        return TokenCount(tokens=5, kept=5, supervised=2, shortened=())

    facts = Inspector([source], counter, pixels=True)(Group(0, [0, 1]))
    assert [(failure.id, failure.rule, failure.reason) for failure in facts.failures] == [("1", UNEXPECTED, "KeyError: 'lost'")]
    assert facts.usable.tolist() == [True, False] and facts.tally.lengths == {5: 1}


def test_every_rule_has_advice():
    assert all(fix_of(rule) for rule in [*RULES, UNEXPECTED])


# ---- texts and images ----------------------------------------------------------------------------------------------------------------


def test_languages_go_by_the_script_of_words():
    texts = [
        "图中有什么?一只猫。",
        "What is it? A cat.",
        "これは猫です。",
        "这是 iPhone 手机的屏幕截图,上面有时间",
        "Что это?",
        "3 + 4 = 7",
        "",
    ]
    texts += ["这张图 shows a cat sitting on the table 旁边"]
    names, letters = languages_of(texts)
    assert names == ["chinese", "english", "other", "chinese", "other", "no letters", "no letters", "mixed"]
    assert languages_of(["图中a", "été"])[1].tolist() == [2, 4, 0] and letters[2] == 6 + 6
    assert languages_of([])[0] == []


def test_the_estimate_of_overlap_is_near_the_exact_one():
    base = text(1, 200)
    variants = [base[:-cut] + text(50 + cut, cut) if cut else base for cut in (0, 5, 20, 60, 120)]
    signatures, has_signature = signatures_of([plain(base), *map(plain, variants), plain("短文")])
    assert has_signature.tolist() == [True] * 6 + [False]
    estimates = similarity(np.repeat(signatures[:1], 5, axis=0), signatures[1:6])
    exact = [overlap(base, variant) for variant in variants]
    assert exact[0] == 1 and exact[-1] < 0.4 and np.abs(estimates - exact).max() < 0.1
    shared = [sum(band_keys(signatures[:1], band) == band_keys(signatures[2:3], band) for band in range(NUM_BANDS))]
    assert shared[0] >= 10


def test_a_signature_does_not_depend_on_its_neighbours():
    texts = [plain(text(seed, 30 + seed)) for seed in range(40)]
    together, _ = signatures_of(texts)
    assert all((together[number] == signatures_of([one])[0][0]).all() for number, one in enumerate(texts))


def test_another_size_or_compression_looks_the_same_and_another_colour_does_not():
    picture = noise(1, (12, 9)).resize((640, 480))
    smaller = picture.resize((320, 240))
    red, green = (Image.new("RGB", (200, 200), "white") for _ in range(2))
    for image, colour in ((red, (220, 30, 30)), (green, (30, 120, 60))):
        for column in range(0, 200, 40):
            image.paste(colour, (column, 20, column + 20, 180))
    looks = {name: np.frombuffer(look_of(image), np.uint8)[None] for name, image in
             {"picture": picture, "smaller": smaller, "other": noise(2, (12, 9)).resize((640, 480)), "red": red, "green": green,
              "white": Image.new("RGB", (50, 50), "white")}.items()}  # fmt: skip
    assert look_alike(looks["picture"], looks["smaller"]).all()
    assert not look_alike(looks["picture"], looks["other"]).any()
    assert look_alike(looks["red"], looks["red"]).all() and not look_alike(looks["red"], looks["green"]).any()
    assert not look_alike(looks["white"], looks["white"]).any()  # nothing to tell it by
