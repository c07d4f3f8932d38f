"""smvl/source_registry and sources: every storage and every layout is found by looking, and gives the same samples."""

import io
import json
import logging
import re
import shutil
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from smvl.config import SourceConfig
from smvl.data.sample import SampleError
from smvl.data.sources.cauldron import BROKEN, SUBSETS
from smvl.data.sources.layouts import LAYOUT_NAMES, LAYOUTS
from smvl.data.sources.listed_images import IMAGE_COLUMNS
from smvl.data.sources.row_source import RowSource
from smvl.source_registry import SOURCES, check_source, open_source
from tests import rows as fixtures
from tests.rows import (
    CALLED,
    CHATTED,
    IMAGE_LAYOUTS,
    JSON_STORAGES,
    SCHEMA,
    SEEN,
    TABLE_STORAGES,
    TEXT_ROWS,
    TOOL_ROWS,
    image_forms,
    in_memory,
    summary,
)
from tests.tiny_data import COLOURS, image_row, text_row, write_cauldron, write_images, write_json_lines, write_rows

TEXT = {"type": "text", "text": "?"}
SEEN_SUMMARIES = [(messages, colours, None) for messages, colours in SEEN]
CALLED_SUMMARY = (CALLED, [], [{"type": "function", "function": SCHEMA}])
CHATTED_SUMMARY = (CHATTED, [], None)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def open_path(path: Path, **options) -> RowSource:
    return open_source(SourceConfig(path=str(path), **options))


def summaries(source) -> list[tuple]:
    return [summary(source[row]) for row in range(len(source))]


def refused(row, **options) -> SampleError:
    with pytest.raises(SampleError) as error:
        in_memory(text_row(0), row, **options)[1]
    return error.value


# ---- layouts, in storages without a schema ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", JSON_STORAGES)
@pytest.mark.parametrize("layout", IMAGE_LAYOUTS)
def test_every_layout_with_images_gives_the_same_samples(tmp_path, layout, storage):
    rows = IMAGE_LAYOUTS[layout](image_forms(tmp_path)["path"])
    assert summaries(open_path(JSON_STORAGES[storage](tmp_path, rows))) == SEEN_SUMMARIES


@pytest.mark.parametrize("form", ["path", "absolute path", "file URL", "base64", "data URL", "struct of base64", "struct of a path"])
@pytest.mark.parametrize("layout", IMAGE_LAYOUTS)
def test_every_form_of_an_image_gives_the_same_samples(tmp_path, layout, form):
    rows = IMAGE_LAYOUTS[layout](image_forms(tmp_path)[form])
    assert summaries(open_path(write_rows(tmp_path / "rows.jsonl", rows))) == SEEN_SUMMARIES


@pytest.mark.parametrize("layout", IMAGE_LAYOUTS)
def test_bytes_and_pictures_in_memory_give_the_same_samples(tmp_path, layout):
    forms = image_forms(tmp_path)
    for form in (forms["bytes"], forms["struct"], lambda colour: Image.open(io.BytesIO(forms["bytes"](colour)))):
        assert summaries(in_memory(*IMAGE_LAYOUTS[layout](form))) == SEEN_SUMMARIES


@pytest.mark.parametrize("storage", JSON_STORAGES)
@pytest.mark.parametrize("layout", TOOL_ROWS)
def test_every_form_of_a_tool_call_gives_the_same_sample(tmp_path, layout, storage):
    assert summaries(open_path(JSON_STORAGES[storage](tmp_path, [TOOL_ROWS[layout]]))) == [CALLED_SUMMARY]


@pytest.mark.parametrize("layout", TEXT_ROWS)
def test_every_layout_of_a_chat_gives_the_same_sample(tmp_path, layout):
    path = write_rows(tmp_path / "rows.jsonl", [TEXT_ROWS[layout]])
    assert summaries(open_path(path)) == summaries(open_path(path, text=True)) == [CHATTED_SUMMARY]


