"""Questions of mathematics to fill in, to solve and to calculate, from primary school to the last year of secondary school."""

import random
from fractions import Fraction
from math import gcd

from smvl.scenes.exams.expressions import coefficient, fraction, further_term, nonzero, polynomial, power, signed, term
from smvl.scenes.exams.family import BLANK, CALCULATE, SOLVE, Family

Random = random.Random
Parts = dict[str, str]
_ANGLES = ("30", "45", "60")


def _quadratic(g: Random) -> str:
    return polynomial((coefficient(g), nonzero(g, 15), nonzero(g, 30)))


def _geometric_sum(g: Random) -> Parts:
    c, k = g.randint(2, 15), nonzero(g, 40)
    return {"e": f"S_n={polynomial((c, k, 0), 'n')}", "q": f"a_{g.randint(3, 9)}"}


def _sum_of_fractions(g: Random) -> Parts:
    a, b = (Fraction(g.randint(1, 12), g.randint(2, 15)) for _ in range(2))
    sign = g.choice("+-")
    result = a + b if sign == "+" else a - b
    return {"e": f"{fraction(a)}{sign}{fraction(b)}=", "answer": fraction(result)}


def _whole_numbers(g: Random) -> Parts:
    a, b, c = g.randint(12, 99), g.randint(2, 25), g.randint(10, 400)
    pattern = g.choice((0, 1, 2, 3))
    if pattern == 0:
        return {"e": rf"{a}\times{b}+{c}=", "answer": str(a * b + c)}
    if pattern == 1:
        return {"e": rf"{a * b}\div{b}+{c}=", "answer": str(a + c)}
    if pattern == 2:
        return {"e": rf"({a}+{c})\times{b}=", "answer": str((a + c) * b)}
    return {"e": f"{a + c}-{a}+{b}=", "answer": str(c + b)}


def _decimals(g: Random) -> Parts:
    a, b = g.randint(11, 999), g.randint(11, 999)
    sign = g.choice("+-")
    a, b = (max(a, b), min(a, b)) if sign == "-" else (a, b)
    result = a + b if sign == "+" else a - b
    return {"e": f"{a / 10:g}{sign}{b / 10:g}=", "answer": f"{result / 10:g}"}


def _with_powers(g: Random) -> Parts:
    a, b, c = g.randint(2, 9), g.randint(2, 12), g.randint(2, 60)
    return {"e": rf"(-{a})^2-{b}\times\left(-\frac{{1}}{{{b}}}\right)+|-{c}|=", "answer": str(a * a + 1 + c)}


def _with_roots(g: Random) -> Parts:
    a, b, c = g.randint(2, 15), g.randint(2, 6), g.randint(1, 99)
    return {"e": rf"\sqrt{{{a * a}}}+\sqrt[3]{{{b**3}}}-{c}=", "answer": str(a + b - c)}


def _factoring(g: Random) -> Parts:
    p, q, a = nonzero(g, 15), nonzero(g, 15), g.randint(2, 9)
    patterns = (
        polynomial((1, p + q, p * q)),
        f"{a * a}x^2-{abs(p) ** 2}",
        f"x^3-{p * p}x",
        f"{a}x^2-{a * q * q}",
        f"x^2-{2 * abs(q)}xy+{q * q}y^2",
    )
    return {"e": g.choice(patterns) + "="}


def _like_terms(g: Random) -> Parts:
    a, b, p, q = nonzero(g, 15), nonzero(g, 15), g.randint(2, 9), g.randint(2, 9)
    return {"e": f"{term(a, 'x')}^{{m+{p}}}{power('y', q)}", "b": f"{term(b, 'x')}^{p + 3 if p < 7 else 9}y^n", "q": "m+n"}


def _system_of_equations(g: Random) -> Parts:
    x, y = nonzero(g, 9), nonzero(g, 9)
    rows = []
    while len(rows) < 2 or rows[0][0] * rows[1][1] == rows[0][1] * rows[1][0]:
        rows = [(nonzero(g, 7), nonzero(g, 7)) for _ in range(2)]
    lines = [f"{term(a, 'x')}{further_term(b, 'y')}={a * x + b * y}" for a, b in rows]
    return {"e": r"\begin{cases}" + r"\\".join(lines) + r"\end{cases}"}


