"""What restaurants and drinks shops sell, made of parts so that there are thousands."""

import random

from smvl.scenes.contents import Contents

_MEAT_WAYS = "红烧 干锅 水煮 黑椒 孜然 糖醋 香煎 铁板 小炒 葱爆 酱香 粉蒸 砂锅 泡椒 蒜香 椒盐 咖喱 家常 回锅 豉汁".split()
_MEATS = "排骨 牛柳 鸡丁 肥肠 牛腩 羊肉 里脊 鸡翅 猪蹄 牛蛙 鸭块 五花肉 肉片 腊肉 兔丁 羊排 鸡腿 虾仁 鱿鱼 牛肉".split()
_FISH_WAYS = "清蒸 红烧 剁椒 酸菜 香辣 番茄 糖醋 藤椒 豆瓣 干烧 葱油 沸腾 柠檬 酱焖".split()
_FISH = "鲈鱼 草鱼 黑鱼 鲫鱼 桂鱼 带鱼 黄鱼 武昌鱼 鱼头 鱼片 多宝鱼 龙利鱼".split()
_GREEN_WAYS = "清炒 蒜蓉 干煸 醋溜 酸辣 白灼 蚝油 手撕 凉拌 上汤 炝炒 鱼香".split()
_GREENS = "土豆丝 四季豆 西兰花 菜心 豆芽 茄子 包菜 菠菜 空心菜 藕片 木耳 黄瓜 莴笋 杏鲍菇 山药 生菜".split()
_STAPLES = "蛋炒饭 牛肉面 扬州炒饭 葱油饼 小笼包 水饺 炒河粉 米粉 馄饨 刀削面 煲仔饭 炒面 蒸饺 盖浇饭 拌面".split()
_STAPLE_WAYS = "招牌 老坛 家常 手工 秘制 三鲜 鲜肉 香菇 雪菜 番茄 农家 麻辣 海鲜 咖喱".split()
_SOUPS = "排骨汤 蛋花汤 鸡汤 鱼头汤 豆腐汤 羊杂汤 丸子汤 老鸭汤".split()
_SOUP_WAYS = "莲藕 冬瓜 紫菜 西红柿 山药 玉米 酸萝卜 菌菇 枸杞 海带".split()
_DISHES = (
    (_MEAT_WAYS, _MEATS, 26, 88),
    (_FISH_WAYS, _FISH, 38, 128),
    (_GREEN_WAYS, _GREENS, 12, 36),
    (_STAPLE_WAYS, _STAPLES, 9, 38),
    (_SOUP_WAYS, _SOUPS, 18, 68),
)
_FRUITS = "芒果 草莓 葡萄 西柚 百香果 蜜桃 青提 柠檬 荔枝 杨梅 蓝莓 凤梨 桑葚 橙子 椰子 牛油果 石榴 青梅".split()
_BASES = "绿茶 乌龙茶 红茶 冰沙 奶昔 酸奶 气泡水 拿铁 椰奶 冻柠茶 奶绿 多多 美式 奶盖茶 茉莉茶 雪顶".split()
_DRINK_WAYS = ("鲜榨", "满杯", "手打", "爆汁", "生打", "冰摇", "双拼", "轻")


def draw_dish(contents: Contents) -> tuple[str, tuple[int, int]]:
    """A dish, and from what to what it costs in yuan."""
    ways, things, low, high = contents.random.choice(_DISHES)
    return contents.text(lambda generator: generator.choice(ways) + generator.choice(things)), (low, high)


def draw_drink(contents: Contents) -> tuple[str, tuple[int, int]]:
    def make(generator: random.Random) -> str:
        return generator.choice(("", *_DRINK_WAYS)) + generator.choice(_FRUITS) + generator.choice(_BASES)

    return contents.text(make), (9, 36)
