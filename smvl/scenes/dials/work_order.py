"""The repair list: a work order for every instrument that is outside of its marked range, and none for one that is inside."""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.dials import phrases
from smvl.scenes.dials.instrument import NORMAL
from smvl.scenes.dials.questions import NO_RANGE
from smvl.scenes.function_call import call_function, describe_function
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import REFUSAL, TOOL, Question

CREATE_WORK_ORDER = describe_function(
    "create_work_order",
    "为一台读数超出正常范围的设备创建维修工单，每台设备一张。",
    {
        "device_number": ("string", "铭牌上的设备编号"),
        "reading": ("string", "当前读数，带单位"),
        "fault": ("string", "故障现象：读数偏高 或 读数偏低"),
    },
    ("device_number", "reading", "fault"),
)


def ask_work_order(facts: Mapping[str, Any], contents: Contents) -> Question:
    question = phrase(contents, phrases.WORK_ORDER)
    judged = [one for one in facts["instruments"] if one["state"]]
    if not judged:
        return Question(REFUSAL, question, NO_RANGE, tools=(CREATE_WORK_ORDER,))
    calls = tuple(
        call_function(
            "create_work_order",
            {"device_number": one["number"], "reading": one["reading"] + one["unit"], "fault": f"读数{one['state']}"},
        )
        for one in judged
        if one["state"] != NORMAL
    )
    return Question(TOOL, question, "" if calls else NORMAL, tools=(CREATE_WORK_ORDER,), tool_calls=calls)
