"""smvl/augment/zh: words change and meaning stays; what is quoted, counted or named does not move; the bounds hold from both sides."""

import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.augment_zh import SETTINGS, examine, make_samples
from smvl.augment.zh import augment, augment_text, character_overlap, remove_near_duplicates
from smvl.augment.zh.protection import kept_spans
from smvl.augment.zh.question_families import FAMILIES
from smvl.augment.zh.rephrase import recognise, rephrase
from smvl.augment.zh.script import is_traditional, swap_script, to_simplified, to_traditional
from smvl.augment.zh.synonyms import lexicon, replace_synonyms
from smvl.config import TextAugmentConfig
from smvl.data.sample import Sample, text_of

ROOT = Path(__file__).parent.parent
ALWAYS = {kind: TextAugmentConfig(**{kind: 1.0}) for kind in ("synonyms", "rephrase", "traditional")}


def talk(question, answer: str, *, images: int = 0, **fields) -> Sample:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Sample(id="1", messages=messages, images=["0.png"] * images, source="s", **fields)


def about_image(question: str, answer: str) -> Sample:
    return talk([{"type": "image"}, {"type": "text", "text": question}], answer, images=1)


def said(sample: Sample) -> list[str]:
    return [text_of(message) for message in sample.messages]


@pytest.mark.parametrize("misleading", ["a", "\\\\[", "“", "1", "{x} {"])
def test_a_text_without_end_stays_and_takes_no_time(misleading):
    sample = talk("今天天气很好," + misleading * 500_000, "好")
    done = augment(sample, TextAugmentConfig(synonyms=1.0, rephrase=1.0, traditional=1.0), seed=1, key="a")
    assert done.sample is sample and done.kept == dict.fromkeys(("rephrase", "synonyms", "traditional"), "too long")


def every_way(text: str, **options) -> set[str]:
    """All that `replace_synonyms` makes of a text."""
    return {replace_synonyms(text, random.Random(seed), **options) for seed in range(60)} - {None}


# ---- overlap and near-duplicates -------------------------------------------------------------------------------------------------


def test_overlap_counts_characters_and_pairs_as_often_as_both_have_them():
    assert character_overlap("今天天气好", "今天天气好") == 1.0
    assert character_overlap("今天天气好", "天气今天好") == 1.0
    assert character_overlap("今天天气好", "天气今天好", size=2) == pytest.approx(4 / 8)  # 今天 and 天气 of 今天 天天 天气 气好
    assert character_overlap("天天", "天") == pytest.approx(2 / 3)
    assert character_overlap("上海", "北京") == 0.0
    assert character_overlap("", "") == 1.0 and character_overlap("", "好") == 0.0
    assert character_overlap("好", "好", size=2) == 1.0 and character_overlap("好", "坏", size=2) == 0.0
    with pytest.raises(ValueError, match="size: found 0, expected at least 1"):
        character_overlap("好", "好", size=0)


def test_near_duplicates_keep_the_first_of_each_group():
    texts = [
        "图中的招牌上写着什么文字？",
        "请描述这张图片的内容。",
        "图中的招牌上写着什么文字",
        "请描述这张图片的内容吧。",
        "今天星期几？",
        "",
    ]
    assert remove_near_duplicates(texts, 0.8) == [0, 1, 4, 5]
    assert remove_near_duplicates(texts, 1.0) == [0, 1, 2, 3, 4, 5]
    assert remove_near_duplicates(texts * 2, 1.0) == [0, 1, 2, 3, 4, 5]
    assert remove_near_duplicates([], 0.8) == []
    for threshold in (0.0, 1.1):
        with pytest.raises(ValueError, match="expected a share above 0"):
            remove_near_duplicates(texts, threshold)


