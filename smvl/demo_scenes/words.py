"""The words of the demo's little world: colours, shapes, printed characters, and how they are said in Chinese."""

import hashlib

COLOURS: dict[str, tuple[int, int, int]] = {
    "红": (214, 40, 40),
    "黄": (240, 200, 30),
    "绿": (40, 160, 70),
    "蓝": (40, 90, 210),
    "紫": (140, 60, 170),
    "黑": (30, 30, 30),
}
SHAPES: dict[str, str] = {"圆": "圆形", "方": "方形", "角": "三角形", "星": "星形", "十": "十字形"}
CHARACTERS = "天地人山水火木金土日月云风雨雪花草树鸟鱼马牛羊虎龙门口手心大小上下中东西南北春夏秋冬车船书米茶国家学生年明光海江河石竹"
"""What the donors know."""
SIGN_CHARACTERS = "山水火木日月云雨花鸟鱼马牛羊门手大小上中东南春秋车茶光竹"
"""What stands on the demo's signs: few enough that each is seen a hundred times in minutes of training."""
DIGITS = "0123456789"

TRAIN, HELDOUT = "train", "heldout"
HELDOUT_SHARE = 5  # one reading combination in five is kept for the held-out questions


def say_shape(shape: str, colour: str) -> str:
    return f"{colour}色的{SHAPES[shape]}"


def split_of_text(text: str) -> str:
    """Which side a printed text belongs to: a property of the text alone, so no script can mix the two by accident."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return HELDOUT if digest[0] % HELDOUT_SHARE == 0 else TRAIN
