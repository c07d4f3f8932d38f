"""benchmarks/hostile_rows: in its smallest form; and that what it writes is spoilt, the same for a seed."""

import json

import pytest

from benchmarks.hostile_rows import WAYS, main, write_hostile_rows
from tests.tiny_data import noise


def test_rows_are_spoilt_in_every_way_and_the_same_for_a_seed(tmp_path):
    spoilt = [write_hostile_rows(tmp_path / name, 200, seed) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    lines = [(tmp_path / name / "rows.jsonl").read_bytes() for name in "abc"]
    assert set(spoilt[0]) == set(WAYS) and spoilt[0].total() == 180
    assert lines[0] == lines[1] != lines[2] and lines[0].count(b"\n") == 200
    assert json.loads(lines[0].split(b"\n")[10])["id"] == "text-10"


@pytest.mark.filterwarnings("ignore")
def test_none_of_them_and_no_file_of_a_folder_ends_the_check_or_a_training_run(tmp_path, capsys):
    noise(1, (40, 30)).save(tmp_path / "sound.png")
    (tmp_path / "page.jpg").write_text("<!doctype html>", encoding="utf-8")
    assert main(["--rows", "60", "--seed", "5", "--pictures", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "62 rows, spoilt: " in shown and f"; 2 about the pictures of {tmp_path}\n" in shown
    assert "\ncheck: status " in shown and "\ntraining: status 0, " in shown and "unexpected" not in shown
