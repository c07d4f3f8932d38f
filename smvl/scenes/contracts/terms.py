"""What is agreed: sums, rates, terms and days that follow from each other, every printed form of the split."""

import datetime
import random
import re
from collections.abc import Callable

from smvl.scenes.addresses import random_house_name, random_town
from smvl.scenes.contents import Contents
from smvl.scenes.dates import CHINESE, add_months, date_text, random_day
from smvl.scenes.goods import CATEGORIES, draw_good
from smvl.scenes.money import amount_text, capital_amount

Terms = dict[str, str]
"""What is asked for -> what is printed."""


def until_fits(contents: Contents, make: Callable[[random.Random], Terms], free: tuple[str, ...] = ("大写",)) -> Terms:
    """Terms that `make` draws, again until all printed forms are of the split but those that a sum has only once, its capitals."""
    while True:
        terms = make(contents.random)
        if contents.fits(*(text for key, text in terms.items() if key not in free)):
            for key, text in terms.items():
                if key not in free:
                    contents.keep(text)
            return terms


def draw_sum(contents: Contents, low: int, high: int) -> Terms:
    """金额 and 大写, mostly of whole tens of yuan; from and to in yuan."""

    def make(generator: random.Random) -> Terms:
        cents = (
            generator.randrange(low * 10, high * 10) * 10 if generator.random() < 0.3 else generator.randrange(low // 10, high // 10) * 1000
        )
        return {"金额": amount_text(cents), "大写": capital_amount(cents)}

    return until_fits(contents, make)


def draw_instalments(contents: Contents, low: int, high: int) -> Terms:
    """金额, 大写, 首付款 and 尾款, which make up 金额."""

    def make(generator: random.Random) -> Terms:
        cents = generator.randrange(low, high) * 100
        first = round(cents * generator.uniform(0.2, 0.6) / 10_000) * 10_000
        return {"金额": amount_text(cents), "大写": "", "首付款": amount_text(first), "尾款": amount_text(cents - first)}

    terms = until_fits(contents, make)
    return terms | {"大写": capital_amount(round(float(terms["金额"]) * 100))}


def draw_rent(contents: Contents) -> Terms:
    """月租金 and 押金, some months' worth of it, with its capitals."""

    def make(generator: random.Random) -> Terms:
        cents = generator.randrange(80, 1800) * 1000 + generator.choice((0, 0, 500, 800))
        return {"月租金": amount_text(cents), "押金": amount_text(cents * generator.choice((1, 2, 3)))}

    terms = until_fits(contents, make)
    return terms | {"大写": capital_amount(round(float(terms["月租金"]) * 100))}


def draw_period(contents: Contents) -> Terms:
    """期限 in months, 开始日期 and 结束日期, the day before it begins again."""

    def make(generator: random.Random) -> Terms:
        start, months = random_day(generator), generator.randint(2, 72)
        end = add_months(start, months) - datetime.timedelta(days=1)
        return {"期限": f"{months}个月", "开始日期": date_text(start), "结束日期": date_text(end)}

    return until_fits(contents, make)


def draw_work_days(contents: Contents) -> Terms:
    """工期 in days, 开工日期 and 竣工日期, the first and the last of them."""

    def make(generator: random.Random) -> Terms:
        start, days = random_day(generator), generator.randint(12, 300)
        end = start + datetime.timedelta(days=days - 1)
        return {"工期": f"{days}天", "开工日期": date_text(start), "竣工日期": date_text(end)}

    return until_fits(contents, make)


def draw_date(contents: Contents) -> str:
    return contents.text(lambda generator: date_text(random_day(generator), CHINESE))


def draw_date_before(contents: Contents, date: str) -> str:
    """A date within two hundred days before another printed one."""
    day = datetime.date(*map(int, re.findall(r"\d+", date)))
    return contents.text(lambda generator: date_text(day - datetime.timedelta(days=generator.randint(0, 200)), CHINESE))


def draw_rate(contents: Contents) -> str:
    """A share for delay and damages: 3.5%."""
    return contents.text(lambda generator: f"{generator.randrange(5, 300) / 10:g}%")


def draw_days(contents: Contents) -> str:
    """Days to pay in: 15日."""
    return contents.text(lambda generator: f"{generator.randrange(2, 181)}日")


def draw_months(contents: Contents) -> str:
    """A warranty: 18个月; a probation has few."""
    return contents.text(lambda generator: f"{generator.randrange(1, 120)}个月")


def draw_project(contents: Contents, *endings: str) -> str:
    """For example 云川清和物流管理系统."""
    return contents.text(lambda generator: random_town(generator) + random_house_name(generator) + generator.choice(endings))


def draw_goods(contents: Contents) -> tuple[str, str]:
    """Goods, and how much of them: 清悦无糖乌龙茶, 240箱."""
    category = contents.random.choice([category for category in CATEGORIES if not category.weighed])
    unit = contents.random.choice((category.units[0], "箱", "件"))
    return draw_good(contents, category), contents.text(lambda generator: f"{generator.randrange(20, 3000)}{unit}")


def draw_court(contents: Contents) -> str:
    """Who decides in a dispute: 云川仲裁委员会."""
    return contents.text(
        lambda generator: random_town(generator) + generator.choice(("仲裁委员会", "市人民法院", "区人民法院", "县人民法院"))
    )


def draw_number(contents: Contents) -> str:
    """The contract's: HT-2026-0318."""

    def make(generator: random.Random) -> str:
        letters = generator.choice(("HT", "XS", "CG", "FW", "ZL", "GC", "JK", "YW"))
        joint = generator.choice(("-", "-", ""))
        return f"{letters}{joint}{generator.randint(2015, 2034)}{joint}{generator.randrange(10_000):04d}"

    return contents.text(make)


def draw_account(contents: Contents) -> str:
    """A post that somebody is hired for: 云川门店店长."""
    posts = ("店长", "会计", "司机", "设计师", "质检员", "仓库主管", "客服专员", "电工", "讲师", "销售经理", "程序员", "采购员")
    places = ("门店", "分公司", "项目部", "办事处", "基地", "仓库")
    return contents.text(lambda generator: random_town(generator) + generator.choice(places) + generator.choice(posts))
