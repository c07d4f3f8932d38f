"""Amounts of money, counted in cents: as printed (`12.90`), and in the capital figures of contracts and receipts (`壹拾贰元玖角`)."""

import random

import cn2an

from smvl.scenes.contents import Contents

_ENDINGS = (0, 0, 0, 0, 0, 0, 5, 8, 9)


def amount_text(cents: int) -> str:
    """As a till prints it: two places, no thousands separator."""
    return f"{cents // 100}.{cents % 100:02d}"


def cents_of(amount: str) -> int:
    """The cents of a printed amount."""
    yuan, _, cents = amount.partition(".")
    return int(yuan) * 100 + int(cents.ljust(2, "0") if cents else 0)


def capital_amount(cents: int) -> str:
    """In capital figures, 整 after a whole number of yuan (the rules for filling in bills, China's central bank, 1997)."""
    return cn2an.an2cn(amount_text(cents), "rmb")


def random_price(generator: random.Random, low: int, high: int) -> int:
    """A price in cents between two numbers of yuan, ending as prices do: in whole tenths, or in 5, 8 or 9 cents."""
    return generator.randrange(low * 10, high * 10) * 10 + generator.choice(_ENDINGS)


def draw_price(contents: Contents, low: int, high: int) -> str:
    """A printed price between two numbers of yuan."""
    return contents.text(lambda generator: amount_text(random_price(generator, low, high)))
