"""smvl/data/sources/json_lines and json_list: rows are found by a scan in bounded memory, wherever blocks end."""

import json
import random
import tracemalloc

import numpy as np
import pytest

from smvl.data.rules import SampleError
from smvl.data.sources.json_lines import JsonLines, line_offsets
from smvl.data.sources.json_list import JsonList, entry_spans

TEXTS = ["", "中文", 'say "no"', "back\\slash", "\\", '\\"', "[{,}]", '",', "\n", "😀", "\u2028", "x" * 50]


def random_value(generator: random.Random, depth: int = 0):
    kind = generator.choice(["text", "number", "null"] if depth > 2 else ["text", "number", "null", "list", "object"])
    if kind == "list":
        return [random_value(generator, depth + 1) for _ in range(generator.randrange(4))]
    if kind == "object":
        return {generator.choice(TEXTS): random_value(generator, depth + 1) for _ in range(generator.randrange(4))}
    return {"text": generator.choice(TEXTS), "number": generator.choice([0, -1.5, 1e9, True]), "null": None}[kind]


@pytest.mark.parametrize("block_bytes", [1, 2, 7, 64, 1 << 22])
@pytest.mark.parametrize("indent", [None, 2])
def test_any_list_is_cut_where_json_cuts_it(tmp_path, indent, block_bytes):
    path = tmp_path / "a.json"
    for seed in range(40):
        generator = random.Random(seed)
        rows = [random_value(generator) for _ in range(generator.randrange(6))]
        path.write_text(json.dumps(rows, ensure_ascii=generator.random() < 0.5, indent=indent), encoding="utf-8")
        content, spans = path.read_bytes(), entry_spans(path, block_bytes=block_bytes)
        assert [json.loads(content[start:end]) for start, end in spans] == rows
        assert [JsonList(path, "a")[row] for row in range(len(rows))] == rows


def test_a_broken_entry_breaks_only_itself(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('\ufeff[{"a": 1}, {"b": nul}, , 5, {"c": "]"},]\n', encoding="utf-8")
    rows = JsonList(path, "a")
    assert len(rows) == 5 and [rows[0], rows[3], rows[4]] == [{"a": 1}, 5, {"c": "]"}]
    for row in (1, 2):
        with pytest.raises(SampleError, match="this is not JSON") as error:
            rows[row]
        assert error.value.rule == "broken JSON"


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ('{"messages": [1], "messages": [2]}', "messages"),
        ('{"messages": [{"role": "user", "content": "q1", "content": "q2"}]}', "content"),
        ('{"id": 1, "\\u0069d": 1}', "id"),
        ('{"a": {"b": [{"": 0, "c": 1, "": 2}]}}', ""),
    ],
)
def test_a_key_that_stands_twice_breaks_its_row_and_is_named(tmp_path, row, key):
    same_keys_apart = '{"a": {"a": 1}, "b": [{"a": 2}, {"a": NaN}]}'
    (tmp_path / "a.jsonl").write_text(f"{row}\n{same_keys_apart}\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(f"[{row}, {same_keys_apart}]", encoding="utf-8")
    for rows in (JsonLines(tmp_path / "a.jsonl", "a"), JsonList(tmp_path / "a.json", "a")):
        with pytest.raises(SampleError, match=f"this is JSON with the key '{key}' twice in one object; keep one of them") as error:
            rows[0]
        assert error.value.rule == "broken JSON"
        assert rows[1]["a"] == {"a": 1} and rows[1]["b"][0] == {"a": 2}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}, {"b"', r"the list is not closed \(2 brackets are open at its end\)"),
        ('[{"a": "cut sho', r"the list is not closed \(2 brackets are open at its end\)"),
        ('[{"a": 1}] x', "something stands before or behind the list"),
        ('[{"a": 1}] [2]', "something stands before or behind the list"),
        ('[{"a": 1}]]', "the list is not closed"),
        ('{"a": [1]}', "something stands before or behind the list"),
        ('x[{"a": 1}]', "something stands before or behind the list"),
        ("true", "there is no list of rows in this file"),
        ("", "there is no list of rows in this file"),
        ("]", "there is no list of rows in this file"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path, text, reason):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"a.json: {reason}"):
        JsonList(path, "a")


@pytest.mark.parametrize("block_bytes", [1, 3, 64, 1 << 24])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_begin_where_they_do_and_blank_ones_do_not_count(tmp_path, ending, block_bytes):
    path = tmp_path / "a.jsonl"
    lines = ['{"a": 1}', "", "  \t ", '{"中": "文"}', "\0\0", "x" * 100, " ", '{"last": 1}']
    for end in (ending, ""):
        path.write_bytes((ending.join(lines) + end).encode())
        content, offsets = path.read_bytes(), line_offsets(path, block_bytes=block_bytes)
        assert [content[start:].splitlines()[0].decode() for start in offsets] == [line for line in lines if line.strip(" \t")]
        assert offsets.dtype == np.int64


def test_only_the_offsets_of_a_large_file_are_in_memory(tmp_path):
    num_rows, row = 50_000, json.dumps({"question": "?" * 300, "answer": "!"})
    (tmp_path / "a.jsonl").write_text(f"{row}\n" * num_rows, encoding="utf-8")
    (tmp_path / "a.json").write_text("[" + ",".join([row] * num_rows) + "]", encoding="utf-8")
    for kind, bytes_a_row in ((JsonLines, 8), (JsonList, 16)):
        tracemalloc.start()
        rows = kind(tmp_path / f"a.{'jsonl' if kind is JsonLines else 'json'}", "a")
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(rows) == num_rows and held < bytes_a_row * num_rows + 100_000
        assert rows[num_rows - 1] == json.loads(row)
