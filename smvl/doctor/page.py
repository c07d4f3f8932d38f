"""The report for people: one page of text."""

from collections.abc import Iterator, Sequence
from typing import Any

from smvl.doctor.examination import Examination, Opened
from smvl.doctor.findings import Finding
from smvl.doctor.language import SAMPLE_LANGUAGES
from smvl.doctor.report import histograms_of
from smvl.layouts.settings import LAYOUT_KEYS, layout_with
from smvl.processing.laid_out import EARLY_TURNS_DROPPED, FEWER_TILES

_NUM_KEYS = 20
"""Keys that are not read and are named on the page; the report has all."""
_UNITS = {
    "tokens": "Tokens a sample, before anything is taken away",
    "characters": "Characters a sample (give --model for tokens)",
    "turns": "Turns a sample",
    "images": "Images a sample",
}

def page_of(examination: Examination, report: dict[str, Any], found: Sequence[Finding]) -> str:
    """The whole page."""
    blocks = []
    for entry, source in zip(examination.opened, report["sources"]):
        blocks.append("\n".join(_source(entry, source, report["settings"])))
    compared = {role: repeats for role, repeats in report["duplicates"].items() if repeats["rows"]}
    for role, repeats in compared.items():
        blocks.append("\n".join(_repeats(f"Duplicates: what comes again in the {role} data", repeats)))
    if report["leakage"] and report["leakage"]["rows"]:
        blocks.append("\n".join(_repeats("Leakage: what of the training data comes again in the evaluation data", report["leakage"])))
    blocks.append("\n".join(_findings(found)))
    return "\n\n".join(blocks) + "\n"


def _source(entry: Opened, source: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    stages = f" of {', '.join(source['stages'])}" if source["stages"] else ""
    yield f"== {source['name']}: {source['role']} data{stages} =="
    if entry.source is None:
        yield f"  cannot be opened: {source['refusal']}"
        return
    tally = entry.tally
    drawn = f", {tally.checked:,} of them drawn at random" if tally.checked < entry.num_rows else ""
    yield f"  Format: {' and '.join(source['format']['layouts'])} in {source['format']['storage']}"
    broken = f"{tally.num_broken:,} broken ({_share(tally.num_broken, tally.checked)})"
    yield f"  Rows: {entry.num_rows:,}{drawn}; {tally.usable:,} usable, {broken}"
    yield from _broken(source["broken"])
    if source["not_read"]:
        yield f"  Not read: {_counts(source['not_read'])}"
    has_tokens = settings["lengths"] == "tokens"
    for name, histogram in histograms_of(entry, has_tokens=has_tokens).items():
        title = _UNITS[name] if name != "tiles" else LAYOUT_KEYS[layout_with(settings["image"])].counted.format(**settings["image"])
        yield histogram.bars(title)
    if tally.usable:
        yield from _shares(source, settings, tally.usable, tally.checked)


def _broken(broken: dict[str, Any]) -> Iterator[str]:
    for rule, entry in broken.items():
        yield f"  Broken, {rule}: {entry['count']:,}. {entry['fix'][0].upper()}{entry['fix'][1:]}."
        for example in entry["examples"]:
            yield f"    row {example['row']}: {example['reason']}"


def _counts(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{name} ({count:,})" for name, count in list(counts.items())[:_NUM_KEYS])
    return shown if len(counts) <= _NUM_KEYS else f"{shown} and {len(counts) - _NUM_KEYS:,} more"


def _shares(source: dict[str, Any], settings: dict[str, Any], usable: int, checked: int) -> Iterator[str]:
    samples, letters = source["languages"]["samples"], source["languages"]["letters"]
    yield f"  Language of samples: {', '.join(f'{name} {_share(samples[name], usable)}' for name in SAMPLE_LANGUAGES if samples[name])}"
    total = sum(letters.values())
    yield f"  Language of letters: {', '.join(f'{name} {_share(count, total)}' for name, count in letters.items() if count) or 'none'}"
    if settings["lengths"] != "tokens":
        return
    long, unit = source["too_long"], LAYOUT_KEYS[layout_with(settings["image"])].unit
    yield (
        f"  Too long for {settings['max_length']:,} tokens{_of_tiles(settings)}: {long['any']:,} ({_share(long['any'], checked)}); "
        f"{long[FEWER_TILES]:,} get fewer {unit}, {long[EARLY_TURNS_DROPPED]:,} lose early turns, {long['left_out']:,} are left out"
    )
    yield f"  Supervised: {source['supervised_share']:.1%} of the tokens that are trained on"


def _of_tiles(settings: dict[str, Any]) -> str:
    unit = LAYOUT_KEYS[layout_with(settings["image"])].unit
    return f" or {settings['max_tiles']} {unit}" if settings["max_tiles"] is not None else ""


def _repeats(title: str, repeats: dict[str, Any]) -> Iterator[str]:
    yield f"== {title} =="
    yield f"  {repeats['rows']:,} usable rows with {repeats['images']:,} images, {repeats['distinct_images']:,} of them different"
    for kind, entry in repeats["kinds"].items():
        yield f"  {kind[0].upper()}{kind[1:]}: {entry['rows']:,} rows ({_share(entry['rows'], repeats['rows'])})"
        for example in entry["examples"]:
            yield f"    {_places(example)}: {' '.join(example['text'].split())}"


def _places(example: dict[str, Any]) -> str:
    other = "" if example["of_source"] == example["source"] else f"{example['of_source']} "
    exact = f", overlap {example['exact_overlap']:.2f}" if "exact_overlap" in example else ""
    return f"{example['source']} row {example['row']} and {other}row {example['of_row']}{exact}"


def _findings(found: Sequence[Finding]) -> Iterator[str]:
    yield "== Findings =="
    for finding in found:
        yield f"  {finding.level.upper()}, {finding.where}: {finding.found}."
        yield f"    -> {finding.advice}."
    if not found:
        yield "  Nothing to mend."


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "0%"
