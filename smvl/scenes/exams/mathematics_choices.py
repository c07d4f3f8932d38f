"""Questions of mathematics with four options, one of them right."""

import random
from fractions import Fraction

from smvl.scenes.exams.expressions import (
    coefficient,
    fraction,
    further_term,
    near,
    nonzero,
    polynomial,
    power,
    shuffled,
    signed,
    term,
)
from smvl.scenes.exams.family import CHOICE, Family

Random = random.Random
Parts = dict[str, str]


def _value_of_function(g: Random) -> Parts:
    coefficients, at = (coefficient(g), nonzero(g, 12), nonzero(g, 20)), nonzero(g, 6)
    value = coefficients[0] * at * at + coefficients[1] * at + coefficients[2]
    return {"e": f"f(x)={polynomial(coefficients)}", "v": f"f({at})", "right": str(value)}


def _domain(g: Random) -> Parts:
    a, b = g.randint(1, 30), g.randint(1, 60)
    sign = g.choice("+-")
    end = -b if sign == "+" else b
    if g.random() < 0.5:
        return {"e": rf"y=\sqrt{{x{sign}{b}}}", "right": rf"[{end},+\infty)"}
    return {"e": rf"y=\frac{{{a}}}{{\sqrt{{x{sign}{b}}}}}", "right": rf"({end},+\infty)"}


def _intervals(g: Random, parts: Parts) -> list[str]:
    def wrong() -> str:
        end = g.choice((1, -1)) * g.randint(1, 60)
        return g.choice((rf"[{end},+\infty)", rf"({end},+\infty)", rf"(-\infty,{end}]", rf"(-\infty,{end})"))

    return [f"${one}$" for one in shuffled(g, parts["right"], wrong)]


def _vertex(g: Random) -> Parts:
    a, h, k = coefficient(g), nonzero(g, 15), nonzero(g, 25)
    return {"e": f"y={term(a, f'(x{signed(-h)})^2')}{signed(k)}", "right": f"({h},{k})", "h": str(h), "k": str(k)}


def _points(g: Random, parts: Parts) -> list[str]:
    h, k = int(parts["h"]), int(parts["k"])
    right = f"({h},{k})"
    return [f"${one}$" for one in shuffled(g, right, lambda: f"({g.choice((h, -h))},{g.choice((k, -k, h))})")]


def _sets(g: Random) -> Parts:
    a, b = sorted(g.sample(range(-20, 20), 2))
    first, second = rf"A=\{{x\mid x>{a}\}}", rf"B=\{{x\mid x\leq{b}\}}"
    return {"e": first + second, "a": first, "b": second, "q": r"A\cap B", "right": f"({a},{b}]", "low": str(a), "high": str(b)}


def _set_options(g: Random, parts: Parts) -> list[str]:
    a, b = parts["low"], parts["high"]
    return [f"${one}$" for one in shuffled(g, f"({a},{b}]", lambda: g.choice("([") + f"{a},{b}" + g.choice(")]"))]


def _dot_product(g: Random) -> Parts:
    (a, b), (c, d) = ((nonzero(g, 12), nonzero(g, 12)) for _ in range(2))
    return {"e": rf"\vec{{a}}=({a},{b})", "b": rf"\vec{{b}}=({c},{d})", "q": r"\vec{a}\cdot\vec{b}", "right": str(a * c + b * d)}


def _arithmetic_sequence(g: Random) -> Parts:
    first, step, n = nonzero(g, 30), nonzero(g, 9), g.randint(5, 30)
    index = str(n) if n < 10 else f"{{{n}}}"
    return {
        "e": f"a_1={first},d={step},a_{index}",
        "a": f"a_1={first}",
        "d": f"d={step}",
        "q": f"a_{index}",
        "right": str(first + (n - 1) * step),
    }


def _modulus(g: Random) -> Parts:
    a, b = nonzero(g, 30), nonzero(g, 30)
    return {
        "e": f"z={a}{further_term(b, 'i')}",
        "right": f"{a}{further_term(-b, 'i')}",
        "a": str(a),
        "b": str(b),
    }


def _conjugates(g: Random, parts: Parts) -> list[str]:
    def wrong() -> str:
        a, b = g.choice((1, -1)) * int(parts["a"]), g.choice((1, -1)) * int(parts["b"])
        a, b = g.choice(((a, b), (b, a)))
        return f"{a}{further_term(b, 'i')}"

    return [f"${one}$" for one in shuffled(g, parts["right"], wrong)]


def _hyperbola(g: Random) -> Parts:
    a, b = g.sample(range(2, 25), 2)
    return {"e": rf"\frac{{x^2}}{{{a * a}}}-\frac{{y^2}}{{{b * b}}}=1", "slope": f"{b}/{a}"}


def _asymptotes(g: Random, parts: Parts) -> list[str]:
    slope = Fraction(parts["slope"])

    def line(number: Fraction) -> str:
        return r"y=\pm " + "x" if number == 1 else rf"y=\pm{fraction(number)}x"

    return [f"${one}$" for one in shuffled(g, line(slope), lambda: line(g.choice((1 / slope, slope * slope, slope + 1, 1 / slope + 1))))]


