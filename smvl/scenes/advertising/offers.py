"""What an advertisement offers: goods of invented brands at made-up prices, and no claim that something is the best or the first."""

import random
from dataclasses import dataclass

from smvl.scenes.addresses import random_house_name, random_road
from smvl.scenes.contents import Contents
from smvl.scenes.dates import random_day
from smvl.scenes.money import amount_text
from smvl.scenes.people import draw_phone


@dataclass(frozen=True)
class Trade:
    """Goods that are praised alike. Each word of a pair joins with each of the other."""

    art: str
    """What stands for it: a key of `posters.ARTS`."""
    adjectives: str
    nouns: str
    praises: tuple[str, str]
    prices: tuple[int, int]
    """From and to, in yuan."""


TRADES = (
    Trade(
        "machine",
        "静音|智能|便携|轻量|大容量|变频|迷你|家用|折叠|节能|多功能|复古",
        "破壁机|吸尘器|电饭煲|空气炸锅|加湿器|电风扇|净水器|电烤箱|洗碗机|榨汁机|电热水壶|除湿机|扫地机|挂烫机|咖啡机|养生壶",
        ("一键|智能|高效|静音|节能|快速|定时|自动", "清洁|控温|加热|除味|烘干|过滤|断电|运行"),
        (99, 2999),
    ),
    Trade(
        "bottle",
        "原味|低糖|无糖|冰镇|花香|蜂蜜|青柠|桂花|小瓶装|家庭装|大瓶装|经典",
        "橙汁|乌龙茶|咖啡|酸奶|米酒|豆奶|柚子茶|苹果醋|椰子水|酸梅汤|山楂汁|葡萄汁|豆浆|牛奶|大麦茶|气泡水",
        ("清爽|醇厚|微甜|果香|冰镇|低糖|柔滑|浓郁", "解腻|回甘|好喝|顺口|怡人|提神|爽口|开胃"),
        (5, 169),
    ),
    Trade(
        "box",
        "手工|五谷|坚果|桂花|海盐|黑芝麻|蛋黄|抹茶|老面|酥皮|山药|红枣",
        "月饼|曲奇|绿豆糕|蛋卷|饼干|糯米糕|凤梨酥|面包|麻花|桃酥|汤圆|粽子|雪花酥|蛋糕|牛轧糖|脆片",
        ("现烤|手作|轻甜|酥脆|松软|细腻|绵密|浓香", "可口|不腻|好吃|满口|适口|怡人|新鲜|回味"),
        (9, 299),
    ),
    Trade(
        "bag",
        "轻薄|保暖|宽松|透气|弹力|百搭|儿童|男士|女士|休闲|新款|加厚",
        "衬衫|外套|运动鞋|卫衣|羽绒服|牛仔裤|手提包|围巾|双肩包|帽子|袜子|睡衣|毛衣|风衣|短裤|马甲",
        ("面料|手感|版型|上身|做工|内里|触感|裁剪", "柔软|舒适|细致|轻盈|挺括|顺滑|考究|大方"),
        (29, 899),
    ),
    Trade(
        "lamp",
        "简约|北欧风|新中式|小户型|可折叠|原木色|奶油风|复古|加厚|多功能|家用|轻奢",
        "台灯|书桌|沙发|床垫|餐椅|衣柜|书架|地毯|窗帘|枕头|茶几|鞋架|四件套|落地灯|储物箱|餐具",
        ("板材|结构|边角|做工|外观|质感|用料|细节", "结实|耐用|环保|圆润|简洁|扎实|讲究|安心"),
        (39, 3999),
    ),
    Trade(
        "phone",
        "便携|轻薄|长续航|防水|户外|无线|迷你|新款|学生|商务|入门级|专业版",
        "耳机|平板|键盘|音箱|投影仪|充电宝|手表|显示器|摄像头|路由器|鼠标|学习机|电纸书|行车记录仪|录音笔|翻译机",
        ("连接|传输|充电|画面|音质|续航|响应|信号", "稳定|流畅|出色|给力|可靠|升级|省心|满意"),
        (29, 4999),
    ),
    Trade(
        "book",
        "少儿|成人|零基础|周末|暑期|亲子|线上|小班|进阶|一对一|寒假|体验",
        "书法课|钢琴课|游泳课|编程课|英语课|舞蹈课|围棋课|绘画课|烘焙课|瑜伽课|吉他课|摄影课|羽毛球课|陶艺课|口才课|写作课",
        ("小班|专业|专人|耐心|贴心|分级|趣味|随到", "教学|指导|辅导|陪练|授课|讲解|答疑|练习"),
        (49, 3999),
    ),
)
_SLOGANS = (
    "好物不贵|用心生活|品质如一|轻松一刻|舒适每天|新鲜直达|好用耐用|省心省力|自在呼吸|温暖相伴|细节见真|简单就好|多一点爱|慢享时光|从容出发|健康到家|精挑细选|天天好价|说走就走|全家喜欢",
    "就在身边|从这里开始|看得见的好|给家人更多|让日子发光|每天都值得|品味刚刚好|放心交给我|陪你每一天|一试就知道|为你而来|更懂你的心|好评一路来|省下每一分|快乐多一点|舒心又安心|天天都新鲜|"
    "生活更精彩|惊喜不断|等你来选",
)  # fmt: skip


