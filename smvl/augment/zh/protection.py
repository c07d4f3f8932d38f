"""The parts of a text that stay as they are: what is quoted, counted, named by Latin letters, or not prose at all."""

import re
from collections import Counter
from collections.abc import Iterable

Span = tuple[int, int]
"""Start and end of a part of a text, in characters."""

_NOT_PROSE = [
    r"```.*?(?:```|\Z)",
    r"`[^`\n]+`",
    r"\$\$.+?\$\$|\$[^$\n]+\$|\\\[.+?\\\]|\\\(.+?\\\)|\\begin\{(\w+\*?)\}.*?\\end\{\1\}",
    r"(?:https?://|www\.)[^\s，。；、）”]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    r"<[^<>\n]+>",
    r"\{(?:[^{}]|\{[^{}]*\})*\}|\[[^\[\]\n]*\]",
    r"\\[A-Za-z]+",
]
_QUOTED = [
    r"^[ \t]*\|.*$",
    r"“[^”]*”|‘[^’]*’|「[^」]*」|『[^』]*』|《[^》]*》|〈[^〉]*〉|【[^】]*】|\"[^\"\n]*\"|(?<!\w)'[^'\n]*'(?!\w)",
]
_COUNTED = [
    r"[0-9０-９]+(?:[.,:：/．-][0-9０-９]+)*\s*(?:[%％‰℃°]|年|月|日|号|时|点|分|秒|元|角|岁|折|倍|度)?",
    r"[A-Za-zＡ-Ｚａ-ｚ][A-Za-z0-9Ａ-Ｚａ-ｚ_+&./-]*",
    r"第?[〇零一二两三四五六七八九十百千万亿]+(?:分之[一二三四五六七八九十百千]+)?",
]
_NOT_NUMBERS = (
    "一些|一下|一起|一同|一样|一直|一向|一般|一定|一共|一边|一旦|一切|一致|一点|统一|唯一|万一|十分|千万|百姓|四处|进一步|一系列|"
    "一方面|一会儿|一流|一律|一贯|一度|一时|一再|同一|单一|任一|逐一|之一|专一|万物|万分|百科|千变万化|三明治|七夕|五金|八卦|九州"
)


def _compile(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.DOTALL | re.MULTILINE)


_CODE = _compile(_NOT_PROSE)
_KEPT = _compile([*_NOT_PROSE, *_QUOTED, f"(?P<word>{_NOT_NUMBERS})", *_COUNTED])
_QUOTE = _compile([*_NOT_PROSE, *_QUOTED])


def code_spans(text: str) -> list[Span]:
    """What is not prose: code, formulas, addresses, tags such as <image>, JSON."""
    return [match.span() for match in _CODE.finditer(text)]


def quoted_spans(text: str) -> list[Span]:
    """What is not prose, and what stands in quotation marks, book title marks or the rows of a Markdown table."""
    return [match.span() for match in _QUOTE.finditer(text)]


def kept_spans(text: str) -> list[Span]:
    """Everything above, and numbers in digits or characters with their unit, dates, and words in Latin letters."""
    return [match.span() for match in _KEPT.finditer(text) if not match["word"]]


def kept_parts(text: str) -> Counter[str]:
    """The strings of `kept_spans`, counted: a change of words leaves them all as they were."""
    return Counter(text[start:end].strip() for start, end in kept_spans(text))


def shared_spans(text: str, other: str) -> list[Span]:
    """The runs of two or more characters that `other` has too, and the whole of `other` where it is a single one."""
    pairs = {other[start : start + 2] for start in range(len(other) - 1)}
    alone = {line.strip() for line in other.splitlines() if len(line.strip()) == 1}
    spans = [(start, start + 2) for start in range(len(text) - 1) if text[start : start + 2] in pairs]
    return spans + [(start, start + 1) for start, character in enumerate(text) if character in alone]


def covered(spans: Iterable[Span], length: int) -> bytearray:
    """One byte for each of `length` characters: 1 inside a span."""
    mask = bytearray(length)
    for start, end in spans:
        mask[start:end] = b"\x01" * (end - start)
    return mask