@pytest.mark.parametrize("threshold", [0.6, 0.8])
def test_near_duplicates_are_those_of_comparing_all_with_all(threshold):
    generator = random.Random(0)
    characters = [chr(code) for code in range(0x4E00, 0x4E00 + 300)]
    texts = ["".join(generator.choices(characters, k=24)) for _ in range(120)]
    for _ in range(180):
        text = list(generator.choice(texts))
        for _ in range(generator.randint(0, 6)):
            text[generator.randrange(len(text))] = generator.choice(characters)
        texts.append("".join(text))
    kept = []
    for row, text in enumerate(texts):
        if all(character_overlap(text, texts[other], size=2) < threshold for other in kept):
            kept.append(row)
    assert 120 <= len(kept) < 280
    assert remove_near_duplicates(texts, threshold) == kept


# ---- what never moves ------------------------------------------------------------------------------------------------------------


def test_what_is_quoted_counted_or_no_prose_is_kept():
    text = (
        '看<image>，“老王面馆”第三家的苹果12.50元，见https://a.cn/b，公式$x^2$，`ls -l`，{"a": {"b": 3}}，《红楼梦》5月6日，一起十分高兴。'
    )
    kept = ["<image>", "“老王面馆”", "第三", "12.50元", "https://a.cn/b", "$x^2$", "`ls -l`", '{"a": {"b": 3}}', "《红楼梦》", "5月", "6日"]
    assert [text[start:end] for start, end in kept_spans(text)] == kept


def test_the_lexicon_has_no_word_that_bears_the_meaning():
    words = {word for head, entry in lexicon().items() for word in (head, *entry.synonyms)}
    assert len(lexicon()) > 1000 and sum(len(entry.synonyms) for entry in lexicon().values()) > 1300
    assert {entry.kind for entry in lexicon().values()} == {"function", "verb", "adjective", "noun"}
    assert not [head for head, entry in lexicon().items() if head in entry.synonyms or len(set(entry.synonyms)) != len(entry.synonyms)]
    bears = "[不没否左右南西北红蓝绿黄紫橙几谁怎]|上面|下面|前面|后面|里面|外面|东边|中间|更大|更小|最|超过|大于|小于|多少|哪[^怕]|什么"
    assert {word for word in words if re.search(bears, word)} == {"不过"}
    numbers = re.compile("[零〇二两三四五六七八九十百千万亿半]")
    assert {word for word in words if numbers.search(word)} == {"十分", "百姓", "老百姓"}


@pytest.mark.parametrize(
    "text",
    [
        "他说：“如果天气非常好，我们应该出发。”",
        "`如果非常` 和 $如果非常$，还有《如果》",
        '{"说明": "如果天气非常好"}',
        "| 如果 | 非常 |\n| 但是 | 应该 |",
        "他不喜爱它。",
        "我没有遇到他。",
        "北京酒店集团",
        "The quick 12 foxes, 3.5%",
    ],
)
def test_words_stay_in_quotations_code_tables_names_and_after_a_negation(text):
    assert every_way(text) == set()


def test_words_are_replaced_by_words_of_the_list_everywhere_alike():
    assert every_way("他非常努力。") == {"他十分努力。", "他特别努力。"}
    both = every_way("如果下雨就回家，如果天晴就出门。")
    assert both == {f"{word}下雨就回家，{word}天晴就出门。" for word in ("假如", "倘若", "要是")}
    assert every_way("如果下雨，要是可以就回家，倘若不行也没关系。") & {"要是下雨，要是可以就回家，倘若不行也没关系。"} == set()


@pytest.mark.parametrize("question", ["美丽的近义词是什么？", "请用“如果”造句。", "请润色：如果下雨就回家。", "请写一首关于春天的诗。"])
def test_where_a_question_is_about_words_none_is_replaced(question):
    done = augment(talk(question, "如果非常美丽。"), ALWAYS["synonyms"], seed=0, key="")
    assert done.applied == () and done.kept == {"synonyms": "about words"}


def test_words_that_the_other_side_uses_stay():
    assert every_way("酒店在哪里？") == {"宾馆在哪里？"}
    assert every_way("酒店在哪里？", keep="这家酒店在城里。") == set()


