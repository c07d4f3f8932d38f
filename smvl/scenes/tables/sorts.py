"""Sorts of tables: score sheets, stock lists, timetables, rosters, agendas, sales, staff, quotations, laboratory reports, the weather."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from smvl.scenes.addresses import draw_shop, draw_town, random_house_name, random_town
from smvl.scenes.contents import Contents
from smvl.scenes.dates import DASHES, date_text, draw_day, draw_time
from smvl.scenes.goods import CATEGORIES, Category, draw_good, draw_spec
from smvl.scenes.people import draw_name, draw_phone
from smvl.scenes.tables.column import Column, number_column

WEATHERS = ("晴", "多云", "阴", "小雨", "中雨", "阵雨", "雷阵雨", "小雪", "雾", "霾")
WINDS = tuple(f"{way}风{force}级" for way in ("东", "南", "西", "北", "东南", "东北", "西南", "西北") for force in range(1, 7))
PERIODS = ("第一节", "第二节", "第三节", "第四节", "第五节", "第六节")
WORKDAYS = ("星期一", "星期二", "星期三", "星期四", "星期五")
ASSAYS = (
    "白细胞计数",
    "红细胞计数",
    "血红蛋白",
    "血小板计数",
    "总胆固醇",
    "甘油三酯",
    "空腹血糖",
    "尿酸",
    "肌酐",
    "尿素氮",
    "总蛋白",
    "白蛋白",
    "谷丙转氨酶",
    "谷草转氨酶",
    "总胆红素",
    "中性粒细胞",
    "淋巴细胞",
)
DEPARTMENTS = ("销售部", "财务部", "研发部", "人事部", "采购部", "生产部", "质检部", "客服部", "市场部", "仓储部", "行政部", "法务部")
_FIELDS = (
    "机械 电气 材料 土木 环境 食品 生物 化学 软件 通信 经济 管理 会计 法律 新闻 旅游 园林 临床 护理 地理 天文 统计 海洋 建筑"
).split()
_LESSONS = "概论 原理 基础 实验 设计 导论 实训 英语 案例 研讨".split()
_TOPICS = "产品 安全 预算 招聘 质量 采购 客户 项目 设备 品牌 渠道 数据 培训 节能 仓储 售后 合规 研发".split()
_PLANTS = ("线路", "厂房", "仓库", "机组", "管网", "站点")
_WORKS = ("检修", "改造", "巡检", "扩建", "保养")
_MEETINGS = "评审会 通报会 讨论会 启动会 总结会 协调会 例会 分享会 培训 复盘会 座谈会 验收会".split()


@dataclass(frozen=True)
class Sort:
    """What a table is about."""

    title: Callable[[random.Random], str]
    key: Column
    """The column that names its rows; no two cells are alike."""
    columns: tuple[Column, ...]
    """Of which some are taken, in this order."""
    who: str
    """What a row is asked for by: 哪位同学."""
    total_column: str = ""
    """A last column that sums up the numbers of each row, on some tables; empty where there is none."""
    total_row: bool = False
    """Whether a last row may sum up the columns."""
    group: Column | None = None
    """A first column whose cells may be merged over rows."""
    all_columns: bool = False
    """Whether no column may be left out."""


def _text(name: str, make: Callable[[random.Random], str]) -> Column:
    return Column(name, lambda contents: contents.text(make))


def _label(name: str, words: tuple[str, ...]) -> Column:
    return Column(name, lambda contents: contents.random.choice(words))


def _good(name: str, category: Category) -> Column:
    return Column(name, lambda contents: draw_good(contents, category))


def _spec(name: str, category: Category) -> Column:
    return Column(name, lambda contents: draw_spec(contents, category))


def _lesson(generator: random.Random) -> str:
    return generator.choice(_FIELDS) + generator.choice(_LESSONS)


def _hired(contents: Contents) -> str:
    return date_text(draw_day(contents, DASHES), DASHES)


def _day(generator: random.Random) -> str:
    return f"{generator.randint(1, 12)}月{generator.randint(1, 28)}日"


def _clock(first: int, last: int) -> Callable[[Contents], str]:
    return lambda contents: draw_time(contents, first, last, seconds=False)


def _class_title(generator: random.Random) -> str:
    grade = generator.choice(("高一", "高二", "高三", "初一", "初二", "初三", "四年级", "五年级", "六年级"))
    exam = generator.choice(("期中", "期末", "月考", "摸底", "模拟"))
    school = random_town(generator) + generator.choice(("中学", "一中", "实验学校", "外国语学校"))
    return f"{school}{grade}（{generator.randint(1, 20)}）班{exam}成绩表"


def _of_house(*endings: str) -> Callable[[random.Random], str]:
    """For example 清和2026年3月销售统计表."""

    def make(generator: random.Random) -> str:
        return f"{random_house_name(generator)}{generator.randint(2019, 2031)}年{generator.randint(1, 12)}月{generator.choice(endings)}"

    return make


def _of_year(*endings: str) -> Callable[[random.Random], str]:
    """For example 清和2026年值班表."""
    return lambda generator: f"{random_house_name(generator)}{generator.randint(2015, 2034)}年{generator.choice(endings)}"


def _of_town(*endings: str) -> Callable[[random.Random], str]:
    return lambda generator: f"{random_town(generator)}{generator.choice(('', '市', '新区'))}{generator.choice(endings)}"


def _stock(category: Category) -> Sort:
    """A stock list of goods of one sort."""
    return Sort(
        _of_house("库存表", "盘点表", "库存清单", "商品台账"),
        _good("品名", category),
        (
            _text("货号", lambda generator: f"{generator.choice('ABCDEFGH')}{generator.randrange(1000, 99999)}"),
            _spec("规格", category),
            _label("单位", category.units),
            number_column("库存", 12, 9_800),
            number_column("单价（元）", *(100 * price for price in category.prices), decimals=2, sums=False),
            _text("库位", lambda generator: f"{generator.choice('ABCDEF')}-{generator.randint(1, 30):02d}-{generator.randint(1, 20):02d}"),
        ),
        "哪种商品",
    )


def _quotation(category: Category) -> Sort:
    """What goods of one sort cost together."""
    return Sort(
        _of_house("费用明细表", "采购预算表", "报价单", "采购清单"),
        _good("项目", category),
        (
            _spec("型号", category),
            _label("单位", category.units),
            number_column("数量", 2, 900, sums=False),
            number_column("金额（元）", 3_000, 900_000, decimals=2),
            Column("经办人", draw_name),
        ),
        "哪个项目",
        total_row=True,
    )


_PACKED = [category for category in CATEGORIES if not category.weighed]
FAMILIES: tuple[tuple[Sort, ...], ...] = (
    tuple(map(_stock, _PACKED)),
    tuple(map(_quotation, _PACKED)),
    *(
        (sort,)
        for sort in (
            Sort(
                _class_title,
                Column("姓名", draw_name),
                tuple(
                    number_column(name, 450, 1000, step=5, decimals=1)
                    for name in ("语文", "数学", "英语", "物理", "化学", "生物", "历史", "地理")
                ),
                "哪位同学",
                total_column="总分",
            ),
            Sort(
                _of_town("客运站发车时刻表", "汽车站班次表", "火车站时刻表", "城际列车时刻表"),
                _text("车次", lambda generator: f"{generator.choice('GDKTZC')}{generator.randrange(100, 9999)}"),
                (
                    Column("始发站", draw_town),
                    Column("终点站", draw_town),
                    Column("发车时间", _clock(5, 22)),
                    Column("到达时间", _clock(6, 23)),
                    number_column("票价（元）", 90, 4_800, decimals=1, sums=False),
                    _text("检票口", lambda generator: f"{generator.choice('ABCD')}{generator.randint(1, 40)}"),
                ),
                "哪个车次",
            ),
            Sort(
                lambda generator: f"{generator.choice(_FIELDS)}专业{generator.randint(19, 31)}级{generator.randint(1, 30)}班课程表",
                _label("节次", PERIODS),
                tuple(_text(day, _lesson) for day in WORKDAYS),
                "哪一节",
                all_columns=True,
            ),
            Sort(
                _of_year("值班表", "值班安排", "排班表"),
                _text("日期", _day),
                (
                    Column("值班人", draw_name),
                    Column("带班领导", draw_name),
                    Column("联系电话", draw_phone),
                    _text("值班地点", lambda generator: f"{generator.randint(1, 29)}号楼{generator.randint(101, 999)}室"),
                ),
                "哪一天",
            ),
            Sort(
                _of_house("会议安排", "培训日程", "活动日程表", "会议日程"),
                Column("时间", _clock(8, 19)),
                (
                    _text("内容", lambda generator: generator.choice(_TOPICS) + generator.choice(_MEETINGS)),
                    Column("主持人", draw_name),
                    _text("地点", lambda generator: f"{generator.choice(('会议室', '报告厅', '教室'))}{generator.randint(101, 999)}"),
                    number_column("人数", 5, 400),
                ),
                "哪个时间",
            ),
            Sort(
                _of_year("销售统计表", "销售报表", "业绩表（万元）", "门店销售额（万元）"),
                Column("门店", draw_shop),
                tuple(number_column(name, 100, 9_900, decimals=1) for name in ("一季度", "二季度", "三季度", "四季度")),
                "哪家门店",
                total_column="全年合计",
                total_row=True,
            ),
            Sort(
                _of_house("员工通讯录", "人员名单", "员工花名册", "考勤名单"),
                Column("姓名", draw_name),
                (
                    _text("工号", lambda generator: f"{generator.randrange(10_000, 99_999)}"),
                    Column("电话", draw_phone),
                    Column("入职日期", _hired),
                    number_column("工龄津贴（元）", 1_000, 90_000, step=10, decimals=2, sums=True),
                    _text("座位", lambda generator: f"{generator.choice('ABCDEF')}{generator.randint(101, 699)}"),
                ),
                "哪位员工",
                group=_label("部门", DEPARTMENTS),
            ),
            Sort(
                _of_town("医院检验报告单", "体检中心检验结果", "人民医院化验单"),
                _label("检验项目", ASSAYS),
                (
                    number_column("结果", 11, 9_900, decimals=2, sums=False),
                    _text(
                        "参考范围", lambda generator: f"{generator.randrange(5, 900) / 10:.1f}-{generator.randrange(1000, 4000) / 10:.1f}"
                    ),
                    number_column("上次结果", 11, 9_900, decimals=2, sums=False),
                    Column("检验者", draw_name),
                ),
                "哪个检验项目",
            ),
            Sort(
                lambda generator: f"{generator.randint(1, 12)}月{generator.randint(1, 28)}日{random_town(generator)}地区天气预报",
                Column("城市", draw_town),
                (
                    _label("天气", WEATHERS),
                    number_column("最高气温（℃）", 160, 390, decimals=1, sums=False),
                    number_column("最低气温（℃）", 10, 158, decimals=1, sums=False),
                    _label("风力", WINDS),
                    number_column("降水量（毫米）", 1, 900, decimals=1),
                ),
                "哪个城市",
            ),
            Sort(
                _of_year("项目进度表", "任务安排表", "设备检修计划"),
                _text("编号", lambda generator: f"{generator.choice(('XM', 'RW', 'SB'))}{generator.randrange(1000, 9999)}"),
                (
                    _text("任务", lambda generator: random_town(generator) + generator.choice(_PLANTS) + generator.choice(_WORKS)),
                    Column("负责人", draw_name),
                    _text("截止日期", _day),
                    number_column("完成率（%）", 10, 1000, decimals=1, sums=False),
                ),
                "哪个编号",
            ),
        )
    ),
)
"""Sorts that differ only in their goods stand together; each family is as often as another."""

SORTS = tuple(sort for family in FAMILIES for sort in family)
TOTAL = "合计"
LABELS = frozenset(
    (*WEATHERS, *WINDS, *PERIODS, *WORKDAYS, *ASSAYS, *DEPARTMENTS, TOTAL, "部门")
    + tuple(unit for category in CATEGORIES for unit in category.units)
    + tuple(column.name for sort in SORTS for column in (sort.key, *sort.columns))
    + tuple(sort.total_column for sort in SORTS if sort.total_column)
)
