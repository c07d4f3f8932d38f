"""Questions of physics and chemistry."""

import random
from fractions import Fraction

from smvl.scenes.exams.expressions import fraction, near, shuffled
from smvl.scenes.exams.family import BLANK, CHOICE, SOLVE, Family

Random = random.Random
Parts = dict[str, str]


def _unit(number: int | str, unit: str) -> str:
    return rf"{number}\mathrm{{{unit}}}"


def _speed(g: Random) -> Parts:
    v, a, t = g.randint(1, 30), g.randint(1, 9), g.randint(2, 12)
    right = _unit(v + a * t, "m/s")
    return {"e": f"{v},{a},{t}", "v": _unit(v, "m/s"), "a": _unit(a, "m/s^2"), "t": _unit(t, "s"), "right": str(v + a * t), "full": right}


def _fall(g: Random) -> Parts:
    t = g.randint(2, 9)
    mass = f"m={_unit(g.randint(2, 90), 'kg')}"
    return {"e": f"{mass},{t}", "m": mass, "t": f"t={_unit(t, 's')}", "g": f"g={_unit(10, 'm/s^2')}", "right": str(10 * t)}


def _weight(g: Random) -> Parts:
    m = g.randint(2, 900)
    return {"e": f"m={_unit(m, 'kg')}", "g": f"g={_unit(10, 'N/kg')}", "answer": str(10 * m)}


def _resistance(g: Random) -> Parts:
    current, resistance = g.randint(1, 9), g.randint(2, 90)
    voltage, ampere = f"U={_unit(current * resistance, 'V')}", f"I={_unit(current, 'A')}"
    return {"e": voltage + ampere, "u": voltage, "i": ampere, "answer": str(resistance)}


def _spring(g: Random) -> Parts:
    k, x = g.randint(20, 900), g.randint(1, 9)
    return {"e": f"{k},{x}", "k": f"k={_unit(k, 'N/m')}", "x": f"x={_unit(f'0.{x}', 'm')}"}


def _gas(g: Random) -> Parts:
    p, v, w = g.randint(1, 9), g.randint(2, 90), g.randint(2, 5)
    pressure = rf"p_1={p}\times10^5\mathrm{{Pa}}"
    return {"e": f"{p},{v},{w}", "p": pressure, "v": f"V_1={_unit(v, 'L')}", "w": f"V_2={_unit(v * w, 'L')}", "q": "p_2"}


def _gravity(g: Random) -> Parts:
    r = g.randint(2, 9)
    e = rf"F=\frac{{Gm_1m_2}}{{{g.randint(2, 400)}r^2}}"
    return {"e": e, "r": str(r), "right": str(Fraction(1, r * r))}


def _lens(g: Random) -> Parts:
    f, u = g.randint(5, 30), g.randint(31, 99)
    return {"e": rf"\frac{{1}}{{{u}}}+\frac{{1}}{{v}}=\frac{{1}}{{{f}}}", "v": "v"}


def _formula(g: Random) -> Parts:
    n = g.randint(2, 99)
    formulas = (
        (rf"E_k=\frac{{1}}{{2}}\times{n}v^2", "速度"), (rf"T={n}\pi\sqrt{{\frac{{l}}{{g}}}}", "摆长"), (rf"P=\frac{{U^2}}{{{n}}}", "电压"),
        (f"Q={n}I^2Rt", "电流"), (rf"s={n}t+\frac{{1}}{{2}}at^2", "加速度"), (rf"\eta=\frac{{W}}{{Q}}\times{n}\%", "热量"),
        (rf"E=\frac{{{n}kQ}}{{r^2}}", "距离"), (rf"n=\frac{{\sin{n}^{{\circ}}}}{{\sin\theta}}", "角度"), (f"F-{n}=ma", "质量"),
        (rf"\omega=\frac{{{n}\pi}}{{T}}", "周期"), (f"v^2-{n * n}=2as", "位移"), (rf"\rho=\frac{{{n}}}{{V}}", "体积"),
    )  # fmt: skip
    formula, name = g.choice(formulas)
    return {"e": formula, "n": name}