def _balls(g: Random) -> Parts:
    red, white = g.randint(2, 30), g.randint(2, 30)
    colour, other = g.sample(("红", "白", "黄", "蓝", "黑", "绿"), 2)
    return {"e": f"{red}{colour}{white}{other}", "m": str(red), "n": str(white), "c": colour, "d": other, "right": f"{red}/{red + white}"}


def _fractions(g: Random, parts: Parts) -> list[str]:
    right = Fraction(parts["right"])
    p, q = right.numerator, right.denominator

    def wrong() -> str:
        return fraction(Fraction(g.choice((p, max(1, q - p), 1)), q + g.randint(0, 6)))

    return [f"${one}$" for one in shuffled(g, fraction(right), wrong)]


def _logarithm(g: Random) -> Parts:
    base, exponent, c = g.randint(2, 9), g.randint(2, 4), nonzero(g, 15)
    return {"e": rf"\log_{base}(x{signed(c)})={exponent}", "right": str(base**exponent - c)}


def _trigonometric_value(g: Random) -> Parts:
    a, b, c = g.randint(2, 20), g.randint(2, 20), g.randint(1, 30)
    return {"e": rf"{2 * a}\sin30^{{\circ}}+{b}\tan45^{{\circ}}-{c}", "right": str(a + b - c)}


def _exponents(g: Random, parts: Parts) -> list[str]:
    """One right rule of powers and three mistakes."""
    x, (m, n) = parts["x"], g.sample(range(2, 9), 2)
    rights = (
        rf"{power(x, m)}\cdot{power(' ' + x, n)}={power(x, m + n)}",
        f"({power(x, m)})^{n}={power(x, m * n)}",
        rf"{power(x, m + n)}\div {power(x, m)}={power(x, n)}",
    )
    wrongs = [
        rf"{power(x, m)}\cdot{power(' ' + x, n)}={power(x, m * n)}",
        f"({power(x, m)})^{n}={power(x, m + n)}",
        f"{power(x, m)}+{power(x, n)}={power(x, m + n)}",
        f"{m + 1}{x}-{m}{x}=1",
        f"({n}{x})^2={n}{x}^2",
    ]
    options = [g.choice(rights), *g.sample(wrongs, 3)]
    g.shuffle(options)
    return [f"${one}$" for one in options]


def _letter(g: Random) -> Parts:
    return {"e": "", "x": g.choice("abmnxy")}


def _near_right(g: Random, parts: Parts) -> list[str]:
    return near(g, int(parts["right"]))


_M = "数学"
FAMILIES = (
    Family(_M, CHOICE, ("已知函数${e}$，则${v}$的值为（　　）", "设函数${e}$，则${v}=$（　　）"), _value_of_function, _near_right),
    Family(_M, CHOICE, ("函数${e}$的定义域是（　　）", "使函数${e}$有意义的$x$的取值范围是（　　）"), _domain, _intervals),
    Family(_M, CHOICE, ("抛物线${e}$的顶点坐标是（　　）", "二次函数${e}$的图象的顶点是（　　）"), _vertex, _points),
    Family(_M, CHOICE, ("已知集合${a}$，${b}$，则${q}=$（　　）", "若集合${a}$，集合${b}$，则${q}$等于（　　）"), _sets, _set_options),
    Family(_M, CHOICE, ("已知向量${e}$，${b}$，则${q}=$（　　）", "若${e}$，${b}$，则${q}$的值是（　　）"), _dot_product, _near_right),
    Family(_M, CHOICE, (r"在等差数列$\{{a_n\}}$中，${a}$，公差${d}$，则${q}=$（　　）",), _arithmetic_sequence, _near_right),
    Family(_M, CHOICE, ("复数${e}$的共轭复数是（　　）", "若复数${e}$，则它的共轭复数为（　　）"), _modulus, _conjugates),
    Family(_M, CHOICE, ("双曲线${e}$的渐近线方程为（　　）",), _hyperbola, _asymptotes),
    Family(
        _M, CHOICE,
        ("一个袋中装有{m}个{c}球和{n}个{d}球，它们除颜色外都相同，从中任意摸出一个球，摸到{c}球的概率是（　　）",
         "盒子里有{m}张{c}色卡片和{n}张{d}色卡片，随机抽取一张，抽到{c}色卡片的概率为（　　）"),
        _balls, _fractions,
    ),
    Family(_M, CHOICE, ("若${e}$，则$x$的值为（　　）", "方程${e}$的解是（　　）"), _logarithm, _near_right),
    Family(_M, CHOICE, ("计算${e}$的结果是（　　）", "${e}$的值等于（　　）"), _trigonometric_value, _near_right),
    Family(_M, CHOICE, ("下列计算正确的是（　　）", "下列运算中，正确的是（　　）"), _letter, _exponents),
)  # fmt: skip