def _system_of_inequalities(g: Random) -> Parts:
    lines = []
    for sign in g.choice(((r"\leq", ">"), ("<", r"\geq"), (">", r"\leq"))):
        lines.append(f"{polynomial((g.randint(2, 9), nonzero(g, 20)))}{sign}{nonzero(g, 40)}")
    return {"e": r"\begin{cases}" + r"\\".join(lines) + r"\end{cases}"}


def _piecewise(g: Random) -> Parts:
    c = nonzero(g, 9)
    first, second = polynomial((1, nonzero(g, 9), 0)), polynomial((nonzero(g, 9), nonzero(g, 20)))
    return {"e": rf"f(x)=\begin{{cases}}{first},x\geq{c}\\{second},x<{c}\end{{cases}}", "v": f"f({nonzero(g, 9)})"}


def _limit(g: Random) -> Parts:
    a, k = g.randint(2, 20), g.randint(2, 30)
    patterns = (
        rf"\lim_{{x\to{a}}}\frac{{x^2-{a * a}}}{{x-{a}}}=",
        rf"\lim_{{x\to0}}\frac{{\sin{k}x}}{{{term(a, 'x')}}}=",
        rf"\lim_{{x\to\infty}}\frac{{{polynomial((a, nonzero(g, 20)))}}}{{{polynomial((k, nonzero(g, 20)))}}}=",
        rf"\lim_{{n\to\infty}}\left(1+\frac{{{k}}}{{n}}\right)^n=",
    )
    return {"e": g.choice(patterns)}


def _integral(g: Random) -> Parts:
    a, b, high = g.randint(1, 12), nonzero(g, 20), g.randint(1, 9)
    inside = g.choice((polynomial((3 * a, 2 * b, 0)), polynomial((2 * a, b)), rf"{polynomial((a, b))}+e^x", rf"\sin x{signed(b)}"))
    return {"e": rf"\int_0^{high}({inside})dx", "s": "="}


def _sum_to(g: Random) -> Parts:
    n, a, b = g.randint(5, 60), g.randint(2, 12), nonzero(g, 12)
    above = str(n) if n < 10 else f"{{{n}}}"
    return {"e": rf"\sum_{{k=1}}^{above}({polynomial((a, b), 'k')})="}


def _period(g: Random) -> Parts:
    a, w, p = g.randint(2, 9), g.randint(2, 9), g.choice((3, 4, 5, 6, 8, 12))
    name = g.choice((r"\sin", r"\cos"))
    return {"e": rf"y={a}{name}\left({w}x{g.choice('+-')}\frac{{\pi}}{{{p}}}\right)"}


def _binomial(g: Random) -> Parts:
    a, n, k = nonzero(g, 12), g.randint(4, 9), g.randint(2, 4)
    first = g.choice(
        (f"(x{signed(a)})^{n}", rf"\left(x{'+' if a > 0 else '-'}\frac{{{abs(a)}}}{{x}}\right)^{n}", f"({polynomial((2, a))})^{n}")
    )
    return {"e": first, "x": f"x^{k}"}


def _triangle(g: Random) -> Parts:
    a, b = g.sample(range(2, 40), 2)
    angle = rf"\angle C={g.choice(_ANGLES)}^{{\circ}}"
    return {"e": f"{a},{b},{angle}", "a": f"a={a}", "b": f"b={b}", "c": angle, "t": r"\triangle ABC"}


def _equation(g: Random) -> Parts:
    p, q, a = nonzero(g, 15), nonzero(g, 15), g.randint(2, 9)
    first = polynomial((a, p))
    patterns = (
        f"{_quadratic(g)}=0",
        f"{first}={polynomial((a + g.randint(1, 5), q))}",
        rf"\frac{{{abs(p)}}}{{x{signed(q)}}}=\frac{{{a}}}{{x}}",
        rf"\frac{{x{signed(p)}}}{{{a}}}-\frac{{{polynomial((2, q))}}}{{{a + 1}}}=1",
        f"(x{signed(p)})^2={a * a}",
        rf"\sqrt{{{first}}}={a + 1}",
        f"{a}(x{signed(p)})={abs(q)}-x",
    )
    return {"e": g.choice(patterns)}


