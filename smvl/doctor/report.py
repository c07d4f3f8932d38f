"""The report for machines: report.json, the same bytes however many processes looked, and what it lists row by row."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.row_source import RowSource
from smvl.doctor.examination import Examination, Opened
from smvl.doctor.findings import Finding
from smvl.doctor.histogram import Histogram
from smvl.doctor.inspection import MAX_COMPARED, conversation_text
from smvl.doctor.language import LANGUAGES, SAMPLE_LANGUAGES
from smvl.doctor.repeats import KINDS, NEAR_IMAGE, NEAR_ROW, OTHER_IMAGES, SAME_IMAGE, SAME_ROW, Repeats
from smvl.doctor.rule_fixes import fix_of
from smvl.doctor.text_overlap import overlap
from smvl.processing.laid_out import EARLY_TURNS_DROPPED, FEWER_TILES

NUM_EXAMPLES = 3
_NUM_LOOKED_AT = 32
SHOWN_CHARACTERS = 60

_LISTED = {"duplicates": (SAME_ROW, NEAR_ROW, NEAR_IMAGE), "leakage": (SAME_ROW, NEAR_ROW, SAME_IMAGE, NEAR_IMAGE)}


def report_of(examination: Examination, found: Sequence[Finding], settings: dict[str, Any]) -> dict[str, Any]:
    """All that was found, as JSON."""
    has_tokens = settings["lengths"] == "tokens"
    duplicates = {role: repeats_report(examination, repeats) for role, repeats in examination.duplicates.items()}
    leaks = examination.leaks
    return {
        "settings": settings,
        "sources": [_source_report(entry, has_tokens=has_tokens) for entry in examination.opened],
        "duplicates": duplicates,
        "leakage": None if leaks is None else repeats_report(examination, leaks),
        "findings": [asdict(finding) for finding in found],
    }


def histograms_of(entry: Opened, *, has_tokens: bool) -> dict[str, Histogram]:
    """By name, those that there are."""
    tally = entry.tally
    counts = {"tokens" if has_tokens else "characters": tally.lengths, "tiles": tally.tiles, "turns": tally.turns, "images": tally.images}
    return {name: Histogram(values) for name, values in counts.items() if values}


def _source_report(entry: Opened, *, has_tokens: bool) -> dict[str, Any]:
    tally, target = entry.tally, entry.target
    report = {"name": target.name, "role": target.role, "stages": list(target.stages), "refusal": entry.refusal or None}
    if entry.source is None:
        return report
    report |= {
        "format": {"storage": entry.source.storage.kind, "layouts": _layouts(entry.source)},
        "rows": entry.num_rows,
        "checked": tally.checked,
    }
    report |= {"usable": tally.usable, "broken": _broken_report(entry)}
    report |= {"not_read": dict(tally.unread.most_common()), "first_frames": tally.first_frames}
    report["histograms"] = {name: histogram.to_json() for name, histogram in histograms_of(entry, has_tokens=has_tokens).items()}
    if has_tokens:
        report["too_long"] = {
            FEWER_TILES: tally.shortened[FEWER_TILES],
            EARLY_TURNS_DROPPED: tally.shortened[EARLY_TURNS_DROPPED],
            "left_out": tally.broken["too long"],
            "any": tally.num_shortened + tally.broken["too long"],
        }
        report["supervised_share"] = round(tally.supervised_tokens / tally.kept_tokens, 6) if tally.kept_tokens else None
    report["languages"] = {
        "samples": {name: tally.languages[name] for name in SAMPLE_LANGUAGES},
        "letters": {name: tally.letters[name] for name in LANGUAGES},
    }
    return report


def _layouts(source: RowSource) -> list[str]:
    """How the first rows are laid out: one layout, or several where rows differ."""
    found = []
    for row in range(min(len(source), _NUM_LOOKED_AT)):
        with suppress(SampleError):  # counted where all rows are looked at
            found.append(source.layout_of(row))
    return list(dict.fromkeys(found))


def _broken_report(entry: Opened) -> dict[str, Any]:
    tally = entry.tally
    return {
        rule: {
            "count": count,
            "fix": fix_of(rule),
            "examples": [{"row": int(failure.id), "reason": failure.reason} for failure in tally.examples[rule]],
        }
        for rule, count in sorted(tally.broken.items(), key=lambda item: (-item[1], item[0]))
    }


# ---- repeats -----------------------------------------------------------------------------------------------------------------------


def repeats_report(examination: Examination, repeats: Repeats) -> dict[str, Any]:
    """Counts and examples of each kind."""
    kinds = {kind: {"rows": len(repeats.pairs[kind]), "examples": _examples(examination, repeats, kind)} for kind in KINDS}
    return {"rows": repeats.num_rows, "images": repeats.num_images, "distinct_images": repeats.num_distinct_images, "kinds": kinds}


def _examples(examination: Examination, repeats: Repeats, kind: str) -> list[dict[str, Any]]:
    pairs = repeats.pairs[kind]
    return [_example(examination, int(place), int(twin), kind) for place, twin in zip(pairs.places[:NUM_EXAMPLES], pairs.twins)]


def _example(examination: Examination, place: int, twin: int, kind: str) -> dict[str, Any]:
    text, other = _text(examination, place), _text(examination, twin)
    example = {**_pair(examination, place, twin), "text": text[:SHOWN_CHARACTERS]}
    if kind in (SAME_ROW, NEAR_ROW, OTHER_IMAGES):
        example |= {"of_text": other[:SHOWN_CHARACTERS], "exact_overlap": round(overlap(text, other), 4)}
    return example


def _pair(examination: Examination, place: int, twin: int) -> dict[str, Any]:
    (entry, row), (other, other_row) = examination.source_of(place), examination.source_of(twin)
    return {"source": entry.target.name, "row": row, "of_source": other.target.name, "of_row": other_row}


def _text(examination: Examination, place: int) -> str:
    entry, row = examination.source_of(place)
    return conversation_text(entry.source[row])[:MAX_COMPARED]


# ---- files -------------------------------------------------------------------------------------------------------------------------


def write_json(report: dict[str, Any], path: Path) -> None:
    text = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")  # a broken row may hold what is no text


def write_overlaps(examination: Examination, path: Path) -> None:
    """One line for each row that is better removed: what it repeats, and where that stands."""
    with path.open("w", encoding="utf-8") as file:
        for overlap_ in _overlaps(examination):
            file.write(json.dumps(overlap_, ensure_ascii=False) + "\n")


def _overlaps(examination: Examination) -> Iterator[dict[str, Any]]:
    scopes = [("duplicates", repeats) for repeats in examination.duplicates.values()]
    scopes += [] if examination.leaks is None else [("leakage", examination.leaks)]
    for scope, repeats in scopes:
        for kind in _LISTED[scope]:
            pairs = repeats.pairs[kind]
            for place, twin in zip(pairs.places.tolist(), pairs.twins.tolist()):
                yield {"scope": scope, "kind": kind, **_pair(examination, place, twin)}
