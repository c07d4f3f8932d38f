"""smvl/infer/typed: bytes of other encodings are read or refused, never passed on; paths are found in whatever form a terminal gives them.

python -m pytest tests/test_typed.py
"""

import os
from pathlib import Path

import pytest

from smvl.infer.typed import dragged_files, path_of_address, typed_paths, typed_text

GBK = "你好".encode("gbk").decode("utf-8", "surrogateescape")
"""What Python makes of the bytes that a GBK terminal sends."""


@pytest.fixture(autouse=True)
def locale_of_utf8(monkeypatch):
    for name in ("LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.mark.parametrize("text", ["", "你好", "🙂 é", "�"])
def test_text_that_was_decoded_stays_as_it_is(text):
    assert typed_text(text) == text


@pytest.mark.parametrize("variable", ["LC_ALL", "LC_CTYPE", "LANG"])
@pytest.mark.parametrize("locale", ["zh_CN.GBK", "zh_CN.gb18030", "zh_CN.GB2312@pinyin"])
def test_bytes_are_read_as_the_locale_says(monkeypatch, variable, locale):
    monkeypatch.setenv(variable, locale)
    assert typed_text(GBK) == "你好"
    assert typed_text("a" + GBK + "b") == "a你好b"


def test_the_locale_of_python_itself_hides_none_of_the_users(monkeypatch):
    """Where zh_CN.GBK is not installed, Python sets LC_CTYPE to C.UTF-8."""
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    monkeypatch.setenv("LANG", "zh_CN.GBK")
    assert typed_text(GBK) == "你好"


def test_utf8_that_python_took_for_ascii_is_utf8():
    assert typed_text("你好".encode().decode("ascii", "surrogateescape")) == "你好"


@pytest.mark.parametrize(
    ("text", "locale", "shown"),
    [
        (GBK, "C.UTF-8", r"b'\xc4\xe3\xba\xc3'"),
        (GBK, "zh_CN", r"b'\xc4\xe3\xba\xc3'"),
        (GBK, "zh_CN.nonesuch", r"b'\xc4\xe3\xba\xc3'"),
        ("\udcff", "zh_CN.GBK", r"b'\xff'"),
        ("\ud83d", "C.UTF-8", r"b'\xed\xa0\xbd'"),
    ],
)
def test_bytes_that_are_text_in_no_encoding_known_here_are_refused_in_one_line(monkeypatch, text, locale, shown):
    monkeypatch.setenv("LANG", locale)
    with pytest.raises(ValueError) as error:
        typed_text(text)
    assert str(error.value).startswith(f"{shown} is not text in UTF-8. Set the terminal to UTF-8") and "\n" not in str(error.value)


# ---- paths -----------------------------------------------------------------------------------------------------------------------

NAMES = ["a b.png", "图 (1).png", "it's.png", "x%20y.png", "c#1.png", "p\\q.png", "'q'.png"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    for name in NAMES:
        (tmp_path / name).touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("{}/a b.png", "a b.png"),
        ("  '{}/a b.png' ", "a b.png"),
        ('"{}/a b.png"', "a b.png"),
        ("{}/a\\ b.png", "a b.png"),
        ("{}/图\\ \\(1\\).png", "图 (1).png"),
        ("{}/it's.png", "it's.png"),
        ("'{}/it'\\''s.png'", "it's.png"),
        ("{}/p\\q.png", "p\\q.png"),
        ("{}/'q'.png", "'q'.png"),
        ("{}/x%20y.png", "x%20y.png"),
        ("file://{}/a%20b.png", "a b.png"),
        ("file://localhost{}/a%20b.png", "a b.png"),
        ("file:{}/a%20b.png", "a b.png"),
        ("FILE://{}/%E5%9B%BE%20%281%29.png", "图 (1).png"),
        ("'file://{}/c%231.png'", "c#1.png"),
        ("file://{}/c#1.png", "c#1.png"),
        ("file://{}/a b.png", "a b.png"),
        ("file://{}/x%2520y.png", "x%20y.png"),
        ("~/a b.png", "a b.png"),
        ("'~/a b.png'", "a b.png"),
        ("~/a\\ b.png", "a b.png"),
    ],
)
def test_a_file_is_found_however_a_terminal_writes_it(folder, typed, name):
    assert typed_paths(typed.format(folder)) == [folder / name]


def test_several_files_at_once_are_several_files(folder):
    assert typed_paths(f"'{folder}/a b.png' {folder}/c#1.png file://{folder}/it%27s.png") == [
        folder / "a b.png",
        folder / "c#1.png",
        folder / "it's.png",
    ]


@pytest.mark.parametrize("name", ["no such.png", "C:\\Users\\me\\a.png", "~nobody-here/a.png", "n" * 300, "a\\ b.jpg", "it's.jpg"])
def test_a_file_that_is_not_there_keeps_the_name_that_was_typed(folder, name):
    assert typed_paths(name) == typed_paths(f"'{name}'") == [Path(name)]


def test_bytes_of_a_name_that_is_not_utf8_stay_those_bytes(folder):
    (path,) = typed_paths(f"file://{folder}/%C4%E3.png")
    assert os.fsencode(path.name) == "你".encode("gbk") + b".png"


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ValueError, match="file://server/share/a.png is on the machine server. Give a file of this machine"):
        typed_paths("file://server/share/a.png")


def test_only_addresses_are_turned_into_paths():
    assert path_of_address("file:///a%20b.png") == "/a b.png"
    assert path_of_address("data:image/png;base64,AA==") == "data:image/png;base64,AA=="
    assert path_of_address("pictures/a%20b.png") == "pictures/a%20b.png"


def test_a_line_that_is_nothing_but_files_was_dragged_there(folder):
    assert dragged_files(f"'{folder}/a b.png'") == [folder / "a b.png"]
    assert dragged_files(f"{folder}/a\\ b.png {folder}/it\\'s.png") == [folder / "a b.png", folder / "it's.png"]
    assert dragged_files(f"file://{folder}/a%20b.png") == [folder / "a b.png"]
    for line in (f"'{folder}/a b.png' 里有什么?", "/help", "/", str(folder), "a b.png", "'q'.png 是什么?", "/image", "~"):
        assert dragged_files(line) == [], line
