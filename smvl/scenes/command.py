"""Draws Chinese documents and signs with exact questions and answers into a folder that a mixture can name as its source.

    python -m smvl scenes --out data/zh_scenes --n 20000 --seed 1 --processes 8
    python -m smvl scenes --contact-sheet sheet.jpg --kinds receipt,dial
"""

import argparse
import dataclasses
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from smvl.augment.distortions import PHONE
from smvl.config import DistortionConfig
from smvl.scenes.contact_sheet import make_contact_sheet
from smvl.scenes.fonts import machine_fonts, pip_fonts
from smvl.scenes.kinds import KINDS
from smvl.scenes.request import SceneRequest
from smvl.scenes.writing import write_scenes

logger = logging.getLogger(__name__)

_SHEET_PICTURES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what the command line asks for; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _make_parser().parse_args(arguments)
    try:
        request = _read_request(options)
        if options.contact_sheet is not None:
            sheet = make_contact_sheet(request, pip_fonts() if request.plain_fonts else machine_fonts())
            sheet.save(options.contact_sheet, quality=55, optimize=True)
        else:
            manifest = write_scenes(options.out, request, processes=options.processes)
            for split, counts in manifest["counts"].items():
                logger.info("%s: %d pictures in %d samples", split, counts["pictures"], counts["samples"])
    except ValueError as error:
        sys.stderr.write(f"smvl scenes: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nsmvl scenes: stopped; the same command goes on from here.\n")
        return 130
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smvl scenes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="folder to draw into; what an ended run left there is finished")
    target.add_argument(
        "--contact-sheet", type=Path, metavar="FILE", help="draw one picture to look at instead, --n scenes with their answers"
    )
    parser.add_argument("--n", type=int, help="pictures: 80%% train, 10%% validation, 10%% test (default 20000; 20 on a contact sheet)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of scenes, with commas between (default: all: %(default)s)")
    parser.add_argument("--longest-edge", type=int, default=512, help="longer side of a picture in pixels (default %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: one a core (%(default)s)")
    parser.add_argument("--plain-fonts", action="store_true", help="only the font that pip brings: the same pictures on every machine")
    parser.add_argument("--clean-share", type=float, default=0.15, help="share of pictures without any distortion (default %(default)s)")
    for field in dataclasses.fields(DistortionConfig):
        strength = getattr(PHONE, field.name)
        parser.add_argument(
            f"--{field.name}", type=float, default=strength, metavar="STRENGTH", help=f"up to this, 0 to 1 (default {strength})"
        )
    return parser


def _read_request(options: argparse.Namespace) -> SceneRequest:
    kinds = tuple(kind for kind in options.kinds.split(",") if kind)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"there is no kind {', '.join(unknown)}; expected some of {', '.join(KINDS)}.")
    if options.processes < 1:
        raise ValueError(f"processes: found {options.processes}; expected at least 1.")
    default = 20_000 if options.out is not None else max(_SHEET_PICTURES, 10 * len(kinds))
    return SceneRequest(
        num_pictures=default if options.n is None else options.n,
        seed=options.seed,
        kinds=kinds,
        longest_edge=options.longest_edge,
        distortions=DistortionConfig(**{field.name: getattr(options, field.name) for field in dataclasses.fields(DistortionConfig)}),
        clean_share=options.clean_share,
        plain_fonts=options.plain_fonts,
    )
