"""Receipts as the occasion to call the functions of an expense book."""

from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.function_call import call_function, describe_function
from smvl.scenes.phrasing import phrase
from smvl.scenes.receipts.comparison import due_of
from smvl.scenes.scene import TOOL, Question

CATEGORIES = {"restaurant": "餐饮", "drinks": "餐饮", "taxi": "交通", "shop": "购物", "kiosk": "购物", "telephone": "其他"}

_AMOUNT = {"amount": ("number", "金额，单位元")}
_DATE = {"date": ("string", "日期，写法与单据上一致")}
_FUNCTIONS = {
    name: describe_function(name, meaning, parameters, tuple(parameters))
    for name, meaning, parameters in (
        ("record_expense", "记一笔支出", {"merchant": ("string", "商户名称"), **_AMOUNT, **_DATE}),
        (
            "submit_reimbursement",
            "提交报销申请",
            {"category": ("string", "费用类别：餐饮、交通、购物、其他"), **_AMOUNT, **_DATE},
        ),
        ("split_bill", "几个人平摊一张账单", {**_AMOUNT, "people": ("integer", "平摊的人数")}),
        (
            "register_invoice",
            "登记一张发票",
            {"invoice_number": ("string", "发票号码"), "seller": ("string", "销售方"), **_AMOUNT, "tax": ("number", "税额，单位元")},
        ),
        (
            "register_payment",
            "登记一笔收款",
            {"payer": ("string", "交款人"), "purpose": ("string", "收款事由"), **_AMOUNT, **_DATE},
        ),
    )
}
_WORDS = {
    "record_expense": (
        "帮我记一笔账。",
        "把这张单子记到账本里。",
        "这笔消费记一下。",
        "请根据图片记录这笔支出。",
        "记账：按图里的商户、金额和日期。",
        "把图中的花销录入账本。",
        "这是今天的开销，登记一下支出。",
        "照着单据记一笔支出。",
    ),
    "submit_reimbursement": (
        "这张单子拿去报销。",
        "帮我提交报销。",
        "用这张单据申请报销。",
        "按图里的金额和日期提一个报销。",
        "这笔钱公司报，帮我提交申请。",
        "请用这张小票走报销流程。",
        "这个算{category}费，提交报销。",
        "把这张{category}单据报销了。",
    ),
    "split_bill": (
        "我们{people}个人平摊，帮我算一下。",
        "这单{people}个人AA。",
        "{people}个人分摊这张账单。",
        "帮我发起{people}人平摊。",
        "大家{people}个人一起付，平摊吧。",
    ),
    "register_invoice": (
        "登记这张发票。",
        "把这张发票录入系统。",
        "发票入账，请登记。",
        "请根据图片登记发票信息。",
        "这张票要入库，帮我登记。",
        "录一下这张发票的号码、销售方和金额。",
        "财务要登记这张票。",
        "帮我把发票信息记到台账。",
    ),
    "register_payment": (
        "登记这笔收款。",
        "按收据登记收款。",
        "把这张收据录入系统。",
        "请根据图中的收据记一笔收款。",
        "这笔钱收到了，登记一下。",
        "收款入账，照收据登记。",
        "帮我把收据上的款项登记好。",
        "这张收据要入账。",
    ),
}
_FITTING = {"invoice": ("register_invoice",), "handwritten": ("register_payment",)}
_EVERYDAY = ("record_expense", "submit_reimbursement", "split_bill")


def ask_call(facts: Mapping[str, Any], contents: Contents) -> Question:
    """The function that fits the sort of receipt, among some of the others."""
    entries, sort = facts["entries"], facts["sort"]
    name = contents.random.choice(_FITTING.get(sort, _EVERYDAY))
    people = contents.random.randint(2, 9)
    words = phrase(contents, _WORDS[name], people=str(people), category=CATEGORIES.get(sort, "其他"))
    known = {
        "amount": float(due_of(facts)),
        "date": entries["日期"],
        "merchant": entries.get("商户"),
        "category": CATEGORIES.get(sort),
        "people": people,
        "invoice_number": entries.get("发票号码"),
        "seller": entries.get("销售方"),
        "tax": float(entries.get("税额", 0)),
        "payer": entries.get("交款人"),
        "purpose": entries.get("事由"),
    }
    wanted = _FUNCTIONS[name]["function"]["parameters"]["required"]
    others = [function for other, function in _FUNCTIONS.items() if other != name and contents.random.random() < 0.35]
    tools = [_FUNCTIONS[name], *others]
    contents.random.shuffle(tools)
    return Question(TOOL, words, tools=tuple(tools), tool_calls=(call_function(name, {key: known[key] for key in wanted}),))
