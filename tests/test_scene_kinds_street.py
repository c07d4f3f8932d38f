"""Signs, calligraphy and advertisements: the answers follow from what is drawn."""

import itertools
import random
from collections import Counter
from dataclasses import asdict
from functools import cache

import pytest

from smvl.augment.zh.script import is_traditional, to_simplified
from smvl.scenes.advertising.offers import Offer
from smvl.scenes.calligraphy.works import COUPLET, PLAQUE, Work, _poems
from smvl.scenes.contents import TRAIN, Contents, split_of
from smvl.scenes.conversation import _draw_asks
from smvl.scenes.fonts import pip_fonts
from smvl.scenes.kinds import KINDS, advertisement, calligraphy, street_sign
from smvl.scenes.scene import Drawing
from smvl.scenes.street.boards import COLOURS
from smvl.scenes.street.signs import BUS, DIRECTION, DOOR, NOTICE, ROAD, SHOP, Sign

NUM = 60


@cache
def drawings(name: str) -> list[Drawing]:
    return [KINDS[name].draw(Contents(f"kind {number}", TRAIN, pip_fonts()), 400) for number in range(NUM)]


def asker(seed: int = 0) -> Contents:
    return Contents(f"ask {seed}", TRAIN, pip_fonts())


def ask_all_ways(ask, facts, num: int = 40) -> dict[str, str]:
    """Question -> answer, over what chance has a question maker choose."""
    return {question.question: question.answer for question in (ask(facts, asker(seed)) for seed in range(num))}


# ---- street signs ----------------------------------------------------------------------------------------------------------------


def facts_of(*signs: tuple[Sign, str]) -> dict:
    return {"signs": [{"类型": sign.type, "颜色": colour, "文字": sign.text, **sign.fields} for sign, colour in signs]}


STREET = facts_of(
    (Sign(SHOP, ("清悦面馆",), {"店名": "清悦面馆"}), "红"),
    (Sign(DIRECTION, ("映月湖", "1.2km"), {"去向": "映月湖", "方向": "左", "距离": "1.2km"}), "绿"),
    (Sign(DOOR, ("文昌路", "218号"), {"路名": "文昌路", "号码": "218号"}), "蓝"),
    (Sign(ROAD, ("文昌路",), {"路名": "文昌路"}), "蓝"),
)


def test_each_sign_is_asked_for_by_words_that_mean_it_alone():
    asked = ask_all_ways(street_sign._ask_one, STREET, 200)
    texts = {"清悦面馆": ["最左边", "第一块", "红色", SHOP], "映月湖 1.2km": ["第二块", "绿色", DIRECTION]}
    texts |= {"文昌路 218号": ["第三块", DOOR], "文昌路": ["最右边", "第四块", ROAD]}
    for question, answer in asked.items():
        assert any(word in question for word in texts[answer]), (question, answer)
        assert "蓝色" not in question
    assert set(asked.values()) == set(texts)
    for text, words in texts.items():
        assert all(any(word in question for question, answer in asked.items() if answer == text) for word in words), text


def test_signs_are_read_from_left_to_right():
    assert set(ask_all_ways(street_sign._ask_all, STREET).values()) == {"清悦面馆\n映月湖 1.2km\n文昌路 218号\n文昌路"}


def test_fields_of_signs_are_what_they_say():
    asked = ask_all_ways(street_sign._ask_field, STREET, 200)
    assert asked["按指路牌，去映月湖该往哪边走？只回答左、右或前。"] == "左"
    assert asked["指路牌上写着离映月湖还有多远？"] == "1.2km"
    assert asked["门牌号是多少？"] == "218号" and asked["这是什么路？（看路名牌）"] == "文昌路"
    assert asked["店铺招牌上的店名是什么？"] == "清悦面馆"


def test_signs_are_counted_in_all_and_by_colour():
    asked = ask_all_ways(street_sign._ask_count, STREET)
    assert asked["图中有几块牌子？"] == "4块" and asked["图中有几块蓝色的牌子？"] == "2块" and asked["图中有几块红色的牌子？"] == "1块"


def test_only_signs_that_are_not_there_are_refused():
    asked = ask_all_ways(street_sign._ask_absent, STREET, 100)
    assert set(asked.values()) == {f"图中没有{BUS}。", f"图中没有{NOTICE}。", "图中没有写电话号码。"}
    for question, answer in asked.items():
        assert (answer == f"图中没有{BUS}。") == any(word in question for word in ("公交", "几路车")), question


