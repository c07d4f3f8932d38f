"""Scenes side by side with a question and its answer under each: to be looked at with one's own eyes."""

import json
from collections.abc import Sequence

from PIL import Image

from smvl.scenes.contents import TRAIN
from smvl.scenes.fonts import Face, Fonts
from smvl.scenes.glyphs import write_text
from smvl.scenes.request import Job, SceneRequest
from smvl.scenes.sample_drawing import SceneSample, draw_sample
from smvl.scenes.scene import Question
from smvl.scenes.wrapping import wrap_text

_COLUMNS = 4
_CELL = 340
"""Width of a cell in pixels."""
_TEXT = 13
_NUM_LINES = 9
_GAP = 8


def make_contact_sheet(request: SceneRequest, fonts: Fonts) -> Image.Image:
    """As many samples of the training split as the request has pictures, its kinds in turn, four beside each other."""
    kinds = [request.kinds[place % len(request.kinds)] for place in range(request.num_pictures)]
    jobs = [Job(kind, TRAIN, place // len(request.kinds), 1) for place, kind in enumerate(kinds)]
    cells = [_make_cell(draw_sample(job, request, fonts), fonts) for job in jobs]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    heights = [max(cell.height for cell in row) + _GAP for row in rows]
    sheet = Image.new("RGB", (_COLUMNS * (_CELL + _GAP) + _GAP, sum(heights) + _GAP), (226, 226, 230))
    top = _GAP
    for row, height in zip(rows, heights):
        for column, cell in enumerate(row):
            sheet.paste(cell, (_GAP + column * (_CELL + _GAP), top))
        top += height
    return sheet


def _make_cell(sample: SceneSample, fonts: Fonts) -> Image.Image:
    picture = sample.photographs[0].image
    scale = min(_CELL / picture.width, _CELL * 1.15 / picture.height, 1.0)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    face = fonts.of("sans")[1]
    lines: list[tuple[str, tuple[int, int, int]]] = []
    for turn in sample.conversation.turns:
        lines += [(line, (20, 60, 140)) for line in _lines(f"[{turn.question.kind}] {turn.question.question}", face)]
        lines += [(line, (20, 20, 20)) for line in _lines(f"→ {_shown_answer(turn.question)}", face)]
    cell = Image.new("RGB", (_CELL, picture.height + 6 + round(len(lines) * _TEXT * 1.35) + 6), (255, 255, 255))
    cell.paste(picture, ((_CELL - picture.width) // 2, 0))
    for place, (line, colour) in enumerate(lines):
        write_text(cell, (6, picture.height + 6 + place * _TEXT * 1.35), line, face, _TEXT, colour, "la")
    return cell


def _lines(text: str, face: Face) -> list[str]:
    lines: Sequence[str] = [line for paragraph in text.split("\n") for line in wrap_text(paragraph, face, _TEXT, _CELL - 12)]
    return [*lines[:_NUM_LINES], "……"] if len(lines) > _NUM_LINES else list(lines)


def _shown_answer(question: Question) -> str:
    return question.answer or json.dumps([call["function"] for call in question.tool_calls], ensure_ascii=False)
