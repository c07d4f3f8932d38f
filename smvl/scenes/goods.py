"""Goods of invented brands: what they are called, how they are packed, and what such a thing costs."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from smvl.scenes.addresses import random_house_name
from smvl.scenes.contents import Contents

_ORIGINS = (
    "烟台|洛川|阿克苏|赣南|攀枝花|吐鲁番|库尔勒|莱阳|砀山|平谷|大兴|寿光|金乡|章丘|沂蒙|安丘|宣化|怀来|五常|盘锦|响水|宁夏|中卫|敦煌|兰州|定西|陕北|汉中|"
    "云南|元谋|蒙自|昭通|攸县|茂名|湛江|海南|三亚|漳州|平和|仙居|余姚|阳澄湖|高邮|兴化|洪湖|恩施|秭归|麻阳|赤水|涪陵|奉节|安岳|会理|凤凰山|九曲河"
).split("|")


@dataclass(frozen=True)
class Category:
    """Goods that are packed and priced alike."""

    name: str
    products: tuple[str, ...]
    spec: Callable[[random.Random], str] | None
    """How much is in it; None for what is weighed."""
    units: tuple[str, ...]
    """What the price is for."""
    prices: tuple[int, int]
    """From and to, in yuan."""

    @property
    def weighed(self) -> bool:
        return self.spec is None


def _grams(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda generator: f"{generator.randrange(low, high, 2)}{generator.choice(('克', 'g'))}"


def _millilitres(low: int, high: int) -> Callable[[random.Random], str]:
    def make(generator: random.Random) -> str:
        if generator.random() < 0.2:
            return f"{generator.randrange(100, 600, 5)}ml×{generator.choice((4, 6, 8, 10, 12, 16, 24))}"
        return f"{generator.randrange(low, high, 5)}{generator.choice(('毫升', 'ml'))}"

    return make


def _kilograms(generator: random.Random) -> str:
    return f"{generator.randrange(10, 260) / 10:g}{generator.choice(('千克', 'kg'))}"


def _pieces(measure: str, low: int, high: int) -> Callable[[random.Random], str]:
    def make(generator: random.Random) -> str:
        packs = generator.randrange(2, 13)
        return f"{generator.randrange(low, high)}{measure}" + (f"×{packs}包" if generator.random() < 0.7 else "")

    return make


def _size(generator: random.Random) -> str:
    return f"{generator.randrange(10, 65)}×{generator.randrange(10, 95)}{generator.choice(('cm', '厘米'))}"


def _model(generator: random.Random) -> str:
    return f"{''.join(generator.choices('ABCDFGHKLMQRSTX', k=2))}-{generator.randrange(100, 9999)}"


CATEGORIES = (
    Category(
        "饮料",
        tuple(
            (
                "无糖乌龙茶 茉莉花茶 冰红茶 酸梅汤 苏打水 矿泉水 橙汁 葡萄汁 椰子水 蜂蜜柚子茶 气泡水 山楂汁 豆奶 电解质水 冷萃咖啡 "
                "燕麦奶 菊花茶 苹果醋 荞麦茶 青柠汁"
            ).split()
        ),
        _millilitres(200, 1500), ("瓶", "罐", "盒", "提"), (3, 26),
    ),
    Category(
        "乳品",
        tuple("纯牛奶 高钙牛奶 原味酸奶 风味酸牛奶 鲜牛奶 脱脂牛奶 奶酪棒 红枣酸奶 羊奶 早餐奶 希腊酸奶 炭烧酸奶 核桃乳 舒化奶".split()),
        _millilitres(90, 950), ("盒", "瓶", "箱", "杯"), (4, 69),
    ),
    Category(
        "零食",
        tuple(
            (
                "原味薯片 海苔脆 牛肉干 混合坚果 苏打饼干 芒果干 夹心威化 话梅 沙琪玛 黑巧克力 蛋黄酥 锅巴 葡萄干 山楂片 豆干 "
                "鱿鱼丝 瓜子 曲奇 米饼 雪花酥 花生糖 蔬菜脆 辣条 蛋卷 绿豆糕 牛轧糖 开心果 碧根果"
            ).split()
        ),
        _grams(36, 520), ("袋", "盒", "包", "罐"), (3, 58),
    ),
    Category(
        "粮油",
        tuple(
            (
                "东北大米 长粒香米 小麦粉 花生油 菜籽油 挂面 黑米 小米 红豆 绿豆 玉米油 荞麦面 糯米 燕麦片 葵花籽油 山茶油 饺子粉 米粉"
            ).split()
        ),
        _kilograms, ("袋", "桶", "包"), (8, 129),
    ),
    Category(
        "调味品",
        tuple(
            (
                "酱油 陈醋 蚝油 料酒 豆瓣酱 芝麻酱 白砂糖 加碘盐 花椒油 番茄酱 黄豆酱 香醋 辣椒酱 鸡精 蒸鱼豉油 腐乳 火锅底料 胡椒粉 "
                "生抽 老抽"
            ).split()
        ),
        _grams(100, 990), ("瓶", "袋", "盒"), (3, 36),
    ),
    Category(
        "日化",
        tuple(
            (
                "洗发水 沐浴露 牙膏 洗洁精 洗衣液 护手霜 香皂 洗手液 柔顺剂 洁面乳 漱口水 护发素 身体乳 洁厕液 消毒液 玻璃水 油污净 "
                "防晒霜"
            ).split()
        ),
        _millilitres(80, 1900), ("瓶", "支", "袋", "桶"), (6, 88),
    ),
    Category(
        "纸品",
        tuple("抽纸 卷纸 厨房纸 湿巾 手帕纸 卫生巾 洗脸巾 保鲜袋 垃圾袋 一次性纸杯 棉签 保鲜膜 烘焙纸 面巾纸".split()),
        _pieces("抽", 40, 220), ("提", "包", "卷", "盒"), (4, 49),
    ),
    Category(
        "家居",
        tuple(
            (
                "收纳箱 毛巾 浴巾 砧板 保温杯 衣架 拖把 炒锅 餐盘 抱枕 晾衣绳 置物架 台灯 马克杯 菜刀 不锈钢盆 玻璃碗 折叠凳 地垫 雨伞"
            ).split()
        ),
        _size, ("个", "件", "只", "套"), (9, 199),
    ),
    Category(
        "电器",
        tuple(
            (
                "电热水壶 电饭煲 加湿器 吹风机 榨汁机 空气炸锅 电风扇 豆浆机 充电宝 蓝牙音箱 电磁炉 挂烫机 吸尘器 剃须刀 电动牙刷 "
                "养生壶 取暖器 插线板"
            ).split()
        ),
        _model, ("台", "个", "件"), (39, 899),
    ),
    Category(
        "文具",
        tuple(
            (
                "中性笔 笔记本 文件夹 订书机 荧光笔 橡皮擦 彩色铅笔 便利贴 直尺套装 修正带 圆规 书包 计算器 美工刀 固体胶 双肩包 画纸 "
                "活页夹"
            ).split()
        ),
        _model, ("支", "本", "个", "盒", "套"), (2, 39),
    ),
    Category(
        "水果",
        tuple("红富士苹果 香梨 脐橙 蜜桃 西瓜 葡萄 火龙果 猕猴桃 草莓 樱桃 荔枝 芒果 菠萝 柚子 砂糖橘 哈密瓜 石榴 冬枣 蓝莓 枇杷".split()),
        None, ("斤", "500克", "千克"), (3, 39),
    ),
    Category(
        "蔬菜",
        tuple(
            (
                "西红柿 黄瓜 土豆 大白菜 西兰花 茄子 青椒 胡萝卜 菠菜 生菜 豆角 莲藕 山药 香菇 洋葱 冬瓜 南瓜 芹菜 玉米 红薯 大葱 "
                "娃娃菜"
            ).split()
        ),
        None, ("斤", "500克", "千克"), (2, 16),
    ),
    Category(
        "生鲜",
        tuple("五花肉 牛腩 羊排 三黄鸡 鲜活鲈鱼 基围虾 草鸡蛋 猪小排 鸡翅中 带鱼段 花蛤 牛肉馅 鸭腿 三文鱼 里脊肉 豆腐".split()),
        None, ("斤", "500克", "千克"), (8, 98),
    ),
)  # fmt: skip


def random_good(generator: random.Random, category: Category) -> str:
    """For example 清悦无糖乌龙茶; what is weighed is called by where it comes from: 洛川红富士苹果."""
    first = generator.choice(_ORIGINS) if category.weighed else random_house_name(generator)
    return first + generator.choice(category.products)


def draw_good(contents: Contents, category: Category) -> str:
    return contents.text(lambda generator: random_good(generator, category))


def draw_spec(contents: Contents, category: Category) -> str:
    """How much is in it: 500毫升, 62抽×8包, HK-2041.

    Raises:
        ValueError: the category is weighed.
    """
    if category.spec is None:
        raise ValueError(f"{category.name} is sold by weight and has no spec; ask `weighed` first.")
    return contents.text(category.spec)