@pytest.mark.parametrize("numbers, answer", [((4, 1), "第一张"), ((1, 4), "第二张"), ((2, 2), "一样多")])
def test_streets_are_compared_by_their_number_of_signs(numbers: tuple[int, int], answer: str):
    facts = [{"signs": STREET["signs"][:number]} for number in numbers]
    asked = {street_sign._compare(*facts, asker(seed)).question: street_sign._compare(*facts, asker(seed)).answer for seed in range(40)}
    assert asked["两张图中哪一张的牌子更多？回答第一张、第二张或一样多。"] == answer
    other = {"signs": [dict(STREET["signs"][3], 文字="创业街", 路名="创业街")]}
    found = {street_sign._compare(other, STREET, asker(seed)) for seed in range(60)}
    assert {q.answer for q in found if "创业街" in q.question} == {"第一张"} and {q.answer for q in found if "清悦面馆" in q.question} == {
        "第二张"
    }


def test_streets_show_one_to_five_signs_and_every_type():
    facts = [drawing.facts["signs"] for drawing in drawings("street_sign")]
    assert set(map(len, facts)) >= {1, 2, 3, 4}
    assert len({sign["类型"] for signs in facts for sign in signs}) == 7
    for drawing in drawings("street_sign"):
        texts = list(itertools.chain(*(sign["文字"].split(" ") for sign in drawing.facts["signs"])))
        assert Counter(texts) == Counter(drawing.texts)


def test_boards_have_the_colour_that_the_answer_names():
    for drawing in drawings("street_sign")[:30]:
        pixels = Counter(drawing.image.get_flattened_data())
        for sign in drawing.facts["signs"]:
            assert pixels[COLOURS[sign["颜色"]]] > 300


# ---- calligraphy -----------------------------------------------------------------------------------------------------------------


def calligraphy_facts(work: Work) -> dict:
    return {**asdict(work), "parts": calligraphy._parts(work)}


COUPLET_FACTS = calligraphy_facts(Work(COUPLET, ("春临大地千山秀", "喜满人间万木荣"), banner="福到人间"))
SCROLL_FACTS = calligraphy_facts(
    Work(
        "条幅",
        ("移舟泊烟渚", "日暮客愁新"),
        author="孟浩然",
        title="宿建德江",
        writer="林远",
        inscription="录孟浩然宿建德江 林远书",
        seal="林远之印",
    )
)


def test_couplets_are_read_upper_line_first_and_the_banner_last():
    assert set(ask_all_ways(calligraphy._ask_all, COUPLET_FACTS).values()) == {"春临大地千山秀\n喜满人间万木荣\n福到人间"}
    asked = ask_all_ways(calligraphy._ask_part, COUPLET_FACTS)
    assert asked["右边一联写着什么？"] == "春临大地千山秀" and asked["左边一联写着什么？"] == "喜满人间万木荣"
    assert asked["横批是什么？从右往左读。"] == "福到人间"
    assert set(ask_all_ways(calligraphy._ask_count, COUPLET_FACTS).values()) == {"7个字"}


def test_an_inscription_names_poem_author_and_writer():
    asked = ask_all_ways(calligraphy._ask_part, SCROLL_FACTS, 150)
    assert asked["按落款，这首诗的作者是谁？"] == "孟浩然" and asked["落款中写的诗题是什么？"] == "宿建德江"
    assert asked["书写者叫什么名字？"] == "林远" and asked["请认读红色印章。"] == "林远之印"
    assert set(ask_all_ways(calligraphy._ask_count, SCROLL_FACTS).values()) == {"10个字", "2列"}


def test_only_what_a_work_lacks_is_refused():
    assert set(ask_all_ways(calligraphy._ask_absent, COUPLET_FACTS).values()) == {
        "图中没有印章。",
        "图中没有落款。",
        "图中没有注明诗的作者。",
    }
    assert set(ask_all_ways(calligraphy._ask_absent, SCROLL_FACTS).values()) == {"图中没有横批。"}


def test_no_verse_stands_in_two_poems_and_each_poem_is_of_one_split():
    poems = _poems()
    verses = Counter(verse for _, _, lines in poems for verse in lines)
    assert len(poems) >= 150 and set(verses.values()) == {1}
    assert all(len({len(verse) for verse in lines}) == 1 and len(lines) in (2, 4) for _, _, lines in poems)
    splits = Counter(split_of(f"{author}{title}") for author, title, _ in poems)
    assert splits["validation"] >= 8 and splits["test"] >= 8


