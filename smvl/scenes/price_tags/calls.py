"""Price tags as the occasion to call a shop's functions."""

import random
from collections.abc import Mapping
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.function_call import call_function, describe_function
from smvl.scenes.money import amount_text, cents_of, random_price
from smvl.scenes.price_tags.entries import Tag
from smvl.scenes.price_tags.naming import Facts, measure_word, name_tag
from smvl.scenes.price_tags.wording import CHANGES, FALLS, OFFERS, RISES, STOCKS
from smvl.scenes.scene import TOOL, Question

_PRODUCT = {"product": ("string", "商品名称，与价签上一致")}
_BARCODE = {"barcode": ("string", "13位商品条形码")}
_PRICE = {"new_price": ("number", "新的售价，单位元")}
_OFFER = {"price": ("number", "促销价，单位元"), "end_date": ("string", "活动截止日期，与用户所说一致")}


def ask_call(facts: Facts, contents: Contents) -> Question:
    """A new price, a promotion or the stock; where the tag has a barcode, the functions may want it too, or alone."""
    tag = contents.random.choice(facts["tags"])
    identity = contents.random.choice((_PRODUCT, _BARCODE, _PRODUCT | _BARCODE)) if "条形码" in tag else _PRODUCT
    subject = {key: {"product": tag["品名"], "barcode": tag.get("条形码")}[key] for key in identity}
    make = contents.random.choice((_change_price, _change_price, _change_price, _create_promotion, _query_stock))
    words, name, arguments = make(facts, tag, contents)
    tools = _functions(identity)
    others = [tool for key, tool in tools.items() if key != name and contents.random.random() < 0.5]
    shown = [tools[name], *others]
    contents.random.shuffle(shown)
    return Question(TOOL, words, tools=tuple(shown), tool_calls=(call_function(name, subject | arguments),))


def _functions(identity: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, Any]]:
    described = (
        ("update_price", "修改商品的售价", identity | _PRICE),
        ("create_promotion", "为商品创建促销活动", identity | _OFFER),
        ("query_stock", "查询商品的库存数量", identity),
    )
    return {name: describe_function(name, meaning, parameters, tuple(parameters)) for name, meaning, parameters in described}


def _change_price(facts: Facts, tag: Tag, contents: Contents) -> tuple[str, str, dict[str, Any]]:
    now = cents_of(tag["价格"])
    kind = contents.random.choice(("to", "to", "up", "down"))
    if kind == "to":
        new = contents.text(lambda generator: amount_text(random_price(generator, max(1, now // 200), now // 50 + 2)))
    else:
        new = contents.text(lambda generator: amount_text(now + _draw_step(generator, now) * (1 if kind == "up" else -1)))
    words = contents.random.choice({"to": CHANGES, "up": RISES, "down": FALLS}[kind])
    step = amount_text(abs(cents_of(new) - now))
    it = name_tag(facts, tag, contents)
    return words.format(it=it, price=new, step=step, unit=measure_word(tag)), "update_price", {"new_price": float(new)}


def _draw_step(generator: random.Random, cents: int) -> int:
    return generator.randint(10, max(150, cents // 4))


def _create_promotion(facts: Facts, tag: Tag, contents: Contents) -> tuple[str, str, dict[str, Any]]:
    now = cents_of(tag["价格"])
    price = contents.text(lambda generator: amount_text(now - _draw_step(generator, now)))
    until = contents.text(lambda generator: f"{generator.randint(1, 12)}月{generator.randint(1, 28)}日")
    words = contents.random.choice(OFFERS).format(it=name_tag(facts, tag, contents), price=price, until=until)
    return words, "create_promotion", {"price": float(price), "end_date": until}


def _query_stock(facts: Facts, tag: Tag, contents: Contents) -> tuple[str, str, dict[str, Any]]:
    return contents.random.choice(STOCKS).format(it=name_tag(facts, tag, contents)), "query_stock", {}
