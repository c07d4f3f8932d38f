"""What the devices of a plant are called and numbered."""

import random
from collections.abc import Callable, Sequence

from smvl.data.scenes.contents import Contents
from smvl.data.scenes.places import draw_place

_MACHINES = (
    "循环水泵 给水泵 凝结水泵 补水泵 消防水泵 污水泵 加药泵 真空泵 潜水泵 油泵 空压机 冷水机 制冷机 压缩机 鼓风机 引风机 送风机 汽轮机 "
    "发电机 主变 站变 配变 电抗器 开关柜 配电柜 电容柜 进线柜 馈线柜 控制柜 变频柜 锅炉 蒸汽炉 热水炉 加热炉 换热器 冷凝器 蒸发器 除氧器 "
    "过热器 省煤器 储气罐 储油罐 储水罐 缓冲罐 分汽缸 反应釜 冷却塔 吸收塔 精馏塔 沉淀池 清水池 调节池 蓄水池 水箱 油箱 膨胀罐 过滤器 "
    "减压站 集水井 主蒸汽管 供水管 回水管 氮气管 氧气管 燃气管 输油管 加热器 干燥机 搅拌机 离心机 粉碎机 提升机 皮带机 液压站 润滑站"
).split()
_TANKS = "储油罐 储水罐 缓冲罐 反应釜 清水池 调节池 蓄水池 水箱 油箱 膨胀罐 集水井 沉淀池 冷凝器 除氧器 加药箱 酸液罐 碱液罐 汽包 高位槽".split()
_ELECTRIC = (
    "循环水泵 给水泵 补水泵 消防水泵 空压机 冷水机 鼓风机 引风机 送风机 发电机 主变 站变 配变 开关柜 配电柜 电容柜 进线柜 馈线柜 控制柜 "
    "变频柜 照明柜 母联柜 低压柜 高压柜 直流屏 充电柜 避雷器 搅拌机 提升机 皮带机 粉碎机 压缩机"
).split()
_OWN_MACHINES = {"液位": _TANKS} | dict.fromkeys(("电流", "电压", "频率", "功率", "电量", "动作次数"), _ELECTRIC)
_WORKS = (
    "变电站 热力站 换热站 污水处理厂 自来水厂 加压泵站 提升泵站 冷冻站 空压站 水电站 储油库 锅炉房 配电室 开闭所 调压站 光伏电站 风电场 "
    "供热中心 制氧站 化工厂 造纸厂 水泥厂 纺织厂 食品厂 印染厂 机修车间 动力车间 合成车间 包装车间 装配车间"
).split()


def draw_site(contents: Contents) -> str:
    """Where the panel stands, for example `榆川变电站`."""
    return contents.text(lambda generator: draw_place(generator) + generator.choice(_WORKS))


def draw_name(contents: Contents, quantity: str, what: str, taken: Sequence[str]) -> str:
    """A device's name that is not on the panel yet, for example `3号给水泵压力表`."""
    machines = _OWN_MACHINES.get(quantity, _MACHINES)

    def make(generator: random.Random) -> str:
        which = generator.choice(("", f"{generator.randint(1, 9)}号", f"{generator.randint(1, 9)}号", generator.choice("甲乙丙东西南北")))
        return which + generator.choice(machines) + what

    return _draw_other(taken, lambda: contents.text(make))


def draw_number(contents: Contents, letters: Sequence[str], taken: Sequence[str]) -> str:
    """A device's number that is not on the panel yet, for example `PI-2103`."""

    def make(generator: random.Random) -> str:
        prefix, digits = generator.choice(letters), generator.randint(1, 9999)
        forms = (f"{prefix}-{digits:04d}", f"{prefix}-{digits % 1000:03d}", f"{prefix}{digits:04d}", f"{digits % 9 + 1}{prefix}-{digits % 100:02d}")
        return generator.choice(forms)

    return _draw_other(taken, lambda: contents.text(make))


def _draw_other(taken: Sequence[str], draw: Callable[[], str]) -> str:
    while (found := draw()) in taken:
        pass
    return found