def test_rows_of_one_file_may_each_have_a_layout_of_their_own(tmp_path):
    image = image_forms(tmp_path)["path"]
    rows = [rows for layout in IMAGE_LAYOUTS.values() for rows in layout(image)] + [*TOOL_ROWS.values(), *TEXT_ROWS.values()]
    expected = SEEN_SUMMARIES * len(IMAGE_LAYOUTS) + [CALLED_SUMMARY] * len(TOOL_ROWS) + [CHATTED_SUMMARY] * len(TEXT_ROWS)
    assert summaries(open_path(write_rows(tmp_path / "rows.jsonl", rows))) == expected


def test_the_table_of_layouts_names_them_all():
    import smvl.data.sources.layouts as module

    for word in [*LAYOUT_NAMES, *IMAGE_COLUMNS, *(column for layout in LAYOUTS for column in layout.columns)]:
        assert word in module.__doc__


def test_alpacas_input_is_joined_to_the_instruction(tmp_path):
    rows = [{"instruction": "翻译", "input": "你好", "output": "hello"}, {"instruction": "翻译", "context": "你好", "response": "hello"}]
    for sample in map(in_memory(*rows).__getitem__, range(2)):
        assert [message["content"] for message in sample.messages] == ["翻译\n你好", "hello"]


def test_images_stand_where_their_placeholders_do():
    row = {"image": [b"1", b"2"], "conversations": [{"from": "human", "value": "甲<image>\n乙\n<image>"}, {"from": "gpt", "value": "丙"}]}
    content = in_memory(row)[0].messages[0]["content"]
    texts = [{"type": "text", "text": "甲"}, {"type": "image"}, {"type": "text", "text": "乙"}, {"type": "image"}]
    assert content == texts


def test_a_placeholder_is_a_word_in_parts_in_answers_and_in_pure_text():
    parts = [{"type": "image", "image": b"1"}, {"type": "text", "text": "什么是<image>标签?"}]
    row = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "<image>是SVG的元素。"}]}
    sample = in_memory(row)[0]
    assert sample.messages[0]["content"] == [{"type": "image"}, parts[1]] and sample.answer == "<image>是SVG的元素。"
    row = {"question": "什么是<image>?", "answer": "一个标签。"}
    assert in_memory(row, text=True)[0].messages[0]["content"] == "什么是<image>?"
    assert refused(row).rule == "image count"


def test_reasoning_stays_with_its_answer():
    for key in ("reasoning_content", "reasoning", "thinking"):
        row = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!", key: "想一想"}]}
        assert in_memory(row)[0].messages[1] == {"role": "assistant", "content": "!", "reasoning_content": "想一想"}


def test_ids_and_tasks_come_from_the_row_or_say_where_it_stands(tmp_path):
    rows = [text_row(0), {"question": "?", "answer": "!"}, {"id": 7, "question": "?", "answer": "!", "task": None}]
    source = open_path(write_rows(tmp_path / "rows.jsonl", rows))
    assert [(source[row].id, source[row].task) for row in range(3)] == [("text-0", "text"), ("rows.jsonl:1", ""), ("7", "")]
    assert source[1].source == source.name == f"{tmp_path.name}/rows.jsonl"
    for make in (fixtures.texts_rows, fixtures.finevision_rows):
        assert in_memory(*make(lambda colour: b"1"))[0].task == "tiny"


