"""Signs along a street: what is written on them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from smvl.data.scenes.contents import Contents
from smvl.data.scenes.people import SURNAMES
from smvl.data.scenes.addresses import random_house_name, random_road, random_town

SHOP, UPRIGHT, DIRECTION, ROAD, DOOR, NOTICE, BUS = "店铺招牌", "竖招牌", "指路牌", "路名牌", "门牌", "提示牌", "公交站牌"
TYPES = (SHOP, UPRIGHT, DIRECTION, ROAD, DOOR, NOTICE, BUS)
LEFT, RIGHT, AHEAD = "左", "右", "前"
BUS_HEADING = "公交车站"

_TRADES = (
    "面馆|茶馆|书店|花店|理发店|裁缝铺|五金店|药房|眼镜店|文具店|水果店|粮油店|烘焙坊|茶叶店|瓷器铺|乐器行|自行车行|照相馆|洗衣店|修表铺|宠物店|鞋店|童装店|渔具店|"
    "钥匙铺|打印店|画廊|琴行|早餐店|米粉店|包子铺|豆腐坊|酱菜店|糕点铺|咖啡馆|小吃店|火锅店|烤鸭店|饺子馆|酒楼|客栈|旅馆|驾校|诊所|牙科|健身房|棋牌室|游泳馆|车行|轮胎店|"
    "灯饰店|窗帘店|家具城|建材店|电器行|手机店|通讯店|彩票店|便利店|超市|菜市场|海鲜行|干果店|蜂蜜店|母婴店|玩具店|礼品店|钟表行|首饰店|美发沙龙|图文社|婚纱摄影|装裱店|古玩店"
).split("|")
_DISHES = "牛肉面|羊肉粉|小笼包|豆花|凉皮|馄饨|炸酱面|卤味|烧饼|酸辣粉|米线|煎饼|粥铺|酱鸭|鱼丸|肠粉|热干面|肉夹馍|生煎|麻花|糖炒栗子|酸奶|烤鱼|砂锅".split("|")
_PLACES = (
    "火车站|汽车站|人民公园|市图书馆|博物馆|体育中心|第一医院|科技馆|植物园|动物园|会展中心|少年宫|大剧院|市政府|老城区|开发区|大学城|码头|机场|客运中心|森林公园|湿地公园|美术馆|游客中心"
).split("|")
_NATURE = "云|月|松|竹|枫|柳|荷|梅|兰|桂|溪|泉|湖|山|霞|雪|鹤|鹿|雁|星"
_LAND = "湖|山|岭|谷|湾|桥|渡|塔|寺|洞|瀑布|古镇|古村|滩|岛"
_FORBIDDEN = (
    "吸烟|停车|通行|攀爬|入内|触摸|游泳|垂钓|鸣笛|拍照|饮食|喧哗|倾倒垃圾|堆放杂物|张贴广告|踩踏草坪|采摘花果|投喂动物|翻越护栏|乱扔果皮|携带宠物|占用车位|占用通道|燃放烟花|明火作业|私拉电线|"
    "靠近水边|追逐打闹|大声播放音乐|高空抛物|跨越轨道|擅自操作|开启阀门|带电作业|超载运行|酒后上岗|逆向行驶|随地吐痰|遛狗|骑车|轮滑|奔跑|露营|烧烤|摆摊|晾晒衣物"
).split("|")
_DANGERS = (
    "碰头|滑倒|触电|落水|坠落|烫伤|夹手|落石|车辆|台阶|火灾|机械伤人|吊物|高压|深水|塌方|玻璃|地面湿滑|玻璃门|行人|儿童|动物出没|弯道|陡坡|道口|冰雪路面|施工车辆|架空电线|井盖|扶梯夹脚"
).split("|")
_REQUESTS = (
    "排队等候|保持安静|节约用水|随手关灯|随手关门|靠右行走|减速慢行|绕道行驶|扶好扶手|看管好儿童|保管好财物|佩戴安全帽|系好安全带|出示证件|爱护花草|文明乘梯|垃圾分类|主动让座|先下后上|一米线外等候|"
    "将手机静音|轻声关门|关好水龙头|走人行横道|在此登记|扫码登记|由此进入|按序停放"
).split("|")
_FLOORS = ("一楼", "二楼", "三楼", "本层", "园区", "小区", "校内", "院内", "厂区", "站内", "大厅", "桥上", "库区", "湖区", "山林", "通道", "此处", "馆内", "工地", "车间", "")


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
    style = generator.random()
    where = generator.choice(_FLOORS)
    if style < 0.4:
        return f"{where}{generator.choice(('禁止', '请勿', '严禁'))}{generator.choice(_FORBIDDEN)}"
    if style < 0.65:
        return f"{where}{generator.choice(('当心', '小心', '注意'))}{generator.choice(_DANGERS)}"
    return f"{where}{generator.choice(('请', '请您'))}{generator.choice(_REQUESTS)}"


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
