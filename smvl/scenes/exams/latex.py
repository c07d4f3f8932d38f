r"""The LaTeX that exam questions are written in, and its translation for the typesetter.

[Contract] One picture has one source. The canonical form is:
- no spaces, but one after a command that a letter follows: `\sin x`, `2\times3`, `a\cdot b`;
- braces where an argument is longer than one letter or digit, and always after \frac, \sqrt, \vec, \overline, \mathrm, \mathbf, \text:
  `x^2`, `x^{10}`, `a_{n+1}`, `\frac{1}{2}`, `\sqrt{3}`;
- \left and \right around what is taller than a line, plain brackets around the rest;
- formulas of chemistry stand in one \mathrm, a condition above the sign: `\mathrm{2H_2+O_2\overset{\text{点燃}}{=}2H_2O}`;
- a system is \begin{cases}..\\..\end{cases}; sums, limits and fractions are set large, as in a displayed formula.
"""

import re

_SYMBOLS = {
    "times": "times", "div": "div", "cdot": "dot.c", "pm": "plus.minus", "leq": "lt.eq", "geq": "gt.eq", "neq": "eq.not",
    "approx": "approx", "infty": "infinity", "to": "arrow.r", "in": "in", "notin": "in.not", "cup": "union", "cap": "inter",
    "subseteq": "subset.eq", "mid": "divides", "perp": "perp", "parallel": "parallel", "angle": "angle", "triangle": "triangle.stroked.t",
    "circ": "compose", "cdots": "dots.h.c", "uparrow": "arrow.t", "downarrow": "arrow.b", "sum": "sum", "int": "integral", "lim": "lim",
    "sin": "sin", "cos": "cos", "tan": "tan", "log": "log", "ln": "ln", "lg": "lg", "max": "max", "min": "min", "alpha": "alpha",
    "beta": "beta", "theta": "theta", "lambda": "lambda", "mu": "mu", "pi": "pi", "rho": "rho", "omega": "omega", "varphi": "phi",
    "Delta": "Delta", "Omega": "Omega", "eta": "eta", "{": "{", "}": "}", "%": "%", ",": "thin", "forall": "forall", "exists": "exists",
}  # fmt: skip
_AROUND = {"sqrt": "sqrt", "vec": "arrow", "overline": "overline", "mathbf": "bold"}
_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|\d+(?:\.\d+)?|.", re.DOTALL)


def to_typst(latex: str) -> str:
    """The same formula for Typst.

    Raises:
        ValueError: it is not in the canonical form, or uses a command that is not known here.
    """
    return _Reader(latex).sequence(until=None)


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, latex: str):
        self.latex = latex
        self.tokens = _tokens(latex)
        self.place = 0
        self.upright = False
        """Inside \\mathrm: letters are names of elements and units."""
        self.inside_bars = False

    def sequence(self, until: str | None) -> str:
        """Everything up to a closing token, which is taken too."""
        parts: list[str] = []
        while (token := self.take(until)) != until:
            parts.append(self.atom(token))
        return _join(parts)

    def take(self, expected: str | None) -> str | None:
        if self.place == len(self.tokens):
            if expected is None:
                return None
            raise ValueError(f"{self.latex!r} ends before {expected!r}.")
        self.place += 1
        return self.tokens[self.place - 1]

    def atom(self, token: str) -> str:
        if token in ("^", "_"):
            return f"{token}({self.argument()})"
        if token.startswith("\\"):
            return self.command(token[1:])
        if token in "{}":
            raise ValueError(f"{self.latex!r} has a brace that belongs to nothing.")
        if token == "/":
            return '"/"' if self.upright else r"\/"  # a bare one would make a fraction
        if token == "|":
            self.inside_bars = not self.inside_bars
            return "lr(|" if self.inside_bars else "|)"
        if self.upright and (token.isalnum() or token in "()"):
            return f'"{token}"'
        return token if token.isascii() else f'"{token}"'

    def argument(self) -> str:
        """What stands in braces, or one token."""
        token = self.take("an argument")
        return self.sequence("}") if token == "{" else self.atom(token)

    def braced(self) -> str:
        if (token := self.take("{")) != "{":
            raise ValueError(f"{self.latex!r}: expected a brace, found {token!r}.")
        return self.sequence("}")

    def command(self, name: str) -> str:
        if name in _SYMBOLS:
            return _SYMBOLS[name]
        if name == "frac":
            return f"frac({_guard(self.braced())}, {_guard(self.braced())})"
        if name == "sqrt" and self.place < len(self.tokens) and self.tokens[self.place] == "[":
            self.place += 1
            return f"root({self.sequence(']')}, {_guard(self.braced())})"
        if name in _AROUND:
            inner = f"{_AROUND[name]}({_guard(self.braced())})"
            return f"upright({inner})" if name == "mathbf" else inner
        if name == "mathrm":
            return self.roman()
        if name == "text":
            return self.words()
        if name == "overset":
            above = self.braced()
            return f"limits(stretch({self.braced()}, size: #250%))^({above})"
        if name in ("left", "right"):
            return self.delimiter(name)
        if name == "begin":
            return self.cases()
        raise ValueError(f"{self.latex!r}: the command \\{name} is not known here.")

    def roman(self) -> str:
        self.upright = True
        inner = self.braced()
        self.upright = False
        return inner

    def words(self) -> str:
        self.take("{")
        end = self.tokens.index("}", self.place)
        words = "".join(self.tokens[self.place : end])
        self.place = end + 1
        return f'"{words}"'

    def delimiter(self, side: str) -> str:
        """Typst stretches what is in lr(..) by itself."""
        token = self.take("a bracket")
        sign = token[1:] if token.startswith("\\") else token
        return f"lr({sign}" if side == "left" else f"{sign})"

    def cases(self) -> str:
        if self.words() != '"cases"':
            raise ValueError(f"{self.latex!r}: only cases are known here.")
        rows, parts = [], []
        while (token := self.take(r"\end")) != r"\end":
            if token == r"\\":
                rows.append(_join(parts))
                parts = []
            else:
                parts.append(self.atom(token))
        self.words()
        return f"cases({', '.join(_guard(row) for row in [*rows, _join(parts)])})"


def _tokens(latex: str) -> list[str]:
    """Tokens without the spaces that end commands; a space anywhere else, or a needless brace, is not canonical."""
    canonical = re.sub(r"(\\[A-Za-z]+) (?=[A-Za-z])", r"\1", latex)
    if " " in canonical or re.search(r"[\^_]\{[A-Za-z0-9]\}", latex):
        raise ValueError(
            f"{latex!r} is not canonical: a space stands only between a command and a letter, braces around two signs or more."
        )
    return [token for token in _TOKEN.findall(latex) if token != " "]


def _join(parts: list[str]) -> str:
    """Signs apart, but indices beside what they belong to, and names of elements beside each other."""
    joined = ""
    for part in parts:
        close = part[0] in "^_'" or (joined.endswith(('"', ")")) and part[0] == '"')
        joined += part if close or not joined else " " + part
    return joined


def _guard(argument: str) -> str:
    """A comma inside of an argument is a sign, not the argument's end."""
    return argument.replace(" ,", ' ","')