def test_null_and_nan_columns_are_as_good_as_absent(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = '{"id": NaN, "image": NaN, "images": null, "tools": NaN, "system": null, "messages": null, "question": "?", "answer": "!"}\n'
    path.write_text(row, encoding="utf-8")
    sample = open_path(path)[0]
    assert (sample.id, sample.images, sample.tools, sample.answer) == ("rows.jsonl:0", [], None, "!")


# ---- tables ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", TABLE_STORAGES)
@pytest.mark.parametrize("layout", ["cauldron", "finevision", "sharegpt", "images column", "indexed parts", "messages with placeholders"])
def test_every_table_gives_the_same_samples(tmp_path, layout, storage):
    (tmp_path / "data").mkdir()
    rows = IMAGE_LAYOUTS[layout](image_forms(tmp_path)["struct"])
    rows = [_for_arrow(row) for row in rows]
    source = open_path(TABLE_STORAGES[storage](tmp_path / "data", rows))
    assert summaries(source) == SEEN_SUMMARIES


def _for_arrow(row: dict) -> dict:
    """A column of a table has one type, so all contents are parts if one is."""
    if "messages" in row and not all(isinstance(message["content"], str) for message in row["messages"]):
        parts = [
            message["content"] if isinstance(message["content"], list) else [{"type": "text", "text": message["content"]}]
            for message in row["messages"]
        ]
        full = [[{"index": None, "text": None, **part} for part in content] for content in parts]
        return {**row, "messages": [{**message, "content": content} for message, content in zip(row["messages"], full)]}
    return row


def test_a_table_may_keep_conversations_as_json_text(tmp_path):
    """As minimind-v's data does, with the images as a list of bytes."""
    rows = fixtures.llava_rows(image_forms(tmp_path)["bytes"])
    rows = [
        {
            "conversations": json.dumps(row["conversations"]),
            "image_bytes": row["image"] if isinstance(row["image"], list) else [row["image"]],
        }
        for row in rows
    ]
    assert summaries(open_path(fixtures.store_parquet(tmp_path, rows))) == SEEN_SUMMARIES


@pytest.mark.parametrize("form", ["bytes", "base64", "path", "data URL"])
def test_every_form_of_an_image_may_stand_in_a_table(tmp_path, form):
    path = fixtures.store_parquet(tmp_path, fixtures.texts_rows(image_forms(tmp_path)[form]))
    assert summaries(open_path(path)) == SEEN_SUMMARIES


def test_images_of_a_table_stay_bytes_until_they_are_read(tmp_path):
    features = datasets.Features(
        {
            "images": datasets.List(datasets.Image()),
            "texts": datasets.List({"user": datasets.Value("string"), "assistant": datasets.Value("string")}),
        }
    )
    broken = {"images": [{"bytes": b"no image", "path": None}], "texts": [{"user": "?", "assistant": "!"}]}
    datasets.Dataset.from_list([broken], features=features).to_parquet(tmp_path / "a.parquet")
    assert open_path(tmp_path / "a.parquet")[0].images == [{"bytes": b"no image", "path": None}]


def test_the_keys_that_a_table_gives_to_all_objects_do_not_become_arguments(tmp_path):
    other = {"name": "find", "arguments": {"words": "灯"}}
    rows = [
        {"messages": [CALLED[0], {"role": "assistant", "content": "", "tool_calls": [{"function": call}]}], "tools": [{"function": SCHEMA}]}
        for call in (fixtures.CALL, other)
    ]
    source = open_path(fixtures.store_parquet(tmp_path, rows))
    assert [source[row].messages[1]["tool_calls"][0]["function"] for row in range(2)] == [fixtures.CALL, other]


ASKED = [{"question": "?", "answer": f"{number}"} for number in range(2)]
SHARDS = {
    "null, then a struct": [[{**row, "image": None} for row in ASKED], [{**row, "image": {"bytes": b"1", "path": None}} for row in ASKED]],
    "a struct, then null": [[{**row, "image": {"bytes": b"1", "path": None}} for row in ASKED], [{**row, "image": None} for row in ASKED]],
    "numbers, then texts": [[{**row, "id": 1} for row in ASKED], [{**row, "id": "a"} for row in ASKED]],
    "a key more": [
        [{"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "0"}]}],
        [{"messages": [{"role": "user", "content": "?", "name": None}, {"role": "assistant", "content": "1", "name": "x"}]}],
    ],
    "words, then parts": [
        [{"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "0"}]}],
        [{"messages": [{"role": "user", "content": [TEXT]}, {"role": "assistant", "content": [{"type": "text", "text": "1"}]}]}],
    ],
}


@pytest.mark.parametrize("shards", SHARDS)
def test_a_column_may_have_another_type_in_each_file(tmp_path, shards):
    for number, rows in enumerate(SHARDS[shards]):
        datasets.Dataset.from_list(rows).to_parquet(tmp_path / f"train-{number:05d}.parquet")
    source = open_path(tmp_path)
    rows = [row for shard in SHARDS[shards] for row in shard]
    expected = [row["answer"] if "answer" in row else str(number) for number, row in enumerate(rows)]
    assert [source[row].answer for row in range(len(source))] == expected
    assert [len(source[row].images) for row in range(len(source))] == [int(row.get("image") is not None) for row in rows]
    assert len({source.locate(row) for row in range(len(source))}) == len(rows)


def test_a_file_without_rows_is_no_row_and_a_table_without_rows_is_refused(tmp_path):
    datasets.Dataset.from_list(ASKED).select([]).to_parquet(tmp_path / "train-00000.parquet")
    with pytest.raises(ValueError, match="the data set is empty; expected at least one row"):
        open_path(tmp_path)
    datasets.Dataset.from_list(ASKED).to_parquet(tmp_path / "train-00001.parquet")
    pyarrow.parquet.write_table(pyarrow.table({}), tmp_path / "train-00002.parquet")
    assert [open_path(tmp_path)[row].answer for row in range(2)] == ["0", "1"]


def test_a_type_that_cannot_be_read_is_refused_with_the_file(tmp_path):
    column = pyarrow.array([[("a", 1)], [("b", 2)]], pyarrow.map_(pyarrow.string(), pyarrow.int64()))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ASKED).append_column("m", column), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="a.parquet: this table cannot be read .*map<string, int64.* Write it again without that column"):
        open_path(tmp_path)


def test_two_columns_of_one_name_are_refused_in_one_line(tmp_path):
    arrays = [pyarrow.array([text]) for text in ("?", "!", "!!")]
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, names=["question", "answer", "answer"]), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"^[^\n]*a.parquet: this table cannot be read .*answer[^\n]*$"):
        open_path(tmp_path)


def test_a_cell_that_cannot_be_read_breaks_its_row(tmp_path):
    table = pyarrow.Table.from_pylist([*ASKED, {"question": "?", "answer": "good"}])
    dates = pyarrow.array([2**62, 0, 0], pyarrow.timestamp("us"))
    offsets = pyarrow.array([0, 1, 3, 4], pyarrow.int32()).buffers()[1]
    texts = pyarrow.Array.from_buffers(pyarrow.string(), 3, [None, offsets, pyarrow.py_buffer(b"a\xff\xffc")])
    pyarrow.parquet.write_table(table.append_column("date", dates).append_column("text", texts), tmp_path / "a.parquet")
    source = open_path(tmp_path / "a.parquet")
    assert source[2].answer == "good"
    for row, rule in enumerate(("row form", "text encoding")):
        with pytest.raises(SampleError, match=f"a.parquet:{row}: a column") as error:
            source[row]
        assert error.value.rule == rule


# ---- The Cauldron ----------------------------------------------------------------------------------------------------------------


def test_the_cauldron_gives_all_images_and_all_turns(tmp_path):
    source = open_path(write_cauldron(tmp_path), source="cauldron", subsets=["tiny"])
    assert len(source) == 16 and source.name == f"{tmp_path.parent.name}/{tmp_path.name}[tiny]"
    first, second = source[0], source[1]
    assert len(first.images) == 2 and len(second.images) == 1
    assert [message["role"] for message in second.messages] == ["user", "assistant", "user", "assistant"]
    names = list(COLOURS)
    assert second.messages[1]["content"] == names[1] and second.messages[3]["content"] == names[1]
    assert [part["type"] for part in first.messages[0]["content"]] == ["image", "image", "text"]


def test_there_are_fifty_subsets_and_five_of_them_are_broken():
    assert len(SUBSETS) == len(set(SUBSETS)) == 50 and SUBSETS == sorted(SUBSETS)
    assert len(BROKEN) == 5 and BROKEN.keys() <= set(SUBSETS)


@pytest.fixture
def the_cauldron(tmp_path) -> Path:
    """A copy with three subsets, one of them broken."""
    for subset in ("ai2d", "ocrvqa", "vsr"):
        (tmp_path / "the_cauldron" / subset).mkdir(parents=True)
        row = fixtures.texts_rows(image_forms(tmp_path)["struct"])[0]
        datasets.Dataset.from_list([row]).to_parquet(tmp_path / "the_cauldron" / subset / "train-00000-of-00001.parquet")
    return tmp_path / "the_cauldron"


@pytest.mark.parametrize("subset", sorted(BROKEN))
def test_a_broken_subset_is_refused_with_the_reason(the_cauldron, subset):
    copy = shutil.copytree(the_cauldron, the_cauldron.with_name("copy"))
    for options in ({"path": str(the_cauldron)}, {"path": str(copy), "source": "cauldron"}):
        config = SourceConfig(subsets=["ai2d", subset], **options)
        for refuse in (check_source, open_source):
            with pytest.raises(ValueError, match=f"the subset {subset} of The Cauldron is not read .*reported broken"):
                refuse(config)
    with pytest.raises(ValueError, match=f"the subset {subset}"):
        check_source(SourceConfig(path="HuggingFaceM4/the_cauldron", subsets=[subset]))


@pytest.mark.parametrize("second", ["./tiny", "tiny/", "tiny/part", "linked", "../folder/tiny"])
def test_a_subset_that_is_another_one_or_lies_in_it_is_refused(tmp_path, second):
    for folder in ("tiny/part", "other"):
        (tmp_path / "folder" / folder).mkdir(parents=True)
        write_rows(tmp_path / "folder" / folder / "rows.jsonl", [text_row(0)])
    (tmp_path / "folder/linked").symlink_to(tmp_path / "folder/tiny")
    for subsets in (["tiny", second], [second, "other", "tiny"]):
        for refuse in (check_source, open_source):
            with pytest.raises(ValueError, match=r"folder: the subset \S+ is the folder \S+, or lies in it: rows would be read twice"):
                refuse(SourceConfig(path=str(tmp_path / "folder"), subsets=subsets))
    assert len(open_path(tmp_path / "folder", subsets=["tiny", "other"])) == 2


def test_a_subset_that_is_named_twice_is_refused_wherever_the_data_lie():
    for path in ("folder", "owner/name"):
        with pytest.raises(ValueError, match="subsets: found 'tiny', expected each once; `weight` says how often its rows are drawn"):
            SourceConfig(path=path, subsets=["tiny", "a", "tiny"])


def test_without_names_the_broken_subsets_are_left_out_and_named(the_cauldron, caplog):
    with caplog.at_level(logging.WARNING):
        source = open_path(the_cauldron)
    assert [part.name for part in source.storage.parts] == ["ai2d/train-00000-of-00001.parquet", "vsr/train-00000-of-00001.parquet"]
    assert "left out ocrvqa, known to be broken at the source" in caplog.text
    with pytest.raises(ValueError, match="the subset ocrvqa"):
        open_path(the_cauldron / "ocrvqa")


def test_finevision_has_subsets_of_the_same_names_and_they_are_read(the_cauldron):
    assert len(open_path(the_cauldron.rename(the_cauldron.with_name("FineVision")))) == 3


@pytest.mark.parametrize(("subset", "nearest"), [("textcap", "textcaps"), ("ai2", "ai2d"), ("cocoqaa", "cocoqa")])
def test_a_misspelt_subset_gets_the_nearest_name(the_cauldron, subset, nearest):
    with pytest.raises(ValueError, match=rf"there is no subset {subset} \(did you mean {nearest}\?\)"):
        open_path(the_cauldron, subsets=[subset])


# ---- what lies in a folder ---------------------------------------------------------------------------------------------------------


def test_json_lines_resolve_images_beside_the_file(tmp_path):
    write_json_lines(tmp_path, num_rows=5)
    source = open_path(tmp_path / "colours.jsonl")
    assert len(source) == 5 and source[2].task == "colour" and source[2].id == "colour-2"
    assert source[2].images == [str(tmp_path / "images/2.png")] and source[2].answer == "蓝色"


def test_a_folder_is_read_file_by_file_in_the_order_of_names(tmp_path):
    write_rows(tmp_path / "b.jsonl", [text_row(1)])
    write_rows(tmp_path / "a/x.jsonl", [text_row(0), text_row(2)])
    source = open_path(tmp_path)
    assert [source[row].id for row in range(3)] == ["text-0", "text-2", "text-1"]
    assert [source.locate(row) for row in range(3)] == ["a/x.jsonl:0", "a/x.jsonl:1", "b.jsonl:0"]
    assert source.files == [tmp_path / "a/x.jsonl", tmp_path / "b.jsonl"]
    with pytest.raises(IndexError):
        source[3]


def test_images_lie_beside_their_file_and_anywhere_in_the_folder(tmp_path):
    write_images(tmp_path)
    write_rows(tmp_path / "annotations/a.jsonl", [image_row(0, "../images/0.png", "红色")])
    assert summary(open_path(tmp_path)[0])[1] == ["红色"]
    with pytest.raises(SampleError, match="out of the data folder .*annotations") as error:
        open_path(tmp_path / "annotations/a.jsonl")[0]
    assert error.value.rule == "image path"


@pytest.mark.parametrize(("split", "found"), [("train", ["text-0"]), ("test", ["text-1"]), ("val", ["text-2"]), ("validation", ["text-2"])])
def test_the_split_is_told_from_the_names_of_files_and_folders(tmp_path, split, found):
    for number, name in enumerate(("train-00000-of-00001", "test", "val2017/a")):
        write_rows(tmp_path / f"{name}.jsonl", [text_row(number)])
    source = open_path(tmp_path, split=split)
    assert [source[row].id for row in range(len(source))] == found


def test_a_split_that_is_not_there_is_refused_but_a_file_is_read_whatever_its_name(tmp_path):
    path = write_rows(tmp_path / "test.jsonl", [text_row(0)])
    with pytest.raises(ValueError, match="no file belongs to the split 'train'; found test"):
        open_path(tmp_path)
    assert len(open_path(path)) == 1


def test_files_that_describe_data_are_no_data(tmp_path):
    write_rows(tmp_path / "a.jsonl", [text_row(0)])
    (tmp_path / "dataset_infos.json").write_text('{"default": {}}', encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"a": 1}, indent=2), encoding="utf-8")
    assert len(open_path(tmp_path)) == 1


