"""Signs along a street: what is written on them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from smvl.scenes.addresses import random_house_name, random_road, random_town
from smvl.scenes.contents import Contents
from smvl.scenes.people import SURNAMES

SHOP, UPRIGHT, DIRECTION, ROAD, DOOR, NOTICE, BUS = "店铺招牌", "竖招牌", "指路牌", "路名牌", "门牌", "提示牌", "公交站牌"
TYPES = (SHOP, UPRIGHT, DIRECTION, ROAD, DOOR, NOTICE, BUS)
LEFT, RIGHT, AHEAD = "左", "右", "前"
BUS_HEADING = "公交车站"

_TRADES = (
    "面馆|茶馆|书店|花店|理发店|裁缝铺|五金店|药房|眼镜店|文具店|水果店|粮油店|烘焙坊|茶叶店|瓷器铺|乐器行|自行车行|照相馆|洗衣店|修表铺|宠物店|鞋店|童装店|渔具店|"
    "钥匙铺|打印店|画廊|琴行|早餐店|米粉店|包子铺|豆腐坊|酱菜店|糕点铺|咖啡馆|小吃店|火锅店|烤鸭店|饺子馆|酒楼|客栈|旅馆|驾校|诊所|牙科|健身房|棋牌室|游泳馆|车行|轮胎店|"
    "灯饰店|窗帘店|家具城|建材店|电器行|手机店|通讯店|彩票店|便利店|超市|菜市场|海鲜行|干果店|蜂蜜店|母婴店|玩具店|礼品店|钟表行|首饰店|美发沙龙|图文社|婚纱摄影|装裱店|古玩店"
).split("|")
_DISHES = (
    "牛肉面|羊肉粉|小笼包|豆花|凉皮|馄饨|炸酱面|卤味|烧饼|酸辣粉|米线|煎饼|粥铺|酱鸭|鱼丸|肠粉|热干面|肉夹馍|"
    "生煎|麻花|糖炒栗子|酸奶|烤鱼|砂锅"
).split("|")
_PLACES = (
    "火车站|汽车站|人民公园|市图书馆|博物馆|体育中心|第一医院|科技馆|植物园|动物园|会展中心|少年宫|大剧院|市政府|老城区|开发区|大学城|码头|机场|客运中心|森林公园|湿地公园|美术馆|游客中心"
).split("|")
_NATURE = "云|月|松|竹|枫|柳|荷|梅|兰|桂|溪|泉|湖|山|霞|雪|鹤|鹿|雁|星"
_LAND = "湖|山|岭|谷|湾|桥|渡|塔|寺|洞|瀑布|古镇|古村|滩|岛"
_NOTICES: tuple[tuple[str, str], ...] = (
    # Where, and what is asked there; each joins with each.
    (
        "|本店|馆内|店内|大厅|一楼|二楼|三楼|电梯内|候车厅|阅览室|教室内|展厅|会议室|走廊",
        "禁止吸烟|请勿饮食|请勿喧哗|禁止携带宠物|请勿奔跑|请勿触摸|请勿拍照|请保持安静|请将手机静音|请随手关灯|请随手关门|请轻声关门|请保管好财物|请看管好儿童|请排队等候|请扫码登记|"
        "请出示证件|请垃圾分类|请勿大声播放音乐|小心地滑|小心玻璃|小心台阶|当心碰头|当心夹手|请节约用水|请勿张贴广告|禁止堆放杂物|请勿追逐打闹|请主动让座|请在一米线外等候",
    ),
    (
        "|园区|小区|校内|院内|广场|公园|景区|湖区|岸边|林区|步道|桥上|草坪|码头",
        "禁止停车|禁止攀爬|请勿垂钓|禁止游泳|禁止鸣笛|请勿踩踏草坪|请勿采摘花果|请勿投喂动物|请勿乱扔果皮|禁止烧烤|禁止露营|禁止燃放烟花|请勿遛狗|禁止摆摊|请勿晾晒衣物|请爱护花草|请靠右行走|"
        "请减速慢行|请绕道行驶|当心落水|当心落石|当心滑倒|注意行人|注意儿童|注意深水|注意陡坡|注意弯道|小心动物出没|禁止倾倒垃圾|请按序停放|请勿靠近水边|禁止翻越护栏",
    ),
    (
        "|工地|厂区|车间|库区|施工区|泵房|配电室|站台|机房|作业区|吊装区|装卸区|锅炉房",
        "请佩戴安全帽|请系好安全带|禁止烟火|禁止入内|禁止通行|禁止跨越|禁止擅自操作|禁止开启阀门|禁止带电作业|禁止超载运行|严禁酒后上岗|严禁明火作业|当心触电|当心坠落|当心吊物|当心烫伤|当心塌方|"
        "当心机械伤人|注意车辆|注意高压|注意通风|小心井盖|请勿占用通道|请在此登记|请持证上岗|请关好水龙头|请切断电源|禁止堆放易燃物|请穿防护服|请戴护目镜",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Sign:
    """One sign."""

    type: str
    """One of `TYPES`."""
    lines: tuple[str, ...]
    """What is written on it, from top to bottom."""
    fields: dict[str, str] = field(default_factory=dict)
    """What its parts mean, for example {"去向": "映月湖", "方向": "左", "距离": "1.2km"}."""

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def _shop_name(generator: random.Random) -> str:
    style = generator.random()
    if style < 0.25:
        return f"{generator.choice(SURNAMES)}记{generator.choice(_DISHES)}"
    if style < 0.4:
        return f"{random_town(generator)}{generator.choice(_DISHES)}"
    return random_house_name(generator) + generator.choice(_TRADES)


def _sight(generator: random.Random) -> str:
    if generator.random() < 0.4:
        return random_town(generator) + generator.choice(_PLACES)
    return generator.choice(_NATURE.split("|")) + generator.choice(_NATURE.split("|")) + generator.choice(_LAND.split("|"))


def _distance(generator: random.Random) -> str:
    return f"{generator.randrange(50, 1000, 10)}m" if generator.random() < 0.5 else f"{generator.uniform(1, 30):.1f}km"


def _notice(generator: random.Random) -> str:
    places, notices = generator.choice(_NOTICES)
    return generator.choice(places.split("|")) + generator.choice(notices.split("|"))


def draw_shop(contents: Contents) -> Sign:
    name = contents.text(_shop_name)
    if contents.random.random() < 0.35:
        phone = contents.text(lambda generator: f"电话{generator.randrange(2_000_000, 9_000_000)}")
        return Sign(SHOP, (name, phone), {"店名": name, "电话": phone.removeprefix("电话")})
    return Sign(SHOP, (name,), {"店名": name})


def draw_upright(contents: Contents) -> Sign:
    name = contents.text(_shop_name)
    return Sign(UPRIGHT, (name,), {"店名": name})


def draw_direction(contents: Contents) -> Sign:
    place = contents.text(_sight)
    distance = contents.text(_distance)
    return Sign(DIRECTION, (place, distance), {"去向": place, "方向": contents.random.choice((LEFT, RIGHT, AHEAD)), "距离": distance})


def draw_road(contents: Contents) -> Sign:
    road = contents.text(random_road)
    return Sign(ROAD, (road,), {"路名": road})


def draw_door(contents: Contents) -> Sign:
    road = contents.text(random_road)
    number = contents.text(lambda generator: f"{generator.randint(1, 1999)}{generator.choice(('号', '号', '弄', '-1号', '-2号'))}")
    return Sign(DOOR, (road, number), {"路名": road, "号码": number})


def draw_notice(contents: Contents) -> Sign:
    notice = contents.text(_notice)
    return Sign(NOTICE, (notice,), {"内容": notice})


def draw_bus(contents: Contents) -> Sign:
    stop = contents.text(lambda generator: random_road(generator) + generator.choice(("站", "口站", "中站", "东站", "西站")))
    routes: list[str] = []
    for _ in range(contents.random.randint(1, 3)):
        route = contents.text(lambda generator: f"{generator.randint(1, 999)}路")
        routes += [route] if route not in routes else []
    return Sign(BUS, (BUS_HEADING, stop, *routes), {"站名": stop, "线路": "、".join(routes)})


DRAW: dict[str, Callable[[Contents], Sign]] = {
    SHOP: draw_shop,
    UPRIGHT: draw_upright,
    DIRECTION: draw_direction,
    ROAD: draw_road,
    DOOR: draw_door,
    NOTICE: draw_notice,
    BUS: draw_bus,
}