_COMBINE, _SPLIT, _REPLACE, _EXCHANGE = "化合反应", "分解反应", "置换反应", "复分解反应"
_EQUATIONS: tuple[tuple[str, str], ...] = (
    (r"2H_2+O_2\overset{\text{点燃}}{=}2H_2O", _COMBINE),
    (r"C+O_2\overset{\text{点燃}}{=}CO_2", _COMBINE),
    (r"2C+O_2\overset{\text{点燃}}{=}2CO", _COMBINE),
    (r"S+O_2\overset{\text{点燃}}{=}SO_2", _COMBINE),
    (r"4P+5O_2\overset{\text{点燃}}{=}2P_2O_5", _COMBINE),
    (r"3Fe+2O_2\overset{\text{点燃}}{=}Fe_3O_4", _COMBINE),
    (r"2Mg+O_2\overset{\text{点燃}}{=}2MgO", _COMBINE),
    (r"2Cu+O_2\overset{\Delta}{=}2CuO", _COMBINE),
    (r"2Na+Cl_2\overset{\text{点燃}}{=}2NaCl", _COMBINE),
    (r"CaO+H_2O=Ca(OH)_2", _COMBINE),
    (r"CO_2+H_2O=H_2CO_3", _COMBINE),
    (r"N_2+3H_2\overset{\text{催化剂}}{=}2NH_3", _COMBINE),
    (r"2SO_2+O_2\overset{\text{催化剂}}{=}2SO_3", _COMBINE),
    (r"4Al+3O_2=2Al_2O_3", _COMBINE),
    (r"SO_3+H_2O=H_2SO_4", _COMBINE),
    (r"2H_2O\overset{\text{通电}}{=}2H_2\uparrow+O_2\uparrow", _SPLIT),
    (r"2H_2O_2\overset{\text{催化剂}}{=}2H_2O+O_2\uparrow", _SPLIT),
    (r"2KMnO_4\overset{\Delta}{=}K_2MnO_4+MnO_2+O_2\uparrow", _SPLIT),
    (r"2KClO_3\overset{\Delta}{=}2KCl+3O_2\uparrow", _SPLIT),
    (r"CaCO_3\overset{\text{高温}}{=}CaO+CO_2\uparrow", _SPLIT),
    (r"H_2CO_3=H_2O+CO_2\uparrow", _SPLIT),
    (r"2NaHCO_3\overset{\Delta}{=}Na_2CO_3+H_2O+CO_2\uparrow", _SPLIT),
    (r"2HgO\overset{\Delta}{=}2Hg+O_2\uparrow", _SPLIT),
    (r"2Al_2O_3\overset{\text{通电}}{=}4Al+3O_2\uparrow", _SPLIT),
    (r"Zn+H_2SO_4=ZnSO_4+H_2\uparrow", _REPLACE),
    (r"Fe+2HCl=FeCl_2+H_2\uparrow", _REPLACE),
    (r"Mg+2HCl=MgCl_2+H_2\uparrow", _REPLACE),
    (r"2Al+6HCl=2AlCl_3+3H_2\uparrow", _REPLACE),
    (r"Fe+CuSO_4=FeSO_4+Cu", _REPLACE),
    (r"Cu+2AgNO_3=Cu(NO_3)_2+2Ag", _REPLACE),
    (r"2Al+3CuSO_4=Al_2(SO_4)_3+3Cu", _REPLACE),
    (r"H_2+CuO\overset{\Delta}{=}Cu+H_2O", _REPLACE),
    (r"C+2CuO\overset{\text{高温}}{=}2Cu+CO_2\uparrow", _REPLACE),
    (r"2Na+2H_2O=2NaOH+H_2\uparrow", _REPLACE),
    (r"Cl_2+2KI=2KCl+I_2", _REPLACE),
    (r"NaOH+HCl=NaCl+H_2O", _EXCHANGE),
    (r"2NaOH+H_2SO_4=Na_2SO_4+2H_2O", _EXCHANGE),
    (r"Ca(OH)_2+2HCl=CaCl_2+2H_2O", _EXCHANGE),
    (r"CuO+H_2SO_4=CuSO_4+H_2O", _EXCHANGE),
    (r"Fe_2O_3+6HCl=2FeCl_3+3H_2O", _EXCHANGE),
    (r"CuSO_4+2NaOH=Cu(OH)_2\downarrow+Na_2SO_4", _EXCHANGE),
    (r"BaCl_2+H_2SO_4=BaSO_4\downarrow+2HCl", _EXCHANGE),
    (r"AgNO_3+HCl=AgCl\downarrow+HNO_3", _EXCHANGE),
    (r"Na_2CO_3+Ca(OH)_2=CaCO_3\downarrow+2NaOH", _EXCHANGE),
    (r"MgO+2HCl=MgCl_2+H_2O", _EXCHANGE),
    (r"Al_2O_3+6HCl=2AlCl_3+3H_2O", _EXCHANGE),
    (r"Ba(OH)_2+H_2SO_4=BaSO_4\downarrow+2H_2O", _EXCHANGE),
    (r"KOH+HNO_3=KNO_3+H_2O", _EXCHANGE),
)
_TYPES = (_COMBINE, _SPLIT, _REPLACE, _EXCHANGE)
_SUBSTANCES = (
    ("H_2O", 18),
    ("CO_2", 44),
    ("O_2", 32),
    ("NaOH", 40),
    ("CaCO_3", 100),
    ("H_2SO_4", 98),
    ("NH_3", 17),
    ("SO_2", 64),
    ("CH_4", 16),
)


