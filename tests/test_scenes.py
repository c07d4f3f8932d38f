"""Scenes: what holds for every kind, and the data on disk.

    SMVL_NUM_SCENES=667 pytest tests/test_scenes.py -k name      # every kind, over 2,000 scenes of each instead of 90
"""

import dataclasses
import json
import os
import random
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene_answers import check_calls, check_json, check_latex, check_markdown

from smvl.augment.distortions import PHONE
from smvl.config import DistortionConfig, SourceConfig
from smvl.scenes import writing
from smvl.scenes.command import main
from smvl.scenes.contact_sheet import make_contact_sheet
from smvl.scenes.contents import SPLITS, TRAIN, Contents, split_of
from smvl.scenes.conversation import talk
from smvl.scenes.fonts import pip_fonts
from smvl.scenes.kinds import KINDS
from smvl.scenes.page import Box, Page
from smvl.scenes.photograph import take_photograph
from smvl.scenes.request import SceneRequest, plan_jobs
from smvl.scenes.sample_drawing import draw_sample
from smvl.scenes.scene import COUNT, FIELD, JSON, LATEX, MARKDOWN, QUESTION_KINDS, READ, REFUSAL, TOOL, Drawing, Question
from smvl.source_registry import open_source

NUM_SCENES = int(os.environ.get("SMVL_NUM_SCENES", 30))
"""Of each split and kind."""
LONGEST_EDGE = 448


@dataclasses.dataclass
class DrawnScene:
    contents: Contents
    drawing: Drawing
    """Without its pixels, as there are many."""
    mode: str
    size: tuple[int, int]
    questions: list[Question]
    pages: list[tuple[tuple[int, int], list[str], list[Box]]]
    """Of each page that was written on: its size, its texts, their boxes."""


@cache
def scenes_of(name: str, split: str) -> list[DrawnScene]:
    """Scenes with one question of every maker, and the pages that they were written on."""
    kind = KINDS[name]
    pages: list[Page] = []
    make_page = Page.__init__

    def record(page: Page, *arguments, **options) -> None:
        make_page(page, *arguments, **options)
        pages.append(page)

    scenes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "__init__", record)
        for number in range(NUM_SCENES):
            contents = Contents(f"test {number}", split, pip_fonts())
            pages.clear()
            drawing = kind.draw(contents, LONGEST_EDGE)
            questions = [ask(drawing.facts, contents) for ask in kind.questions]
            written = [(page.image.size, page.texts, page.boxes) for page in pages]
            bare = dataclasses.replace(drawing, image=None)
            scenes.append(DrawnScene(contents, bare, drawing.image.mode, drawing.image.size, questions, written))
    return scenes


def questions_of(name: str, *question_kinds: str) -> list[tuple[DrawnScene, Question]]:
    """All questions about all scenes of all splits, or only those of some kinds."""
    return [
        (scene, question)
        for split in SPLITS
        for scene in scenes_of(name, split)
        for question in scene.questions
        if not question_kinds or question.kind in question_kinds
    ]


@pytest.fixture(params=list(KINDS))
def name(request) -> str:
    return request.param


# ---- every kind ------------------------------------------------------------------------------------------------------------------


def test_the_splits_share_no_text(name: str):
    drawn, given = defaultdict(set), defaultdict(set)
    for split in SPLITS:
        for scene in scenes_of(name, split):
            drawn[split].update(set(scene.drawing.texts) - KINDS[name].labels)
            given[split].update(scene.contents.texts)
    for texts in (drawn, given):
        assert min(map(len, texts.values())) > NUM_SCENES
        assert not texts["train"] & texts["validation"] and not texts["train"] & texts["test"] and not texts["validation"] & texts["test"]


def test_a_picture_is_no_larger_than_asked_for_and_all_that_is_written_lies_inside(name: str):
    """It may be smaller where there is little on it."""
    for split in SPLITS:
        for scene in scenes_of(name, split):
            assert scene.mode == "RGB" and 0.55 * LONGEST_EDGE <= max(scene.size) <= LONGEST_EDGE
            for (width, height), texts, boxes in scene.pages:
                for text, (left, top, right, bottom) in zip(texts, boxes, strict=True):
                    assert left >= -1 and top >= -1 and right <= width + 1 and bottom <= height + 1, (text, (width, height))


def test_no_two_texts_lie_on_each_other(name: str):
    for split in SPLITS:
        for scene in scenes_of(name, split):
            for _, texts, boxes in scene.pages:
                assert not overlaps(texts, boxes), overlaps(texts, boxes)[:3]


