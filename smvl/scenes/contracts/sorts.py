"""Sorts of contracts, each with its parties and clauses; {…} in a clause is what is agreed."""

from collections.abc import Callable
from dataclasses import dataclass

from smvl.scenes.addresses import draw_address, draw_town
from smvl.scenes.contents import Contents
from smvl.scenes.contracts.terms import (
    Terms,
    draw_account,
    draw_court,
    draw_date,
    draw_days,
    draw_goods,
    draw_instalments,
    draw_months,
    draw_period,
    draw_project,
    draw_rate,
    draw_rent,
    draw_sum,
    draw_work_days,
)


@dataclass(frozen=True)
class Clause:
    """One clause: what it is called, and its words in some wordings."""

    heading: str
    wordings: tuple[str, ...]
    terms: Callable[[Contents], Terms] = lambda contents: {}
    """What it needs besides what the contract's own terms are."""
    optional: bool = True


@dataclass(frozen=True)
class Sort:
    title: str
    first: str
    """What the first party is: 出租方."""
    second: str
    people: tuple[float, float]
    """How often each party is a person; else it is a company."""
    terms: Callable[[Contents], Terms]
    clauses: tuple[Clause, ...]


def _one(key: str, draw: Callable[[Contents], str]) -> Callable[[Contents], Terms]:
    return lambda contents: {key: draw(contents)}


_DAMAGES = Clause(
    "违约责任",
    (
        "任何一方不履行本合同约定义务的，应按合同总额的{违约金比例}向守约方支付违约金。",
        "逾期履行的一方，须向对方支付相当于合同总额{违约金比例}的违约金。",
        "违反本合同约定的，违约方应支付合同总额{违约金比例}的违约金，并赔偿由此造成的损失。",
    ),
    _one("违约金比例", draw_rate),
)
_DISPUTES = Clause(
    "争议解决",
    (
        "履行本合同发生争议的，双方应协商解决；协商不成的，提交{争议解决机构}裁决。",
        "因本合同引起的纠纷，双方同意由{争议解决机构}处理。",
        "双方如有争议，先行协商，协商不成可向{争议解决机构}提起。",
    ),
    _one("争议解决机构", draw_court),
)
_NOTICE = Clause(
    "合同解除",
    (
        "一方需提前解除合同的，应提前{提前通知期}书面通知对方。",
        "经双方协商一致可以解除合同，解除前须提前{提前通知期}告知另一方。",
    ),
    _one("提前通知期", draw_days),
)
_PAYMENT = Clause(
    "付款方式",
    (
        "甲方应在验收合格后{付款期限}内，以银行转账方式一次付清全部款项。",
        "乙方开具发票后，甲方于{付款期限}内付清全部款项。",
        "款项自本合同签订之日起{付款期限}内支付完毕。",
    ),
    _one("付款期限", draw_days),
)
_PRICE = "人民币{金额}元（大写：{大写}）"