def test_packed_rows_beside_others_are_named(tmp_path, caplog):
    write_rows(tmp_path / "a.jsonl", [text_row(0)])
    (tmp_path / "b.jsonl.gz").write_bytes(b"")
    (tmp_path / "pictures.zip").write_bytes(b"")
    assert len(open_path(tmp_path)) == 1
    assert "left aside b.jsonl.gz, which must be unpacked to be read" in caplog.text


def test_data_of_several_kinds_is_refused_until_one_is_named(tmp_path):
    fixtures.store_json_lines(tmp_path, [text_row(0)])
    fixtures.store_parquet(tmp_path, [{"question": "?", "answer": "!"}] * 2)
    with pytest.raises(ValueError, match=r"data of several kinds \(jsonl, parquet\); set `source`"):
        open_path(tmp_path)
    assert [len(open_path(tmp_path, source=kind)) for kind in ("jsonl", "parquet")] == [1, 2]


def test_a_named_format_reads_nothing_else(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [text_row(0)])
    with pytest.raises(ValueError, match="there is no parquet data here; found jsonl, which `source: auto` reads"):
        open_path(path, source="parquet")
    with pytest.raises(
        ValueError, match=r"a.jsonl: no layout fits .*found the columns id, messages, task; .*conversations .*lacks conversations"
    ):
        open_path(path, source="llava")
    assert [open_path(path, source=name)[0].id for name in ("auto", "jsonl", "openai")] == ["text-0"] * 3
    assert {layout for form in SOURCES.values() for layout in form.layouts} == set(LAYOUT_NAMES)