def _inequality(g: Random) -> Parts:
    p, a = nonzero(g, 15), g.randint(2, 9)
    sign = g.choice(("<", ">", r"\leq", r"\geq"))
    patterns = (
        f"{_quadratic(g)}{sign}0",
        f"|{polynomial((a, p))}|{sign}{g.randint(2, 20)}",
        rf"\frac{{x{signed(p)}}}{{x{signed(-p)}}}{sign}{a}",
        f"{polynomial((a, p))}{sign}{polynomial((a + 1, nonzero(g, 20)))}",
    )
    return {"e": g.choice(patterns)}


def _simplify(g: Random) -> Parts:
    a, b = g.randint(1, 9), g.randint(2, 9)
    patterns = (
        rf"\left(1-\frac{{{b}}}{{x+{a}}}\right)\div\frac{{x^2-{b * b}}}{{x+{a}}}",
        rf"\frac{{x^2-{a * a}}}{{x^2+{2 * b}x+{b * b}}}\cdot\frac{{x+{b}}}{{x-{a}}}",
        rf"(x+{a})(x-{a})-(x-{b})^2",
        rf"\left(\frac{{x}}{{x-{a}}}-\frac{{{b}}}{{x+{a}}}\right)\div\frac{{1}}{{x^2-{a * a}}}",
    )
    return {"e": g.choice(patterns), "x": g.choice((f"x={g.randint(2, 12)}", rf"x=\sqrt{{{g.choice((2, 3, 5, 6, 7))}}}+{a}"))}


def _extremes(g: Random) -> Parts:
    low, high = sorted(g.sample(range(-9, 10), 2))
    return {"e": f"f(x)={polynomial((coefficient(g), nonzero(g, 9), nonzero(g, 15), nonzero(g, 20)))}", "i": f"[{low},{high}]"}


def _tangent(g: Random) -> Parts:
    p, q = g.sample(range(2, 30), 2)
    divisor = gcd(p, q)
    p, q = p // divisor, q // divisor
    return {"e": rf"\tan\alpha={fraction(Fraction(p, q))}", "q": r"\frac{\sin\alpha+\cos\alpha}{\sin\alpha-\cos\alpha}"}


def _monotone(g: Random) -> Parts:
    a, b = nonzero(g, 12), nonzero(g, 12)
    patterns = (
        f"f(x)={polynomial((1, a, b, 0))}+m",
        rf"f(x)=\ln x{further_term(a, 'x^2')}",
        f"f(x)=(x{signed(a)})e^x",
        rf"f(x)=\frac{{{b}}}{{x}}+\ln x{signed(a)}",
        f"f(x)=e^x{further_term(a, 'x')}{signed(b)}",
    )
    return {"e": g.choice(patterns), "f": "f(x)", "d": "f'(x)"}


def _ellipse(g: Random) -> Parts:
    a, b = g.sample(range(2, 60), 2)
    return {"e": rf"\frac{{x^2}}{{{a}}}+\frac{{y^2}}{{{b}}}=1"}


def _recurrence(g: Random) -> Parts:
    a, k, b = g.randint(1, 20), g.randint(2, 9), nonzero(g, 12)
    rule = g.choice((f"a_{{n+1}}={k}a_n{signed(b)}", f"a_{{n+1}}=a_n+{polynomial((k, b), 'n')}", rf"a_{{n+1}}=\frac{{a_n}}{{{k}a_n+1}}"))
    return {"e": rule, "a": f"a_1={a}", "s": r"\{a_n\}"}


def _journey(g: Random) -> Parts:
    speed, hours = g.randint(40, 120), g.randint(2, 6)
    distance = speed * hours + g.randint(5, 200)
    return {"e": f"{distance}km{speed}", "s": str(distance), "v": str(speed), "t": str(hours), "answer": str(distance - speed * hours)}


