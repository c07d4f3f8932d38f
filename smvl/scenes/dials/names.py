"""What the devices of a plant are called and numbered."""

import random
from collections.abc import Callable, Sequence

from smvl.scenes.addresses import random_town
from smvl.scenes.contents import Contents

_TANKS = (
    "储油罐 储水罐 缓冲罐 反应釜 清水池 调节池 蓄水池 水箱 油箱 膨胀罐 集水井 沉淀池 除氧器 加药箱 酸液罐 碱液罐 汽包 "
    "高位槽 氨水罐 溶液池 污泥池"
).split()
_FLUIDS = (
    "循环水泵 给水泵 凝结水泵 补水泵 消防水泵 污水泵 加药泵 真空泵 潜水泵 油泵 空压机 冷水机 制冷机 压缩机 汽轮机 锅炉 "
    "蒸汽炉 热水炉 换热器 冷凝器 蒸发器 除氧器 过热器 省煤器 储气罐 缓冲罐 分汽缸 反应釜 吸收塔 精馏塔 膨胀罐 过滤器 减压站 "
    "主蒸汽管 供水管 回水管 氮气管 氧气管 燃气管 输油管 液压站 润滑站 加热器 集油管 进水管 出水管 冷却水管 分水器 集水器 "
    "稳压罐"
).split()
_WARM = (
    "锅炉 热水炉 加热炉 换热器 冷凝器 蒸发器 除氧器 过热器 省煤器 反应釜 冷却塔 精馏塔 水箱 油箱 供水管 回水管 主变 站变 "
    "配变 电抗器 发电机 汽轮机 空压机 冷水机 压缩机 鼓风机 引风机 送风机 干燥机 液压站 润滑站 加热器 轴承座 电机绕组 "
    "主蒸汽管 烘箱 热风炉 冷库 发酵罐 储油罐"
).split()
_ROTATING = (
    "循环水泵 给水泵 补水泵 消防水泵 空压机 冷水机 鼓风机 引风机 送风机 汽轮机 发电机 搅拌机 离心机 粉碎机 提升机 皮带机 "
    "压缩机 柴油机 减速机 球磨机 卷扬机 给煤机 振动筛 破碎机 输送机"
).split()
_ROOMS = (
    "配电室 控制室 电缆室 蓄电池室 继保室 档案室 发酵室 烘干室 冷库 温室 恒温室 机房 通信机房 药品库 粮仓 种子库 晾房 涂装室 包装间 洁净室"
).split()
_ELECTRIC = (
    "循环水泵 给水泵 补水泵 消防水泵 空压机 冷水机 鼓风机 引风机 送风机 发电机 主变 站变 配变 开关柜 配电柜 电容柜 进线柜 "
    "馈线柜 控制柜 变频柜 照明柜 母联柜 低压柜 高压柜 充电柜 搅拌机 提升机 皮带机 粉碎机 压缩机 柴油机"
).split()
_ARRESTERS = ("避雷器 主变避雷器 母线避雷器 进线避雷器 出线避雷器 断路器 隔离开关 接地开关 有载分接开关 真空开关 负荷开关 重合器").split()
_MEASURED_ON = {
    "压力": _FLUIDS, "流量": _FLUIDS, "温度": _WARM, "湿度": _ROOMS, "液位": _TANKS, "转速": _ROTATING, "动作次数": _ARRESTERS,
}  # fmt: skip
_WORKS = (
    "变电站 热力站 换热站 污水处理厂 自来水厂 加压泵站 提升泵站 冷冻站 空压站 水电站 储油库 锅炉房 配电室 开闭所 调压站 "
    "光伏电站 风电场 供热中心 制氧站 化工厂 造纸厂 水泥厂 纺织厂 食品厂 印染厂 机修车间 动力车间 合成车间 包装车间 装配车间"
).split()


def draw_site(contents: Contents) -> str:
    """Where the panel stands, for example `云川变电站`."""
    return contents.text(lambda generator: random_town(generator) + generator.choice(_WORKS))


def draw_name(contents: Contents, quantity: str, what: str, taken: Sequence[str]) -> str:
    """A device's name that is not on the panel yet, for example `3号给水泵压力表`."""
    machines = _MEASURED_ON.get(quantity, _ELECTRIC)

    def make(generator: random.Random) -> str:
        which = generator.choice(("", f"{generator.randint(1, 9)}号", f"{generator.randint(1, 9)}号", generator.choice("甲乙丙东西南北")))
        return which + generator.choice(machines) + what

    return _draw_other(taken, lambda: contents.text(make))


def draw_number(contents: Contents, letters: Sequence[str], taken: Sequence[str]) -> str:
    """A device's number that is not on the panel yet, for example `PI-2103`."""

    def make(generator: random.Random) -> str:
        prefix, digits = generator.choice(letters), generator.randint(1, 9999)
        long, short = f"{digits:04d}", f"{digits % 100:02d}"
        return generator.choice((f"{prefix}-{long}", f"{prefix}-{long[1:]}", prefix + long, f"{digits % 9 + 1}{prefix}-{short}"))

    return _draw_other(taken, lambda: contents.text(make))


def _draw_other(taken: Sequence[str], draw: Callable[[], str]) -> str:
    while (found := draw()) in taken:
        pass
    return found
