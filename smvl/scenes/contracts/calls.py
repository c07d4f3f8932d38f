"""Contracts as the occasion to call the functions of an office."""

from collections.abc import Callable, Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.function_call import call_function, describe_function
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import TOOL, Question

_FUNCTIONS = {
    name: describe_function(name, meaning, parameters, tuple(parameters))
    for name, meaning, parameters in (
        (
            "archive_contract",
            "把合同归档",
            {
                "title": ("string", "合同标题"),
                "party_a": ("string", "甲方"),
                "party_b": ("string", "乙方"),
                "sign_date": ("string", "签订日期，写法与合同一致"),
            },
        ),
        (
            "create_reminder",
            "创建日程提醒",
            {"event": ("string", "要提醒的事项，用合同里的名目"), "date": ("string", "日期，写法与合同一致")},
        ),
        (
            "create_payment",
            "创建一笔待付款项",
            {"payee": ("string", "收款方"), "item": ("string", "款项名目"), "amount": ("number", "金额，单位元")},
        ),
    )
}
_ARCHIVE = (
    "把这份合同归档。",
    "合同签好了，帮我归档。",
    "请把图中的合同存档。",
    "这份合同要入档，登记一下标题、双方和签订日期。",
    "帮我把合同录进档案系统。",
    "归档这份合同。",
    "合同原件已收，请存档。",
    "按图里的信息给合同建档。",
)
_REMIND = (
    "{key}那天提醒我。",
    "帮我设一个{key}的提醒。",
    "到{key}时叫我一声，建个提醒。",
    "把{key}加到日程里。",
    "请按合同的{key}创建提醒。",
)
_PAY = (
    "按合同给{payee}付{item}。",
    "登记一笔{item}，付给{payee}。",
    "请根据合同创建{item}的付款，收款方是{payee}。",
    "该付{payee}{item}了，建一笔付款。",
)
_DATES = ("结束日期", "交货日期", "竣工日期", "到达日期", "开工日期", "开始日期")

Order = tuple[str, str, dict[str, Any]]
"""Words, the function's name and its arguments."""


def ask_call(facts: Mapping[str, Any], contents: Contents) -> Question:
    """To archive it, to be reminded of one of its dates, or to pay what it says, with some of the other functions at hand."""
    entries = facts["entries"]
    makers: list[Callable[[Mapping[str, Any], Contents], Order]] = [_archive]
    if any(key in entries for key in _DATES):
        makers += [_remind, _remind]
    if facts["title"] in _PAYERS:
        makers.append(_pay)
    words, name, arguments = contents.random.choice(makers)(facts, contents)
    others = [function for other, function in _FUNCTIONS.items() if other != name and contents.random.random() < 0.5]
    tools = [_FUNCTIONS[name], *others]
    contents.random.shuffle(tools)
    return Question(TOOL, words, tools=tuple(tools), tool_calls=(call_function(name, arguments),))


def _archive(facts: Mapping[str, Any], contents: Contents) -> Order:
    entries = facts["entries"]
    arguments = {"title": facts["title"], "party_a": entries["甲方"], "party_b": entries["乙方"], "sign_date": entries["签订日期"]}
    return phrase(contents, _ARCHIVE), "archive_contract", arguments


def _remind(facts: Mapping[str, Any], contents: Contents) -> Order:
    key = contents.random.choice([key for key in _DATES if key in facts["entries"]])
    return phrase(contents, _REMIND, key=key), "create_reminder", {"event": key, "date": facts["entries"][key]}


_PAYERS = {
    "买卖合同": ("乙方", "金额", "货款"),
    "房屋租赁合同": ("甲方", "月租金", "月租金"),
    "技术服务合同": ("乙方", "首付款", "首付款"),
    "装修工程合同": ("乙方", "金额", "工程款"),
    "货物运输合同": ("乙方", "金额", "运费"),
    "劳务合同": ("乙方", "金额", "劳务报酬"),
    "设备维护合同": ("乙方", "金额", "维护费"),
}
"""Who is paid, how much, and what it is called."""


def _pay(facts: Mapping[str, Any], contents: Contents) -> Order:
    side, key, item = _PAYERS[facts["title"]]
    payee = facts["entries"][side]
    arguments = {"payee": payee, "item": item, "amount": float(facts["entries"][key])}
    return phrase(contents, _PAY, payee=contents.random.choice((side, payee)), item=item), "create_payment", arguments
