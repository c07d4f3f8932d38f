"""Names of invented people, and telephone numbers that nobody has."""

import random

from smvl.scenes.contents import Contents

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"
    "范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文辉玲健红波宁健鹏飞宇欣怡子涵浩然梓萱雨桐思远嘉琪晓东建国志华春梅秀兰海燕佳慧"
    "俊凯诗语若晨一诺可馨天佑书瑶景行亦凡安澜知夏清和松柏云舒明轩"
)
_PREFIXES = ("130", "135", "136", "137", "138", "139", "150", "158", "176", "186", "188", "199")


def random_name(generator: random.Random) -> str:
    return generator.choice(SURNAMES) + "".join(generator.choices(_GIVEN, k=generator.choice((1, 2, 2, 2))))


def draw_name(contents: Contents) -> str:
    """Two or three characters."""
    return contents.text(random_name)


def draw_phone(contents: Contents) -> str:
    """A mobile number of a block that is not given out: the middle four digits are zeros."""
    return contents.text(lambda generator: f"{generator.choice(_PREFIXES)}-0000-{generator.randrange(10_000):04d}")


def draw_landline(contents: Contents) -> str:
    """A landline of an area code that does not exist."""
    return contents.text(lambda generator: f"0{generator.choice('68')}00-{generator.randrange(2_000_000, 9_000_000)}")
