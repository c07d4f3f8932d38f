"""smvl/data/sources/text_files: rows are in UTF-8, and whatever else a file is in is called by its name before a word is learned."""

import gzip
import json
import os

import pytest

from smvl.config import SourceConfig
from smvl.data.rules import SampleError
from smvl.source_registry import open_source
from tests.tiny_data import text_row

ROWS = [
    {"conversations": [{"from": "human", "value": f"北京在哪里?{number}"}, {"from": "gpt", "value": "在中国。"}]} for number in range(3)
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
LIST = json.dumps(ROWS, ensure_ascii=False, indent=1)
TABLE = "question,answer\n北京在哪里?,在中国。\n"
FILES = {"a.jsonl": LINES, "a.json": LIST, "lines.json": LINES, "a.csv": TABLE}


def open_path(path):
    return open_source(SourceConfig(path=str(path)))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_and_without_its_mark(tmp_path, name, encoding):
    (tmp_path / name).write_text(FILES[name], encoding=encoding)
    source = open_path(tmp_path)
    assert [source[row].answer for row in range(len(source))] == ["在中国。"] * len(source) and len(source) in (1, 3)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("encoding", "called"),
    [
        ("utf-16", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32-le", "UTF-32LE"),
        ("utf-32-be", "UTF-32BE"),
    ],
)
def test_a_wide_encoding_is_refused_by_its_name(tmp_path, name, encoding, called):
    (tmp_path / name).write_text(FILES[name], encoding=encoding)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(
            ValueError, match=f"{name}: the text is in {called}, and rows are read in UTF-8. Convert the file: iconv -f {called} "
        ):
            open_path(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "gb2312"])
def test_chinese_windows_encoding_is_called_by_its_name(tmp_path, name, encoding):
    (tmp_path / name).write_text(FILES[name], encoding=encoding)
    with pytest.raises(ValueError, match="most likely GB18030 .GBK.. Convert the file: iconv -f GB18030 -t UTF-8"):
        open_path(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "encoding"), [("北京喺邊度?中國嘅首都。", "big5"), ("東京はどこですか。", "shift_jis"), ("Où est-ce? Là-bas.", "latin-1")]
)
def test_another_encoding_is_not_taken_for_it_and_not_read(tmp_path, text, encoding):
    (tmp_path / "a.jsonl").write_bytes(json.dumps({"question": text, "answer": text}, ensure_ascii=False).encode(encoding, "replace"))
    with pytest.raises(ValueError, match="is not UTF-8; expected the row in UTF-8"):
        open_path(tmp_path / "a.jsonl")


def test_a_list_in_gbk_is_called_by_its_encoding_where_half_a_character_looks_like_a_bracket(tmp_path):
    rows = [{"question": "我们的城市里哪一条路上有赱?", "answer": "在中国北京的很多条路上都有。"}]
    assert "赱".encode("gbk")[1:] == b"["
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="gbk")
    with pytest.raises(ValueError, match="a.json: .*most likely GB18030"):
        open_path(tmp_path / "a.json")


def test_one_row_in_another_encoding_breaks_only_itself(tmp_path):
    rows = [json.dumps(text_row(number), ensure_ascii=False) for number in range(3)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([rows[0].encode(), rows[1].encode("gbk"), b"\xef\xbb\xbf" + rows[2].encode()]))
    source = open_path(tmp_path / "a.jsonl")
    assert [source[row].id for row in (0, 2)] == ["text-0", "text-2"]
    with pytest.raises(SampleError, match=r"a.jsonl:1: byte 0x.. at \d+ is not UTF-8") as error:
        source[1]
    assert error.value.rule == "text encoding"


def test_nuls_in_a_row_do_not_make_a_file_wide(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(json.dumps(text_row(0)).encode() + b'\n{"question": "\0\0\0", "answer": "!"}\n')
    assert open_path(tmp_path / "a.jsonl")[0].id == "text-0"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "a Git LFS pointer.*git lfs pull"),
        (b"<!doctype html>\n<html><body>Sign in</body></html>\n", r"a web page \(HTML\).*download the file again"),
        (gzip.compress(LINES.encode()), "packed data.*Unpack it first"),
    ],
)
def test_what_often_stands_in_the_place_of_data_is_called_by_its_name(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"(?is){name}: .*{kind}"):
        open_path(tmp_path / name)


@pytest.mark.parametrize("name", ["b.jsonl", "b.json", "b.csv", "b.parquet"])
def test_a_pipe_or_a_link_to_nothing_among_the_files_is_refused_at_once(tmp_path, name):
    (tmp_path / "a.jsonl").write_text(LINES, encoding="utf-8")
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: this is no file but a pipe, a device, or a link that leads nowhere"):
        open_path(tmp_path)
    with pytest.raises(ValueError, match=f"{name}: this is no file but a pipe"):
        open_path(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(tmp_path / "nothing")
    with pytest.raises(ValueError, match=f"{name}: this is no file but a pipe"):
        open_path(tmp_path)
