"""An answer that repeats itself is stopped soon; tables and lists, which repeat themselves by nature, are not.

python -m pytest tests/test_repetition.py
"""

import pytest

from smvl.infer.repetition import LONGEST_UNIT, RepetitionWatch, until_loop


def stopped_after(text: str) -> int | None:
    """How many tokens of a text, one a character, are written before it is stopped; None where it is not."""
    watch = RepetitionWatch(lambda ids: "".join(map(chr, ids)))
    return next((number for number, sign in enumerate(text, 1) if watch.sees_loop(ord(sign))), None)


@pytest.mark.parametrize(
    "unit",
    [
        "哈",
        "好的,",
        "今天天气很好。",
        "The picture shows a cat. ",
        "".join(map(chr, range(200, 321))),
        "第一步,看图。\n第二步,看图。\n",
        "x = x + 1\n",
        "".join(map(chr, range(300, 800))),
    ],
    ids=lambda unit: str(len(unit)),
)
@pytest.mark.parametrize("before", ["", "图中有一个红色的圆形。", "[1] 参考"])
def test_a_loop_is_stopped_within_64_tokens_of_the_second_time(unit: str, before: str) -> None:
    assert len(unit) <= LONGEST_UNIT
    stopped = stopped_after(before + unit * 100)
    assert len(before) + 2 * len(unit) < stopped <= len(before) + 2 * len(unit) + 64


@pytest.mark.parametrize(
    "text",
    [
        "| 项目 | 结果 |\n|---|---|\n" + "| 合格 | 是 |\n" * 60,
        "| 序号 |" + " 0 |" * 60,
        "<table>" + "<tr><td>是</td><td>是</td></tr>" * 60 + "</table>",
        r"\begin{matrix}" + r"0&0&0\\" * 60,
        "- 无\n" * 60,
        "1. 合格\n" * 60,
        "".join(f"{number}. 合格\n" for number in range(1, 60)),
        "[" + "0, " * 60 + "0]",
        '{"读数":["' + '是","' * 60 + '是"]}',
        '[{"a":1,"b":[]},' + '{"a":1,"b":[]},' * 60,
        "是\t否\t是\n" * 60,
        "圆周率是3.14159265358979,约等于3.14159265358979。" * 2,
        "........" * 7,
        "合同条款甲乙丙丁。" * 3 + "完。",
        "".join(chr(300 + number % 97 * number % 1009) for number in range(3000)),
    ],
    ids=lambda text: text[:12],
)
def test_tables_lists_and_what_is_said_twice_are_no_loops(text: str) -> None:
    assert stopped_after(text) is None


def test_a_table_that_never_ends_is_stopped_too() -> None:
    row = "| 合格 | 是 |\n"
    assert stopped_after(row * 500) == pytest.approx(129 * len(row), abs=len(row))


def test_a_loop_inside_a_string_of_a_list_is_one() -> None:
    assert stopped_after('["图中有","' + "好的,好的," * 60) is not None


def test_a_loop_that_another_text_breaks_begins_anew() -> None:
    unit = "今天天气很好。"
    assert stopped_after((unit * 8 + "不!") * 1) is None
    assert stopped_after(unit * 8 + "不!" + unit * 20) == len(unit * 8 + "不!") + 2 * len(unit) + 60


def test_an_answer_of_another_runtime_is_cut_where_ours_would_have_been() -> None:
    assert until_loop(["好", "的", ","] * 100) == (["好", "的", ","] * 100)[:66]
    assert until_loop(["好", "的", "。"]) == ["好", "的", "。"]
    assert until_loop([]) == []
