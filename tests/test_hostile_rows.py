"""benchmarks/hostile_rows: in its smallest form; and that what it writes is spoilt, the same for a seed."""

import json

import pytest

from benchmarks.hostile_rows import WAYS, main, write_hostile_rows


def test_rows_are_spoilt_in_every_way_and_the_same_for_a_seed(tmp_path):
    spoilt = [write_hostile_rows(tmp_path / name, 200, seed) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    lines = [(tmp_path / name / "rows.jsonl").read_bytes() for name in "abc"]
    assert set(spoilt[0]) == set(WAYS) and spoilt[0].total() == 180
    assert lines[0] == lines[1] != lines[2] and lines[0].count(b"\n") == 200
    assert json.loads(lines[0].split(b"\n")[10])["id"] == "text-10"


@pytest.mark.filterwarnings("ignore")
def test_none_of_them_ends_the_check_or_a_training_run(capsys):
    assert main(["--rows", "60", "--seed", "5"]) == 0
    shown = capsys.readouterr().out
    assert "60 rows, spoilt: " in shown and "\ncheck: status " in shown and "\ntraining: status 0, " in shown and "unexpected" not in shown
