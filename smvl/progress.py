"""Bars on standard error, which no closed terminal can break."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


class Screen:
    """Standard error for as long as there is one. Where its terminal is closed or its reader is gone, the training is not."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)  # what a bar asks of its file besides: whether it is a terminal, how wide, in which encoding


SCREEN = Screen()


@contextlib.contextmanager
def counting(name: str, total: int) -> Iterator[Callable[[int], Any]]:
    """A bar with the time that is left; within, call what it gives with how many more are done."""
    from tqdm.auto import tqdm  # not before there is something to count

    with tqdm(desc=name, total=total, dynamic_ncols=True, file=SCREEN) as bar:
        yield bar.update