def overlaps(texts: list[str], boxes: list[Box]) -> list[tuple[str, str]]:
    """Texts that share more than a seventh of the smaller one's box; beside one of a single line, a block's box says too little."""
    found = []
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in range(number):
            other_left, other_top, other_right, other_bottom = boxes[other]
            width, height = min(right, other_right) - max(left, other_left), min(bottom, other_bottom) - max(top, other_top)
            areas = (right - left) * (bottom - top), (other_right - other_left) * (other_bottom - other_top)
            one_line = 2 * min(bottom - top, other_bottom - other_top) > max(bottom - top, other_bottom - other_top)
            if width > 0 and height > 0 and width * height > min(areas) / 7 and one_line:
                found.append((texts[other], texts[number]))
    return found


def test_the_same_seed_gives_the_same_scene_and_questions(name: str):
    first, again = (Contents("again", TRAIN, pip_fonts()) for _ in range(2))
    drawings = [KINDS[name].draw(contents, LONGEST_EDGE) for contents in (first, again)]
    assert drawings[0].image.tobytes() == drawings[1].image.tobytes() and drawings[0].facts == drawings[1].facts
    asked = [[ask(drawing.facts, contents) for ask in KINDS[name].questions] for drawing, contents in zip(drawings, (first, again))]
    assert asked[0] == asked[1]


def test_questions_are_chinese_of_a_known_kind_and_have_an_answer_or_a_call(name: str):
    for _, question in questions_of(name):
        assert question.kind in QUESTION_KINDS
        assert sum("一" <= character <= "鿿" for character in question.question) >= 3, question
        assert bool(question.answer.strip()) != bool(question.tool_calls), question
        assert question.kind == TOOL if question.tool_calls else True, question
        assert question.tools if question.kind == TOOL else True, question


def test_what_a_kind_asks_has_several_forms_and_a_refusal(name: str):
    kinds = Counter(question.kind for _, question in questions_of(name))
    assert len(kinds) >= 3 and kinds[REFUSAL] > 0
    assert sum(KINDS[name].questions.values()) > 0 and all(share > 0 for share in KINDS[name].questions.values())


def test_json_answers_parse_and_hold_to_the_schema_that_the_question_states(name: str):
    for _, question in questions_of(name, JSON):
        check_json(question.question, question.answer)


def test_tables_have_as_many_columns_in_every_row(name: str):
    for _, question in questions_of(name, MARKDOWN):
        check_markdown(question.answer)


def test_formulas_can_be_set(name: str):
    for _, question in questions_of(name, LATEX):
        check_latex(question.answer)


def test_calls_fit_the_schema_of_their_tool(name: str):
    """A question with tools may also be answered in words, where nothing is to be done; but not all of them."""
    asked = [question for _, question in questions_of(name, TOOL)]
    calls = [question for question in asked if question.tool_calls]
    for question in calls:
        check_calls(question.tools, question.tool_calls)
    assert len(calls) >= len(asked) / 4


def test_what_is_read_stands_on_the_picture(name: str):
    """But for dials and charts, where it is a place; marks between the parts of an answer and the unit are the answer's own."""
    if not KINDS[name].bends:
        pytest.skip("what is read is a position")
    for scene, question in questions_of(name, READ):
        written = "".join("".join(scene.drawing.texts).split())
        for line in question.answer.split("\n"):
            assert set("".join(line.split())) - set("、，。：；|/元") <= set(written), (line, scene.drawing.texts)


def test_no_question_gives_its_answer_away(name: str):
    """Unless it offers a choice; answers of one or two characters, a unit or 正常, may stand in another word or in what to answer with."""
    for _, question in questions_of(name, READ, FIELD, COUNT):
        chosen = any(word in question.question for word in ("哪", "选", "还是", "谁", "或", "比较", "、"))
        assert chosen or len(question.answer) <= 2 or question.answer not in question.question, question


def test_a_refusal_says_that_it_is_not_there(name: str):
    for _, question in questions_of(name, REFUSAL):
        assert any(word in question.answer for word in ("没有", "无法", "看不到", "未", "不")), question


def test_two_pictures_can_be_compared(name: str):
    if KINDS[name].compare is None:
        pytest.skip("there is nothing to compare")
    answers = Counter()
    for split in SPLITS:
        scenes = scenes_of(name, split)
        for first, second in zip(scenes, scenes[1:]):
            question = KINDS[name].compare(first.drawing.facts, second.drawing.facts, first.contents)
            assert question.kind == "compare" and question.answer and question.question, question
            answers[question.answer] += 1
    assert len(answers) >= 2


