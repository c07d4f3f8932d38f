"""Random pieces of formulas, in the canonical LaTeX of latex.py."""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction


def term(coefficient: int, name: str) -> str:
    """A first term: `3x`, `-x`."""
    return {1: "", -1: "-"}.get(coefficient, str(coefficient)) + name if name else str(coefficient)


def further_term(coefficient: int, name: str) -> str:
    """A term after others, with its sign: `+3x`, `+x`, `-x`."""
    return ("+" if coefficient > 0 else "") + term(coefficient, name)


def signed(number: int | Fraction) -> str:
    """A further number with its sign: `+3`, `-5`."""
    return ("+" if number > 0 else "") + fraction(number)


def fraction(number: int | Fraction) -> str:
    """A number in lowest terms."""
    number = Fraction(number)
    if number.denominator == 1:
        return str(number.numerator)
    return ("-" if number < 0 else "") + rf"\frac{{{abs(number.numerator)}}}{{{number.denominator}}}"


def power(name: str, exponent: int) -> str:
    """x, x^2, x^{10}."""
    return name if exponent == 1 else f"{name}^{exponent}" if exponent < 10 else f"{name}^{{{exponent}}}"


def polynomial(coefficients: Sequence[int], name: str = "x") -> str:
    """From the highest power to the number: (1, -3, 2) is `x^2-3x+2`."""
    written = ""
    for place, coefficient in enumerate(coefficients):
        exponent = len(coefficients) - 1 - place
        if coefficient:
            write = further_term if written else term
            written += write(coefficient, power(name, exponent) if exponent else "")
    return written or "0"


def nonzero(generator: random.Random, limit: int) -> int:
    """A number from -limit to limit, not 0."""
    return generator.choice((-1, 1)) * generator.randint(1, limit)


def coefficient(generator: random.Random) -> int:
    """Of the highest power: 1 more often than others."""
    return generator.choice((1, 1, 1, 2, 3, 4, 5, -1, -2))


def shuffled(generator: random.Random, right: str, wrong: Callable[[], str]) -> list[str]:
    """Four different options, one of them right."""
    options = [right]
    while len(options) < 4:
        option = wrong()
        options += [option] if option not in options else []
    generator.shuffle(options)
    return options


def near(generator: random.Random, right: int, unit: str = "") -> list[str]:
    """A number and three near it, as options."""
    spread = max(4, abs(right) // 3)
    return [f"${one}$" for one in shuffled(generator, f"{right}{unit}", lambda: f"{right + nonzero(generator, spread)}{unit}")]