SORTS = (
    Sort(
        "买卖合同",
        "买方",
        "卖方",
        (0, 0),
        lambda contents: dict(zip(("标的", "数量"), draw_goods(contents))) | draw_sum(contents, 3_000, 900_000),
        (
            Clause("合同标的", ("乙方向甲方供应{标的}，数量为{数量}。", "甲方向乙方购买{标的}，共计{数量}。"), optional=False),
            Clause("合同价款", (f"合同总价为{_PRICE}。", f"货款总额为{_PRICE}，含税及运费。"), optional=False),
            Clause("交货时间", ("乙方应于{交货日期}前将货物送达。", "交货日期为{交货日期}，逾期视为违约。"), _one("交货日期", draw_date)),
            Clause(
                "交货地点", ("交货地点为{交货地点}，运费由乙方承担。", "乙方负责将货物运至{交货地点}。"), _one("交货地点", draw_address)
            ),
            _PAYMENT,
            Clause(
                "质量保证",
                ("货物质量保证期为{质保期}，自验收合格之日起计算。", "乙方对货物提供{质保期}的质量保证。"),
                _one("质保期", draw_months),
            ),
            _DAMAGES,
            _DISPUTES,
        ),
    ),
    Sort(
        "房屋租赁合同",
        "出租方",
        "承租方",
        (0.7, 0.7),
        lambda contents: {"租赁地址": draw_address(contents)} | draw_rent(contents) | draw_period(contents),
        (
            Clause("租赁房屋", ("甲方将位于{租赁地址}的房屋出租给乙方使用。", "乙方承租甲方坐落于{租赁地址}的房屋。"), optional=False),
            Clause(
                "租赁期限",
                ("租赁期为{期限}，自{开始日期}起至{结束日期}止。", "房屋租期共{期限}，从{开始日期}到{结束日期}。"),
                optional=False,
            ),
            Clause(
                "租金",
                ("月租金为人民币{月租金}元（大写：{大写}）。", "每月租金人民币{月租金}元（大写：{大写}），按月支付。"),
                optional=False,
            ),
            Clause("押金", ("乙方应向甲方交纳押金{押金}元，租期届满无息退还。", "签订合同时，乙方一次交付押金{押金}元。")),
            Clause(
                "房屋面积",
                ("房屋建筑面积为{建筑面积}。", "该房屋面积共{建筑面积}，附属设施完好。"),
                _one("建筑面积", lambda contents: contents.text(lambda each: f"{each.randrange(220, 3800) / 10:.1f}平方米")),
            ),
            _NOTICE,
            _DAMAGES,
            _DISPUTES,
        ),
    ),
    Sort(
        "技术服务合同",
        "委托方",
        "服务方",
        (0, 0),
        lambda contents: (
            {"项目名称": draw_project(contents, "管理系统", "数据平台", "监测系统", "门户网站", "小程序", "调度平台")}
            | draw_instalments(contents, 20_000, 900_000)
        ),
        (
            Clause(
                "服务内容",
                ("乙方为甲方提供{项目名称}的开发与技术支持服务。", "甲方委托乙方承担{项目名称}的设计、开发和维护。"),
                optional=False,
            ),
            Clause("服务费用", (f"服务费总额为{_PRICE}。", f"甲方应支付的服务费共计{_PRICE}。"), optional=False),
            Clause(
                "支付安排",
                ("合同签订后支付首付款{首付款}元，验收后支付尾款{尾款}元。", "首付款为{首付款}元，余下尾款{尾款}元在验收后付清。"),
                optional=False,
            ),
            Clause(
                "服务期限",
                ("服务期限为{期限}，自{开始日期}起至{结束日期}止。", "服务自{开始日期}开始，{结束日期}结束，共{期限}。"),
                draw_period,
            ),
            Clause(
                "验收期限",
                ("甲方应在收到成果后{验收期限}内完成验收。", "验收须在交付后{验收期限}内进行，逾期视为合格。"),
                _one("验收期限", draw_days),
            ),
            _DAMAGES,
            _DISPUTES,
        ),
    ),
    Sort(
        "借款合同",
        "出借人",
        "借款人",
        (0.7, 0.7),
        lambda contents: draw_sum(contents, 2_000, 500_000) | draw_period(contents) | {"年利率": draw_rate(contents)},
        (
            Clause("借款金额", (f"乙方向甲方借款{_PRICE}。", f"甲方借给乙方{_PRICE}，以转账方式交付。"), optional=False),
            Clause(
                "借款期限",
                ("借款期限为{期限}，自{开始日期}起至{结束日期}止。", "乙方应在{结束日期}前还清，借款自{开始日期}起算，共{期限}。"),
                optional=False,
            ),
            Clause("借款利率", ("借款年利率为{年利率}，利随本清。", "双方约定按年利率{年利率}计息。"), optional=False),
            Clause(
                "借款用途",
                ("借款用于{借款用途}，不得挪作他用。", "乙方保证将借款用于{借款用途}。"),
                _one("借款用途", lambda contents: draw_project(contents, "门店装修", "设备采购", "厂房建设", "日常经营", "住房装修")),
            ),
            _DAMAGES,
            _DISPUTES,
        ),
    ),
    Sort(
        "装修工程合同",
        "发包方",
        "承包方",
        (0.7, 0),
        lambda contents: {"工程地点": draw_address(contents)} | draw_sum(contents, 20_000, 600_000) | draw_work_days(contents),
        (
            Clause("工程地点", ("乙方承包甲方位于{工程地点}的室内装修工程。", "装修工程地点为{工程地点}。"), optional=False),
            Clause("工程价款", (f"工程总价款为{_PRICE}。", f"双方商定工程造价{_PRICE}，包工包料。"), optional=False),
            Clause(
                "工期",
                ("工期为{工期}，自{开工日期}开工，{竣工日期}竣工。", "本工程于{开工日期}开工，{竣工日期}前竣工，工期共{工期}。"),
                optional=False,
            ),
            Clause(
                "保修", ("工程竣工验收后，乙方免费保修{保修期}。", "保修期为{保修期}，自竣工验收之日起计算。"), _one("保修期", draw_months)
            ),
            _PAYMENT,
            _DAMAGES,
            _DISPUTES,
        ),
    ),
    Sort(
        "货物运输合同",
        "托运方",
        "承运方",
        (0, 0),
        lambda contents: dict(zip(("货物名称", "货物数量"), draw_goods(contents))) | draw_sum(contents, 600, 60_000),
        (
            Clause(
                "运输货物", ("甲方委托乙方运输{货物名称}，共{货物数量}。", "乙方承运甲方的{货物名称}，数量{货物数量}。"), optional=False
            ),
            Clause(
                "起运地和目的地",
                ("货物自{起运地}起运，运至{目的地}。", "起运地为{起运地}，目的地为{目的地}。"),
                lambda contents: {"起运地": draw_town(contents), "目的地": draw_town(contents)},
                optional=False,
            ),
            Clause("运费", (f"运费总计{_PRICE}。", f"甲方应付运费{_PRICE}，货到付清。"), optional=False),
            Clause("到达时间", ("乙方应保证货物于{到达日期}前到达。", "货物须在{到达日期}前运抵目的地。"), _one("到达日期", draw_date)),
            _PAYMENT,
            _DAMAGES,
            _DISPUTES,
        ),
    ),
    Sort(
        "劳务合同",
        "用人单位",
        "劳务人员",
        (0, 1),
        lambda contents: (
            {"岗位": draw_account(contents)}
            | draw_period(contents)
            | {key: text for key, text in draw_sum(contents, 2_600, 30_000).items()}
        ),
        (
            Clause("工作岗位", ("甲方聘用乙方担任{岗位}。", "乙方同意担任{岗位}，服从甲方管理。"), optional=False),
            Clause(
                "合同期限",
                ("合同期限为{期限}，自{开始日期}起至{结束日期}止。", "本合同自{开始日期}至{结束日期}有效，共{期限}。"),
                optional=False,
            ),
            Clause("劳务报酬", (f"每月报酬为{_PRICE}。", f"甲方按月支付报酬{_PRICE}。"), optional=False),
            Clause("试用期", ("试用期自开始日起共{试用期}。", "双方约定试用期{试用期}。"), _one("试用期", draw_days)),
            _NOTICE,
            _DISPUTES,
        ),
    ),
    Sort(
        "设备维护合同",
        "使用方",
        "维护方",
        (0, 0),
        lambda contents: (
            {"设备名称": draw_project(contents, "电梯", "中央空调", "锅炉", "配电柜", "水泵", "消防设备", "监控设备")}
            | draw_sum(contents, 2_000, 200_000)
            | draw_period(contents)
        ),
        (
            Clause("维护设备", ("乙方负责{设备名称}的日常维护和故障抢修。", "维护对象为甲方的{设备名称}。"), optional=False),
            Clause(
                "维护期限",
                ("维护期为{期限}，自{开始日期}起至{结束日期}止。", "维护服务从{开始日期}到{结束日期}，共{期限}。"),
                optional=False,
            ),
            Clause("维护费用", (f"维护费总额为{_PRICE}。", f"甲方支付维护费{_PRICE}。"), optional=False),
            _PAYMENT,
            _NOTICE,
            _DAMAGES,
            _DISPUTES,
        ),
    ),
)