def test_a_layout_that_is_unknown_is_refused_with_what_the_nearest_lack(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [{"mesages": [], "label": 3}] * 2)
    reason = r"a.jsonl:0: found the columns label, mesages; nearest layouts: messages \(messages\) lacks messages \(there is mesages\); "
    with pytest.raises(ValueError, match=reason):
        open_path(path)
    path = fixtures.store_parquet(tmp_path, [{"question": "?", "choices": ["a"]}])
    with pytest.raises(ValueError, match=r"found the columns choices, question; nearest layouts: pair \(question \+ answer\) lacks answer"):
        open_path(path)


def test_one_good_row_among_broken_ones_is_enough_to_open(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{broken\n[1]\n" + json.dumps(text_row(0)) + "\n", encoding="utf-8")
    source = open_path(path)
    assert source[2].id == "text-0" and source.layout_of(2) == "messages"
    with pytest.raises(SampleError, match="a.jsonl:0: this is not JSON") as error:
        source[0]
    assert error.value.rule == "broken JSON"


def test_empty_or_missing_data_is_refused(tmp_path):
    for name in ("empty.jsonl", "empty.json"):
        (tmp_path / name).write_text("\n" if name == "empty.jsonl" else "[]", encoding="utf-8")
        with pytest.raises(ValueError, match=f"{name}: the data set is empty"):
            open_path(tmp_path / name)
    (tmp_path / "folder").mkdir()
    for config, reason in (
        ({"path": "nothing"}, "there is no data in .*nothing"),
        ({"path": "folder"}, "folder: there is no arrow or csv or json or jsonl or parquet data here. Download the data"),
        ({"path": "folder", "subsets": ["no_such_subset"]}, "folder: there is no subset no_such_subset"),
        ({"path": "empty.jsonl", "stream": 5}, "`stream` takes rows of a data set on the hub"),
        ({"path": "folder", "source": "jsonlines"}, "the source 'jsonlines' is unknown; expected one of auto, jsonl, json, csv, parquet"),
    ):
        with pytest.raises(ValueError, match=reason):
            open_source(SourceConfig(**{**config, "path": str(tmp_path / config["path"])}))
    (tmp_path / "a.txt").write_text("a,b", encoding="utf-8")
    with pytest.raises(ValueError, match="data ends in .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow, or is a folder; found .txt"):
        open_path(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("name", "reason"), [("a.parquet", "this is not a whole parquet file"), ("a.arrow", "this is not a whole arrow file")]
)
def test_a_file_cut_short_is_refused_by_name(tmp_path, name, reason):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"{name}: {reason}"):
        open_path(tmp_path / name)


def test_parquet_files_of_different_columns_are_refused_by_name(tmp_path):
    datasets.Dataset.from_list([{"question": "?", "answer": "!"}]).to_parquet(tmp_path / "a.parquet")
    datasets.Dataset.from_list([{"texts": "x"}]).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b.parquet has the columns \['texts'\], but .*a.parquet beside it has \['question', 'answer'\]"):
        open_path(tmp_path)


def test_a_split_of_one_file_is_refused_unless_its_name_tells_of_it(tmp_path):
    paths = [write_rows(tmp_path / name, [text_row(0)]) for name in ("rows.jsonl", "test.jsonl", "validation-00000-of-00001.jsonl")]
    for path, split in ((paths[0], "train"), (paths[1], "train"), (paths[1], "test"), (paths[2], "val")):
        assert len(open_path(path, split=split)) == 1
    for path, split in ((paths[0], "test"), (paths[1], "validation"), (paths[0], "second")):
        told = f"{path} is one file, and `split: {split}` chooses among several. Leave `split` out, or give the folder."
        with pytest.raises(ValueError, match=re.escape(told)):
            open_path(path, split=split)
