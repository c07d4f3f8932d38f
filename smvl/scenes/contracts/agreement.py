"""Draws what a contract says: parties, terms and as many clauses as a page has room for."""

import re
import string
from dataclasses import dataclass
from typing import Any

from smvl.scenes.addresses import draw_address, draw_company, draw_town
from smvl.scenes.contents import Contents
from smvl.scenes.contracts.sorts import SORTS, Clause, Sort
from smvl.scenes.contracts.terms import draw_date, draw_date_before, draw_number
from smvl.scenes.people import draw_name, draw_phone

_FORMATTER = string.Formatter()
_SIGNED_SHARE = 0.75
PREAMBLES = (
    "甲乙双方经友好协商，就有关事宜达成如下协议：",
    "根据有关法律规定，双方在平等自愿的基础上订立本合同：",
    "为明确双方的权利和义务，经协商一致，签订本合同：",
)
_EXTRA_SHARES = {"电话": 0.45, "地址": 0.3, "签订地点": 0.35, "合同编号": 0.75}


@dataclass(frozen=True)
class Text:
    """A clause's words, in pieces."""

    heading: str
    pieces: tuple[tuple[str, bool], ...]
    """Each with whether it is filled in; joined they are the clause."""
    keys: frozenset[str]
    """What it says."""
    optional: bool

    @property
    def plain(self) -> str:
        return "".join(piece for piece, _ in self.pieces)


@dataclass
class Agreement:
    """All that stands on a page."""

    sort: Sort
    head: dict[str, str]
    """What is asked for -> what is printed: number, parties and what is said of them, day and place."""
    terms: dict[str, str]
    """What was agreed, whether a clause says it or not."""
    clauses: list[Text]
    companies: tuple[str, ...]
    """甲方 and 乙方 where they are companies: these have seals."""
    preamble: str
    signed: bool = True
    """Whether the signatures are on this page."""

    @property
    def entries(self) -> dict[str, str]:
        """What is asked for -> what is printed, for all that stands on the page."""
        said = {key for clause in self.clauses for key in clause.keys}
        return self.head | {key: text for key, text in self.terms.items() if key in said}

    def shrink(self) -> bool:
        """Leave out what can best be done without. Returns whether there was anything."""
        for place in reversed(range(len(self.clauses))):
            if self.clauses[place].optional:
                del self.clauses[place]
                return True
        for word in ("地址", "电话", "签订地点", "合同编号"):
            if keys := [key for key in self.head if key.endswith(word)]:
                for key in keys:
                    del self.head[key]
                return True
        if self.preamble:
            self.preamble = ""
            return True
        if self.signed:
            self.signed = False
            for side in ("甲方", "乙方"):
                self.head.pop(f"{side}代表", None)
            return True
        return False

    def facts(self, numbers: list[str], *, headings: bool) -> dict[str, Any]:
        clauses = [
            {"number": number, "heading": text.heading if headings else "", "text": text.plain}
            for number, text in zip(numbers, self.clauses)
        ]
        return {"title": self.sort.title, "entries": self.entries, "clauses": clauses, "day": _ordinal(self.head["签订日期"])}


def _ordinal(date: str) -> int:
    """Orders printed dates: 20260314."""
    year, month, day = re.findall(r"\d+", date)
    return int(f"{year}{month:>02}{day:>02}")


def draw_agreement(contents: Contents, num_clauses: int) -> Agreement:
    """Terms are drawn for the chosen clauses alone, so that whatever is in `entries` stands on the page."""
    generator = contents.random
    sort = generator.choice(SORTS)
    terms = sort.terms(contents)
    chosen = _choose(contents, sort, num_clauses)
    for clause in chosen:
        terms |= {key: text for key, text in clause.terms(contents).items() if key not in terms}
    clauses = [_write_clause(contents, clause, terms) for clause in chosen]
    signed = generator.random() < _SIGNED_SHARE
    head, companies = _draw_head(contents, sort, terms, signed)
    return Agreement(sort, head, terms, clauses, companies, generator.choice(("", *PREAMBLES)), signed)


def _choose(contents: Contents, sort: Sort, num: int) -> list[Clause]:
    """All that may not be left out, and some of the others, in their order."""
    optional = [clause for clause in sort.clauses if clause.optional]
    spare = max(0, min(len(optional), num - (len(sort.clauses) - len(optional))))
    taken = contents.random.sample(optional, spare)
    return [clause for clause in sort.clauses if not clause.optional or clause in taken]


def _write_clause(contents: Contents, clause: Clause, terms: dict[str, str]) -> Text:
    """One of its wordings, filled in."""
    pieces: list[tuple[str, bool]] = []
    keys = []
    for words, key, _, _ in _FORMATTER.parse(contents.random.choice(clause.wordings)):
        if words:
            pieces.append((words, False))
        if key:
            pieces.append((terms[key], True))
            keys.append(key)
    return Text(clause.heading, tuple(pieces), frozenset(keys), clause.optional)


def _draw_head(contents: Contents, sort: Sort, terms: dict[str, str], signed: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """(number, parties, their telephones and addresses, day and place; which parties are companies)."""
    generator = contents.random
    wanted = {key for key, share in _EXTRA_SHARES.items() if generator.random() < share}
    head: dict[str, str] = {"合同编号": draw_number(contents)} if "合同编号" in wanted else {}
    companies: list[str] = []
    for side, share in zip(("甲方", "乙方"), sort.people):
        person = generator.random() < share
        head[side] = draw_name(contents) if person else draw_company(contents)
        if not person:
            companies.append(side)
        if signed and not person:
            head[f"{side}代表"] = draw_name(contents)
        if "电话" in wanted:
            head[f"{side}电话"] = draw_phone(contents)
        if "地址" in wanted:
            head[f"{side}地址"] = draw_address(contents)
    first = next((terms[key] for key in ("开始日期", "开工日期", "交货日期", "到达日期") if key in terms), None)
    head["签订日期"] = draw_date_before(contents, first) if first else draw_date(contents)
    if "签订地点" in wanted:
        head["签订地点"] = draw_town(contents)
    return head, tuple(companies)
