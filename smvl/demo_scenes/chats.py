"""Chats without any image: greetings, small facts, sums, and looking things up in what was just said.

The text donor is pretrained on these, and the finetune stage mixes some in, so that seeing costs no talking."""

import random

from smvl.demo_scenes.picture import Scene, Turn
from smvl.demo_scenes.words import CHARACTERS, COLOURS, TRAIN, split_of_text

NAMES = ("小明", "小红", "小华", "小李", "小王", "小张")
FRUITS = ("苹果", "桃子", "香蕉", "西瓜", "橘子")
NUMERALS = "零一二三四五六七八九十"
FACTS = (
    ("你好!", "你好!有什么可以帮你?"),
    ("你是谁?", "我是一个会看图的小助手。"),
    ("你会做什么?", "我会看图,也会聊天。"),
    ("谢谢你。", "不客气!"),
    ("再见。", "再见!"),
    ("天空是什么颜色?", "天空是蓝色的。"),
    ("草是什么颜色?", "草是绿色的。"),
    ("雪是什么颜色?", "雪是白色的。"),
    ("三角形有几条边?", "三角形有三条边。"),
    ("方形有几条边?", "方形有四条边。"),
    ("圆形有角吗?", "圆形没有角。"),
    ("一年有几个季节?", "一年有四个季节:春、夏、秋、冬。"),
    ("一个星期有几天?", "一个星期有七天。"),
    ("太阳从哪边升起?", "太阳从东边升起。"),
    ("早上好!", "早上好!今天想做什么?"),
    ("晚安。", "晚安,做个好梦。"),
)


def chat_fact(generator: random.Random) -> Turn:
    return Turn(*generator.choice(FACTS))


def chat_sum(generator: random.Random) -> Turn:
    first, second = generator.randint(0, 9), generator.randint(0, 9)
    if generator.random() < 0.5:
        return Turn(f"{first}加{second}等于几?", str(first + second))
    return Turn(f"{max(first, second)}减{min(first, second)}等于几?", str(abs(first - second)))


def chat_larger(generator: random.Random) -> Turn:
    first, second = generator.sample(range(100), 2)
    return Turn(f"{first}和{second}哪个更大?", str(max(first, second)))


def chat_repeat(generator: random.Random) -> Turn:
    """Copying; combinations kept for the held-out reading questions are left out here too."""
    while True:
        text = "".join(generator.choices(CHARACTERS, k=generator.randint(2, 4)))
        if split_of_text(text) == TRAIN:
            return Turn(generator.choice(["请重复:{}", "跟我说:{}", "请写出这几个字:{}"]).format(text), text)


def chat_who(generator: random.Random) -> Turn:
    names = generator.sample(NAMES, 3)
    fruits = generator.sample(FRUITS, 3)
    counts = [generator.randint(1, 9) for _ in names]
    story = ",".join(f"{name}有{NUMERALS[num]}个{fruit}" for name, num, fruit in zip(names, counts, fruits))
    pick = generator.randrange(3)
    if generator.random() < 0.5:
        return Turn(f"{story}。{names[pick]}有几个{fruits[pick]}?", f"{NUMERALS[counts[pick]]}个。")
    return Turn(f"{story}。谁有{fruits[pick]}?", f"{names[pick]}。")


def chat_colours(generator: random.Random) -> Turn:
    things = generator.sample(["书", "车", "船", "花", "门", "马"], 2)
    colours = generator.sample(list(COLOURS), 2)
    story = ",".join(f"{thing}是{colour}色的" for thing, colour in zip(things, colours))
    pick = generator.randrange(2)
    return Turn(f"{story}。{things[pick]}是什么颜色?", f"{colours[pick]}色")


CHATS = (chat_fact, chat_fact, chat_sum, chat_larger, chat_repeat, chat_who, chat_colours)


def draw_chat(generator: random.Random) -> Scene:
    return Scene("chat", tuple(generator.choice(CHATS)(generator) for _ in range(generator.randint(1, 2))))