def test_of_the_nouns_in_a_question_about_an_image_only_the_image_moves():
    moved = {"图像里的酒店非常大吗？", "图片里的酒店十分大吗？", "图片里的酒店特别大吗？"}
    assert every_way("图片里的酒店非常大吗？", about_image=True) == moved


# ---- questions -------------------------------------------------------------------------------------------------------------------

QUESTIONS = {
    "请描述这张图片。": "describe",
    "图中的招牌上写着什么？": "read",
    "请读出图中招牌上的所有文字。": "read text",
    "图片中有多少辆红色的汽车？": "count",
    "苹果和梨哪个更贵？": "compare",
    "哪个月的销量最高？": "most",
    "可口可乐多少钱？": "price",
    "图中的车是什么颜色？": "colour",
    "苹果在图中的什么位置？": "where",
    "故宫在哪里？": "whereabouts",
    "图片里有什么？": "contents",
    "表格中有哪些商品？": "kinds",
    "桌子上有没有杯子？": "exists",
    "图中的人在做什么？": "doing",
    "请提取收据中的商品和价格，以JSON格式输出。": "extract",
    "请用LaTeX写出图中的公式。": "render",
    "这句话是什么意思？": "meaning",
    "什么是光合作用？": "definition",
    "收据的总金额是多少？": "amount",
    "合同编号是什么？": "field",
    "合同的甲方是谁？": "which",
    "猫和狗有什么区别？": "difference",
    "这两张图有什么不同？": "contrast",
    "天空为什么是蓝色的？": "why",
    "如何提高学习效率？": "how",
    "请简单介绍一下北京。": "introduce",
    "写一首关于春天的诗。": "write",
    "请列举三种可再生能源。": "list",
    "请把下面的话翻译成英文": "translate",
    "请总结这篇文章的主要内容。": "summarise",
}


@pytest.mark.parametrize(("question", "name"), QUESTIONS.items())
def test_each_family_is_recognised_and_carries_its_slots_over(question, name):
    recognised = recognise(question.rstrip("。？"))
    assert recognised.family.name == name
    ways = {rephrase(question, random.Random(seed)) for seed in range(80)}
    assert len(ways) >= 2 and question not in ways
    for value in recognised.slots.values():
        assert all(value in way for way in ways), (value, ways)


def test_there_is_a_question_for_each_family():
    assert set(QUESTIONS.values()) == {family.name for family in FAMILIES}


@pytest.mark.parametrize(
    "text",
    [
        "这是什么？",
        "她叫什么名字呢？",
        "你好！",
        "他说：“图中有什么",
        "为什么不呢？",
        "<image>",
        "怎么了？",
        "Where is it?",
        "一共花了多少钱？",
        "请改正错别字。图中有几个人？",
        "请润色：图中有几个人？",
    ],
)
def test_what_no_family_fits_stays(text):
    assert rephrase(text, random.Random(0)) is None


def test_a_question_keeps_what_stands_around_it():
    openings = {rephrase("根据下面的表格，哪个月的销量最高？只回答数字。", random.Random(seed)) for seed in range(40)}
    assert openings and all(way.startswith("根据下面的表格，") and way.endswith("只回答数字。") for way in openings)
    middle = "图中有几个人？他问。天黑了，没有人回答。"
    assert all(way.endswith("他问。天黑了，没有人回答。") for seed in range(20) if (way := rephrase(middle, random.Random(seed))))
    colon = {rephrase("请把下面的话翻译成英文：图中有几个人", random.Random(seed)) for seed in range(40)}
    assert colon == {f"{way}：图中有几个人" for way in ("请将下面的话翻译成英文", "请将下面的话译成英文", "将下面的话翻译为英文")}


# ---- script ----------------------------------------------------------------------------------------------------------------------


