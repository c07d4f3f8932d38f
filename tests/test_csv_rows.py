"""smvl/data/sources/csv_rows: rows of CSV and TSV come out as they were written, and a broken one breaks only itself."""

import csv
import random
import tracemalloc

import pytest

from smvl.config import SourceConfig
from smvl.data.rules import SampleError
from smvl.data.sources.csv_rows import CsvRows
from smvl.source_registry import open_source
from tests.tiny_data import text_row, write_images, write_rows

CELLS = ["", "中文", 'say "no"', "a,b", "a\tb", "two\nlines", "cr\r\nlf", "😀", "\u2028", " x ", "5' 6\"", "x" * 200_000]


def write(path, rows, **options):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", **options).writerows(rows)
    return path


def message_of(rows: CsvRows, row: int) -> tuple[str, str]:
    with pytest.raises(SampleError) as error:
        rows[row]
    return error.value.rule, str(error.value)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("options", [{}, {"quoting": csv.QUOTE_ALL}, {"lineterminator": "\n"}])
def test_any_table_is_read_as_it_was_written(tmp_path, name, options):
    generator = random.Random(0)
    table = [[generator.choice(CELLS) for _ in range(3)] for _ in range(60)]
    rows = CsvRows(write(tmp_path / name, [("a", "b", "c"), *table], **options), name)
    assert len(rows) == 60 and [list(rows[row].values()) for row in range(60)] == table
    assert list(rows.columns) == ["a", "b", "c"]


def test_a_mark_of_utf8_blank_lines_and_blanks_around_names_are_no_part_of_the_table(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufeff\n question , answer\n\n\n?,!\n\r\n甲,乙".encode())
    rows = CsvRows(tmp_path / "a.csv", "a.csv")
    assert [rows[row] for row in range(len(rows))] == [{"question": "?", "answer": "!"}, {"question": "甲", "answer": "乙"}]


def test_a_broken_row_breaks_only_itself(tmp_path):
    lines = [
        b"question,answer",
        b"?,!",
        b"a,b,c",
        b"a",
        b'"a"b,c',
        b"\xb1\xb1\xbe\xa9\xd4\xda\xc4\xc4,\xd4\xda",
        b"a\rb,c",
        b"\xd6\xff,c",
        b"x,y",
    ]
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines) + b"\n")
    rows = CsvRows(tmp_path / "a.csv", "a.csv")
    assert len(rows) == 8 and rows[0] == {"question": "?", "answer": "!"} and rows[7] == {"question": "x", "answer": "y"}
    assert [message_of(rows, row)[0] for row in range(1, 7)] == ["row form"] * 3 + ["text encoding", "row form", "text encoding"]
    assert message_of(rows, 1)[1].startswith("the row has 3 cells, but the first line names 2 columns. Put cells that hold a comma")
    assert "most likely GB18030" in message_of(rows, 4)[1] and "GB18030" not in message_of(rows, 6)[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('question,answer\n?,!\na,"b\nc,d\n', "a quote in row 2 is never closed, and the file ends within it"),
        ("answer,answer\n?,!\n", "several columns are named 'answer'"),
        ("", "the data set is empty"),
        ("\n\n", "the data set is empty"),
        ("question,answer\n", "the data set is empty"),
        ("question;answer\n?;!\n", "found the columns question;answer"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"a.csv: {reason}"):
        open_source(SourceConfig(path=str(tmp_path / "a.csv")))


def test_a_source_may_be_a_table_as_text(tmp_path):
    write_images(tmp_path)
    messages = '[{"role": "user", "content": "颜色?"}, {"role": "assistant", "content": "红色"}]'
    header = ("id", "messages", "images", "score")
    write(
        tmp_path / "b.csv",
        [header, ("7", messages, "images/0.png", "5"), ("8", messages, '["images/1.png", "images/2.png"]', ""), ("", messages, "", "")],
    )
    source = open_source(SourceConfig(path=str(tmp_path / "b.csv")))
    assert [len(source[row].images) for row in range(3)] == [1, 2, 0] and [source[row].id for row in range(3)] == ["7", "8", "b.csv:2"]
    assert source.storage.kind == "csv" and source.read(0)[1] == ["score"]
    write(tmp_path / "c.tsv", [("question", "answer"), ("1", "2")])
    assert len(open_source(SourceConfig(path=str(tmp_path), source="csv"))) == 4


def test_a_table_beside_other_data_describes_it(tmp_path, caplog):
    write_rows(tmp_path / "a.jsonl", [text_row(0)])
    write(tmp_path / "labels.csv", [("file_name", "label"), ("a.png", "1")])
    assert open_source(SourceConfig(path=str(tmp_path))).storage.kind == "jsonl"
    assert "left aside labels.csv, beside data of another kind" in caplog.text


def test_only_the_offsets_of_a_large_table_are_in_memory(tmp_path):
    path = write(tmp_path / "a.csv", [("question", "answer"), *[("?" * 300, "!")] * 20_000])
    tracemalloc.start()
    rows = CsvRows(path, "a.csv")
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(rows) == 20_000 and held < 8 * 20_000 + 100_000 and rows[19_999] == {"question": "?" * 300, "answer": "!"}
