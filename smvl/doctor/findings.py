"""What was found that somebody should do something about, and what: one line of advice for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smvl.config import Config, DataConfig
from smvl.doctor.examination import Examination, Opened
from smvl.doctor.histogram import Histogram
from smvl.doctor.language import MIXED, NO_LETTERS
from smvl.doctor.repeats import NEAR_IMAGE, NEAR_ROW, OTHER_IMAGES, SAME_IMAGE, SAME_ROW, Repeats
from smvl.layouts.settings import LayoutKeys
from smvl.processing.laid_out import EARLY_TURNS_DROPPED, FEWER_TILES
from smvl.source_registry import is_drawn, source_name

Level = Literal["error", "warning", "note"]

MANY = 0.01
"""Share of the rows from which repeats are worth a warning."""
FEW_SUPERVISED = 0.05
LITTLE_CHINESE = 0.1


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    level: Level
    """An error would stop the training or spoil its evaluation; a warning should be looked at."""
    where: str
    found: str
    advice: str


def findings(examination: Examination, data: DataConfig, keys: LayoutKeys, *, has_tokens: bool) -> list[Finding]:
    """All of them, the gravest first; `keys` are those of the layout that pictures are counted for."""
    found = [*_leaks(examination)]
    for entry in examination.opened:
        found += _of_source(entry, data, keys, has_tokens=has_tokens)
    for role, repeats in examination.duplicates.items():
        found += _of_duplicates(f"{role} data", repeats)
    found += _of_languages(examination)
    order = ("error", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding.level))


def of_drawn_scenes(config: Config) -> Iterator[Finding]:
    """Sources in which there is no row to look at before training."""
    for source in (*(source for stage in config.stages for source in stage.mixture), config.evaluation.heldout):
        if source is not None and is_drawn(source):
            found = "not looked at: these scenes are drawn while they are read, with exact answers"
            yield Finding("note", source_name(source), found, "look at some: python -m smvl scenes --contact-sheet scenes.jpg")


# ---- one source ------------------------------------------------------------------------------------------------------------------


def _of_source(entry: Opened, data: DataConfig, keys: LayoutKeys, *, has_tokens: bool) -> Iterator[Finding]:
    where, tally = entry.target.name, entry.tally
    if entry.source is None:
        advice = "mend the path or the data, or take the source out"
        if data.scenes is not None and Path(data.scenes.folder) in Path(entry.target.config.path).parents:
            advice = "train.py draws it before its first step (data.scenes): run it once, then check again"
        yield Finding("error", where, f"it cannot be opened: {entry.refusal.rstrip('.')}", advice)
        return
    if not tally.checked:
        return
    share = tally.num_broken / tally.checked
    if share > data.max_drop_share:
        advice = "mend the rows as said above, or raise data.max_drop_share if you can do without them"
        found = f"{share:.2%} of the rows are unusable, more than data.max_drop_share {data.max_drop_share:.2%}: training would stop"
        yield Finding("error", where, found, advice)
    elif tally.num_broken:
        found = f"unusable rows: {tally.num_broken:,} ({share:.2%}), which training leaves out and lists in quarantine.jsonl"
        yield Finding("note", where, found, "mend them as said above, or leave it")
    if tally.unread:
        found = f"filled columns and keys that are not read: {len(tally.unread)}, named above"
        advice = "rename those that carry meaning, as smvl/data/sources/layouts.py has them; the others do no harm"
        yield Finding("note", where, found, advice)
    if tally.first_frames:
        advice = "fine where the first shows what is asked; else save the frames or pages as images of their own"
        yield Finding("note", where, f"animations and images of several pages, of which the first is read: {tally.first_frames:,}", advice)
    if has_tokens and tally.usable:
        yield from _of_lengths(entry, data, keys)


def _of_lengths(entry: Opened, data: DataConfig, keys: LayoutKeys) -> Iterator[Finding]:
    where, tally = entry.target.name, entry.tally
    lengths = Histogram(tally.lengths)
    wanted = _next_step(lengths.percentile(0.99))
    if dropped := tally.broken["too long"]:
        found = f"rows left out, too long even with {keys.smallest} and one turn: {dropped:,} ({dropped / tally.checked:.2%})"
        yield Finding("warning", where, found, f"raise data.max_length (and {keys.limit}, if set), or split these rows")
    if cut := tally.shortened[EARLY_TURNS_DROPPED]:
        advice = f"99% of the samples fit data.max_length: {wanted}; longer conversations can also be split into several rows"
        yield Finding("warning", where, f"samples that lose early turns to fit: {cut:,} ({cut / tally.usable:.2%})", advice)
    if fewer := tally.shortened[FEWER_TILES]:
        advice = f"99% of the samples fit data.max_length: {wanted}; or lower data.image.{keys.finest}, so that none is a surprise"
        level = "warning" if fewer > MANY * tally.usable else "note"
        yield Finding(level, where, f"samples seen with fewer {keys.unit} to fit: {fewer:,} ({fewer / tally.usable:.2%})", advice)
    supervised = tally.supervised_tokens / tally.kept_tokens
    if supervised < FEW_SUPERVISED:
        advice = f"most of the time goes into reading: lower data.image.{keys.finest}, or add data with longer answers"
        yield Finding("note", where, f"only {supervised:.1%} of the tokens are supervised", advice)


def _next_step(length: int) -> int:
    """The next multiple of 256."""
    return -(-length // 256) * 256


# ---- all together ----------------------------------------------------------------------------------------------------------------


def _of_duplicates(where: str, repeats: Repeats) -> Iterator[Finding]:
    for kind in (SAME_ROW, NEAR_ROW):
        if count := len(repeats.pairs[kind]):
            share = count / repeats.num_rows
            wording = "that repeat an earlier one" if kind == SAME_ROW else "that nearly repeat an earlier one (an estimate)"
            advice = "remove them (overlaps.jsonl of --out lists them): what comes twice is learned by heart"
            level = "warning" if share > MANY else "note"
            yield Finding(level, where, f"rows {wording}, words and images: {count:,} ({share:.2%})", advice)
    if count := len(repeats.pairs[NEAR_IMAGE]):
        level = "warning" if count > MANY * repeats.num_rows else "note"
        advice = "look at a few (overlaps.jsonl): another size or compression of one picture adds little"
        yield Finding(
            level, where, f"rows whose image looks like an earlier one (an estimate): {count:,} ({count / repeats.num_rows:.2%})", advice
        )


def _leaks(examination: Examination) -> Iterator[Finding]:
    leaks = examination.leaks
    if leaks is None or not leaks.num_rows:
        return
    where = "evaluation data"
    advice = "take these rows out of the training data (overlaps.jsonl of --out lists them), or the scores will say too much"
    wordings = {
        SAME_ROW: ("error", "rows that are trained on, words and images"),
        NEAR_ROW: ("error", "rows that are nearly the same as rows trained on (an estimate)"),
        SAME_IMAGE: ("error", "rows with an image that is trained on"),
        NEAR_IMAGE: ("warning", "rows with an image that looks like one trained on (an estimate)"),
    }
    for kind, (level, wording) in wordings.items():
        if count := len(leaks.pairs[kind]):
            yield Finding(level, where, f"{wording}: {count:,} ({count / leaks.num_rows:.2%})", advice)
    if count := len(leaks.pairs[OTHER_IMAGES]):
        found = f"rows whose words are trained on with other images or none: {count:,} ({count / leaks.num_rows:.2%})"
        yield Finding("note", where, found, "natural for short answers to set questions; for exam questions and long texts it is leakage")


def _of_languages(examination: Examination) -> Iterator[Finding]:
    trained = [entry.tally for entry in examination.opened if entry.target.role == "training"]
    samples = {name: sum(tally.languages[name] for tally in trained) for name in ("chinese", "english", "other", MIXED, NO_LETTERS)}
    total = sum(samples.values())
    if total and samples["chinese"] + samples[MIXED] < LITTLE_CHINESE * total:
        share = (samples["chinese"] + samples[MIXED]) / total
        advice = "for a Chinese model add Chinese sources: `python -m smvl scenes` draws some with exact answers"
        yield Finding("note", "training data", f"only {share:.1%} of the samples hold Chinese in any number", advice)
