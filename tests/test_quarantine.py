"""smvl/data/quarantine: each lost row is written once, counted by source, and a source that loses too many stops the run."""

import json
import logging

import pytest

from smvl.data.quarantine import Failure, Quarantine, QuarantineError


def failure(number: int, source: str = "s", rule: str = "broken JSON") -> Failure:
    return Failure(str(number), source, rule, "because")


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_too_many_failures_stop_the_run_with_the_counts(tmp_path):
    quarantine = Quarantine(tmp_path / "q.jsonl", max_share=0.02)
    quarantine.saw("s", 100)
    quarantine.add(failure(1))
    quarantine.add(failure(1))
    quarantine.add(failure(2, rule="empty answer"))
    reason = r"s: 3 of 100 rows could not be used \(broken JSON: 2, empty answer: 1\), more than data.max_drop_share 0.02"
    with pytest.raises(QuarantineError, match=reason):
        quarantine.add(failure(3))
    assert [line["id"] for line in lines(tmp_path / "q.jsonl")] == ["1", "2", "3"]


def test_a_short_source_stops_the_run_however_long_the_others_are():
    quarantine = Quarantine(None, max_share=0.05)
    quarantine.saw("long", 1_000_000)
    quarantine.saw("short", 100)
    for number in range(5):
        quarantine.add(failure(number, "short"))
        quarantine.add(failure(number, "long"))
    assert quarantine.num_seen == 1_000_100 and dict(quarantine.rules) == {"broken JSON": 10}
    with pytest.raises(QuarantineError, match="short: 6 of 100 rows"):
        quarantine.add(failure(5, "short"))


def test_a_small_data_set_is_judged_at_the_end():
    quarantine = Quarantine(None, max_share=0.1)
    quarantine.saw("s", 4)
    quarantine.add(failure(1))
    quarantine.check()
    with pytest.raises(QuarantineError):
        quarantine.check(final=True)


def test_the_same_id_in_two_sources_is_two_rows():
    quarantine = Quarantine(None, max_share=1.0)
    quarantine.saw("a", 10)
    quarantine.saw("b", 5)
    quarantine.add(failure(1, "a"))
    quarantine.add(failure(1, "b", "empty answer"))
    assert quarantine.table() == {
        "a": {"seen": 10, "lost": 1, "rules": {"broken JSON": 1}},
        "b": {"seen": 5, "lost": 1, "rules": {"empty answer": 1}},
    }
    assert (quarantine.describe("a"), quarantine.describe("c")) == ("broken JSON: 1", "none")


def test_a_run_that_goes_on_writes_no_row_twice_and_mends_a_line_cut_short(tmp_path):
    path = tmp_path / "q.jsonl"
    before = Quarantine(path, max_share=1.0)
    for number in range(3):
        before.add(failure(number))
    path.write_bytes(path.read_bytes()[:-9])
    after = Quarantine(path, max_share=1.0)
    for number in range(4):
        after.add(failure(number))
    assert [line["id"] for line in lines(path)] == ["0", "1", "2", "3"]
    assert after.table()["s"]["lost"] == 4


def test_a_source_full_of_broken_rows_is_logged_in_part_and_written_in_full(tmp_path, caplog):
    quarantine = Quarantine(tmp_path / "q.jsonl", max_share=1.0)
    with caplog.at_level(logging.WARNING):
        for number in range(50):
            quarantine.add(failure(number))
    assert len(caplog.messages) == 21 and caplog.messages[-1].startswith("More rows of s that break this rule are only written to")
    assert len(lines(tmp_path / "q.jsonl")) == 50


def test_a_reason_that_is_no_text_is_written_all_the_same(tmp_path, caplog):
    quarantine = Quarantine(tmp_path / "q.jsonl", max_share=1.0)
    quarantine.add(Failure("\ud800", "s", "text encoding", "half \ud800"))
    assert lines(tmp_path / "q.jsonl")[0]["reason"] == "half \ud800"
    assert caplog.messages == [r"Left out \ud800 of s (text encoding): half \ud800"]
    assert Quarantine(tmp_path / "q.jsonl", max_share=1.0).table() == {}
