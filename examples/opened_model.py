"""What the examples' programs have in common: a model by its folder, and pictures one by one."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from transformers.utils import logging as transformers_logging

import smvl
from smvl.infer.loaded_model import LoadedModel

Seen = TypeVar("Seen")


def open_model(parser: argparse.ArgumentParser, folder: str) -> LoadedModel:
    """The model, or the end of the program with one line that says why not."""
    transformers_logging.disable_progress_bar()
    try:
        return smvl.load(folder)
    except ValueError as error:
        parser.error(" ".join(str(error).split()))


def look_at(pictures: Iterable[Path], look: Callable[[Path], Seen], failed: list[Path]) -> Iterator[tuple[Path, Seen]]:
    """Each picture with what comes of it; one that cannot be read or answered is named on standard error, and added to `failed`."""
    for picture in pictures:
        try:
            seen = look(picture)
        except ValueError as error:
            print(f"{picture} is left out: {' '.join(str(error).split())}", file=sys.stderr)
            failed.append(picture)
        else:
            yield picture, seen
