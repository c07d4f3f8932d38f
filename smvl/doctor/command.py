"""`python -m smvl check`: the command line of the data doctor.

    python -m smvl check data/my.jsonl                                  # a file, a folder, or a data set's id on the hub
    python -m smvl check data/my.jsonl --model model/Qwen3-0.6B         # lengths in tokens
    python -m smvl check data/train.jsonl --against data/test.jsonl     # what of the one stands in the other
    python -m smvl check train.yaml --out output/check                  # every source of a recipe, and files to work with

Exit status: 0 when the data can be trained on; 1 when it has an error (with --strict, a warning too): a source that cannot be opened
or loses more than data.max_drop_share, evaluation data that is trained on; 2 for a wrong command or configuration; 130 after Ctrl-C.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smvl.config import Config, DataConfig, ImageConfig, SourceConfig, load_config
from smvl.data.quarantine import Failure
from smvl.doctor.examination import Examination, Options, examine
from smvl.doctor.findings import Finding, findings, of_drawn_scenes
from smvl.doctor.page import page_of
from smvl.doctor.picture import draw_histograms
from smvl.doctor.report import histograms_of, report_of, write_json, write_overlaps
from smvl.doctor.targets import Target, evaluation_targets, is_configuration, targets_of_config, targets_of_path
from smvl.layouts.settings import DEFAULT_LAYOUT, LAYOUT_KEYS, layout_with

logger = logging.getLogger(__name__)

REPORT, PICTURE, BROKEN, OVERLAPS = "report.json", "histograms.png", "quarantine.jsonl", "overlaps.jsonl"


def main(arguments: Sequence[str]) -> int:
    """Check what the command line names; returns the exit status."""
    options = parse(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        return check(options)
    except ValueError as error:
        sys.stderr.write(f"smvl check: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nsmvl check: stopped; nothing was concluded.\n")
        return 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="smvl check",
        description="Look at data as training will, and say what to mend.",
        epilog=__doc__.split("\n\n")[-1],
    )
    parser.add_argument("path", help="data (a file, a folder, a data set's id on the hub), or a YAML configuration")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="any key of the YAML, dotted: data.max_length=4096")
    parser.add_argument("--against", metavar="PATH", help="evaluation data: report what of it is trained on")
    parser.add_argument("--model", metavar="FOLDER", help="a checkpoint or text model whose tokenizer counts; else characters are counted")
    parser.add_argument("--max-length", type=int, metavar="N", help=f"tokens of the longest sample, {DataConfig.max_length} if not given")
    parser.add_argument("--format", default="auto", help="format of the data, where it shall not be found by looking")
    parser.add_argument("--subsets", nargs="+", default=[], help="folders below PATH, or configurations of a data set on the hub")
    parser.add_argument("--split", default="train", help="split of a data set that has several")
    parser.add_argument("--stream", type=int, metavar="N", help="take the first N rows from the hub as a stream, and download no more")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"write {REPORT}, {PICTURE}, {BROKEN} and {OVERLAPS}; without it, nothing")
    parser.add_argument("--limit", type=int, metavar="N", help="look at N rows of each source, drawn at random")
    parser.add_argument("--seed", type=int, default=42, help="of the drawing")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="the results do not depend on it")
    parser.add_argument("--no-pixels", action="store_true", help="open image headers only: faster, but damage and likeness are not seen")
    parser.add_argument("--strict", action="store_true", help="warnings fail the check too")
    options = parser.parse_intermixed_args(arguments)
    _check_options(parser, options)
    return options


def _check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name in ("limit", "processes", "max_length", "stream"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: found {getattr(options, name)}, expected at least 1")
    if not is_configuration(options.path):
        if options.overrides:
            parser.error(f"{options.overrides[0]}: keys can be overridden of a YAML configuration only; {options.path} is data")
        if options.out and Path(options.path).resolve() in options.out.resolve().parents:
            parser.error(f"--out {options.out} lies in the data, and what is written there would be read as data; give a folder outside")
    elif options.max_length or options.subsets or options.stream or options.format != "auto":
        names = "--max-length, --subsets, --stream and --format"
        parser.error(f"{names} go with data; {options.path} says them itself (or give data.max_length=N)")


def check(options: argparse.Namespace) -> int:
    """Look, print, write.

    Raises:
        ValueError: the configuration or the tokenizer cannot be read.
    """
    config = load_config(options.path, options.overrides) if is_configuration(options.path) else None
    data = config.data if config else DataConfig(max_length=options.max_length or DataConfig.max_length)
    targets = _targets(options, config)
    processor = _processor(options, config, data)
    settings = _settings(options, data, processor)
    examination = _examine(options, targets, processor, data)
    keys = LAYOUT_KEYS[layout_with(settings["image"])]
    found = findings(examination, data, keys, has_tokens=processor is not None)
    found += dict.fromkeys(of_drawn_scenes(config)) if config else ()
    report = report_of(examination, found, settings)
    sys.stdout.write(page_of(examination, report, found).encode("utf-8", errors="backslashreplace").decode("utf-8"))
    if options.out:
        _write(options.out, examination, report, has_tokens=processor is not None)
    return _status(found, strict=options.strict)


def _status(found: Sequence[Finding], *, strict: bool) -> int:
    failing = ("error", "warning") if strict else ("error",)
    return int(any(finding.level in failing for finding in found))


def _targets(options: argparse.Namespace, config: Config | None) -> list[Target]:
    against = [SourceConfig(path=options.against)] if options.against else []
    if config is not None:
        return targets_of_config(config) + evaluation_targets(against)
    choices = {"subsets": options.subsets, "split": options.split, "stream": options.stream}
    source = SourceConfig(source=options.format, path=options.path, **choices)
    return targets_of_path(source) + evaluation_targets(against)


def _processor(options: argparse.Namespace, config: Config | None, data: DataConfig) -> Any:
    """What counts tokens, or None."""
    if options.model is None and config is None:
        return None
    if options.model is None:
        key, folder = next((key, folder) for key in ("checkpoint", "text") if (folder := getattr(config.model, key)) is not None)
        if not Path(folder).is_dir():
            logger.warning("There is no tokenizer in %s (model.%s): lengths are in characters.", folder, key)
            return None
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the processes are the parallelism
    from smvl.doctor.token_count import processor_of_config, processor_of_folder

    return processor_of_folder(options.model, data) if options.model else processor_of_config(config.model, data)


def _settings(options: argparse.Namespace, data: DataConfig, processor: Any) -> dict[str, Any]:
    """What the results depend on."""
    # a checkpoint has its own
    image = _image_settings(data) if processor is None else processor.pictures.settings
    return {
        "path": options.path,
        "overrides": options.overrides,
        "against": options.against,
        "lengths": "characters" if processor is None else "tokens",
        "max_length": data.max_length,
        "max_tiles": data.max_units,
        "image": image,
        "max_drop_share": data.max_drop_share,
        "pixels": not options.no_pixels,
        "limit": options.limit,
        "seed": options.seed,
    }


def _image_settings(data: DataConfig) -> dict[str, int]:
    image = asdict(data.image or ImageConfig().of_layout(DEFAULT_LAYOUT))
    return {name: value for name, value in image.items() if value is not None}


def _examine(options: argparse.Namespace, targets: Sequence[Target], processor: Any, data: DataConfig) -> Examination:
    from tqdm import tqdm

    counter, pictures = None, _image_settings(data)
    if processor is not None:
        from smvl.doctor.token_count import TokenCounter

        counter, pictures = TokenCounter(processor, max_length=data.max_length, max_units=data.max_units), processor.pictures
    how = Options(num_processes=options.processes, pixels=not options.no_pixels, limit=options.limit, seed=options.seed)
    with ExitStack() as stack:
        every = 0.5 if sys.stderr.isatty() else 10.0
        bar = stack.enter_context(tqdm(unit=" rows", unit_scale=True, mininterval=every, maxinterval=every, file=sys.stderr))
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
        broken = stack.enter_context(
            (options.out / BROKEN).open("w", encoding="utf-8", errors="backslashreplace") if options.out else nullcontext()
        )

        def on_group(failures: Sequence[Failure], num_rows: int) -> None:
            bar.update(num_rows)
            if broken is not None:
                broken.writelines(json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in failures)

        return examine(targets, counter, pictures, how, on_start=bar.reset, on_group=on_group)


def _write(folder: Path, examination: Examination, report: dict[str, Any], *, has_tokens: bool) -> None:
    write_json(report, folder / REPORT)
    write_overlaps(examination, folder / OVERLAPS)
    panels = [(entry.target.name, list(histograms_of(entry, has_tokens=has_tokens).items())) for entry in examination.opened]
    drawn = [row for row in panels if row[1]]
    (folder / PICTURE).unlink(missing_ok=True)  # of an earlier check
    if drawn:
        draw_histograms(drawn, folder / PICTURE)
    names = [REPORT, OVERLAPS, BROKEN, *([PICTURE] if drawn else [])]
    sys.stdout.write(f"\nWritten to {folder}: {', '.join(names)}\n")
