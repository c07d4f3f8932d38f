"""Items with prices, and sums that are right: every amount that is printed belongs to the split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.money import amount_text, cents_of, random_price

ROUND_SUMS = tuple(range(10, 2010, 10))
"""Whole notes that a customer hands over, in yuan."""

_CASH_SHARE = 0.4
_REDUCED_SHARE = 0.3


@dataclass(frozen=True)
class Ware:
    """What an item of a bill is drawn from."""

    name: str
    prices: tuple[int, int]
    """From and to, in yuan."""
    weighed: bool = False
    tenths: bool = False
    """Whether its price ends in whole tenths of a yuan, as in restaurants."""


def draw_items(contents: Contents, wares: list[Ware]) -> list[dict[str, Any]]:
    """{"品名", "数量", "单价", "金额"} for each ware, printed forms but for a counted 数量; their sum is of the split too."""
    items = [_draw_item(contents, ware) for ware in wares]
    while not contents.fits(total_of(items)):
        place = contents.random.randrange(len(items))
        items[place] = _draw_item(contents, wares[place])
    for item in items:
        for key in ("单价", "金额"):
            contents.keep(item[key])
        if isinstance(item["数量"], str):
            contents.keep(item["数量"])
    contents.keep(total_of(items))
    return items


def total_of(items: list[dict[str, Any]]) -> str:
    return amount_text(sum(cents_of(item["金额"]) for item in items))


def _draw_item(contents: Contents, ware: Ware) -> dict[str, Any]:
    generator = contents.random
    while True:
        price = random_price(generator, *ware.prices)
        price -= price % 10 if ware.tenths else 0
        if ware.weighed:
            grams = generator.randrange(150, 3200)
            number: Any = f"{grams / 1000:.3f}"
            amount = round(price * grams / 1000)
            if not contents.fits(number):
                continue
        else:
            number = generator.choice((1, 1, 1, 1, 2, 2, 3, 4))
            amount = price * number
        if contents.fits(amount_text(price), amount_text(amount)):
            return {"品名": ware.name, "数量": number, "单价": amount_text(price), "金额": amount_text(amount)}


def draw_payment(contents: Contents, total: str) -> dict[str, str]:
    """What follows from the sum: 优惠 and 应付 on some bills, then 支付方式, and 实收 and 找零 where it was paid in cash."""
    entries = {"合计": total}
    if contents.random.random() < _REDUCED_SHARE:
        entries |= _draw_reduction(contents, cents_of(total))
    due = cents_of(entries.get("应付", total))
    sums = [yuan for yuan in _sums_for(due) if contents.fits(amount_text(yuan * 100 - due))]
    if sums and contents.random.random() < _CASH_SHARE:
        given = contents.random.choice(sums)
        change = contents.keep(amount_text(given * 100 - due))
        return entries | {"支付方式": "现金", "实收": f"{given}.00", "找零": change}
    return entries | {"支付方式": contents.random.choice(PAYMENTS)}


PAYMENTS = ("手机支付", "扫码支付", "银行卡", "会员卡", "储值卡", "刷卡")


def _sums_for(due: int) -> list[int]:
    """Sums in notes that a customer would hand over for an amount in cents."""
    steps = (10, 20, 50, 100)
    return sorted({yuan for step in steps if (yuan := -(-due // (step * 100)) * step) in ROUND_SUMS and yuan * 100 > due})


def _draw_reduction(contents: Contents, total: int) -> dict[str, str]:
    off = draw_fitting(contents, lambda: contents.random.randrange(10, max(60, total // 4)), lambda off: (off, total - off))
    return {"优惠": contents.keep(amount_text(off)), "应付": contents.keep(amount_text(total - off))} if off else {}


def draw_fitting(contents: Contents, make: Callable[[], int], amounts: Callable[[int], tuple[int, ...]]) -> int | None:
    """Cents that `make` draws so that all amounts that follow from them are of the split; None where there hardly are any."""
    for _ in range(3000):
        cents = make()
        if all(contents.fits(amount_text(amount)) for amount in amounts(cents)):
            return cents
    return None