@dataclass(frozen=True)
class Offer:
    """One advertisement. What it does not say is empty."""

    art: str
    brand: str
    product: str
    slogan: str
    price: str
    """In yuan, two places."""
    original: str
    discount: str
    """For example 8.5折: the price is this part of the original one."""
    praises: tuple[str, ...]
    period: str
    phone: str
    shop: str


def _join(pair: tuple[str, str], generator: random.Random, between: str = "") -> str:
    return between.join(generator.choice(words.split("|")) for words in pair)


def _period(generator: random.Random) -> str:
    first = random_day(generator)
    last = type(first).fromordinal(first.toordinal() + generator.randint(2, 30))
    return f"{first.month}月{first.day}日至{last.month}月{last.day}日"


def _draw_prices(contents: Contents, low: int, high: int, reduced: bool) -> tuple[str, str, str]:
    """(price, original price, discount), of which the last two are empty where nothing is reduced."""
    generator = contents.random
    if not reduced:
        return contents.text(lambda generator: amount_text(generator.randint(low * 10, high * 10) * 10)), "", ""
    for _ in range(100_000):
        original, tenths = generator.randint(low, high), generator.randint(30, 95)
        texts = amount_text(original * tenths), str(original), f"{tenths / 10:g}折"
        if contents.fits(*texts):
            return tuple(map(contents.keep, texts))
    raise ValueError(f"no prices of the split {contents.split} came in 100000 draws; let them vary more.")


def draw_offer(contents: Contents) -> Offer:
    generator = contents.random
    trade = generator.choice(TRADES)
    price, original, discount = _draw_prices(contents, *trade.prices, reduced=generator.random() < 0.6)
    praises: list[str] = []
    for _ in range(generator.choice((0, 2, 3, 4))):
        praise = contents.text(lambda generator: _join(trade.praises, generator))
        praises += [praise] if praise not in praises else []
    return Offer(
        art=trade.art,
        brand=contents.text(random_house_name),
        product=contents.text(lambda generator: _join((trade.adjectives, trade.nouns), generator)),
        slogan=contents.text(lambda generator: _join(_SLOGANS, generator, "，")) if generator.random() < 0.8 else "",
        price=price,
        original=original,
        discount=discount,
        praises=tuple(praises),
        period=contents.text(_period) if generator.random() < 0.6 else "",
        phone=draw_phone(contents) if generator.random() < 0.6 else "",
        shop=contents.text(lambda generator: random_road(generator) + generator.choice(("店", "旗舰店", "体验店", "门店")))
        if generator.random() < 0.4
        else "",
    )