def _shop(g: Random) -> Parts:
    boxes, price = g.randint(12, 90), g.randint(15, 90)
    total = boxes * price + g.randint(50, 900)
    goods = g.choice("苹果 香梨 橙子 葡萄 牛奶 饮料 矿泉水 饼干".split())
    return {"e": f"{boxes}x{price}", "a": str(boxes), "b": str(price), "c": str(total), "g": goods, "answer": str(total - boxes * price)}


_M = "数学"
FAMILIES = (
    Family(_M, BLANK, ("计算：${e}$____．", "直接写出得数：${e}$____．"), _sum_of_fractions),
    Family(_M, BLANK, ("计算：${e}$____．",), _with_powers),
    Family(_M, BLANK, ("计算：${e}$____．",), _with_roots),
    Family(_M, BLANK, ("分解因式：${e}$____．", "因式分解：${e}$____．"), _factoring),
    Family(_M, BLANK, ("若单项式${e}$与${b}$是同类项，则${q}$的值为____．",), _like_terms),
    Family(_M, BLANK, ("不等式组${e}$的解集是____．", "不等式组${e}$的所有整数解为____．"), _system_of_inequalities),
    Family(_M, BLANK, ("已知函数${e}$，则${v}=$____．",), _piecewise),
    Family(_M, BLANK, ("${e}$____．", "求极限：${e}$____．"), _limit),
    Family(_M, BLANK, ("定积分${e}{s}$____．",), _integral),
    Family(_M, BLANK, ("计算：${e}$____．",), _sum_to),
    Family(_M, BLANK, (r"已知数列$\{{a_n\}}$的前$n$项和${e}$，则${q}=$____．",), _geometric_sum),
    Family(_M, BLANK, ("函数${e}$的最小正周期为____．", "函数${e}$的最大值是____．"), _period),
    Family(_M, BLANK, ("在${e}$的展开式中，${x}$的系数为____．",), _binomial),
    Family(_M, BLANK, ("在${t}$中，${a}$，${b}$，${c}$，则$c=$____．",), _triangle),
    Family(_M, SOLVE, ("解方程：${e}$．", "用适当的方法解方程：${e}$．", "求方程${e}$的解．"), _equation),
    Family(_M, SOLVE, ("解方程组：${e}$", "求方程组${e}$的解．"), _system_of_equations),
    Family(_M, SOLVE, ("解不等式：${e}$．", "求不等式${e}$的解集．"), _inequality),
    Family(_M, SOLVE, ("先化简，再求值：${e}$，其中${x}$．",), _simplify),
    Family(_M, SOLVE, ("求函数${e}$在区间${i}$上的最大值和最小值．",), _extremes),
    Family(_M, SOLVE, ("已知${e}$，求${q}$的值．",), _tangent),
    Family(_M, SOLVE, ("已知函数${e}$，求${d}$．", "设函数${e}$，讨论${f}$的单调性．", "求函数${e}$的单调区间．"), _monotone),
    Family(_M, SOLVE, ("已知椭圆${e}$，求它的离心率和焦点坐标．", "求椭圆${e}$的长轴长和焦距．"), _ellipse),
    Family(_M, SOLVE, ("已知数列${s}$满足${a}$，${e}$，求数列${s}$的通项公式．",), _recurrence),
    Family(_M, SOLVE, ("计算：${e}$．", "求定积分${e}$的值．"), _integral),
    Family(_M, SOLVE, ("甲、乙两地相距{s}千米，一辆汽车以每小时{v}千米的速度从甲地开往乙地，{t}小时后距离乙地还有多少千米？",), _journey),
    Family(_M, SOLVE, ("某商店购进{a}箱{g}，每箱进价{b}元，全部卖出后共收入{c}元，一共盈利多少元？",), _shop),
    Family(_M, CALCULATE, ("${e}$",), _whole_numbers),
    Family(_M, CALCULATE, ("${e}$",), _decimals),
    Family(_M, CALCULATE, ("${e}$",), _sum_of_fractions),
    Family(_M, CALCULATE, ("${e}$",), _with_roots),
    Family(_M, CALCULATE, ("${e}$",), _with_powers),
)  # fmt: skip