def test_conversations_ask_different_things_and_end_with_the_call(name: str):
    kind, seen = KINDS[name], Counter()
    scenes = scenes_of(name, TRAIN)
    for number, scene in enumerate(scenes):
        generator = random.Random(number)
        pair = [scene, scenes[number - 1]] if number % 2 else [scene]
        conversation = talk(kind, [one.drawing for one in pair], [one.contents for one in pair], generator)
        shown = [picture for turn in conversation.turns for picture in turn.pictures]
        assert shown == list(range(len(pair)))
        assert TOOL not in conversation.question_kinds[:-1]
        assert len({turn.question.question for turn in conversation.turns}) == len(conversation.turns)
        seen[len(conversation.turns)] += 1
    assert {1, 2} <= set(seen)


# ---- texts and fonts -------------------------------------------------------------------------------------------------------------


def test_contents_gives_only_texts_of_its_split_and_says_so_when_there_are_none():
    contents = Contents("a", "test", pip_fonts())
    texts = [contents.text(lambda generator: str(generator.random())) for _ in range(20)]
    assert {split_of(text) for text in texts} == {"test"} and contents.texts == set(texts)
    word = next(word for word in "甲乙丙丁" if split_of(word) != "test")
    with pytest.raises(ValueError, match="no text of the split test came in 10000 draws"):
        contents.choice([word])


# ---- the data on disk ------------------------------------------------------------------------------------------------------------


def request_of(**changes) -> SceneRequest:
    settings = {"num_pictures": 40, "seed": 3, "kinds": ("street_sign", "advertisement"), "longest_edge": 384, "plain_fonts": True}
    return SceneRequest(**(settings | changes))


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """All kinds, twelve pictures each, by one process."""
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    writing.write_scenes(folder, request_of(kinds=tuple(KINDS), num_pictures=12 * len(KINDS)))
    return folder


def test_one_process_and_three_draw_the_same_bytes(drawn: Path, tmp_path: Path):
    writing.write_scenes(tmp_path / "three", request_of(kinds=tuple(KINDS), num_pictures=12 * len(KINDS)), processes=3)
    assert content_of(tmp_path / "three") == content_of(drawn)


