"""smvl/eval/exact_match: what counts as right, by task, with right and with swapped images."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from smvl.data.sample import Sample
from smvl.eval.exact_match import as_json, grade, normalise, num_asked, score, table
from smvl.infer.engine import Engine
from smvl.infer.tool_calls import ToolCall
from tests.onnx_exports import export_small, save_small_checkpoint


class FakeEngine:
    """Answers with the name of the first image, as a model that looks would; without an image with a constant."""

    def answer(self, requests, *, max_new_tokens, batch_size, on_answered=None):
        if on_answered:
            on_answered(len(requests))
        return [
            SimpleNamespace(text=request.images[0] if request.images else "三。", finish=finish, tool_calls=())
            for request, finish in ((request, "stop" if request.images else "repetition") for request in requests)
        ]


def sample(number: int, answer: str, image: str | None, task: str = "") -> Sample:
    parts = [{"type": "image"}] * (image is not None) + [{"type": "text", "text": "?"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]
    return Sample(id=str(number), messages=messages, images=[image] if image else [], source="test", task=task)


def test_scores_by_task_with_right_and_swapped_images():
    samples = [sample(0, "猫", "猫", "a"), sample(1, "狗", "狗", "a"), sample(2, "鸟", "鱼", "b"), sample(3, "三", None, "c")]
    answered: list[int] = []
    scores, graded = score(FakeEngine(), samples, max_new_tokens=4, batch_size=2, on_answered=answered.append)
    assert sum(answered) == num_asked(samples) == 7
    assert as_json(scores) == {
        "all": {"num_questions": 4, "exact_match": 0.75, "exact_match_swapped": 0.0, "loops": 0.25},
        "a": {"num_questions": 2, "exact_match": 1.0, "exact_match_swapped": 0.0, "loops": 0.0},
        "b": {"num_questions": 1, "exact_match": 0.0, "exact_match_swapped": 0.0, "loops": 0.0},
        "c": {"num_questions": 1, "exact_match": 1.0, "exact_match_swapped": None, "loops": 1.0},
    }
    assert [entry.answer for entry in graded if entry.images == "swapped"] == ["狗", "猫", "猫"]
    lines = table(scores).splitlines()
    assert lines[0].split() == ["task", "questions", "exact", "match", "with", "swapped", "images"]
    assert lines[-2].split() == ["all", "4", "0.750", "0.000"] and lines[3].split() == ["c", "1", "1.000", "-"]
    assert lines[-1] == "  stopped because they said the same again and again: 0.250 of the answers"


@pytest.mark.parametrize(("one", "other"), [("三。", "三"), (" 12 ", "12"), ("１２", "12"), ("A．", "A")])
def test_width_space_and_a_last_full_stop_are_passed_over(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), [("12", "21"), ("红色", "红"), ("a", "A"), ("1.2", "12")])
def test_nothing_else_is(one, other):
    assert normalise(one) != normalise(other)


def test_a_call_is_right_by_its_name_and_arguments():
    def called(**arguments):
        return [{"type": "function", "function": {"name": "update_price", "arguments": arguments}}]

    class CallingEngine:
        def answer(self, requests, **_):
            calls = (ToolCall("update_price", {"单价": 3, "商品": "茶"}),)
            return [SimpleNamespace(text="", finish="stop", tool_calls=calls) for _ in requests]

    answers = [called(商品="茶", 单价=3), called(商品="茶", 单价=4), None]
    question, said = {"role": "user", "content": "改价"}, {"role": "assistant", "content": "没有。"}
    rows = [[question, {**said, "content": "", "tool_calls": calls} if calls else said] for calls in answers]
    samples = [Sample(id=str(number), messages=messages, images=[], source="test") for number, messages in enumerate(rows)]
    graded = grade(CallingEngine(), samples, images="right", max_new_tokens=4, batch_size=2)
    assert [entry.correct for entry in graded] == [True, False, False]
    assert [graded[0].answer, graded[1].expected] == [
        '{"name": "update_price", "arguments": {"单价": 3, "商品": "茶"}}',
        '{"name": "update_price", "arguments": {"商品": "茶", "单价": 4}}',
    ]


def test_an_export_is_scored_as_a_checkpoint_is(tmp_path: Path):
    checkpoint = save_small_checkpoint(tmp_path)
    engines = [Engine.from_folder(checkpoint, device="cpu"), Engine.from_folder(export_small(checkpoint, tmp_path / "onnx", 32))]
    noise = np.random.default_rng(0)
    samples = [sample(number, "?", None) for number in range(3)]
    for each in samples:
        each.messages[0]["content"].insert(0, {"type": "image"})
        each.images.append(Image.fromarray(noise.integers(0, 256, (48, 64, 3), dtype=np.uint8)))
    (_, before), (_, after) = (score(engine, samples, max_new_tokens=12, batch_size=2) for engine in engines)
    assert [(entry.images, entry.answer) for entry in after] == [(entry.images, entry.answer) for entry in before]
    assert len({entry.answer for entry in after}) > 1
