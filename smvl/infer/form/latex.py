r"""LaTeX as a Lark grammar: what a reader of exams writes, in which everything that is opened is closed.

A line is a formula, or text with formulas between dollar signs. After a command comes no letter, which would belong to its name; a space
stands between, as in `\pi r`.
"""

_SYMBOLS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi varphi chi psi omega Gamma "
    "Delta Theta Lambda Xi Pi Sigma Phi Psi Omega times div pm mp cdot cdots ldots dots leq geq le ge neq ne approx equiv sim cong propto "
    "infty partial nabla in notin subset subseteq supset supseteq cup cap emptyset varnothing forall exists to rightarrow leftarrow "
    "leftrightarrow Rightarrow Leftarrow Leftrightarrow uparrow downarrow angle triangle perp parallel circ bullet star because therefore "
    "sum prod int oint lim limits log ln lg sin cos tan cot sec csc arcsin arccos arctan exp max min gcd quad qquad prime mid degree "
    "odot oplus otimes square hbar ell Re Im"
).split()
_AROUND = (
    "mathrm mathbf mathbb mathcal mathit boldsymbol vec bar overline underline hat widehat tilde dot ddot overrightarrow operatorname boxed"
).split()
_AROUND_TWO = "frac dfrac tfrac binom overset underset stackrel".split()
_ROWS = "matrix pmatrix bmatrix vmatrix cases aligned array".split()
_DELIMITERS = [  # a letter may follow those that are names
    "(",
    ")",
    "[",
    "]",
    "|",
    ".",
    r"\{",
    r"\}",
    r"\|",
    r"\langle ",
    r"\rangle ",
    r"\lfloor ",
    r"\rfloor ",
    r"\lceil ",
    r"\rceil ",
]


def _any_of(names: list[str]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


def _environment(name: str) -> str:
    columns = ' "{" /[lcr|]{1,12}/ "}"' if name == "array" else ""
    return f'"\\\\begin{{{name}}}"{columns} rows "\\\\end{{{name}}}"'


_QUOTED = [delimiter.replace("\\", "\\\\") for delimiter in _DELIMITERS]

LATEX = rf"""
start: line ("\n" line)*
line: formula | (CHARACTER | "$" formula "$" | "$$" formula "$$")+
formula: open
open: plain open? | named closed?
closed: nonletter open? | named closed?
plain: LETTER script? | nonletter
nonletter: (SIGN | group | built) script? | " "
named: SYMBOL script_behind? | (LETTER | SIGN | group | built) script_named
script: sub_part sup_part? | sup_part sub_part?
script_behind: (sub_part sup_part? | sup_part sub_part?)
script_named: ("_" | "^") SYMBOL
sub_part: "_" argument
sup_part: "^" argument | PRIMES
argument: LETTER | DIGIT | group
group: "{{" formula "}}"
built: FRACTION group group | "\\sqrt" ("[" formula "]")? group | AROUND group | "\\text{{" TEXT "}}" | fenced | SPACING | environment
fenced: "\\left" delimiter open "\\right" delimiter
delimiter: {" | ".join(f'"{each}"' for each in _QUOTED)}
environment: {" | ".join(map(_environment, _ROWS))}
rows: row ("\\\\" row)*
row: cell ("&" cell)*
cell: formula?
LETTER: /[A-Za-z]/
DIGIT: /[0-9]/
SIGN: /[0-9+\-*\/=<>().,:;!|%]|\\[{{}}%]/
PRIMES: /'{{1,3}}/
SYMBOL: /\\({_any_of(_SYMBOLS)})/
AROUND: /\\({_any_of(_AROUND)})/
FRACTION: /\\({_any_of(_AROUND_TWO)})/
SPACING: /\\[,;:! ]/
CHARACTER: /[^\\$&#_{{}}^~\n]/
TEXT: /[^\\$&#_{{}}^~\n]+/
"""