def test_every_split_has_the_pictures_asked_for_spread_over_the_kinds(drawn: Path):
    manifest = json.loads((drawn / "manifest.json").read_text(encoding="utf-8"))
    total = 12 * len(KINDS)
    assert [manifest["counts"][split]["pictures"] for split in SPLITS] == [total - 2 * (total // 10), total // 10, total // 10]
    for split in SPLITS:
        counts = manifest["counts"][split]
        rows = [json.loads(line) for line in (drawn / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len(rows) == counts["samples"] == sum(counts["samples_by_task"].values())
        assert sum(counts["pictures_by_kind"].values()) == counts["pictures"] == len(list((drawn / "images" / split).iterdir()))
        assert max(counts["pictures_by_kind"].values()) - min(counts["pictures_by_kind"].values()) <= 1
        assert Counter(row["task"] for row in rows) == counts["samples_by_task"]
    assert {path.name for path in drawn.iterdir()} == {"train.jsonl", "validation.jsonl", "test.jsonl", "images", "manifest.json"}
    assert manifest["request"]["seed"] == 3 and any("Noto Sans CJK SC" in font for font in manifest["fonts"])


def test_the_files_load_as_samples_and_every_picture_opens(drawn: Path):
    for split in SPLITS:
        source = open_source(SourceConfig(path=str(drawn / f"{split}.jsonl")))
        for row in range(len(source)):
            sample = source[row]
            kind, question_kind = sample.task.split("/")
            assert kind in KINDS and question_kind in QUESTION_KINDS
            for image in sample.images:
                assert max(Image.open(image).size) <= 384
            if question_kind == TOOL:
                check_calls(sample.tools, sample.messages[-1]["tool_calls"])


def test_what_an_ended_process_left_is_finished_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writing, "_PART_SAMPLES", 8)
    request, draw_part, drawn_parts = request_of(), writing._draw_part, []

    def die_in_the_third(part, *rest) -> None:
        if len(drawn_parts) == 2:
            raise KeyboardInterrupt
        drawn_parts.append(part)
        draw_part(part, *rest)

    monkeypatch.setattr(writing, "_draw_part", die_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        writing.write_scenes(tmp_path / "ended", request)
    assert not (tmp_path / "ended" / "manifest.json").exists() and not (tmp_path / "ended" / "train.jsonl").exists()
    with pytest.raises(ValueError, match="an unfinished drawing of another request"):
        writing.write_scenes(tmp_path / "ended", request_of(seed=4))
    again = []
    monkeypatch.setattr(writing, "_draw_part", lambda part, *rest: (again.append(part), draw_part(part, *rest)))
    writing.write_scenes(tmp_path / "ended", request)
    assert again and not set(part.file for part in again) & set(part.file for part in drawn_parts)
    writing.write_scenes(tmp_path / "whole", request)
    assert content_of(tmp_path / "ended") == content_of(tmp_path / "whole")


def test_the_same_request_again_does_nothing_and_another_is_refused(drawn: Path):
    before = {file: file.stat().st_mtime_ns for file in drawn.rglob("*")}
    writing.write_scenes(drawn, request_of(kinds=tuple(KINDS), num_pictures=12 * len(KINDS)))
    with pytest.raises(ValueError, match="holds scenes of another request"):
        writing.write_scenes(drawn, request_of())
    assert {file: file.stat().st_mtime_ns for file in drawn.rglob("*")} == before


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds files that are not scenes. Name a new or an empty folder."):
        writing.write_scenes(tmp_path, request_of())
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_sample_depends_on_its_own_place_alone():
    request = request_of()
    jobs = plan_jobs(request)[TRAIN]
    late, early = draw_sample(jobs[7], request, pip_fonts()), None
    for job in jobs[:3]:
        early = draw_sample(job, request, pip_fonts())
    again = draw_sample(jobs[7], request, pip_fonts())
    assert late.photographs[0].image.tobytes() == again.photographs[0].image.tobytes() and late.conversation == again.conversation
    assert early is not None and early.photographs[0].image.tobytes() != late.photographs[0].image.tobytes()


def test_clean_pictures_are_the_drawings_themselves_and_the_others_are_not():
    kind, contents = KINDS["advertisement"], Contents("clean", TRAIN, pip_fonts())
    drawing = kind.draw(contents, 384)
    assert take_photograph(drawing, kind, PHONE, 1.0, random.Random(1)).image is drawing.image
    taken = take_photograph(drawing, kind, PHONE, 0.0, random.Random(1))
    assert not taken.crisp and taken.image.size == drawing.image.size and taken.image.tobytes() != drawing.image.tobytes()


def test_what_must_not_bend_keeps_every_line_in_its_place():
    kind = dataclasses.replace(KINDS["advertisement"], bends=False, papers=("plain",))
    image = Image.new("RGB", (384, 256), (255, 255, 255))
    image.paste((0, 0, 0), (100, 40, 130, 70))
    strong = DistortionConfig(perspective=1.0, tilt=1.0, curl=1.0)
    for seed in range(10):
        taken = take_photograph(Drawing(image, {}), kind, strong, 0.0, random.Random(seed))
        rows, columns = np.nonzero(np.asarray(taken.image.convert("L")) < 100)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 69, 100, 129)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_pictures": 19}, "n: found 19; 2 kinds in three splits need at least 20 pictures."),
        ({"longest_edge": 200}, "longest edge: found 200 pixels; expected 384 or more, or text cannot be read."),
        ({"kinds": ("table", "table")}, "kinds: found .*; expected at least one, each once."),
        ({"clean_share": 1.5}, "clean share: found 1.5; expected a share from 0 to 1."),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(changes: dict, message: str):
    with pytest.raises(ValueError, match=message):
        request_of(**changes)


def test_the_command_says_what_is_wrong_and_what_there_is(tmp_path: Path, capsys):
    assert main(["--out", str(tmp_path / "x"), "--kinds", "poster"]) == 2
    assert capsys.readouterr().err == f"smvl scenes: there is no kind poster; expected some of {', '.join(KINDS)}.\n"
    assert not (tmp_path / "x").exists()
    assert main(["--out", str(tmp_path / "x"), "--blur", "3"]) == 2
    assert "blur: found 3.0, expected a strength from 0 to 1" in capsys.readouterr().err


def test_the_command_draws(tmp_path: Path):
    options = ["--n", "10", "--kinds", "street_sign", "--longest-edge", "384", "--processes", "1", "--plain-fonts", "--noise", "0"]
    assert main(["--out", str(tmp_path / "x"), *options]) == 0
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["request"]["distortions"]["noise"] == 0 and manifest["request"]["distortions"]["blur"] == PHONE.blur
    assert manifest["counts"]["train"]["pictures"] == 8


def test_a_contact_sheet_shows_every_scene():
    sheet = make_contact_sheet(request_of(num_pictures=20), pip_fonts())
    assert sheet.width > 1300 and sheet.height > 5 * 200