def test_traditional_script_is_that_of_the_whole_work_and_its_split_that_of_the_simplified_text():
    traditional = [drawing.facts for drawing in drawings("calligraphy") if drawing.facts["traditional"]]
    assert NUM / 8 < len(traditional) < NUM / 2
    verses = {verse for _, _, lines in _poems() for verse in lines}
    for facts in traditional:
        assert is_traditional("".join(facts["lines"]))
        assert "书" not in facts["inscription"] and "录" not in facts["inscription"]
        assert facts["form"] in (COUPLET, PLAQUE) or {to_simplified(line) for line in facts["lines"]} <= verses


def test_all_that_a_work_says_is_written_on_it():
    for drawing in drawings("calligraphy"):
        facts = drawing.facts
        expected = [*facts["lines"], *(facts[key] for key in ("banner", "inscription", "seal") if facts[key])]
        assert Counter(drawing.texts) == Counter(expected)
    assert {drawing.facts["form"] for drawing in drawings("calligraphy")} == {"条幅", COUPLET, PLAQUE, "斗方"}


# ---- advertisements --------------------------------------------------------------------------------------------------------------


def offer_facts(**changes) -> dict:
    offer = Offer(
        art="lamp", brand="禾悦", product="护眼台灯", slogan="", price="199.20", original="249", discount="8折",
        praises=("质感安心", "用料扎实"), period="5月1日至5月7日", phone="", shop="",
    )  # fmt: skip
    rows = ["禾悦", "护眼台灯", "活动价 ¥199.20", "原价249元 8折", "质感安心 用料扎实", "活动时间：5月1日至5月7日"]
    return {**asdict(offer), "praises": list(offer.praises), "rows": rows} | changes


def test_fields_of_an_offer_are_what_it_says():
    asked = ask_all_ways(advertisement._ask_part, offer_facts(), 150)
    assert asked["现在的价格是多少元？只写数字。"] == "199.20" and asked["原价是多少元？只写数字。"] == "249"
    assert asked["打几折？"] == "8折" and asked["这是哪个品牌的广告？"] == "禾悦" and asked["活动时间是哪天到哪天？"] == "5月1日至5月7日"
    assert not any("电话" in question or "热线" in question for question in asked)


def test_only_what_an_offer_does_not_say_is_refused():
    answers = set(ask_all_ways(advertisement._ask_absent, offer_facts(), 60).values())
    assert answers == {"图中没有写广告语。", "图中没有写订购热线。", "图中没有写门店。"}
    assert set(ask_all_ways(advertisement._ask_praises, offer_facts(praises=[])).values()) == {"图中没有列出卖点。"}
    assert set(ask_all_ways(advertisement._ask_saving, offer_facts(original="")).values()) == {"图中没有标原价。"}


def test_the_saving_is_the_difference():
    assert set(ask_all_ways(advertisement._ask_saving, offer_facts()).values()) == {"49.80"}


@pytest.mark.parametrize(
    "prices, cheaper, apart",
    [(("9.90", "12.00"), "第一张", "2.10"), (("12.00", "9.90"), "第二张", "2.10"), (("5.00", "5.00"), "一样", "0.00")],
)
def test_offers_are_compared_by_price(prices: tuple[str, str], cheaper: str, apart: str):
    facts = [offer_facts(price=price) for price in prices]
    answers = {
        advertisement._compare(*facts, asker(seed)).question: advertisement._compare(*facts, asker(seed)).answer for seed in range(40)
    }
    assert answers["哪张图的商品更便宜？回答第一张、第二张或一样。"] == cheaper
    assert answers["两张图中商品的现价相差多少元？写两位小数。"] == apart


def test_a_discount_is_that_of_the_prices():
    reduced = [drawing.facts for drawing in drawings("advertisement") if drawing.facts["original"]]
    assert len(reduced) > NUM / 3
    for facts in reduced:
        assert float(facts["original"]) * float(facts["discount"].removesuffix("折")) / 10 == pytest.approx(float(facts["price"]), abs=1e-6)


def test_an_advertisement_is_read_row_by_row():
    for drawing in drawings("advertisement"):
        assert " ".join(drawing.facts["rows"]).split(" ") == list(drawing.texts)


def test_the_kinds_of_questions_come_by_their_shares():
    generator = random.Random(0)
    kind = KINDS["advertisement"]
    first = Counter(_draw_asks(kind, 1, generator)[0] for _ in range(4000))
    for ask, share in kind.questions.items():
        assert first[ask] / 4000 == pytest.approx(share / sum(kind.questions.values()), abs=0.03)