def _equation(g: Random) -> Parts:
    equation, kind = g.choice(_EQUATIONS)
    return {"e": rf"\mathrm{{{equation}}}", "right": kind, "m": str(g.randint(2, 99))}


def _types(g: Random, parts: Parts) -> list[str]:
    return g.sample(_TYPES, 4)


def _of_type(g: Random) -> Parts:
    return {"e": "", "right": g.choice(_TYPES)}


def _equations(g: Random, parts: Parts) -> list[str]:
    """One of the type that is asked for, three of others."""
    right = [equation for equation, kind in _EQUATIONS if kind == parts["right"]]
    wrong = [equation for equation, kind in _EQUATIONS if kind != parts["right"]]
    options = [g.choice(right), *g.sample(wrong, 3)]
    g.shuffle(options)
    return [rf"$\mathrm{{{equation}}}$" for equation in options]


def _moles(g: Random) -> Parts:
    (substance, mass), n = g.choice(_SUBSTANCES), g.randint(2, 40)
    return {"e": f"{n}{substance}", "g": _unit(n * mass, "g"), "s": rf"\mathrm{{{substance}}}", "m": str(mass), "answer": str(n)}


def _solution(g: Random) -> Parts:
    salt, water = g.randint(5, 60), g.randint(50, 400)
    return {"e": f"{salt},{water}", "g": _unit(salt, "g"), "w": _unit(water, "g"), "s": g.choice(("氯化钠", "硝酸钾", "蔗糖", "碳酸钠"))}


def _quarters(g: Random, parts: Parts) -> list[str]:
    right = Fraction(parts["right"])
    return [f"${one}$" for one in shuffled(g, fraction(right), lambda: fraction(Fraction(1, g.randint(2, 99))))]


_P, _C = "物理", "化学"
FAMILIES = (
    Family(
        _P, CHOICE,
        ("一物体以${v}$的初速度做匀加速直线运动，加速度大小为${a}$，则${t}$末物体的速度为（　　）",
         "汽车以${v}$的速度行驶，以${a}$的加速度加速，经过${t}$后速度变为（　　）"),
        _speed, lambda g, parts: near(g, int(parts["right"]), r"\mathrm{m/s}"),
    ),
    Family(
        _P, CHOICE, ("质量${m}$的小球由静止自由下落，不计空气阻力，取${g}$，当${t}$时它的速度大小为（　　）",), _fall,
        lambda g, parts: near(g, int(parts["right"]), r"\mathrm{m/s}"),
    ),
    Family(_P, CHOICE, ("两物体间的引力满足${e}$，若距离变为原来的{r}倍，则引力变为原来的（　　）",), _gravity, _quarters),
    Family(_P, BLANK, ("一个物体的质量${e}$，取${g}$，它受到的重力为____牛．",), _weight),
    Family(_P, BLANK, ("某电阻两端的电压${u}$，通过它的电流${i}$，则该电阻为____欧．",), _resistance),
    Family(_P, BLANK, ("弹簧的劲度系数${k}$，伸长量${x}$，则弹力大小为____牛．",), _spring),
    Family(_P, SOLVE, ("一定质量的气体，温度不变，压强${p}$时体积${v}$，当体积变为${w}$时，求压强${q}$．",), _gas),
    Family(_P, SOLVE, ("已知物距和焦距满足${e}$（单位：厘米），求像距${v}$．",), _lens),
    Family(_P, SOLVE, ("根据公式${e}$，写出{n}的表达式．", "由${e}$推导求{n}的公式．"), _formula),
    Family(_C, CHOICE, ("反应${e}$属于（　　）", "化学方程式${e}$所表示的反应类型是（　　）"), _equation, _types),
    Family(_C, CHOICE, ("下列反应中，属于{right}的是（　　）", "下列化学方程式表示{right}的是（　　）"), _of_type, _equations),
    Family(_C, BLANK, ("${g}$的${s}$的物质的量为____摩尔（相对分子质量为{m}）．",), _moles),
    Family(_C, BLANK, ("将${g}${s}完全溶于${w}$水中，所得溶液的溶质质量分数为____．",), _solution),
    Family(_C, SOLVE, ("已知${e}$，若有{m}克第一种反应物完全反应，求生成物的质量．", "配平并说明反应条件：${e}$．"), _equation),
)  # fmt: skip
