"""What is written with a brush: classical verse, spring couplets put together from parallel halves, mottoes, hall names.

All verse is older than two centuries. Writers are invented. verses.tsv has a poem a line: author, title, verses.
"""

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from smvl.augment.zh.script import to_traditional
from smvl.scenes.contents import Contents
from smvl.scenes.people import draw_name

SCROLL, COUPLET, PLAQUE, LEAF = "条幅", "对联", "匾额", "斗方"
FORMS = (SCROLL, COUPLET, PLAQUE, LEAF)

_OPENINGS = (
    "冬去山明/春来水秀|爆竹声声/梅花朵朵|一帆风顺/万事亨通|风和日丽/国泰民安|红梅报喜/紫燕衔春|吉星高照/福地宏开|神州锦绣/大地光辉|春临大地/喜满人间|天增岁月/春满乾坤|和风拂面/细雨润心|"
    "东风送暖/瑞雪兆丰|云开雾散/雨过天晴|门迎晓日/户纳春风|书山有路/学海无涯|勤耕沃土/细织锦程|桃红李白/柳绿莺啼|水清鱼跃/林静鸟鸣|琴声入夜/诗意盈怀|茶香待客/酒暖留宾|窗含远岫/门对清流|"
    "心宽体健/业旺人和|松风入韵/竹影摇窗|金鸡报晓/喜鹊登枝|龙腾四海/凤舞九天|灯明万户/月照千家|旧岁丰收/新年大吉|同心致远/携手争先|花开富贵/竹报平安|厚德传家/清风入户|千帆竞发/百舸争流"
).split("|")
_ENDINGS = (
    "千山秀/万木荣|家家乐/户户欢|人增寿/福满门|花枝俏/柳色新|山河壮/日月明|财源广/事业兴|祥云起/瑞气生|鱼得水/鸟归林|开新宇/展宏图|迎百福/纳千祥|歌盛世/颂丰年|辞旧岁/贺新春|"
    "松柏茂/芝兰香|诗书继/忠厚传|琴韵雅/墨香浓|楼台近/草木深|云霞灿/雨露滋|添锦绣/著文章|和气满/喜事多|江山丽/天地宽|门庭旺/岁月甜|田园美/稻谷丰|人心暖/世道宁|风光好/景色佳|"
    "晨光好/晚景妍|梅吐艳/竹含烟|千家喜/万里晴|根基固/枝叶繁|灯影暖/笑声甜|鸿运起/紫气来"
).split("|")
_BANNER = (
    "春回|福满|喜到|瑞临|和满|祥临|春满|福到|喜满|瑞满|春暖|福临|喜盈|瑞照",
    "人间|大地|门庭|家园|神州|乾坤|华堂|万家|九州|庭院|高第|新居|江南|四海",
)
_MOTTOES = (
    "崇德|尚学|明志|博学|笃行|勤思|修身|立信|尚美|敬业|守正|精进|怀远|知新|求真|慎独|养正|致和|通达|务实|宁静|清雅|弘毅|怀仁|惟诚|自强"
).split("|")
_HALLS = (
    "清和|听雨|望云|翠微|松涛|竹韵|荷香|梅影|揽月|观澜|聚贤|怀古|知味|问渠|拾翠|凝晖|沁芳|流霞|涵碧|漱玉|友石|半山|一苇|寒碧|晚晴|归云",
    "堂|斋|轩|阁|亭|楼|居|馆|苑|山房|书院|草堂",
)


@dataclass(frozen=True)
class Work:
    """One work of calligraphy."""

    form: str
    """One of `FORMS`."""
    lines: tuple[str, ...]
    """Verses; of a couplet the upper and the lower line; a plaque's one line."""
    banner: str = ""
    """A couplet's horizontal scroll."""
    author: str = ""
    """Of the poem."""
    title: str = ""
    writer: str = ""
    """Who wrote it."""
    inscription: str = ""
    """The small column: what was written, by whom; empty where there is none."""
    seal: str = ""
    """Empty where there is none."""
    traditional: bool = False


@cache
def _poems() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    rows = (Path(__file__).parent / "verses.tsv").read_text(encoding="utf-8").splitlines()
    return tuple((author, title, tuple(verses.split())) for author, title, verses in (row.split("\t") for row in rows))


def draw_work(contents: Contents) -> Work:
    generator = contents.random
    form = generator.choices(FORMS, (0.38, 0.26, 0.2, 0.16))[0]
    return {SCROLL: _draw_poem, LEAF: _draw_poem, COUPLET: _draw_couplet, PLAQUE: _draw_plaque}[form](contents, form)


def _draw_poem(contents: Contents, form: str) -> Work:
    """A poem is of one split with all its verses, its author and title stand in one run."""
    poems = {f"{author}{title}": (author, title, verses) for author, title, verses in _poems()}
    name = contents.choice(tuple(poems))
    author, title, verses = poems[name]
    generator = contents.random
    if len(verses) == 4 and generator.random() < (0.35 if form == SCROLL else 0.6):
        first = generator.choice((0, 2))
        verses = verses[first : first + 2]
    lines = tuple(contents.keep(verse) for verse in verses)
    writer = draw_name(contents)
    if generator.random() < 0.3:
        return _in_script(contents, _sealed(contents, Work(form, lines, writer=writer, inscription=contents.keep(f"{writer}书"))))
    inscription = contents.keep(f"录{name} {writer}书")
    return _in_script(contents, _sealed(contents, Work(form, lines, "", author, title, writer, inscription)))


def _draw_couplet(contents: Contents, form: str) -> Work:
    """Two lines that are of the split as a pair: each half decides what stands across from it, so no line is in two pairs."""
    upper, lower = contents.text(_couplet).split("/")
    contents.keep(upper), contents.keep(lower)
    banner = contents.text(lambda generator: "".join(generator.choice(half.split("|")) for half in _BANNER))
    return _in_script(contents, Work(form, (upper, lower), banner=banner))


def _couplet(generator: random.Random) -> str:
    halves = [generator.choice(halves).split("/") for halves in (_OPENINGS, _ENDINGS)]
    return "/".join("".join(line) for line in zip(*halves))


def _draw_plaque(contents: Contents, form: str) -> Work:
    line = contents.text(contents.random.choice((_motto, _hall)))
    generator = contents.random
    writer = draw_name(contents) if generator.random() < 0.6 else ""
    inscription = contents.keep(writer + generator.choice(("题", "书", "敬题"))) if writer else ""
    return _in_script(contents, _sealed(contents, Work(form, (line,), writer=writer, inscription=inscription)))


def _motto(generator: random.Random) -> str:
    return "".join(generator.sample(_MOTTOES, 2))


def _hall(generator: random.Random) -> str:
    return "".join(generator.choice(half.split("|")) for half in _HALLS)


def _sealed(contents: Contents, work: Work) -> Work:
    """With the writer's seal; as the name is of the split, so is it."""
    if not work.writer or contents.random.random() < 0.3:
        return work
    return replace(work, seal=contents.keep(work.writer + contents.random.choice(("之印", "印", "印信", "私印"))))


def _in_script(contents: Contents, work: Work) -> Work:
    """In traditional characters, three times in ten, where that makes a difference; the split is that of the simplified text."""
    if contents.random.random() > 0.3:
        return work
    changed = {name: _turned(getattr(work, name)) for name in ("lines", "banner", "author", "title", "writer", "inscription", "seal")}
    turned = replace(work, **changed, traditional=True)
    return turned if turned.lines != work.lines else work


def _turned(text: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return to_traditional(text) if isinstance(text, str) else tuple(map(to_traditional, text))