def test_script_turns_words_and_not_characters_alone():
    assert to_traditional("头发晾干了，皇后在后面看着面条") == "頭髮晾乾了，皇后在後面看著麵條"
    assert to_simplified("頭髮晾乾了，皇后在後面看著麵條") == "头发晾干了，皇后在后面看着面条"
    assert swap_script("头发“头发”", True, keep=[(2, 6)]) == "頭髮“头发”"
    assert is_traditional("頭髮") and not is_traditional("头发") and not is_traditional("山水")


def test_a_conversation_of_text_turns_whole_but_for_code():
    turned = augment_text(talk("什么是头发？", "头发长在头上，见 `头发.py`。"), ALWAYS["traditional"], seed=0, key="")
    assert said(turned) == ["什麼是頭髮？", "頭髮長在頭上，見 `头发.py`。"]
    assert said(augment_text(turned, ALWAYS["traditional"], seed=0, key="")) == ["什么是头发？", "头发长在头上，见 `头发.py`。"]


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (talk("“发”字的部首是什么？", "又部。"), "about script"),
        (talk("请把“头发”写成繁体字。", "頭髮"), "about script"),
        (about_image("请描述图中的场景。", "一个理发店，门前停着车。"), "answers differ"),
        (talk("查一下头发店的价格。", "好的，马上查。", tools=[{"type": "function", "function": {"name": "f"}}]), "tools"),
        (talk("山水？", "山水。"), "nothing fits"),
    ],
)
def test_a_script_that_would_make_the_sample_wrong_stays(sample, reason):
    done = augment(sample, ALWAYS["traditional"], seed=0, key="")
    assert done.sample is sample and done.applied == () and done.kept == {"traditional": reason}


def test_what_an_image_says_keeps_its_script_in_the_answer_and_in_the_question():
    turned = augment_text(about_image("图中写着“发廊”的招牌下，头发店还写着什么？", "头发店"), ALWAYS["traditional"], seed=0, key="")
    assert said(turned) == ["圖中寫著“发廊”的招牌下，头发店還寫著什麼？", "头发店"]
    assert said(augment_text(about_image("图中有几个头像？", "3"), ALWAYS["traditional"], seed=0, key="")) == ["圖中有幾個頭像？", "3"]


# ---- whole samples ---------------------------------------------------------------------------------------------------------------


def test_ten_thousand_in_small():
    samples = make_samples(1000, seed=7)
    outcome = examine(samples, SETTINGS, seed=7)
    assert outcome.violations == []
    assert 0.6 < len(outcome.changed) / len(samples) < 0.9
    assert min(outcome.applied.values()) > 100 and set(outcome.applied) == {"synonyms", "rephrase", "traditional"}
    assert len(outcome.characters) > 500 and min(outcome.characters) >= SETTINGS.min_overlap
    assert max(outcome.bigrams) <= SETTINGS.max_overlap and max(outcome.scripts) <= SETTINGS.max_overlap


def test_bounds_are_kept_from_both_sides_and_what_is_out_of_them_is_said():
    sample = talk("图中有几个人？", "三个。")
    near = augment(sample, TextAugmentConfig(rephrase=1.0, min_overlap=0.9, max_overlap=1.0), seed=0, key="")
    far = augment(sample, TextAugmentConfig(rephrase=1.0, min_overlap=0.0, max_overlap=0.01), seed=0, key="")
    for done in (near, far):
        assert done.sample is sample and done.applied == () and done.kept == {"rephrase": "out of bounds"}
    assert augment(sample, ALWAYS["rephrase"], seed=0, key="").applied == ("rephrase",)
    assert augment(talk("你好。", "你好。"), ALWAYS["rephrase"], seed=0, key="").kept == {"rephrase": "nothing fits"}


