"""smvl/data: samples check themselves, sources use all images and turns, mixtures hold their shares, swaps keep the task."""

import json

import pytest

from smvl.config import SourceConfig
from smvl.data.quarantine import Failure, Quarantine, QuarantineError
from smvl.data.registry import open_source
from smvl.data.sample import Sample, SampleError
from smvl.data.sources.cauldron import Cauldron
from smvl.data.sources.json_lines import JsonLines
from smvl.data.swapping import swap_images
from smvl.processing.images import read_image
from tests.tiny_data import COLOURS, image_row, text_row, write_cauldron, write_images, write_json_lines, write_rows

USER, ASSISTANT = {"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}
IMAGE_QUESTION = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}


def make(messages, images=(), **options) -> Sample:
    return Sample(id="1", messages=messages, images=list(images), source="test", **options)


# ---- samples ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "images", "rule"),
    [
        ([], [], "no messages"),
        ([USER], [], "no answer"),
        ([ASSISTANT], [], "no question"),
        ([USER, {"role": "bot", "content": "!"}], [], "unknown role"),
        ([USER, {"content": "!"}], [], "message form"),
        ([USER, {"role": "assistant", "content": "  "}], [], "empty answer"),
        ([USER, ASSISTANT, {"role": "system", "content": "s"}, ASSISTANT], [], "system position"),
        ([IMAGE_QUESTION, ASSISTANT], [], "image count"),
        ([USER, ASSISTANT], ["a.png"], "image count"),
        ([USER, {"role": "assistant", "content": [{"type": "image"}]}], ["a.png"], "image in answer"),
        ([{"role": "user", "content": [{"type": "video"}]}, ASSISTANT], [], "content part"),
        ([{"role": "user", "content": 3}, ASSISTANT], [], "content form"),
    ],
)
def test_a_row_that_breaks_a_rule_names_it(messages, images, rule):
    with pytest.raises(SampleError) as error:
        make(messages, images)
    assert error.value.rule == rule


def test_an_answer_may_be_a_tool_call_alone():
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    assert make([USER, call]).answer == ""


# ---- sources ---------------------------------------------------------------------------------------------------------------------


def test_the_cauldron_gives_all_images_and_all_turns(tmp_path):
    source = Cauldron(write_cauldron(tmp_path), ["tiny"])
    assert len(source) == 16
    first, second = source[0], source[1]
    assert len(first.images) == 2 and len(second.images) == 1
    assert [message["role"] for message in second.messages] == ["user", "assistant", "user", "assistant"]
    names = list(COLOURS)
    assert second.messages[1]["content"] == names[1] and second.messages[3]["content"] == names[1]
    assert [part["type"] for part in first.messages[0]["content"]] == ["image", "image", "text"]
    assert read_image(first.images[1]).getpixel((0, 0)) == COLOURS[names[1]]


def test_json_lines_resolve_images_beside_the_file(tmp_path):
    write_json_lines(tmp_path, num_rows=5)
    source = JsonLines(tmp_path / "colours.jsonl")
    assert len(source) == 5 and source[2].task == "colour" and source[2].id == "colour-2"
    assert read_image(source[2].images[0]).getpixel((0, 0)) == COLOURS["蓝色"]
    assert source[2].answer == "蓝色"


def test_json_lines_take_images_from_parts_from_urls_and_from_a_list(tmp_path):
    (path, colour), (other, _) = write_images(tmp_path)[:2]
    by_url = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": path}}, {"type": "text", "text": "?"}]}
    by_list = {"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "?"}]}
    rows = [
        {"messages": [by_url, {"role": "assistant", "content": colour}]},
        {"messages": [by_list, {"role": "assistant", "content": colour}], "images": [path, other]},
    ]
    source = JsonLines(write_rows(tmp_path / "rows.jsonl", rows))
    assert source[0].images == [str(tmp_path / path)]
    assert source[1].images == [str(tmp_path / path), str(tmp_path / other)]


def test_a_folder_of_json_lines_is_read_file_by_file(tmp_path):
    write_rows(tmp_path / "b.jsonl", [text_row(1)])
    write_rows(tmp_path / "a.jsonl", [text_row(0), text_row(2)])
    source = JsonLines(tmp_path)
    assert [source[row].id for row in range(len(source))] == ["text-0", "text-2", "text-1"]


def test_a_broken_line_is_an_error_of_that_line_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(text_row(0)) + "\n\n{broken\n" + json.dumps(text_row(1)) + "\n", encoding="utf-8")
    source = JsonLines(path)
    assert len(source) == 3 and source[2].id == "text-1"
    with pytest.raises(SampleError, match="rows.jsonl:1: this line is not JSON"):
        source[1]


def test_empty_or_missing_data_is_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"empty.jsonl: the data set is empty"):
        JsonLines(tmp_path / "empty.jsonl")
    with pytest.raises(ValueError, match="there is no .jsonl file here"):
        JsonLines(tmp_path / "nothing")
    with pytest.raises(ValueError, match="there is no folder no_such_subset"):
        Cauldron(tmp_path, ["no_such_subset"])
    with pytest.raises(ValueError, match="there is no .parquet file here"):
        Cauldron(tmp_path)
    with pytest.raises(ValueError, match="the source 'jsonlines' is unknown; expected one of cauldron, jsonl"):
        open_source(SourceConfig(source="jsonlines", path=str(tmp_path)))


# ---- quarantine ------------------------------------------------------------------------------------------------------------------


def test_too_many_failures_stop_the_run_with_the_counts(tmp_path):
    quarantine = Quarantine(tmp_path / "q.jsonl", max_share=0.02)
    quarantine.saw(100)
    quarantine.add(Failure("1", "s", "broken JSON", "because"))
    quarantine.add(Failure("1", "s", "broken JSON", "because"))
    quarantine.add(Failure("2", "s", "empty answer", "because"))
    with pytest.raises(
        QuarantineError, match=r"3 of 100 rows could not be used \(broken JSON: 2, empty answer: 1\), more than data.max_drop_share 0.02"
    ):
        quarantine.add(Failure("3", "s", "broken JSON", "because"))
    assert len((tmp_path / "q.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_a_small_data_set_is_judged_at_the_end():
    quarantine = Quarantine(None, max_share=0.1)
    quarantine.saw(4)
    quarantine.add(Failure("1", "s", "r", "because"))
    with pytest.raises(QuarantineError):
        quarantine.check(final=True)


# ---- swapping --------------------------------------------------------------------------------------------------------------------


def test_images_are_swapped_within_a_task_and_never_with_oneself(tmp_path):
    images = [path for path, _ in write_images(tmp_path)]
    samples = [make(image_row(0, image, "红色")["messages"], [image], task=task) for image, task in zip(images, ["a", "b", "a", "b"])]
    assert [sample.images for sample in swap_images(samples)] == [[images[2]], [images[3]], [images[0]], [images[1]]]


def test_a_sample_alone_in_its_task_gets_another_tasks_image_and_one_alone_in_its_count_is_left_out():
    single, double = IMAGE_QUESTION, {"role": "user", "content": [{"type": "image"}, {"type": "image"}]}
    samples = [make([single, ASSISTANT], [name], task=task) for name, task in (("x", "a"), ("y", "a"), ("z", "b"))]
    swapped = swap_images([*samples, make([double, ASSISTANT], ["p", "q"]), make([USER, ASSISTANT])])
    assert [sample.images for sample in swapped[:3]] == [["y"], ["x"], ["x"]]
    assert len(swapped) == 4 and swapped[3].images == []
