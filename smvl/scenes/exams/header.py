"""What stands above the questions: the head of a paper, or the bar of an app that finds questions by their picture."""

import random
from typing import Any

from smvl.scenes.addresses import random_town
from smvl.scenes.canvas import Canvas
from smvl.scenes.contents import Contents
from smvl.scenes.exams.block import Hand

MINUTES, TOTALS = (40, 60, 90, 120, 150), (100, 120, 150)
FILL_IN = "姓名________　班级________　得分________"
_BARS = ((58, 122, 240), (40, 170, 130), (240, 124, 54), (120, 92, 220))


def subject_text(subject: str) -> str:
    return f"{subject}试卷"


def limits_text(minutes: int, total: int) -> str:
    return f"考试时间：{minutes}分钟　满分：{total}分"


def app_text(subject: str) -> str:
    return f"{subject}·拍照搜题"


def write_paper_header(hand: Hand, contents: Contents, subject: str, top: float, margin: float) -> tuple[float, dict[str, Any]]:
    """Title, subject, time and total score, lines for the name. Returns the height where the next may begin, and the facts."""
    page, pixels, width = hand.page, hand.pixels, hand.page.width - 2 * margin
    title, minutes, total = contents.text(_make_title), contents.random.choice(MINUTES), contents.random.choice(TOTALS)
    titles = [(title, "heavy", 1.35), (subject_text(subject), "heavy", 1.2)]
    rows = [*titles, (limits_text(minutes, total), hand.style, 0.9), (FILL_IN, hand.style, 0.9)]
    y = top + pixels * 0.9
    for text, style, share in rows:
        size = page.fit(text, style, pixels * share, width)
        page.write((page.width / 2, y), text, style, size, fill=hand.ink, anchor="mm")
        y += pixels * 1.75
    return y - pixels * 0.6, {"title": title, "subject": subject, "minutes": minutes, "total": total}


def write_app_header(hand: Hand, contents: Contents, subject: str) -> tuple[float, dict[str, Any]]:
    """A coloured bar with the subject on it. Returns the height where the next may begin, and the facts."""
    page, pixels = hand.page, hand.pixels
    height, white = pixels * 2.2, (255, 255, 255)
    page.pen.rectangle((0, 0, page.width, height), fill=contents.random.choice(_BARS))
    page.write((page.width / 2, height / 2), app_text(subject), "sans", pixels, fill=white, anchor="mm")
    canvas = Canvas(page, (0, 0, pixels * 3, height))
    canvas.line([(pixels * 1.5, height * 0.3), (pixels * 1.0, height * 0.5), (pixels * 1.5, height * 0.7)], white, pixels * 0.14)
    canvas.lay()
    return height + pixels * 0.6, {"subject": subject}


def _make_title(generator: random.Random) -> str:
    year = generator.randint(2015, 2025)
    school = random_town(generator) + generator.choice(("市", "县", "区", "第一中学", "第二中学", "实验中学", "外国语学校", "联考"))
    return f"{school}{year}—{year + 1}学年第{generator.choice('一二')}学期{generator.choice(('期中', '期末', '月考', '模拟', '单元'))}测试"