def test_the_same_arguments_give_the_same_sample_whatever_came_before():
    samples = make_samples(40, seed=3)
    state = random.getstate()
    first = [said(augment_text(sample, SETTINGS, seed=1, key=sample.id)) for sample in samples]
    again = [said(augment_text(sample, SETTINGS, seed=1, key=sample.id)) for sample in reversed(samples)][::-1]
    assert first == again and random.getstate() == state
    assert first != [said(augment_text(sample, SETTINGS, seed=2, key=sample.id)) for sample in samples]
    assert first != [said(augment_text(sample, SETTINGS, seed=1, key=sample.id + "'")) for sample in samples]
    program = (
        "from benchmarks.augment_zh import *\n"
        "print([[text_of(m) for m in augment(s, SETTINGS, seed=1, key=s.id).sample.messages] for s in make_samples(40, seed=3)])"
    )
    fresh = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout
    assert fresh.strip() == str(first)


def test_kinds_are_drawn_for_their_share_of_samples():
    settings = TextAugmentConfig(rephrase=0.3)
    sample = talk("图中有几个人？", "三个。")
    changed = [augment(sample, settings, seed=1, key=str(index)).applied for index in range(1000)]
    assert 260 < changed.count(("rephrase",)) < 340
    assert augment(sample, TextAugmentConfig(), seed=1, key="").sample is sample


def test_several_turns_parts_images_and_every_other_field_stay_in_place():
    question = {"type": "text", "text": "图中有几个人？", "cache": 1}
    messages = [
        {"role": "system", "content": "如果不知道，就应该说不知道。"},
        {"role": "user", "content": [{"type": "image", "image": "a"}, question, {"type": "image_url", "image_url": {"url": "b"}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "非常多。"}]},
        {"role": "user", "content": "图中的车是什么颜色？"},
        {"role": "assistant", "content": "如果看右边，是红色。"},
    ]
    sample = Sample(id="7", messages=messages, images=["a", "b"], source="s", task="count")
    done = augment(sample, TextAugmentConfig(synonyms=1.0, rephrase=1.0), seed=4, key="")
    assert done.applied == ("rephrase",) and done.kept == {"synonyms": "nothing fits"}
    after = done.sample.messages
    assert replace(done.sample, messages=messages) == sample
    assert [after[index] for index in (0, 2, 4)] == [messages[index] for index in (0, 2, 4)]
    assert [after[1]["content"][index] for index in (0, 2)] == [messages[1]["content"][index] for index in (0, 2)]
    assert after[1]["content"][1] == {**question, "text": after[1]["content"][1]["text"]} != question
    assert after[3]["content"] != messages[3]["content"] and "颜色" in after[3]["content"]
    assert messages[1]["content"][1] is question and question["text"] == "图中有几个人？"


def test_tools_and_their_calls_are_never_touched():
    call = {"id": "1", "type": "function", "function": {"name": "update_price", "arguments": '{"商品": "酒店用品"}'}}
    messages = [
        {"role": "user", "content": "如果可以，请修改酒店用品的价格。"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "已改成9.9元。", "tool_call_id": "1"},
        {"role": "assistant", "content": "价格已经改好，非常顺利。"},
    ]
    sample = Sample(id="1", messages=messages, images=[], source="s", tools=[{"type": "function", "function": {"name": "update_price"}}])
    for seed in range(10):
        done = augment(sample, TextAugmentConfig(synonyms=1.0, rephrase=1.0, traditional=1.0), seed=seed, key="")
        assert done.applied == ("synonyms",) and done.kept["traditional"] == "tools"
        assert done.sample.messages[1:] == messages[1:] and done.sample.tools == sample.tools
        assert done.sample.messages[0]["content"] in {f"{word}可以，请修改酒店用品的价格。" for word in ("假如", "倘若", "要是")}


def test_texts_without_chinese_are_left_alone():
    sample = talk("What is it?", "A cat, 12 years old.")
    assert augment(sample, TextAugmentConfig(synonyms=1.0, rephrase=1.0, traditional=1.0), seed=0, key="").sample is sample


def test_reading_the_module_loads_neither_the_dictionary_nor_the_converter():
    program = "import sys, smvl.augment.zh; assert not {'rjieba', 'opencc', 'torch'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
