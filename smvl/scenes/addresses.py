"""Invented towns, streets, shops and companies, with their addresses."""

import random

from smvl.scenes.contents import Contents

_TOWN = "江云海清临安平宁丰泽柳桐兰青松嘉瑞南东北西永长新金石白花玉"
_TOWN_END = "川陵州溪泉浦原台山湖港岭城阳水源"
_ROAD = (
    "春江|文昌|建设|解放|新华|中山|人民|长安|青年|学府|滨河|望湖|梧桐|银杏|桂花|东风|和平|幸福|朝阳|明德|科创|创业|金桥|云锦|翠湖|"
    "松山|凤凰|迎宾|锦绣|丹枫"
).split("|")
_SIDE = ("东", "西", "南", "北", "中", "", "", "")
_STREET = ("路", "街", "大道", "巷")
_NAME_FIRST = "禾清岚朴青云谷溪沐初田橙晴朗柏松星禧泰锦恒嘉瑞安佳鑫盛隆华宏远博启"
_NAME_SECOND = "悦野园朵源语香达邦通利和安信诚捷丰兴茂和润泽宁川峰岳"
_SHOPS = ("便利店", "超市", "生鲜超市", "仓储超市", "百货", "生活馆", "社区店", "生活超市", "杂货铺", "量贩店", "购物广场", "平价超市")
_EATERIES = "小厨|面馆|饺子馆|火锅城|家常菜|酒楼|烧烤|米粉店|私房菜|海鲜坊|砂锅居|饭庄|食府|包子铺|茶餐厅".split("|")
_DRINKS = ("茶饮", "咖啡", "奶茶", "鲜果茶", "甜品屋", "烘焙", "豆浆铺")
_INDUSTRIES = (
    "科技|贸易|建材|物流|食品|医疗器械|文化传媒|信息技术|装饰工程|机电设备|电子|环保|农业发展|包装印刷|仪器仪表|教育咨询|家具|服装|"
    "汽车配件|物业服务"
).split("|")
_COMPANY_ENDS = ("有限公司", "有限公司", "有限责任公司", "股份有限公司")


def random_town(generator: random.Random) -> str:
    return generator.choice(_TOWN) + generator.choice(_TOWN_END)


def random_house_name(generator: random.Random) -> str:
    """The two characters that name a shop, a brand or a company."""
    return generator.choice(_NAME_FIRST) + generator.choice(_NAME_SECOND)


def random_road(generator: random.Random) -> str:
    return generator.choice(_ROAD) + generator.choice(_SIDE) + generator.choice(_STREET)


def draw_town(contents: Contents) -> str:
    """For example 云川市."""
    return contents.text(lambda generator: random_town(generator) + generator.choice(("市", "市", "县")))


def draw_address(contents: Contents) -> str:
    """For example 云川市文昌东路218号."""
    return contents.text(lambda generator: f"{random_town(generator)}市{random_road(generator)}{generator.randint(1, 999)}号")


def _draw_house(contents: Contents, kinds: tuple[str, ...] | list[str]) -> str:
    return contents.text(lambda generator: random_house_name(generator) + generator.choice(kinds))


def draw_shop(contents: Contents) -> str:
    return _draw_house(contents, _SHOPS)


def draw_eatery(contents: Contents) -> str:
    return _draw_house(contents, _EATERIES)


def draw_drinks_shop(contents: Contents) -> str:
    return _draw_house(contents, _DRINKS)


def draw_branch(contents: Contents) -> str:
    """For example 文昌东路店."""
    return contents.text(lambda generator: random_road(generator) + "店")


def draw_company(contents: Contents) -> str:
    """For example 云川清和科技有限公司."""
    return contents.text(
        lambda generator: (
            random_town(generator)
            + generator.choice(("", "市"))
            + random_house_name(generator)
            + generator.choice(_INDUSTRIES)
            + generator.choice(_COMPANY_ENDS)
        )
    )
