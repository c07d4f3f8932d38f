"""What is said of an export: equal tokens, score, differences, and which limits they break; and how both sides are asked.

python -m pytest tests/test_parity.py
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smvl.export.parity import Limits, Parity, compare, size_of_files
from smvl.export.probe import NUM_SCORED, Probed, probe, write_questions
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from tests.test_engine import ask, picture, save_small_checkpoint


def probed(*answers: list[int], texts: list[str] | None = None, loops: float = 0.0) -> Probed:
    return Probed(texts or ["" for _ in answers], list(answers), loops, 1.0, 0.5, 10.0, 1_000_000, "torch 2")


NO_LIMITS = Limits()


def compared(before: Probed, after: Probed, limits: Limits = NO_LIMITS, expected: list[str] | None = None, scores: float = 0.0) -> Parity:
    rows = np.zeros((2, 3), dtype=np.float32)
    return compare((before, rows), (after, rows + np.float32(scores)), file_bytes={"a": 3}, limits=limits, expected=expected)


def test_tokens_are_compared_place_by_place_and_what_one_has_more_differs() -> None:
    found = compared(probed([1, 2, 3, 4], [5, 6]), probed([1, 9, 3], [5, 6]))
    assert found.equal_tokens == 4 / 6
    assert found.equal_answers == 1 / 2


@pytest.mark.parametrize(
    ("limits", "excess"),
    [
        (Limits(), []),
        (Limits(equal_tokens=0.5, score_loss=0.5, scores=0.2), []),
        (Limits(equal_tokens=0.8), ["0.7500 of the greedy tokens are equal; at least 0.8 should be"]),
        (Limits(score_loss=0.02), ["the held-out exact match fell by 50.0 points; at most 2 are allowed"]),
        (Limits(scores=0.1), ["logits differ by 0.125; at most 0.1 is allowed"]),
    ],
)
def test_a_limit_that_is_broken_is_named_with_its_figures(limits: Limits, excess: list[str]) -> None:
    before, after = probed([1, 2], [3, 4], texts=["红色。", "8"]), probed([1, 2], [3, 5], texts=["红色", "9"])
    found = compared(before, after, limits, expected=["红色", "8"], scores=0.125)
    assert found.excess == excess
    assert (found.exact_match_before, found.exact_match) == (1.0, 0.5)


def test_scores_that_are_no_numbers_break_every_limit() -> None:
    assert compared(probed([1]), probed([1]), Limits(scores=10.0), scores=float("nan")).excess


def test_without_known_answers_there_is_no_score_and_no_limit_on_it() -> None:
    found = compared(probed([1]), probed([2]), Limits(score_loss=0.0))
    assert found.exact_match is None and not found.excess
    assert "exact match" not in found.table()


def test_the_report_has_sizes_and_figures_but_not_the_answers() -> None:
    report = json.loads(compared(probed([1]), probed([1])).as_json())
    assert report["total_bytes"] == 3
    figures = {"loops": 0.0, "load_seconds": 1.0, "seconds_to_first_token": 0.5, "tokens_per_second": 10.0, "peak_bytes": 1_000_000}
    assert report["export"] == {**figures, "runtime": "torch 2"}


def test_sizes_are_of_all_files_but_the_report(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    for name, size in (("onnx/a.onnx", 5), ("config.json", 2), ("parity.json", 100)):
        (tmp_path / name).write_bytes(b"x" * size)
    assert size_of_files(tmp_path) == {"config.json": 2, "onnx/a.onnx": 5}


def test_a_model_asked_in_a_process_of_its_own_answers_as_here(tmp_path: Path) -> None:
    folder = save_small_checkpoint(tmp_path)
    requests = [ask("图中有什么?"), ask("图中有什么?", picture("red")), ask("哪一张?", picture("blue", 20, 60), Image.new("L", (64, 64)))]
    write_questions(requests, tmp_path / "questions")
    found, scores = probe(folder, tmp_path / "questions", tmp_path / "out", max_new_tokens=8)
    engine = Engine.from_folder(folder, device="cpu")
    answers = engine.answer(requests, max_new_tokens=8)
    assert found.tokens == [list(answer.token_ids) for answer in answers]
    assert found.texts == [answer.text for answer in answers]
    np.testing.assert_allclose(scores, [engine.first_scores(request) for request in requests], atol=1e-5)
    assert len(scores) <= NUM_SCORED and found.peak_bytes > 50e6 and found.tokens_per_second > 0


def test_a_model_that_cannot_be_loaded_is_an_error_with_its_reason(tmp_path: Path) -> None:
    write_questions([Request([{"role": "user", "content": "?"}])], tmp_path / "questions")
    with pytest.raises(ValueError, match="nowhere"):
        probe(tmp_path / "nowhere", tmp_path / "questions", tmp_path / "out", max_new_tokens=8)
